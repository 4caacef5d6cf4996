//! The live loop without its world: rows and the schedule's times enter, changes of state leave.
//!
//! Promise: pure. Groups are due when the live schedule says so, queries are those that the live loop
//! would ask, and the evaluator is the live one; counting is taken to keep up. Rules on how far it is
//! behind are not evaluated.

use crate::{
    evaluate::{Evaluator, Freshness},
    query,
    replay::{
        history::{History, HistoryError},
        limits::Limit,
        row::Row,
    },
    rules::RuleSet,
    schedule::Schedule,
    transition::Transition,
    vocabulary::Source,
};
use jiff::Timestamp;
use std::time::Duration;

/// How a player keeps time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often groups without an interval of their own are evaluated.
    pub interval: Duration,
    /// Intervals of groups are rounded up to multiples of this, if it is not zero.
    pub step: Duration,
    /// How long before it is due a round takes place: the last second of a stored window is one before the next.
    pub ahead: Duration,
    /// Length of the stored windows.
    pub stored: Duration,
    /// The first evaluation.
    pub start: Timestamp,
}

/// Rules, their history and their alerts.
#[derive(Debug)]
pub struct Player {
    rules: RuleSet,
    /// Group of every rule, by the rule's place.
    group_of_rule: Vec<usize>,
    /// Places of the rules that each query serves.
    served: Vec<Vec<usize>>,
    history: History,
    evaluator: Evaluator,
    schedule: Schedule,
    ahead: Duration,
}

/// What came of one round.
#[derive(Debug, Default)]
pub struct Round {
    /// In the order in which they would be stored.
    pub transitions: Vec<Transition>,
    /// Groups that exceeded but found too many alerts of their rule open.
    pub over_limit: u64,
}

impl Pace {
    fn rounded(&self, interval: Duration) -> Duration {
        match self.step.as_millis() {
            0 => interval,
            step => {
                let steps = interval.as_millis().div_ceil(step).max(1);
                Duration::from_millis(u64::try_from(steps * step).unwrap_or(u64::MAX))
            }
        }
    }
}

impl Player {
    /// Rules before any call.
    pub fn new(rules: RuleSet, pace: Pace) -> Self {
        let all: Vec<_> = rules.iter().collect();
        let mut queries = query::plan(&all, pace.stored);
        queries.retain(|query| query.source() != Source::Pipeline);
        let served = queries.iter().map(|query| query.rules.clone()).collect();
        let places = rules.groups.iter().enumerate();
        let group_of_rule =
            places.flat_map(|(place, group)| group.rules.iter().map(move |_| place)).collect();
        let intervals =
            rules.groups.iter().map(|group| pace.rounded(group.interval.unwrap_or(pace.interval)));
        let schedule = Schedule::new(intervals.collect(), pace.rounded(pace.interval), pace.start);
        let evaluator = Evaluator::default().with_interval(pace.rounded(pace.interval));
        let history = History::new(queries);
        Self { group_of_rule, served, history, evaluator, schedule, rules, ahead: pace.ahead }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) -> Result<(), HistoryError> {
        self.history.add(row)
    }

    /// Adds what was told of a limit.
    pub fn add_limit(&mut self, limit: &Limit) -> Result<(), HistoryError> {
        self.history.add_limit(limit)
    }

    /// When the next round is due.
    pub fn next(&self) -> Timestamp {
        self.schedule.next().unwrap_or(Timestamp::MAX)
    }

    /// Evaluates the groups that are due at a time, as of shortly before if the pace says so.
    pub fn round(&mut self, at: Timestamp) -> Round {
        let now = at.saturating_sub(self.ahead).unwrap_or(Timestamp::MIN);
        let due: Vec<usize> = self.schedule.due(at).collect();
        let rules: Vec<_> = self.rules.iter().collect();
        let mut round = Round::default();
        let is_due = |rule: &&usize| self.group_of_rule.get(**rule).is_some_and(|group| due.contains(group));
        for (place, served) in self.served.iter().enumerate() {
            let mut served = served.iter().filter(is_due).peekable();
            if served.peek().is_none() {
                continue;
            }
            let Some(answer) = self.history.answer(place, now) else { continue };
            for rule in served.filter_map(|rule| rules.get(*rule)) {
                let evaluation = self.evaluator.evaluate(rule, answer, Freshness::Current, now);
                round.transitions.extend(evaluation.transitions);
                round.over_limit += evaluation.over_limit;
            }
        }
        self.schedule.done(at, Duration::ZERO);
        round
    }
}
