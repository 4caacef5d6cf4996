//! Stretches of firing: changes of state enter in the order of time, episodes leave.
//!
//! Promise: pure and bounded; what is beyond the bound is counted.

use crate::{
    rules::Texts,
    transition::{State, Transition},
};
use jiff::Timestamp;
use std::collections::HashMap;

/// Most episodes that are kept.
pub const MAX_EPISODES: usize = 100_000;

/// One alert from when it fired until it resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Name of the rule group.
    pub rule_group: String,
    /// Name of the rule.
    pub rule: String,
    /// Labels of the alert.
    pub labels: Texts,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it resolved; `None` while it fires.
    pub resolved_at: Option<Timestamp>,
    /// The value with which it fired.
    pub value: f64,
}

/// Episodes that are being put together.
#[derive(Debug, Default)]
pub struct Episodes {
    /// Those that fire, by rule group, rule and fingerprint.
    open: HashMap<(String, String, String), Episode>,
    ended: Vec<Episode>,
    dropped: u64,
}

impl Episode {
    /// When it ended, if it ended before a time; else that time.
    pub fn end(&self, until: Timestamp) -> Timestamp {
        self.resolved_at.unwrap_or(until).min(until)
    }
}

impl Episodes {
    /// Takes the next change of state; what is pending, or never fired, is no episode.
    pub fn take(&mut self, transition: &Transition) {
        let key = (transition.rule_group.clone(), transition.rule.clone(), transition.fingerprint.clone());
        match transition.state {
            State::Pending => {}
            State::Firing if self.open.len() + self.ended.len() >= MAX_EPISODES => self.dropped += 1,
            State::Firing => {
                self.open.entry(key).or_insert_with(|| Episode {
                    rule_group: transition.rule_group.clone(),
                    rule: transition.rule.clone(),
                    labels: transition.labels.clone(),
                    fired_at: transition.at,
                    resolved_at: None,
                    value: transition.value,
                });
            }
            State::Resolved => {
                let ended = self.open.remove(&key);
                self.ended.extend(ended.map(|open| Episode { resolved_at: Some(transition.at), ..open }));
            }
        }
    }

    /// All of them in the order of time, and how many more there were.
    pub fn finish(self) -> (Vec<Episode>, u64) {
        let mut all: Vec<Episode> = self.ended.into_iter().chain(self.open.into_values()).collect();
        all.sort_by(|one, other| {
            (one.fired_at, &one.rule, &one.labels).cmp(&(other.fired_at, &other.rule, &other.labels))
        });
        (all, self.dropped)
    }
}
