//! The loop without a store: nothing listens where it would be.

use super::*;
use crate::{address::Policy, dispatch::NotifyReason, rules::Texts};
use callmeter_schemas::config::ClickHouseConfig;
use prometheus_client::registry::Registry;

fn pipeline(now: Timestamp) -> Pipeline {
    let (reports, _) = mpsc::channel(1);
    let policy = Policy { private: Vec::new(), encrypted: true };
    let metrics = AlerterMetrics::register(&mut Registry::default());
    let (rule_files, rules) = RuleFiles::load(&[], metrics.clone(), now).expect("no files, no mistakes");
    Pipeline {
        rules,
        rule_files,
        interval: LONGEST_PAUSE,
        store: Store::new(&ClickHouseConfig::default()),
        evaluator: Evaluator::default(),
        dispatcher: None,
        notifier: Notifier::start(Vec::new(), &policy, "", &reports).expect("nothing can be wrong"),
        schedule: Schedule::new(Vec::new(), LONGEST_PAUSE, now),
        metrics,
        max_lag: LONGEST_PAUSE,
        rollup_window: LONGEST_PAUSE,
        unstored: Vec::new(),
        unwritten: Vec::new(),
        failures: 0,
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
        target: 0,
        reason: NotifyReason::FirstNotification,
        alerts: Vec::new(),
    };
    let mut pipeline = pipeline(now);
    pipeline.send(notification.clone(), now);
    let detail = "no room".to_owned();
    let report = Report { notification, attempt: 0, at: now, outcome: Outcome::GaveUp, status: 0, detail };
    assert_eq!(pipeline.unwritten, [DeliveryRow::from(&report)]);
}
