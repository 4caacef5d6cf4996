//! The body of a webhook: a notification enters, Alertmanager's JSON of version 4 leaves.
//!
//! Promise: pure, and the same notification gives the same bytes.

use crate::{
    dispatch::Notification,
    rules::Texts,
    transition::{State, Transition},
};
use jiff::Timestamp;
use serde::Serialize;

/// What Alertmanager writes for an alert that has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    group_labels: &'a Texts,
    common_labels: Texts,
    common_annotations: Texts,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: &'a Texts,
    annotations: &'a Texts,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
}

/// Renders the body.
pub fn body(notification: &Notification, external_url: &str) -> String {
    let alerts = &notification.alerts;
    let firing = alerts.iter().any(|alert| alert.state == State::Firing);
    let message = Message {
        receiver: &notification.receiver,
        status: status(firing),
        alerts: alerts.iter().map(|alert| render(alert, external_url)).collect(),
        group_labels: &notification.group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: 0,
    };
    serde_json::to_string(&message).unwrap_or_default()
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

fn render<'a>(alert: &'a Transition, external_url: &'a str) -> Alert<'a> {
    Alert {
        status: status(alert.state == State::Firing),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: time(alert.starts_at),
        ends_at: alert.ends_at.map_or_else(|| NEVER.to_owned(), time),
        generator_url: external_url,
        fingerprint: &alert.fingerprint,
    }
}

fn time(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// What every alert has in common.
fn common<'a>(mut all: impl Iterator<Item = &'a Texts>) -> Texts {
    let mut common = all.next().cloned().unwrap_or_default();
    for texts in all {
        common.retain(|name, text| texts.get(name) == Some(text));
    }
    common
}
