//! One alert's life: what was observed and the time enter, its next state leaves.
//!
//! Promise: pure. A rule brings a [`Subject`], a group an [`Observation`]; what becomes of an alert
//! follows from both and from how long it has been open.

use crate::{
    rules::{Override, Terms, Texts, terms_for},
    template,
    transition::{State, Transition, fingerprint, transition_id},
    vocabulary::Dimension,
};
use jiff::{SignedDuration, Timestamp};
use std::{borrow::Cow, time::Duration};

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
    /// What the values of its groups stand for.
    pub dimensions: &'a [Dimension],
    /// Thresholds and times.
    pub terms: &'a Terms,
    /// Other terms for some groups.
    pub overrides: &'a [Override],
    /// Longest time between two evaluations that counts towards `for` in full: what they looked at reaches so far.
    pub covers: Duration,
    /// Templates.
    pub annotations: &'a Texts,
}

/// How one group stands towards a rule now.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Its values of the subject's dimensions.
    pub values: Cow<'a, [String]>,
    /// What was measured; NaN when nothing was.
    pub value: f64,
    /// How that compares.
    pub standing: Standing,
    /// Whether the group is too new to start an alert.
    pub is_new: bool,
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
    /// Nothing is known: an alert stays as it is.
    Unknown,
}

/// An open alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) print: String,
    pub(crate) labels: Texts,
    pub(crate) firing: bool,
    /// Pending since, then firing since.
    since: Timestamp,
    /// While pending: how long the value is known to have exceeded.
    exceeded: Duration,
    /// When it was last seen to exceed.
    evaluated: Timestamp,
    /// While firing: since when the value has been clear.
    clear_since: Option<Timestamp>,
    value: f64,
    /// The step that observed it last.
    pub(crate) step: u64,
}

impl Subject<'_> {
    /// What tells it apart.
    pub fn key(&self) -> RuleKey {
        (self.group.to_owned(), self.rule.to_owned(), self.labels.clone())
    }

    /// The terms of one of its groups.
    pub fn terms_for(&self, values: &[String]) -> &Terms {
        terms_for(self.terms, self.overrides, self.dimensions, values)
    }

    fn labels_of(&self, values: &[String]) -> Texts {
        let names = self.dimensions.iter().map(|dimension| dimension.word().to_owned());
        let mut labels = self.labels.clone();
        labels.extend(names.zip(values.iter().cloned()));
        labels.insert("alertname".to_owned(), self.rule.to_owned());
        labels
    }
}

impl Alert {
    pub(crate) fn starting(subject: &Subject<'_>, observation: &Observation<'_>, now: Timestamp) -> Self {
        let labels = subject.labels_of(&observation.values);
        Self {
            print: fingerprint(&labels),
            labels,
            firing: false,
            since: now,
            exceeded: Duration::ZERO,
            evaluated: now,
            clear_since: None,
            value: observation.value,
            step: 0,
        }
    }

    /// Takes note of a value; an infinite one tells people nothing.
    pub(crate) fn note(&mut self, value: f64) {
        if value.is_finite() {
            self.value = value;
        }
    }

    /// Takes note that the value exceeds. Of the time since it was last seen to, only what the two
    /// evaluations looked at counts.
    pub(crate) fn exceed(&mut self, covers: Duration, now: Timestamp) {
        self.exceeded = self.exceeded.saturating_add(between(self.evaluated, now).min(covers));
        self.evaluated = now;
    }

    pub(crate) fn is_ripe(&self, pending_for: Duration) -> bool {
        !self.firing && self.exceeded >= pending_for
    }

    pub(crate) fn fire(&mut self, now: Timestamp) {
        (self.firing, self.since) = (true, now);
    }

    /// Whether it goes on after an observation.
    pub(crate) fn goes_on(&mut self, standing: Standing, keep_firing_for: Duration, now: Timestamp) -> bool {
        match standing {
            Standing::Exceeds => self.clear_since = None,
            Standing::Lingers if self.firing => self.clear_since = None,
            Standing::Unknown => {}
            Standing::Lingers | Standing::Clear => {
                let since = *self.clear_since.get_or_insert(now);
                return self.firing && between(since, now) < keep_firing_for;
            }
        }
        true
    }

    pub(crate) fn transition(
        &self,
        subject: &Subject<'_>,
        terms: &Terms,
        state: State,
        now: Timestamp,
    ) -> Transition {
        Transition {
            id: transition_id(&self.print, self.since, state),
            workspace: self.labels.get("workspace").cloned().unwrap_or_default(),
            rule_group: subject.group.to_owned(),
            rule: subject.rule.to_owned(),
            fingerprint: self.print.clone(),
            annotations: template::render_all(subject.annotations, &self.labels, self.value),
            labels: self.labels.clone(),
            state,
            value: self.value,
            threshold: terms.threshold.as_f64(),
            at: now,
            starts_at: self.since,
            ends_at: (state == State::Resolved).then_some(now),
        }
    }
}

impl From<&Transition> for Alert {
    /// Takes an alert up after a restart. How long it exceeded before is not known, so that what counts towards `for`
    /// begins anew with what the next evaluation looks at; so does `keep_firing_for`.
    fn from(transition: &Transition) -> Self {
        Self {
            print: transition.fingerprint.clone(),
            labels: transition.labels.clone(),
            firing: transition.state == State::Firing,
            since: transition.starts_at,
            exceeded: Duration::ZERO,
            evaluated: transition.starts_at,
            clear_since: None,
            value: transition.value,
            step: 0,
        }
    }
}

/// Time from one moment to a later one; nothing when a clock was set back.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).max(SignedDuration::ZERO).unsigned_abs()
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
