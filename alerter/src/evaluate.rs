//! The life of alerts: a rule, its answer and the time enter, changes of state leave.
//!
//! Prometheus's semantics. A group that exceeds is pending until it has exceeded at every evaluation
//! for `for`, then firing (at once when `for` is 0), and resolved once it no longer exceeded for
//! `keep_firing_for` (at once when that is 0). A group that is missing from the answer, or has fewer calls than
//! `min_samples`, does not exceed; of one that is known and has nothing to measure `no_data` decides. A
//! pending alert that ends is resolved too, so that nothing is left open in the history.
//!
//! Between two evaluations time counts towards `for` only as far as they looked at it: at most the rule's window, or
//! two intervals if that is more. So an alerter that was down, or could not ask, for an hour does not fire because
//! of an hour that nobody looked at. After a restart what was counted before is not known and counts anew.
//!
//! While the pipeline is behind, calls that were made are not counted yet: a rule then only moves
//! alerts forward, and only when its metric is a sum that exceeds a lower bound already, which
//! further calls cannot undo. Nothing resolves. While all that is behind are partitions that wait for an operator, rules
//! whose groups lie in one partition each go on for the groups that have calls since: those are in a partition
//! that is counted. What is absent stays as it is.
//!
//! Promise: pure. It never looks at the clock; the same inputs give the same transitions.

mod observe;

pub use observe::{Freshness, Trust};

use crate::{
    alert::{Alert, Observation, RuleKey, Standing, Subject, orphaned},
    query::Answer,
    rules::{Rule, RuleSet, Texts},
    transition::{State, Transition},
    vocabulary::{Dimension, Metric},
};
use jiff::Timestamp;
use observe::{observe, trust};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Most alerts of one rule that are open at a time; further groups start none and are counted.
pub const MAX_ALERTS_PER_RULE: usize = 10_000;

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
    open: BTreeMap<RuleKey, Open>,
    /// How often rules without an interval of their own are evaluated.
    interval: Duration,
}

/// The open alerts of one rule, by their groups' values.
#[derive(Debug, Default)]
struct Open {
    alerts: HashMap<Vec<String>, Alert>,
    step: u64,
}

impl Evaluator {
    /// Says how often rules without an interval of their own are evaluated.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Takes up the last known state of every alert. Alerts of rules that are gone, or group by something else now, are
    /// resolved.
    pub fn restore(
        rules: &RuleSet,
        own: &[(RuleKey, &[Dimension])],
        last: &[Transition],
        now: Timestamp,
    ) -> (Self, Vec<Transition>) {
        let own = own.iter().cloned();
        let known: Vec<_> =
            rules.iter().map(|rule| (rule.key(), rule.group_by.as_slice())).chain(own).collect();
        let (mut evaluator, mut orphans) = (Self::default(), Vec::new());
        for transition in last.iter().filter(|transition| transition.state != State::Resolved) {
            match owner(&known, transition) {
                Some((key, values)) => {
                    let open = evaluator.open.entry(key.clone()).or_default();
                    open.alerts.insert(values, Alert::from(transition));
                }
                None => orphans.push(orphaned(transition, now)),
            }
        }
        (evaluator, orphans)
    }

    /// Goes over from one set of rules to another: alerts of rules that stay go on, and those of rules that are gone, or
    /// group by something else now, are resolved.
    pub fn adopt(&mut self, old: &RuleSet, new: &RuleSet, now: Timestamp) -> Vec<Transition> {
        let kept: HashMap<RuleKey, &[Dimension]> =
            new.iter().map(|rule| (rule.key(), rule.group_by.as_slice())).collect();
        let gone = old.iter().filter(|rule| kept.get(&rule.key()).is_none_or(|by| *by != rule.group_by));
        let mut ended = Vec::new();
        for rule in gone {
            let subject = rule.subject(self.interval);
            if let Some(mut open) = self.open.remove(&rule.key()) {
                ended.extend(end(open.alerts.drain().collect(), &subject, now));
            }
        }
        ended
    }

    /// Evaluates one rule over one answer.
    pub fn evaluate(
        &mut self,
        rule: &Rule,
        answer: &Answer,
        freshness: Freshness,
        now: Timestamp,
    ) -> Evaluation {
        let Some(trust) = trust(rule, answer, freshness, now) else { return Evaluation::default() };
        let any_open = self.open.get(&rule.key()).is_some_and(|open| !open.alerts.is_empty());
        let observations = answer
            .select(rule)
            .filter(|group| trust != Trust::Seen || group.calls > 0)
            .filter_map(|group| observe(rule, answer, group, trust, now))
            .filter(|observation| any_open || observation.standing == Standing::Exceeds);
        self.step(rule.subject(self.interval), observations, trust, now)
    }

    /// Moves the alerts of one subject; where everything is trusted, an alert without an observation is clear.
    pub fn step<'o>(
        &mut self,
        subject: Subject<'_>,
        observations: impl IntoIterator<Item = Observation<'o>>,
        trust: Trust,
        now: Timestamp,
    ) -> Evaluation {
        let open = self.open.entry(subject.key()).or_default();
        open.step += 1;
        let (mut evaluation, mut over) = (Evaluation::default(), Vec::new());
        for observation in observations {
            if trust == Trust::AtLeast && observation.standing != Standing::Exceeds {
                continue;
            }
            if !open.alerts.contains_key(&*observation.values) {
                if observation.standing != Standing::Exceeds || observation.is_new {
                    continue;
                }
                if open.alerts.len() >= MAX_ALERTS_PER_RULE {
                    evaluation.over_limit += 1;
                    continue;
                }
                evaluation.transitions.extend(begin(open, &observation, &subject, now));
            }
            let step = open.step;
            let Some(alert) = open.alerts.get_mut(&*observation.values) else { continue };
            alert.step = step;
            alert.note(observation.value);
            let terms = subject.terms_for(&observation.values);
            if observation.standing == Standing::Exceeds {
                alert.exceed(subject.covers, now);
                if alert.is_ripe(terms.pending_for) {
                    alert.fire(now);
                    evaluation.transitions.push(alert.transition(&subject, terms, State::Firing, now));
                }
            }
            if !alert.goes_on(observation.standing, terms.keep_firing_for, now) {
                over.extend(open.alerts.remove_entry(&*observation.values));
            }
        }
        if trust == Trust::All {
            let step = open.step;
            over.extend(open.alerts.extract_if(|values, alert| {
                let keep = subject.terms_for(values).keep_firing_for;
                alert.step != step && !alert.goes_on(Standing::Clear, keep, now)
            }));
        }
        evaluation.transitions.extend(end(over, &subject, now));
        evaluation
    }

    /// How many alerts are firing.
    pub fn firing(&self) -> usize {
        self.open.values().flat_map(|open| open.alerts.values()).filter(|alert| alert.firing).count()
    }

    /// How many alerts are pending.
    pub fn pending(&self) -> usize {
        self.open.values().flat_map(|open| open.alerts.values()).filter(|alert| !alert.firing).count()
    }
}

/// Opens an alert; it is pending unless it may fire at once.
fn begin(
    open: &mut Open,
    observation: &Observation<'_>,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Option<Transition> {
    let alert = Alert::starting(subject, observation, now);
    let terms = subject.terms_for(&observation.values);
    let pending = alert.transition(subject, terms, State::Pending, now);
    open.alerts.insert(observation.values.to_vec(), alert);
    (!terms.pending_for.is_zero()).then_some(pending)
}

/// Ends alerts, in the order of their fingerprints.
fn end(mut ended: Vec<(Vec<String>, Alert)>, subject: &Subject<'_>, now: Timestamp) -> Vec<Transition> {
    ended.sort_by(|left, right| left.1.print.cmp(&right.1.print));
    let resolved = |(values, alert): (Vec<String>, Alert)| {
        alert.transition(subject, subject.terms_for(&values), State::Resolved, now)
    };
    ended.into_iter().map(resolved).collect()
}

impl Rule {
    /// What tells it apart.
    pub fn key(&self) -> RuleKey {
        (self.group.clone(), self.name.clone(), self.labels.clone())
    }

    fn subject(&self, interval: Duration) -> Subject<'_> {
        let twice = self.interval.unwrap_or(interval).saturating_mul(2);
        let looks_back = self.metric == Metric::NoTrafficFor || !self.source().slides();
        let window = if looks_back { Duration::ZERO } else { self.window };
        Subject {
            group: &self.group,
            rule: &self.name,
            labels: &self.labels,
            dimensions: &self.group_by,
            terms: &self.terms,
            overrides: &self.overrides,
            covers: window.max(twice),
            annotations: &self.annotations,
        }
    }
}

/// The rule that an alert belongs to, and its group's values: of rules with the same name, the one with most labels in
/// common.
fn owner<'k>(known: &'k [(RuleKey, &[Dimension])], alert: &Transition) -> Option<(&'k RuleKey, Vec<String>)> {
    let carries = |labels: &Texts| labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
    let values = |dimensions: &[Dimension]| -> Option<Vec<String>> {
        dimensions.iter().map(|dimension| alert.labels.get(dimension.word()).cloned()).collect()
    };
    // Whatever else the alert has is a dimension that the rule does not group by any more.
    let whole =
        |labels: &Texts, dimensions: &[Dimension]| labels.len() + dimensions.len() + 1 == alert.labels.len();
    known
        .iter()
        .filter(|((group, rule, labels), by)| {
            *group == alert.rule_group && *rule == alert.rule && carries(labels) && whole(labels, by)
        })
        .filter_map(|(key, by)| Some((key, values(by)?)))
        .max_by_key(|((_, _, labels), _)| labels.len())
}
