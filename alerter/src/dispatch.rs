//! When to notify whom of what: changes of alerts and the time enter, notifications leave, each with
//! the reason why, or the reason why not.
//!
//! Alertmanager's rules for groups. The first flush of a group comes `group_wait` after its first
//! alert began, further ones every `group_interval`. A flush notifies a target when it was never told
//! of the group, when an alert fires that it was not told of, when an alert it was told of has
//! resolved, or when it was last told `repeat_interval` ago; and otherwise says nothing.
//!
//! Promise: pure. The id of a notification follows from the target, the group, what it says and what
//! was said before, so that a repetition after a crash or a failed delivery carries the same id.

use crate::{
    knowledge::{Log, after},
    routing::Route,
    rules::Texts,
    transition::{State, Transition, digest},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a resolved alert waits for a target that cannot be reached, before it is forgotten.
const RESOLVED_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// One webhook of the receiver, by its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its place, from 0.
    pub index: usize,
    /// Whether it wants resolved alerts.
    pub send_resolved: bool,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The webhook-id.
    pub id: String,
    /// Which group.
    pub group_key: String,
    /// Labels that make the group.
    pub group_labels: Texts,
    /// Name of the receiver.
    pub receiver: String,
    /// Place of the target in the receiver.
    pub target: usize,
    /// Why.
    pub reason: NotifyReason,
    /// What it says of each alert, in the order of their fingerprints.
    pub alerts: Vec<Transition>,
}

/// Why a target is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyReason {
    /// It was never told of this group.
    FirstNotification,
    /// An alert fires that it was not told of.
    NewAlerts,
    /// An alert it was told of has resolved.
    Resolved,
    /// It was told long enough ago.
    RepeatElapsed,
}

/// Why a target is not notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuietReason {
    /// It knows everything there is to know.
    Unchanged,
    /// Everything resolved before it was ever told.
    ResolvedBeforeFirst,
    /// Its last notification is still on the way.
    InFlight,
    /// It said that it wants nothing any more.
    Disabled,
}

/// What a flush decided for one target of one group.
pub type Decision = Result<Notification, QuietReason>;

/// What a target was last told of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Which group.
    pub group_key: String,
    /// Place of the target in the receiver.
    pub target: usize,
    /// When.
    pub at: Timestamp,
    /// What.
    pub alerts: Vec<Transition>,
}

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The target took it.
    Delivered,
    /// It did not, and nothing more is tried until the next flush.
    GaveUp,
    /// It did not, and nothing more is sent there until a restart.
    Disabled,
}

/// Every group with an alert in it.
#[derive(Debug)]
pub struct Dispatcher {
    route: Route,
    targets: Vec<Target>,
    groups: BTreeMap<String, Group>,
    disabled: BTreeSet<usize>,
}

#[derive(Debug)]
struct Group {
    labels: Texts,
    alerts: BTreeMap<String, Transition>,
    next_flush: Timestamp,
    logs: Vec<Log>,
}

impl Dispatcher {
    /// Starts without any alert.
    pub fn new(route: Route, targets: Vec<Target>) -> Self {
        Self { route, targets, groups: BTreeMap::new(), disabled: BTreeSet::new() }
    }

    /// Takes up what targets were told, and the open alerts, after a restart.
    ///
    /// Resolved alerts matter only to those who were told that they fired. `unfinished` are
    /// notifications that were planned and neither delivered nor given up: they are on the way
    /// again, and what they say must be among `alerts` or `unfinished` itself.
    pub fn restore(&mut self, alerts: &[Transition], told: Vec<Told>, unfinished: &[Notification]) {
        for alert in alerts.iter().filter(|alert| alert.state != State::Pending) {
            self.insert(alert);
        }
        for told in told {
            if let Some(log) = self.log(&told.group_key, told.target) {
                log.learn(told.at, &told.alerts);
            }
        }
        for notification in unfinished {
            if let Some(log) = self.log(&notification.group_key, notification.target) {
                log.in_flight = Some(notification.clone());
            }
        }
    }

    /// Takes note of changes; pending ones concern nobody.
    pub fn observe(&mut self, changes: &[Transition]) {
        for change in changes {
            match change.state {
                State::Pending => {}
                State::Firing => self.insert(change),
                State::Resolved => {
                    let key = self.group_of(&change.labels).0;
                    let group = self.groups.get_mut(&key);
                    if let Some(alert) = group.and_then(|group| group.alerts.get_mut(&change.fingerprint)) {
                        *alert = change.clone();
                    }
                }
            }
        }
    }

    fn insert(&mut self, alert: &Transition) {
        let (key, labels) = self.group_of(&alert.labels);
        let next_flush = after(alert.starts_at, self.route.group_wait);
        let logs = vec![Log::default(); self.targets.len()];
        let group = self.groups.entry(key).or_insert_with(|| Group {
            labels,
            alerts: BTreeMap::new(),
            next_flush,
            logs,
        });
        group.alerts.insert(alert.fingerprint.clone(), alert.clone());
    }

    /// The group of an alert: its key in Alertmanager's form, and the labels that make it.
    fn group_of(&self, labels: &Texts) -> (String, Texts) {
        let chosen = self.route.group_by.labels_of(labels);
        let pairs: Vec<String> = chosen.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        (format!("{{}}:{{{}}}", pairs.join(", ")), chosen)
    }

    fn log(&mut self, group_key: &str, target: usize) -> Option<&mut Log> {
        self.groups.get_mut(group_key)?.logs.get_mut(target)
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
        for (key, group) in self.groups.iter_mut().filter(|(_, group)| group.next_flush <= now) {
            group.next_flush = after(now, self.route.group_interval);
            for target in &self.targets {
                if self.disabled.contains(&target.index) {
                    decisions.push(Err(QuietReason::Disabled));
                    continue;
                }
                let decision = group.decide(key, &self.route, target, now);
                if let (Ok(notification), Some(log)) = (&decision, group.logs.get_mut(target.index)) {
                    log.in_flight = Some(notification.clone());
                }
                decisions.push(decision);
            }
        }
        self.forget(now);
        decisions
    }

    /// Takes note of how a notification ended. A flush that had to wait for it comes at once.
    pub fn settle(&mut self, notification: &Notification, settled: Settled, now: Timestamp) {
        if settled == Settled::Disabled {
            self.disabled.insert(notification.target);
        }
        let Some(group) = self.groups.get_mut(&notification.group_key) else { return };
        let Some(log) = group.logs.get_mut(notification.target) else { return };
        if log.in_flight.as_ref().is_none_or(|in_flight| in_flight.id != notification.id) {
            return;
        }
        log.in_flight = None;
        if std::mem::take(&mut log.waited) {
            group.next_flush = group.next_flush.min(now);
        }
        if settled == Settled::Delivered {
            log.learn(now, &notification.alerts);
        }
        self.forget(now);
    }

    /// Drops resolved alerts that nobody waits for, then groups without alerts.
    fn forget(&mut self, now: Timestamp) {
        let targets: Vec<&Target> =
            self.targets.iter().filter(|target| !self.disabled.contains(&target.index)).collect();
        self.groups.retain(|_, group| {
            let logs = &group.logs;
            group.alerts.retain(|_, alert| {
                let expired = alert.ends_at.is_some_and(|end| now.duration_since(end) > RESOLVED_KEPT);
                let log =
                    |target: &Target| logs.get(target.index).is_some_and(|log| log.waits_for(target, alert));
                let wanted = || targets.iter().any(|target| log(target));
                alert.state == State::Firing || !expired && wanted()
            });
            !group.alerts.is_empty()
        });
    }
}

impl Group {
    fn decide(&mut self, key: &str, route: &Route, target: &Target, now: Timestamp) -> Decision {
        let Some(log) = self.logs.get_mut(target.index) else { return Err(QuietReason::Unchanged) };
        if log.in_flight.is_some() {
            log.waited = true;
            return Err(QuietReason::InFlight);
        }
        let reason = log.reason(self.alerts.values(), route.repeat_interval, target, now)?;
        let says = |alert: &&Transition| alert.state == State::Firing || log.owes(target, alert);
        let alerts: Vec<Transition> = self.alerts.values().filter(says).cloned().collect();
        Ok(Notification {
            id: notification_id(key, route, target, &alerts, log),
            group_key: key.to_owned(),
            group_labels: self.labels.clone(),
            receiver: route.receiver.clone(),
            target: target.index,
            reason,
            alerts,
        })
    }
}

fn notification_id(key: &str, route: &Route, target: &Target, alerts: &[Transition], log: &Log) -> String {
    let index = target.index.to_string();
    let before = log.told.as_ref().map_or_else(String::new, |said| said.at.as_millisecond().to_string());
    let context = [route.receiver.as_str(), &index, key, &before];
    format!("msg_{}", digest(context.into_iter().chain(alerts.iter().map(|alert| alert.id.as_str())), 16))
}
