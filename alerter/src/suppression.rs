//! What keeps alerts and routes quiet: silences, inhibition, verdicts, times and the moment enter, reasons leave.
//!
//! Promise: pure. The dispatcher and the list of alerts ask here, so that they cannot disagree. A verdict keeps nobody
//! from hearing of an alert who does not hear of the verdict.

use crate::{
    fault::Inhibition,
    inhibition::{InhibitRule, Inhibitor},
    routing::{Route, Routing},
    rules::Texts,
    silence::Silence,
    transition::Transition,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Why nobody is told of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// A silence hushes it, of this id.
    Silenced(String),
    /// Another alert inhibits it, of this fingerprint.
    Inhibited(String),
}

/// Why a route is mute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Muteness<'a> {
    /// It is muted in this time interval.
    Muted(&'a str),
    /// It is active in other time intervals only.
    Inactive,
}

/// Everything that can keep an alert quiet at one moment.
#[derive(Debug)]
pub struct Suppressor<'a> {
    silences: &'a [Silence],
    inhibitor: Inhibitor<'a>,
    needless: &'a Inhibition,
    /// Each with the receivers that its routes lead to; `None` where there are no routes.
    verdicts: Vec<(&'a Transition, Option<BTreeSet<&'a str>>)>,
    now: Timestamp,
}

impl<'a> Suppressor<'a> {
    /// Takes up silences, the alerts that fire, and which alerts verdicts make needless.
    pub fn new(
        routing: Option<&'a Routing>,
        needless: &'a Inhibition,
        silences: &'a [Silence],
        firing: impl Iterator<Item = &'a Transition> + Clone,
        now: Timestamp,
    ) -> Self {
        let rules: &[InhibitRule] = routing.map_or(&[], |routing| &routing.inhibit_rules);
        let named = firing.clone().map(|alert| (alert.fingerprint.as_str(), &alert.labels));
        let inhibitor = Inhibitor::new(rules, named);
        let mut this = Self { silences, inhibitor, needless, verdicts: Vec::new(), now };
        let told = |alert: &&Transition| {
            needless.is_source(alert)
                && this.silenced_by(&alert.labels).next().is_none()
                && this.inhibitor.inhibits(&alert.labels).is_none()
        };
        let reach =
            |alert: &'a Transition| (alert, routing.map(|routing| awake(routing, &alert.labels, now)));
        let verdicts = firing.filter(told).map(reach).collect();
        this.verdicts = verdicts;
        this
    }

    /// Ids of the silences that hush an alert.
    pub fn silenced_by(&self, labels: &Texts) -> impl Iterator<Item = &'a str> {
        let silences = self.silences.iter().filter(move |silence| silence.hushes(labels, self.now));
        silences.map(|silence| silence.id.as_str())
    }

    /// Fingerprint of the alert that inhibits one for these receivers.
    pub fn inhibited_by(&self, alert: &Transition, receivers: &BTreeSet<&str>) -> Option<&'a str> {
        let told =
            |reached: &Option<BTreeSet<&str>>| reached.as_ref().is_none_or(|all| receivers.is_subset(all));
        let explains = |(verdict, reached): &&(&'a Transition, _)| {
            told(reached) && self.needless.inhibits(verdict, alert)
        };
        let verdict = || self.verdicts.iter().find(explains).map(|(verdict, _)| verdict.fingerprint.as_str());
        self.inhibitor.inhibits(&alert.labels).or_else(verdict)
    }

    /// Why a receiver is not told of an alert; a silence goes before inhibition.
    pub fn of(&self, alert: &Transition, receiver: &str) -> Option<Suppression> {
        let silenced = self.silenced_by(&alert.labels).next().map(|id| Suppression::Silenced(id.to_owned()));
        let inhibited = || self.inhibited_by(alert, &BTreeSet::from([receiver]));
        silenced.or_else(|| inhibited().map(|print| Suppression::Inhibited(print.to_owned())))
    }
}

/// Names of the receivers that an alert's routes lead to.
pub fn receivers<'r>(routing: &'r Routing, labels: &Texts) -> BTreeSet<&'r str> {
    routing.routes.taken_routes(labels).map(|route| route.receiver.as_str()).collect()
}

/// The same without routes that are mute at a moment.
fn awake<'r>(routing: &'r Routing, labels: &Texts, now: Timestamp) -> BTreeSet<&'r str> {
    let taken = routing.routes.taken_routes(labels);
    taken
        .filter(|route| muteness(routing, route, now).is_none())
        .map(|route| route.receiver.as_str())
        .collect()
}

/// Why a route is mute at a moment.
pub fn muteness<'a>(routing: &Routing, route: &'a Route, now: Timestamp) -> Option<Muteness<'a>> {
    let within = |name: &&String| routing.time_interval(name).is_some_and(|interval| interval.contains(now));
    if let Some(name) = route.mute_time_intervals.iter().find(within) {
        return Some(Muteness::Muted(name));
    }
    let active = &route.active_time_intervals;
    (!active.is_empty() && !active.iter().any(|name| within(&name))).then_some(Muteness::Inactive)
}
