//! Open alerts as they are listed.

use super::*;
use crate::{silence::conditions, transition::fingerprint};

const ROUTING: &str = "
route:
  receiver: ops
  routes:
  - {matchers: [customer=a], receiver: keys, mute_time_intervals: [always], continue: true}
  - {active_time_intervals: [never]}
receivers: [{name: ops}, {name: keys}]
time_intervals: [{name: always, time_intervals: [{}]}, {name: never, time_intervals: []}]
inhibit_rules: [{source_matchers: [customer=a], target_matchers: [customer=b]}]
";

fn alert(customer: &str, state: State) -> Transition {
    let labels: Texts = [("customer".to_owned(), customer.to_owned())].into();
    Transition {
        id: String::new(),
        workspace: "demo".into(),
        rule_group: "g".into(),
        rule: "R".into(),
        fingerprint: fingerprint(&labels),
        labels,
        annotations: Texts::new(),
        state,
        value: 0.5,
        threshold: 0.1,
        at: Timestamp::UNIX_EPOCH,
        starts_at: Timestamp::UNIX_EPOCH,
        ends_at: None,
    }
}

/// The customers of the alerts that a query keeps, of four.
fn kept(query: &[(&str, &str)]) -> Result<String, WantedError> {
    let wanted = Wanted::read(query.iter().copied())?;
    let routing = Routing::parse("routing.yaml", ROUTING).expect("valid");
    let silence = Silence {
        id: "s1".into(),
        matchers: conditions(&["customer=c"]).expect("conditions"),
        author: String::new(),
        reason: String::new(),
        starts_at: Timestamp::UNIX_EPOCH,
        ends_at: Timestamp::MAX,
        created_at: Timestamp::UNIX_EPOCH,
    };
    let open = [("a", State::Firing), ("b", State::Firing), ("c", State::Firing), ("d", State::Pending)];
    let open = open.map(|(customer, state)| alert(customer, state));
    let alerts = statuses(&open, &[silence], Some(&routing), &Inhibition::default(), Timestamp::UNIX_EPOCH);
    let kept = alerts.iter().filter(|alert| wanted.keeps(alert));
    Ok(kept.map(|alert| alert.labels["customer"].as_str()).collect())
}

#[test]
fn a_query_keeps_what_all_of_its_parameters_ask_for() {
    for (query, wanted) in [
        (&[][..], "abcd"),
        (&[("state", "firing")], "abc"),
        (&[("state", "pending")], "d"),
        (&[("filter", "customer=~a|b"), ("filter", "customer!=a")], "b"),
        (&[("silenced", "true")], "c"),
        (&[("silenced", "false"), ("inhibited", "false"), ("state", "firing")], "a"),
        (&[("inhibited", "true")], "b"),
        (&[("receiver", "keys")], "a"),
        (&[("receiver", "nobody")], ""),
    ] {
        assert_eq!(kept(query).as_deref(), Ok(wanted), "{query:?}");
    }
    for query in [("state", "resolved"), ("silenced", "maybe"), ("filter", "a"), ("filtre", "a=b")] {
        assert_eq!(kept(&[query]).expect_err("a mistake").name, query.0);
    }
}

#[test]
fn an_alert_says_what_keeps_it_quiet_and_whom_it_reaches() {
    let routing = Routing::parse("routing.yaml", ROUTING).expect("valid");
    let open = [alert("a", State::Firing), alert("b", State::Firing)];
    let told = statuses(&open, &[], Some(&routing), &Inhibition::default(), Timestamp::UNIX_EPOCH);
    insta::assert_snapshot!(serde_json::to_string_pretty(&told[1]).expect("JSON"), @r#"
{
  "state": "firing",
  "rule": "R",
  "rule_group": "g",
  "fingerprint": "0e27fbb7d732e647",
  "labels": {
    "customer": "b"
  },
  "annotations": {},
  "since": "1970-01-01T00:00:00Z",
  "value": 0.5,
  "threshold": 0.1,
  "receivers": [
    "ops"
  ],
  "silenced_by": [],
  "inhibited_by": "a39a508d163490c0",
  "muted_by": [
    "inactive"
  ]
}
"#);
    assert_eq!(told[0].receivers, ["keys", "ops"].map(str::to_owned).into());
    assert_eq!(told[0].muted_by, ["always", "inactive"].map(str::to_owned).into());
}
