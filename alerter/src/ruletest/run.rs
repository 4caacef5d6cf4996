//! A run of tests: a document and its rules enter, a verdict on each expectation leaves.
//!
//! Promise: pure. The rules are played by the live schedule and evaluator. What counts at a time is what fires after the
//! last evaluation at or before it, with the annotations that people were sent.

use crate::{
    replay::{
        history::HistoryError,
        player::{Pace, Player},
    },
    rules::{RuleSet, Texts},
    ruletest::{
        difference::{Difference, differences},
        document::{Document, Expectation, Expected, START, Test},
        rows::Fact,
    },
    transition::{State, Transition},
};
use callmeter_documents::duration;
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What became of one test.
#[derive(Debug, Serialize)]
pub struct Played {
    /// Its name.
    pub name: String,
    /// Line where it begins.
    pub line: u64,
    /// One per expectation, in the order of the file.
    pub verdicts: Vec<Verdict>,
}

/// What became of one expectation.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Line where it begins.
    pub line: u64,
    /// Name of the rule.
    pub alertname: String,
    /// As written in the file, such as `5m`.
    pub eval_time: String,
    /// Where alerts differ from those expected; none when it holds.
    pub differences: Vec<Difference>,
}

/// Plays every test of a document.
pub fn run(document: &Document, rules: &RuleSet) -> Result<Vec<Played>, HistoryError> {
    document.tests.iter().map(|test| play(test, document, rules)).collect()
}

fn play(test: &Test, document: &Document, rules: &RuleSet) -> Result<Played, HistoryError> {
    let mut stage = Stage::new(document, rules);
    let mut rows = test.rows.iter().peekable();
    let mut in_time: Vec<(usize, &Expectation)> = test.expectations.iter().enumerate().collect();
    in_time.sort_by_key(|(_, expectation)| expectation.eval_time);
    let mut verdicts = Vec::new();
    for (place, expectation) in in_time {
        let until = start_and(expectation.eval_time);
        while stage.player.next() <= until {
            let now = stage.player.next();
            while let Some(timed) = rows.next_if(|timed| start_and(timed.after) <= now) {
                match &timed.fact {
                    Fact::Calls(row) => stage.player.add(row)?,
                    Fact::Limit(limit) => stage.player.add_limit(limit)?,
                }
            }
            stage.round(now);
        }
        verdicts.push((place, stage.verdict(expectation)));
    }
    verdicts.sort_by_key(|(place, _)| *place);
    let verdicts = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    Ok(Played { name: test.name.clone(), line: test.line, verdicts })
}

/// Rules at work, and their open alerts.
struct Stage {
    player: Player,
    open: BTreeMap<String, Transition>,
}

impl Stage {
    fn new(document: &Document, rules: &RuleSet) -> Self {
        let pace = Pace {
            interval: document.evaluation_interval,
            step: Duration::ZERO,
            ahead: Duration::ZERO,
            stored: document.stored,
            start: start_and(Duration::ZERO),
        };
        Self { player: Player::new(rules.clone(), pace), open: BTreeMap::new() }
    }

    fn round(&mut self, now: Timestamp) {
        for transition in self.player.round(now).transitions {
            match transition.state {
                State::Resolved => self.open.remove(&transition.fingerprint),
                State::Pending | State::Firing => {
                    self.open.insert(transition.fingerprint.clone(), transition)
                }
            };
        }
    }

    fn verdict(&self, expectation: &Expectation) -> Verdict {
        let (firing, pending): (Vec<_>, Vec<_>) = self
            .open
            .values()
            .filter(|alert| alert.rule == expectation.alertname)
            .partition(|alert| alert.state == State::Firing);
        let shown = |alerts: Vec<&Transition>| alerts.into_iter().map(shown).collect::<Vec<_>>();
        Verdict {
            line: expectation.line,
            alertname: expectation.alertname.clone(),
            eval_time: duration::print(expectation.eval_time),
            differences: differences(expectation, shown(firing), &shown(pending)),
        }
    }
}

/// An alert in the form of an expectation: without its name and without empty labels.
fn shown(alert: &Transition) -> Expected {
    let named = |(name, value): (&String, &String)| name != "alertname" && !value.is_empty();
    let labels: Texts = alert
        .labels
        .iter()
        .filter(|label| named(*label))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Expected { line: 0, labels, annotations: alert.annotations.clone() }
}

/// A time of the test.
fn start_and(after: Duration) -> Timestamp {
    let start = Timestamp::from_second(i64::from(START)).unwrap_or(Timestamp::UNIX_EPOCH);
    start.saturating_add(after).unwrap_or(Timestamp::MAX)
}
