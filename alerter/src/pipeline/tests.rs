//! The loop without a store: nothing listens where it would be.

use super::*;
use crate::{
    dispatch::{Integration, Notification, NotifyReason, Withheld},
    evaluate::Freshness,
    health::STORE_UNREACHABLE,
    notify::Outcome,
    query::{self, Group},
    rules::{Rule, Texts},
    transition::State,
};
use callmeter_schemas::config::ClickHouseConfig;
use prometheus_client::registry::Registry;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// Where nothing listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

fn pipeline(now: Timestamp) -> Pipeline {
    let (reports, _) = mpsc::channel(1);
    let metrics = AlerterMetrics::register(&mut Registry::default());
    let store = Store::new(&ClickHouseConfig { url: nobody(), ..ClickHouseConfig::default() });
    Pipeline {
        rules: RuleSet::default(),
        interval: LONGEST_PAUSE,
        lease: Arc::new(Lease::new(store.clone(), "one".to_owned())),
        store,
        evaluator: Evaluator::default(),
        dispatcher: None,
        notifier: Notifier::start(Vec::new(), Vec::new(), &reports),
        schedule: Schedule::new(Vec::new(), LONGEST_PAUSE, now),
        metrics,
        max_lag: LONGEST_PAUSE,
        rollup_window: LONGEST_PAUSE,
        unstored: Vec::new(),
        unwritten: Vec::new(),
        failures: 0,
        refused: BTreeMap::new(),
        docket: None,
    }
}

#[tokio::test]
async fn a_notification_that_finds_no_room_is_given_up_in_the_store_too() {
    let now = Timestamp::UNIX_EPOCH;
    let notification = Notification {
        id: "msg_1".into(),
        group_key: "{}:{}".into(),
        group_labels: Texts::new(),
        receiver: "ops".into(),
        integration: Integration { kind: "webhook".into(), place: 0 },
        target: 0,
        reason: NotifyReason::FirstNotification,
        alerts: Vec::new(),
        withheld: Withheld::new(),
    };
    let mut pipeline = pipeline(now);
    pipeline.send(notification.clone(), now);
    let detail = "no room".to_owned();
    let report = Report { notification, attempt: 0, at: now, outcome: Outcome::GaveUp, status: 0, detail };
    assert_eq!(pipeline.unwritten, [DeliveryRow::from(&report)]);
}

#[tokio::test]
async fn while_the_store_is_away_no_rule_fires_and_none_resolves() {
    let text = "groups: [{name: g, rules: [
        {alert: Fires, metric: calls, window: 5m, op: '>', threshold: 1},
        {alert: Pends, metric: calls, window: 5m, op: '>', threshold: 1, for: 1s},
        {alert: Silent, metric: calls, window: 5m, op: '<', threshold: 1, no_data: alert}]}]";
    let mut pipeline = pipeline(at(0));
    pipeline.rules = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    pipeline.schedule = Schedule::of(&pipeline.rules, LONGEST_PAUSE, at(0));
    let rules: Vec<&Rule> = pipeline.rules.iter().collect();
    let groups = vec![Group { values: vec!["demo".into()], calls: 9, ..Group::default() }];
    let answer = query::plan(&rules[..1], LONGEST_PAUSE)[0].answer(groups);
    for rule in rules {
        pipeline.evaluator.evaluate(rule, &answer, Freshness::Current, at(0));
    }
    assert_eq!((pipeline.evaluator.firing(), pipeline.evaluator.pending()), (1, 1));
    for second in 1..10 {
        pipeline.evaluate(at(second)).await;
    }
    let told: Vec<_> = pipeline.unstored.iter().map(|change| (change.rule.as_str(), change.state)).collect();
    assert_eq!(told, [(STORE_UNREACHABLE, State::Firing)]);
    assert_eq!((pipeline.evaluator.firing(), pipeline.evaluator.pending()), (2, 1));
}

#[tokio::test]
async fn a_question_that_is_refused_three_times_in_a_row_pages_whatever_is_answered_between() {
    let mut pipeline = pipeline(at(0));
    pipeline.refused.insert("rule A of group g".to_owned(), 2);
    pipeline.evaluate(at(1)).await;
    assert_eq!(pipeline.evaluator.firing(), 0);
    pipeline.refused.insert("rule A of group g".to_owned(), 3);
    pipeline.evaluate(at(2)).await;
    assert_eq!(pipeline.evaluator.firing(), 1);
}
