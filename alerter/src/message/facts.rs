//! What can be said of a notification: groups and alerts enter, named facts leave for templates.
//!
//! Promise: pure. Names are those of Alertmanager's template data, with `Value` and `Threshold` added.

use crate::{
    dispatch::Notification,
    rules::Texts,
    transition::{State, Transition},
};
use jiff::Timestamp;
use serde::Serialize;

/// What Alertmanager writes for an alert that has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Everything that templates may name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Facts<'a> {
    receiver: &'a str,
    status: &'static str,
    group_key: &'a str,
    group_labels: &'a Texts,
    common_labels: Texts,
    common_annotations: Texts,
    #[serde(rename = "ExternalURL")]
    external_url: &'a str,
    firing: usize,
    resolved: usize,
    alerts: Vec<AlertFacts<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AlertFacts<'a> {
    status: &'static str,
    labels: &'a Texts,
    annotations: &'a Texts,
    starts_at: String,
    ends_at: String,
    fingerprint: &'a str,
    value: f64,
    threshold: f64,
}

impl<'a> Facts<'a> {
    pub(super) fn of(notification: &'a Notification, external_url: &'a str) -> Self {
        let firing = firing(notification);
        Self {
            receiver: &notification.receiver,
            status: status(firing > 0),
            group_key: &notification.group_key,
            group_labels: &notification.group_labels,
            common_labels: common_labels(notification),
            common_annotations: common_annotations(notification),
            external_url,
            firing,
            resolved: notification.alerts.len() - firing,
            alerts: notification.alerts.iter().map(AlertFacts::of).collect(),
        }
    }
}

impl<'a> AlertFacts<'a> {
    fn of(alert: &'a Transition) -> Self {
        Self {
            status: status(alert.state == State::Firing),
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: time(alert.starts_at),
            ends_at: ended(alert),
            fingerprint: &alert.fingerprint,
            value: alert.value,
            threshold: alert.threshold,
        }
    }
}

/// How many alerts fire.
pub(super) fn firing(notification: &Notification) -> usize {
    notification.alerts.iter().filter(|alert| alert.state == State::Firing).count()
}

pub(super) fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// When an alert ended, as Alertmanager writes it.
pub(super) fn ended(alert: &Transition) -> String {
    alert.ends_at.map_or_else(|| NEVER.to_owned(), time)
}

pub(super) fn common_labels(notification: &Notification) -> Texts {
    common(notification.alerts.iter().map(|alert| &alert.labels))
}

pub(super) fn common_annotations(notification: &Notification) -> Texts {
    common(notification.alerts.iter().map(|alert| &alert.annotations))
}

/// What all texts have in common.
pub(super) fn common<'a>(mut all: impl Iterator<Item = &'a Texts>) -> Texts {
    let mut common = all.next().cloned().unwrap_or_default();
    for texts in all {
        common.retain(|name, text| texts.get(name) == Some(text));
    }
    common
}
