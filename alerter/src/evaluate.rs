//! The life of alerts: a rule, its answer and the time enter, changes of state leave.
//!
//! Prometheus's semantics. A group that exceeds is pending until it has exceeded at every evaluation
//! for `for`, then firing (at once when `for` is 0), and resolved as soon as it no longer exceeds. A
//! group that is missing from the answer, or has fewer calls than `min_samples`, does not exceed. A
//! pending alert that ends is resolved too, so that nothing is left open in the history.
//!
//! While the pipeline is behind, calls that were made are not counted yet: a rule then only moves
//! alerts forward, and only when its metric is a sum that exceeds a lower bound already, which
//! further calls cannot undo. Nothing resolves, and time spent behind counts towards `for`.
//!
//! Promise: pure. It never looks at the clock; the same inputs give the same transitions.

use crate::{
    alert::{Alert, Observation, RuleKey, Standing, Subject, orphaned},
    measure::measure,
    query::{Answer, Group},
    rules::{Rule, RuleSet, Texts},
    transition::{State, Transition, fingerprint},
    vocabulary::Quantity,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most alerts of one rule that are open at a time; further groups start none and are counted.
pub const MAX_ALERTS_PER_RULE: usize = 10_000;

/// Whether everything that was sent has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// All but the last moments.
    Current,
    /// Calls are missing: absence means nothing.
    Behind,
}

/// What came of one rule's evaluation.
#[derive(Debug, Default, PartialEq)]
pub struct Evaluation {
    /// In the order in which they are to be stored.
    pub transitions: Vec<Transition>,
    /// Groups that exceed but found [`MAX_ALERTS_PER_RULE`] alerts open.
    pub over_limit: u64,
}

/// Every open alert.
#[derive(Debug, Default)]
pub struct Evaluator {
    open: BTreeMap<RuleKey, HashMap<String, Alert>>,
}

impl Evaluator {
    /// Takes up the last known state of every alert. Alerts of rules that are gone are resolved.
    pub fn restore(
        rules: &RuleSet,
        own: &[RuleKey],
        last: &[Transition],
        now: Timestamp,
    ) -> (Self, Vec<Transition>) {
        let known: Vec<RuleKey> = rules.iter().map(Rule::key).chain(own.iter().cloned()).collect();
        let (mut evaluator, mut orphans) = (Self::default(), Vec::new());
        for transition in last.iter().filter(|transition| transition.state != State::Resolved) {
            match owner(&known, transition) {
                Some(key) => {
                    let alerts = evaluator.open.entry(key.clone()).or_default();
                    alerts.insert(transition.fingerprint.clone(), Alert::from(transition));
                }
                None => orphans.push(orphaned(transition, now)),
            }
        }
        (evaluator, orphans)
    }

    /// Evaluates one rule over one answer.
    pub fn evaluate(
        &mut self,
        rule: &Rule,
        answer: &Answer,
        freshness: Freshness,
        now: Timestamp,
    ) -> Evaluation {
        let moves = freshness == Freshness::Current || rule.metric.is_growing_sum() && rule.op.grows();
        if !moves {
            return Evaluation::default();
        }
        let any_open = self.open.get(&rule.key()).is_some_and(|alerts| !alerts.is_empty());
        let observe = |group| observe(rule, answer, group, any_open);
        let observations = answer.groups.iter().filter_map(observe);
        self.step(rule.subject(), observations, freshness, now)
    }

    /// Moves the alerts of one subject; an alert without an observation is clear.
    pub fn step(
        &mut self,
        subject: Subject<'_>,
        observations: impl IntoIterator<Item = Observation>,
        freshness: Freshness,
        now: Timestamp,
    ) -> Evaluation {
        let alerts = self.open.entry(subject.key()).or_default();
        let (mut evaluation, mut kept) = (Evaluation::default(), HashSet::new());
        for observation in observations {
            let print = fingerprint(&observation.labels);
            if observation.standing == Standing::Exceeds && !alerts.contains_key(&print) {
                if alerts.len() >= MAX_ALERTS_PER_RULE {
                    evaluation.over_limit += 1;
                    continue;
                }
                evaluation.transitions.extend(begin(alerts, &print, &observation, subject, now));
            }
            let Some(alert) = alerts.get_mut(&print) else { continue };
            alert.value = observation.value;
            if observation.standing == Standing::Exceeds && alert.is_ripe(subject.pending_for, now) {
                alert.fire(now);
                evaluation.transitions.push(alert.transition(subject, &print, State::Firing, now));
            }
            if alert.goes_on(observation.standing) {
                kept.insert(print);
            }
        }
        if freshness == Freshness::Current {
            evaluation.transitions.extend(end(alerts, &kept, subject, now));
        }
        evaluation
    }

    /// How many alerts are firing.
    pub fn firing(&self) -> usize {
        self.open.values().flat_map(HashMap::values).filter(|alert| alert.firing).count()
    }
}

/// Opens an alert; it is pending unless it may fire at once.
fn begin(
    alerts: &mut HashMap<String, Alert>,
    print: &str,
    observation: &Observation,
    subject: Subject<'_>,
    now: Timestamp,
) -> Option<Transition> {
    let alert = Alert::starting(observation, now);
    let pending = alert.transition(subject, print, State::Pending, now);
    alerts.insert(print.to_owned(), alert);
    (!subject.pending_for.is_zero()).then_some(pending)
}

/// Ends every alert that is not kept, in the order of their fingerprints.
fn end(
    alerts: &mut HashMap<String, Alert>,
    kept: &HashSet<String>,
    subject: Subject<'_>,
    now: Timestamp,
) -> Vec<Transition> {
    let mut ended: Vec<(String, Alert)> = alerts.extract_if(|print, _| !kept.contains(print)).collect();
    ended.sort_by(|left, right| left.0.cmp(&right.0));
    ended.into_iter().map(|(print, alert)| alert.transition(subject, &print, State::Resolved, now)).collect()
}

/// How one group stands; `None` when that cannot matter.
fn observe(rule: &Rule, answer: &Answer, group: &Group, any_open: bool) -> Option<Observation> {
    if group.calls < rule.min_samples {
        return None;
    }
    let value = measure(rule, answer, group)?;
    let standing = rule.standing(value);
    (any_open || standing == Standing::Exceeds).then(|| Observation {
        labels: labels(rule, answer, group),
        value: value.as_f64(),
        standing,
    })
}

fn labels(rule: &Rule, answer: &Answer, group: &Group) -> Texts {
    let names = answer.dimensions.iter().map(|dimension| dimension.word().to_owned());
    let mut labels: Texts = rule.labels.clone();
    labels.extend(names.zip(group.values.iter().cloned()));
    labels.insert("alertname".to_owned(), rule.name.clone());
    labels
}

impl Rule {
    /// What tells it apart.
    pub fn key(&self) -> RuleKey {
        self.subject().key()
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            group: &self.group,
            rule: &self.name,
            labels: &self.labels,
            threshold: self.threshold.as_f64(),
            pending_for: self.pending_for,
            annotations: &self.annotations,
        }
    }

    fn standing(&self, value: Quantity) -> Standing {
        if self.op.holds(value, self.threshold) {
            return Standing::Exceeds;
        }
        let lingers = self.clear_threshold.is_some_and(|clear| self.op.holds(value, clear));
        if lingers { Standing::Lingers } else { Standing::Clear }
    }
}

/// The rule that an alert belongs to: of rules with the same name, the one with most labels in common.
fn owner<'k>(known: &'k [RuleKey], alert: &Transition) -> Option<&'k RuleKey> {
    let carries = |labels: &Texts| labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
    known
        .iter()
        .filter(|(group, rule, labels)| *group == alert.rule_group && *rule == alert.rule && carries(labels))
        .max_by_key(|(_, _, labels)| labels.len())
}
