//! A test that nobody can take for an alert: a target and a time enter, a notification leaves.
//!
//! Promise: pure; it goes the way of every other notification.

use crate::{
    dispatch::{Notification, NotifyReason, Withheld},
    routing::receivers::TargetName,
    rules::Texts,
    transition::{State, Transition, digest, fingerprint, transition_id},
};
use jiff::Timestamp;

/// What the test says.
const SUMMARY: &str =
    "This is a test of Callmeter's notifications. Nothing is wrong and nobody needs to act.";

/// A notification of one alert that says that it is a test.
pub fn notification(target: &TargetName, now: Timestamp) -> Notification {
    let texts = |pairs: &[(&str, &str)]| -> Texts {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let labels = texts(&[
        ("alertname", "CallmeterTest"),
        ("customer", "test-customer"),
        ("integration", "test-integration"),
        ("severity", "info"),
        ("workspace", "test"),
    ]);
    let print = fingerprint(&labels);
    let group_key = format!("{{}}:{{alertname=\"CallmeterTest\", at=\"{now}\"}}");
    Notification {
        id: format!("msg_test_{}", digest([target.to_string().as_str(), group_key.as_str()], 16)),
        group_key,
        group_labels: texts(&[("alertname", "CallmeterTest")]),
        receiver: target.receiver.clone(),
        integration: target.integration.clone(),
        target: 0,
        reason: NotifyReason::FirstNotification,
        alerts: vec![Transition {
            id: transition_id(&print, now, State::Firing),
            workspace: "test".to_owned(),
            rule_group: "test".to_owned(),
            rule: "CallmeterTest".to_owned(),
            fingerprint: print,
            labels,
            annotations: texts(&[("summary", SUMMARY)]),
            state: State::Firing,
            value: 1.0,
            threshold: 0.0,
            at: now,
            starts_at: now,
            ends_at: None,
        }],
        withheld: Withheld::new(),
    }
}
