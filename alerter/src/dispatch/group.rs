//! One group of alerts at one flush: what keeps it quiet and what a target knows enter, a decision leaves.
//!
//! Promise: pure.

use super::{Decision, Notification, QuietReason, Target};
use crate::{
    knowledge::Log,
    routing::Route,
    rules::Texts,
    transition::{State, Transition, digest},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Alerts that are spoken of together.
#[derive(Debug)]
pub(super) struct Group {
    /// Place of its route.
    pub(super) route: usize,
    pub(super) labels: Texts,
    pub(super) alerts: BTreeMap<String, Transition>,
    pub(super) next_flush: Timestamp,
    /// What each target of the route's receiver knows, by its place among all targets.
    pub(super) logs: BTreeMap<usize, Log>,
}

/// What keeps a group quiet at one moment.
#[derive(Debug)]
pub(super) struct Quiet {
    /// The whole of it.
    pub(super) route: Option<QuietReason>,
    /// Some of its alerts, by fingerprint.
    pub(super) alerts: BTreeMap<String, QuietReason>,
}

/// A group as it speaks to its targets.
#[derive(Debug)]
pub(super) struct Voice<'a> {
    pub(super) key: &'a str,
    pub(super) labels: &'a Texts,
    pub(super) alerts: &'a BTreeMap<String, Transition>,
    pub(super) route: &'a Route,
    pub(super) quiet: &'a Quiet,
}

impl Voice<'_> {
    /// Whether and what to tell a target now.
    pub(super) fn decide(&self, log: &mut Log, place: usize, target: &Target, now: Timestamp) -> Decision {
        if log.in_flight.is_some() {
            log.waited = true;
            return Err(QuietReason::InFlight);
        }
        if let Some(reason) = self.quiet.route {
            return Err(reason);
        }
        let spoken = self.alerts.values().filter(|alert| self.hushed(alert).is_none());
        let reason = log.reason(spoken.clone(), self.route.repeat_interval, target, now);
        let reason = reason.map_err(|reason| self.hushed_news(log, target).unwrap_or(reason))?;
        let says = |alert: &&Transition| alert.state == State::Firing || log.owes(target, alert);
        let alerts: Vec<Transition> = spoken.filter(says).cloned().collect();
        let hushed = |print: &str| self.alerts.get(print).is_some_and(|alert| self.hushed(alert).is_some());
        Ok(Notification {
            id: self.id(target, &alerts, log),
            group_key: self.key.to_owned(),
            group_labels: self.labels.clone(),
            receiver: target.receiver.clone(),
            integration: target.integration.clone(),
            target: place,
            reason,
            alerts,
            withheld: log.withheld(hushed),
        })
    }

    fn hushed(&self, alert: &Transition) -> Option<QuietReason> {
        self.quiet.alerts.get(&alert.fingerprint).copied()
    }

    /// Why the first alert that would be news to a target is not told.
    fn hushed_news(&self, log: &Log, target: &Target) -> Option<QuietReason> {
        let mut news = self.alerts.values().filter(|alert| log.is_news(target, alert));
        news.find_map(|alert| self.hushed(alert))
    }

    fn id(&self, target: &Target, alerts: &[Transition], log: &Log) -> String {
        let place = target.integration.place.to_string();
        let before = log.told.as_ref().map_or_else(String::new, |said| said.at.as_millisecond().to_string());
        let context = [target.receiver.as_str(), &target.integration.kind, &place, self.key, &before];
        format!("msg_{}", digest(context.into_iter().chain(alerts.iter().map(|alert| alert.id.as_str())), 16))
    }
}
