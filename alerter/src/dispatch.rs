//! When to notify whom of what: changes of alerts and the time enter, notifications leave, each with
//! the reason why, or the reason why not.
//!
//! Alertmanager's rules for groups. An alert is in one group of every route that it takes. The first flush of a
//! group comes `group_wait` after its first alert began, further ones every `group_interval`. A flush notifies a
//! target when it was never told of the group, when an alert fires that it was not told of, when an alert it
//! was told of has resolved, or when it was last told `repeat_interval` ago; and otherwise says nothing. Of an
//! alert that is silenced or inhibited nothing is said; what is owed by then is said when that is over.
//!
//! Promise: pure. The id of a notification follows from the target, the group, what it says and what
//! was said before, so that a repetition after a crash or a failed delivery carries the same id. Targets are
//! known by the name of their receiver and their place among its integrations of one kind, so that what they
//! were told outlives other changes of the file.

mod facts;
mod group;

pub use facts::{
    Decision, Integration, Notification, NotifyReason, Planned, QuietReason, Settled, Target, Told, Withheld,
};

use crate::{
    fault::Inhibition,
    knowledge::after,
    routing::Routing,
    rules::Texts,
    silence::Silence,
    suppression::{Muteness, Suppression, Suppressor, muteness},
    transition::{State, Transition},
};
use group::{Group, Quiet, Voice};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a resolved alert waits for a target that cannot be reached, before it is forgotten.
const RESOLVED_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Every group with an alert in it.
#[derive(Debug)]
pub struct Dispatcher {
    routing: Routing,
    targets: Vec<Target>,
    silences: Vec<Silence>,
    needless: Inhibition,
    /// Whether verdicts are old, so that they make nothing needless.
    stale: bool,
    groups: BTreeMap<String, Group>,
    disabled: BTreeSet<usize>,
}

/// Where an alert belongs: a route by its place, the key of the group, and the labels that make it.
type Place = (usize, String, Texts);

impl Dispatcher {
    /// Starts without any alert.
    pub fn new(routing: Routing) -> Self {
        let targets = routing.targets();
        let (silences, needless) = (Vec::new(), Inhibition::default());
        Self {
            routing,
            targets,
            silences,
            needless,
            stale: false,
            groups: BTreeMap::new(),
            disabled: BTreeSet::new(),
        }
    }

    /// Takes up what targets were told, and the open alerts, after a restart. What was planned and is not
    /// finished is on the way again: it is returned, to be sent as it was.
    ///
    /// Resolved alerts matter only to those who were told that they fired. Groups and targets that the file
    /// no longer has are left out.
    pub fn restore(
        &mut self,
        alerts: &[Transition],
        told: Vec<Told>,
        planned: Vec<Planned>,
    ) -> Vec<Notification> {
        for alert in alerts.iter().filter(|alert| alert.state != State::Pending) {
            self.insert(alert);
        }
        for told in told {
            let Some(target) = self.target(&told.receiver, &told.integration) else { continue };
            let group = self.groups.get_mut(&told.group_key);
            if let Some(log) = group.and_then(|group| group.logs.get_mut(&target)) {
                log.learn(told.at, &told.alerts, &facts::withheld(&told.withheld));
            }
        }
        planned.into_iter().filter_map(|planned| self.reopen(planned)).collect()
    }

    fn reopen(&mut self, planned: Planned) -> Option<Notification> {
        let target = self.target(&planned.receiver, &planned.integration)?;
        let group = self.groups.get_mut(&planned.group_key)?;
        let log = group.logs.get_mut(&target)?;
        let notification = Notification {
            id: planned.id,
            group_key: planned.group_key,
            group_labels: group.labels.clone(),
            receiver: planned.receiver,
            integration: planned.integration,
            target,
            reason: planned.reason,
            alerts: planned.alerts,
            withheld: facts::withheld(&planned.withheld),
        };
        log.in_flight = Some(notification.clone());
        Some(notification)
    }

    /// Takes note of changes; pending ones concern nobody.
    pub fn observe(&mut self, changes: &[Transition]) {
        for change in changes {
            match change.state {
                State::Pending => {}
                State::Firing => self.insert(change),
                State::Resolved => {
                    for (_, key, _) in self.places(&change.labels) {
                        let group = self.groups.get_mut(&key);
                        let alert = group.and_then(|group| group.alerts.get_mut(&change.fingerprint));
                        if let Some(alert) = alert {
                            *alert = change.clone();
                        }
                    }
                }
            }
        }
    }

    /// Takes note of the silences that there are; the ones before are forgotten.
    pub fn hush(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// Takes note of which alerts verdicts make needless.
    pub fn heed(&mut self, needless: Inhibition) {
        self.needless = needless;
    }

    /// Takes note of whether verdicts are too old to make anything needless.
    pub fn doubt(&mut self, stale: bool) {
        self.stale = stale;
    }

    fn insert(&mut self, alert: &Transition) {
        for (place, key, labels) in self.places(&alert.labels) {
            let Some(route) = self.routing.routes.get(place) else { continue };
            let targets =
                self.targets.iter().zip(0..).filter(|(target, _)| target.receiver == route.receiver);
            let group = self.groups.entry(key).or_insert_with(|| Group {
                route: place,
                labels,
                alerts: BTreeMap::new(),
                next_flush: after(alert.starts_at, route.group_wait),
                logs: targets.map(|(_, place)| (place, Default::default())).collect(),
            });
            group.alerts.insert(alert.fingerprint.clone(), alert.clone());
        }
    }

    /// The groups of an alert, one per route that it takes; keys are in Alertmanager's form.
    fn places(&self, labels: &Texts) -> Vec<Place> {
        let place = |place| {
            let route = self.routing.routes.get(place)?;
            let chosen = route.group_by.labels_of(labels);
            let pairs: Vec<String> = chosen.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            Some((place, format!("{}:{{{}}}", route.key, pairs.join(", ")), chosen))
        };
        self.routing.routes.taken(labels).into_iter().filter_map(place).collect()
    }

    fn target(&self, receiver: &str, integration: &Integration) -> Option<usize> {
        let named = |target: &Target| target.receiver == receiver && target.integration == *integration;
        self.targets.iter().position(named)
    }

    /// Everything that can be notified; a notification names its target by the place here.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How many targets want nothing any more.
    pub fn disabled(&self) -> usize {
        self.disabled.len()
    }

    /// When it next wants to be flushed.
    pub fn due(&self) -> Option<Timestamp> {
        self.groups.values().map(|group| group.next_flush).min()
    }

    /// Decides for every group that is due. Notifications count as on the way until they are settled.
    pub fn flush(&mut self, now: Timestamp) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for (key, quiet) in self.quiet(now) {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let Some(route) = self.routing.routes.get(group.route) else { continue };
            group.next_flush = after(now, route.group_interval);
            for (place, log) in &mut group.logs {
                let Some(target) = self.targets.get(*place) else { continue };
                if self.disabled.contains(place) {
                    decisions.push(Err(QuietReason::Disabled));
                    continue;
                }
                let voice =
                    Voice { key: &key, labels: &group.labels, alerts: &group.alerts, route, quiet: &quiet };
                let decision = voice.decide(log, *place, target, now);
                if let Ok(notification) = &decision {
                    log.in_flight = Some(notification.clone());
                }
                decisions.push(decision);
            }
        }
        self.forget(now);
        decisions
    }

    /// The groups that are due, each with what keeps it quiet.
    fn quiet(&self, now: Timestamp) -> Vec<(String, Quiet)> {
        let due: Vec<_> = self.groups.iter().filter(|(_, group)| group.next_flush <= now).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let alerts = self.groups.values().flat_map(|group| group.alerts.values());
        let firing = alerts.filter(|alert| alert.state == State::Firing);
        let nothing = Inhibition::default();
        let needless = if self.stale { &nothing } else { &self.needless };
        let suppressor = Suppressor::new(Some(&self.routing), needless, &self.silences, firing, now);
        let quiet = |group: &Group| {
            let route = self.routing.routes.get(group.route);
            let receiver = route.map_or("", |route| &route.receiver);
            let alerts = group.alerts.values().filter_map(|alert| {
                let reason = match suppressor.of(alert, receiver)? {
                    Suppression::Silenced(_) => QuietReason::Silenced,
                    Suppression::Inhibited(_) => QuietReason::Inhibited,
                };
                Some((alert.fingerprint.clone(), reason))
            });
            let route = route.and_then(|route| muteness(&self.routing, route, now)).map(|mute| match mute {
                Muteness::Muted(_) => QuietReason::Muted,
                Muteness::Inactive => QuietReason::Inactive,
            });
            Quiet { route, alerts: alerts.collect() }
        };
        due.into_iter().map(|(key, group)| (key.clone(), quiet(group))).collect()
    }

    /// Takes note of how a notification ended. A flush that had to wait for it comes at once.
    pub fn settle(&mut self, notification: &Notification, settled: Settled, now: Timestamp) {
        let Some(target) = self.target(&notification.receiver, &notification.integration) else { return };
        if settled == Settled::Disabled {
            self.disabled.insert(target);
        }
        let Some(group) = self.groups.get_mut(&notification.group_key) else { return };
        let Some(log) = group.logs.get_mut(&target) else { return };
        if log.in_flight.as_ref().is_none_or(|in_flight| in_flight.id != notification.id) {
            return;
        }
        log.in_flight = None;
        if std::mem::take(&mut log.waited) {
            group.next_flush = group.next_flush.min(now);
        }
        if settled == Settled::Delivered {
            log.learn(now, &notification.alerts, &notification.withheld);
        }
        self.forget(now);
    }

    /// Drops resolved alerts that nobody waits for, then groups without alerts.
    fn forget(&mut self, now: Timestamp) {
        let (targets, disabled) = (&self.targets, &self.disabled);
        self.groups.retain(|_, group| {
            let logs = &group.logs;
            group.alerts.retain(|_, alert| {
                let expired = alert.ends_at.is_some_and(|end| now.duration_since(end) > RESOLVED_KEPT);
                let wanted = || {
                    let mut logs = logs.iter().filter(|(place, _)| !disabled.contains(place));
                    logs.any(|(place, log)| {
                        targets.get(*place).is_some_and(|target| log.waits_for(target, alert))
                    })
                };
                alert.state == State::Firing || !expired && wanted()
            });
            !group.alerts.is_empty()
        });
    }
}
