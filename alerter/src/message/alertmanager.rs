//! The body of a webhook: a notification enters, Alertmanager's JSON of version 4 leaves.
//!
//! Promise: pure, and the same notification gives the same bytes.

use super::facts::{common_annotations, common_labels, ended, firing, status, time};
use crate::{
    dispatch::Notification,
    rules::Texts,
    transition::{State, Transition},
};
use serde::Serialize;

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
    truncated_alerts: usize,
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

/// Renders the body with at most `max_alerts` alerts; 0 is all of them.
pub fn body(notification: &Notification, external_url: &str, max_alerts: usize) -> String {
    let all = notification.alerts.len();
    let shown = if max_alerts == 0 { all } else { all.min(max_alerts) };
    let alerts = notification.alerts.iter().take(shown);
    let message = Message {
        receiver: &notification.receiver,
        status: status(firing(notification) > 0),
        alerts: alerts.map(|alert| render(alert, external_url)).collect(),
        group_labels: &notification.group_labels,
        common_labels: common_labels(notification),
        common_annotations: common_annotations(notification),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: all - shown,
    };
    serde_json::to_string(&message).unwrap_or_default()
}

fn render<'a>(alert: &'a Transition, external_url: &'a str) -> Alert<'a> {
    Alert {
        status: status(alert.state == State::Firing),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: time(alert.starts_at),
        ends_at: ended(alert),
        generator_url: external_url,
        fingerprint: &alert.fingerprint,
    }
}
