//! Open alerts as people ask for them: alerts, silences and routes enter, what is open and what keeps it quiet leaves.
//!
//! Promise: pure, and by the same functions as the dispatcher's.

use crate::{
    fault::Inhibition,
    matchers::{Matchers, parse},
    routing::Routing,
    rules::Texts,
    silence::Silence,
    suppression::{Muteness, Suppressor, muteness, receivers},
    transition::{State, Transition},
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// One open alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertStatus {
    /// `pending` or `firing`.
    pub state: &'static str,
    /// Name of the rule.
    pub rule: String,
    /// Name of its group.
    pub rule_group: String,
    /// Identity of the alert.
    pub fingerprint: String,
    /// Every label.
    pub labels: Texts,
    /// Texts for people.
    pub annotations: Texts,
    /// Since when it has been in this state, RFC 3339.
    pub since: Timestamp,
    /// What was measured when it came into this state.
    pub value: f64,
    /// What that was compared with.
    pub threshold: f64,
    /// Names of the receivers that its routes lead to.
    pub receivers: BTreeSet<String>,
    /// Ids of the silences that hush it.
    pub silenced_by: Vec<String>,
    /// Fingerprint of the alert that inhibits it.
    pub inhibited_by: Option<String>,
    /// Time intervals that keep a route of it mute now; `inactive` where a route is active at other times only.
    pub muted_by: BTreeSet<String>,
}

/// Which open alerts are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// In this state only.
    pub state: Option<State>,
    /// Those that all of these hold for.
    pub matchers: Matchers,
    /// Those that are silenced, or those that are not.
    pub silenced: Option<bool>,
    /// Those that are inhibited, or those that are not.
    pub inhibited: Option<bool>,
    /// Those that a route leads to this receiver.
    pub receiver: Option<String>,
}

/// A question that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct WantedError {
    /// The word in question.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
}

/// How every open alert stands.
pub fn statuses(
    open: &[Transition],
    silences: &[Silence],
    routing: Option<&Routing>,
    needless: &Inhibition,
    now: Timestamp,
) -> Vec<AlertStatus> {
    let firing = open.iter().filter(|alert| alert.state == State::Firing);
    let suppressor = Suppressor::new(routing, needless, silences, firing, now);
    let status = |alert: &Transition| {
        let reached = routing.map(|routing| receivers(routing, &alert.labels)).unwrap_or_default();
        let mut status = AlertStatus {
            state: alert.state.word(),
            rule: alert.rule.clone(),
            rule_group: alert.rule_group.clone(),
            fingerprint: alert.fingerprint.clone(),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            since: alert.starts_at,
            value: alert.value,
            threshold: alert.threshold,
            receivers: reached.iter().map(|name| (*name).to_owned()).collect(),
            silenced_by: suppressor.silenced_by(&alert.labels).map(str::to_owned).collect(),
            inhibited_by: suppressor.inhibited_by(alert, &reached).map(str::to_owned),
            muted_by: BTreeSet::new(),
        };
        routing.inspect(|routing| route(&mut status, routing, now));
        status
    };
    open.iter().map(status).collect()
}

fn route(status: &mut AlertStatus, routing: &Routing, now: Timestamp) {
    for route in routing.routes.taken_routes(&status.labels) {
        status.muted_by.extend(muteness(routing, route, now).map(|mute| match mute {
            Muteness::Muted(name) => name.to_owned(),
            Muteness::Inactive => "inactive".to_owned(),
        }));
    }
}

impl Wanted {
    /// Reads the parameters of a query: `filter` (a matcher, may be repeated), `state`, `silenced`, `inhibited`
    /// and `receiver`.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, WantedError> {
        let mut wanted = Self::default();
        for (name, text) in pairs {
            let error = |message: String| WantedError { name: name.to_owned(), message };
            let flag = || text.parse().map(Some).map_err(|_| error("true or false is expected".to_owned()));
            match name {
                "filter" => {
                    wanted.matchers.extend(parse(text).map_err(|mistake| error(mistake.to_string()))?);
                }
                "state" => {
                    let state =
                        [State::Pending, State::Firing].into_iter().find(|state| state.word() == text);
                    let state = state.ok_or_else(|| error("pending or firing is expected".to_owned()))?;
                    wanted.state = Some(state);
                }
                "silenced" => wanted.silenced = flag()?,
                "inhibited" => wanted.inhibited = flag()?,
                "receiver" => wanted.receiver = Some(text.to_owned()),
                _ => {
                    let known = "known are filter, state, silenced, inhibited and receiver";
                    return Err(error(known.to_owned()));
                }
            }
        }
        Ok(wanted)
    }

    /// Whether an alert is asked for.
    pub fn keeps(&self, alert: &AlertStatus) -> bool {
        let agrees = |wanted: Option<bool>, is| wanted.is_none_or(|wanted| wanted == is);
        self.state.is_none_or(|state| state.word() == alert.state)
            && self.matchers.matches(&alert.labels)
            && agrees(self.silenced, !alert.silenced_by.is_empty())
            && agrees(self.inhibited, alert.inhibited_by.is_some())
            && self.receiver.as_ref().is_none_or(|receiver| alert.receivers.contains(receiver))
    }
}

#[cfg(test)]
mod tests;
