//! Notifications as they come, for tests: customers and states enter, a notification leaves.

use crate::{
    dispatch::{Integration, Notification, NotifyReason, Withheld},
    rules::Texts,
    transition::{State, Transition, fingerprint, transition_id},
};
use jiff::Timestamp;

pub(crate) fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// One alert of a customer at HubSpot, begun at noon; a resolved one ended 14 minutes later.
pub(crate) fn alert(customer: &str, state: State) -> Transition {
    let labels = texts(&[
        ("alertname", "HubspotFails"),
        ("customer", customer),
        ("integration", "hubspot"),
        ("severity", "page"),
        ("workspace", "demo"),
    ]);
    let print = fingerprint(&labels);
    let starts_at: Timestamp = "2026-11-20T12:00:03Z".parse().expect("a time");
    let ends_at = "2026-11-20T12:14:03Z".parse().expect("a time");
    let ended = state == State::Resolved;
    Transition {
        id: transition_id(&print, starts_at, state),
        workspace: "demo".into(),
        rule_group: "hubspot".into(),
        rule: "HubspotFails".into(),
        fingerprint: print,
        labels,
        annotations: texts(&[("summary", &format!("{customer}: 12.5% of HubSpot calls fail"))]),
        state,
        value: if ended { 0.0125 } else { 0.125 },
        threshold: 0.05,
        at: if ended { ends_at } else { starts_at },
        starts_at,
        ends_at: ended.then_some(ends_at),
    }
}

pub(crate) fn notification(alerts: Vec<Transition>) -> Notification {
    Notification {
        id: "msg_0".into(),
        group_key: "{}:{alertname=\"HubspotFails\"}".into(),
        group_labels: texts(&[("alertname", "HubspotFails")]),
        receiver: "ops".into(),
        integration: Integration { kind: "webhook".into(), place: 0 },
        target: 0,
        reason: NotifyReason::FirstNotification,
        alerts,
        withheld: Withheld::new(),
    }
}

/// What one customer's alert says.
pub(crate) fn firing(customer: &str) -> Notification {
    notification(vec![alert(customer, State::Firing)])
}

/// So many alerts, each as long as alerts get.
pub(crate) fn many(count: usize) -> Notification {
    let long = "<!channel> & ".repeat(400);
    let alert = |place: usize| {
        let mut alert = alert(&format!("customer-{place:03}"), State::Firing);
        for text in alert.annotations.values_mut() {
            text.push_str(&long);
        }
        alert.labels.insert("note".into(), long.clone());
        alert
    };
    notification((0..count).map(alert).collect())
}
