//! What would have fired, held against what did.

use super::*;
use crate::{
    rules::RuleSet,
    transition::{State, Transition},
};
use std::time::Duration;

const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: A, metric: calls, window: 5m, op: '>', threshold: 1, group_by: [customer], labels: {severity: page}}
  - {alert: B, metric: calls, window: 5m, op: '>', threshold: 1}
";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).expect("in range")
}

/// Changes of state: minute, rule, customer, own label, state.
fn episodes(changes: &[(i64, &str, &str, &str, State)]) -> Episodes {
    let mut episodes = Episodes::default();
    for (minute, rule, customer, severity, state) in changes {
        let labels = [("customer", customer), ("severity", severity)];
        episodes.take(&Transition {
            id: String::new(),
            workspace: "w".into(),
            rule_group: "g".into(),
            rule: (*rule).into(),
            fingerprint: (*customer).into(),
            labels: labels.map(|(name, value)| (name.to_owned(), (*value).to_owned())).into(),
            annotations: Texts::new(),
            state: *state,
            value: 2.0,
            threshold: 1.0,
            at: at(*minute),
            starts_at: at(*minute),
            ends_at: None,
        });
    }
    episodes
}

fn report(replayed: Episodes, live: Episodes) -> Report {
    let order = Order {
        rules: RuleSet::parse([("f", RULES)]).expect("valid"),
        from: at(100),
        until: at(200),
        interval: Duration::from_secs(60),
        stored: Duration::from_secs(60),
    };
    Report::new(&order, (order.from, order.until), replayed, live, 0)
}

#[test]
fn what_would_have_fired_is_held_against_what_did() {
    use State::{Firing, Pending, Resolved};
    let replayed = [
        (105, "A", "acme", "page", Pending),
        (110, "A", "acme", "page", Firing),
        (120, "A", "acme", "page", Resolved),
        (130, "A", "bolt", "page", Pending),
        (131, "A", "bolt", "page", Resolved),
        (150, "A", "acme", "page", Firing),
        (160, "A", "acme", "page", Resolved),
        (190, "A", "carl", "page", Firing),
    ];
    // Before the history; the same with another label; two minutes apart; too far apart; still firing.
    let live = [
        (80, "A", "bolt", "page", Firing),
        (90, "A", "bolt", "page", Resolved),
        (118, "A", "acme", "warning", Firing),
        (125, "A", "acme", "warning", Resolved),
        (163, "A", "acme", "page", Firing),
        (170, "A", "acme", "page", Resolved),
        (180, "A", "carl", "page", Firing),
    ];
    let report = report(episodes(&replayed), episodes(&live));
    let a = &report.rules[0];
    assert_eq!((a.fired, a.alerts, a.firing_seconds, a.longest_seconds), (3, 2, 1_800, 600));
    assert_eq!((a.fired_live, a.new, a.gone), (3, 1, 1));
    let told: Vec<_> = a.episodes.iter().map(|told| (told.fired_at.as_second() / 60, told.seen)).collect();
    assert_eq!(told, [(110, Seen::Both), (150, Seen::New), (163, Seen::Gone), (190, Seen::Both)]);
    let b = &report.rules[1];
    assert_eq!((b.fired, b.fired_live, b.episodes.len()), (0, 0, 0));
}
