//! ClickHouse as the alerter uses it: rows enter, the answers of its questions at a start leave.

use callmeter_alerter::{
    dispatch::{Notification, Planned, Told},
    transition::{State, Transition},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A step of a notification; the order is that of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Planned,
    Delivered,
    Failed,
    GaveUp,
}

/// The tables `alert_transitions` and `notifications`.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) transitions: Vec<Transition>,
    steps: Vec<(Notification, Outcome, Timestamp)>,
}

impl Store {
    pub(super) fn note(&mut self, notification: &Notification, outcome: Outcome, at: Timestamp) {
        self.steps.push((notification.clone(), outcome, at));
    }

    /// The last transition of every open alert, and an end that is the last or the last but one.
    pub(super) fn last(&self) -> Vec<Transition> {
        let mut lives: BTreeMap<&str, Vec<&Transition>> = BTreeMap::new();
        for transition in &self.transitions {
            lives.entry(&transition.fingerprint).or_default().push(transition);
        }
        let mut last = Vec::new();
        for life in lives.values_mut() {
            life.sort_by_key(|transition| std::cmp::Reverse((transition.at, transition.state)));
            for (place, transition) in life.iter().enumerate().take(2) {
                if (transition.state == State::Resolved) || place == 0 {
                    last.push((transition.at, std::cmp::Reverse(place), (*transition).clone()));
                }
            }
        }
        last.sort_by_key(|(at, place, _)| (*at, *place));
        last.into_iter().map(|(_, _, transition)| transition).collect()
    }

    /// What every target was last told of every group.
    pub(super) fn told(&self) -> Vec<Told> {
        let mut last: BTreeMap<_, Told> = BTreeMap::new();
        for (sent, outcome, at) in &self.steps {
            let key = (sent.group_key.clone(), sent.receiver.clone(), sent.integration.clone());
            let newer = last.get(&key).is_none_or(|told| told.at < *at);
            if *outcome == Outcome::Delivered && newer {
                last.insert(
                    key,
                    Told {
                        group_key: sent.group_key.clone(),
                        receiver: sent.receiver.clone(),
                        integration: sent.integration.clone(),
                        at: *at,
                        alerts: sent.alerts.clone(),
                        withheld: self.named(sent.withheld.values()),
                    },
                );
            }
        }
        last.into_values().collect()
    }

    /// Notifications whose last step is neither a delivery nor giving up.
    pub(super) fn planned(&self) -> Vec<Planned> {
        let mut last: BTreeMap<&str, (&Notification, bool, (Timestamp, Outcome))> = BTreeMap::new();
        for (sent, outcome, at) in &self.steps {
            let entry = last.entry(&sent.id).or_insert((sent, false, (*at, *outcome)));
            entry.1 |= *outcome == Outcome::Delivered;
            entry.2 = entry.2.max((*at, *outcome));
        }
        let open =
            last.into_values().filter(|(_, delivered, (_, last))| !delivered && *last != Outcome::GaveUp);
        let planned = open.map(|(sent, ..)| Planned {
            id: sent.id.clone(),
            group_key: sent.group_key.clone(),
            receiver: sent.receiver.clone(),
            integration: sent.integration.clone(),
            reason: sent.reason,
            alerts: sent.alerts.clone(),
            withheld: self.named(sent.withheld.values()),
        });
        planned.collect()
    }

    fn named<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Vec<Transition> {
        ids.filter_map(|id| self.transitions.iter().find(|transition| transition.id == *id))
            .cloned()
            .collect()
    }
}
