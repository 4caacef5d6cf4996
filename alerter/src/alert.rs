//! One alert's life: what was observed and the time enter, its next state leaves.
//!
//! Promise: pure. A rule brings a [`Subject`], a group an [`Observation`]; what becomes of an alert
//! follows from both and from how long it has been open.

use crate::{
    rules::Texts,
    template,
    transition::{State, Transition, transition_id},
};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What tells rules apart: group, name and the rule's own labels.
pub type RuleKey = (String, String, Texts);

/// What a rule, or a condition of Callmeter's own, brings to each of its alerts.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the rule group.
    pub group: &'a str,
    /// Name of the rule.
    pub rule: &'a str,
    /// The rule's own labels.
    pub labels: &'a Texts,
    /// What values are compared with.
    pub threshold: f64,
    /// How long a value must exceed.
    pub pending_for: Duration,
    /// Templates.
    pub annotations: &'a Texts,
}

/// How one group stands towards a rule now.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Labels of its alert.
    pub labels: Texts,
    /// What was measured.
    pub value: f64,
    /// How that compares.
    pub standing: Standing,
}

/// How a value compares with a rule's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Beyond the threshold.
    Exceeds,
    /// Not beyond it, but not yet beyond `clear_threshold` either: a firing alert goes on.
    Lingers,
    /// On the clear side.
    Clear,
}

/// An open alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) labels: Texts,
    pub(crate) firing: bool,
    /// Pending since, then firing since.
    since: Timestamp,
    pub(crate) value: f64,
}

impl Subject<'_> {
    /// What tells it apart.
    pub fn key(&self) -> RuleKey {
        (self.group.to_owned(), self.rule.to_owned(), self.labels.clone())
    }
}

impl Alert {
    pub(crate) fn starting(observation: &Observation, now: Timestamp) -> Self {
        Self { labels: observation.labels.clone(), firing: false, since: now, value: observation.value }
    }

    pub(crate) fn is_ripe(&self, pending_for: Duration, now: Timestamp) -> bool {
        let waited = now.duration_since(self.since).max(SignedDuration::ZERO);
        !self.firing && waited.unsigned_abs() >= pending_for
    }

    pub(crate) fn fire(&mut self, now: Timestamp) {
        (self.firing, self.since) = (true, now);
    }

    pub(crate) fn goes_on(&self, standing: Standing) -> bool {
        standing == Standing::Exceeds || self.firing && standing == Standing::Lingers
    }

    pub(crate) fn transition(
        &self,
        subject: Subject<'_>,
        print: &str,
        state: State,
        now: Timestamp,
    ) -> Transition {
        Transition {
            id: transition_id(print, self.since, state),
            workspace: self.labels.get("workspace").cloned().unwrap_or_default(),
            rule_group: subject.group.to_owned(),
            rule: subject.rule.to_owned(),
            fingerprint: print.to_owned(),
            annotations: template::render_all(subject.annotations, &self.labels, self.value),
            labels: self.labels.clone(),
            state,
            value: self.value,
            threshold: subject.threshold,
            at: now,
            starts_at: self.since,
            ends_at: (state == State::Resolved).then_some(now),
        }
    }
}

impl From<&Transition> for Alert {
    fn from(transition: &Transition) -> Self {
        Self {
            labels: transition.labels.clone(),
            firing: transition.state == State::Firing,
            since: transition.starts_at,
            value: transition.value,
        }
    }
}

/// The end of an alert whose rule is gone.
pub(crate) fn orphaned(last: &Transition, now: Timestamp) -> Transition {
    Transition {
        id: transition_id(&last.fingerprint, last.starts_at, State::Resolved),
        state: State::Resolved,
        at: now,
        ends_at: Some(now),
        ..last.clone()
    }
}
