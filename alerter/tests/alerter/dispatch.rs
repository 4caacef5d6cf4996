//! Whom is told what and when: alerts change at seconds, groups are flushed when they want to be.

use callmeter_alerter::{
    dispatch::{Dispatcher, Notification, NotifyReason, Planned, QuietReason, Settled, Told},
    message,
    routing::Routing,
    rules::Texts,
    transition::{State, Transition, fingerprint, transition_id},
};
use jiff::Timestamp;

mod model;
mod quiet;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn alert(customer: &str, state: State, started: i64, second: i64) -> Transition {
    let labels = [("alertname", "A"), ("customer", customer), ("workspace", "demo")];
    let labels: Texts = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let print = fingerprint(&labels);
    Transition {
        id: transition_id(&print, at(started), state),
        workspace: "demo".into(),
        rule_group: "g".into(),
        rule: "A".into(),
        fingerprint: print,
        labels,
        annotations: Texts::from([("summary".to_owned(), format!("{customer} fails"))]),
        state,
        value: 0.5,
        threshold: 0.1,
        at: at(second),
        starts_at: at(started),
        ends_at: (state == State::Resolved).then(|| at(second)),
    }
}

fn firing(customer: &str, second: i64) -> Transition {
    alert(customer, State::Firing, second, second)
}

fn resolved(customer: &str, started: i64, second: i64) -> Transition {
    alert(customer, State::Resolved, started, second)
}

const ROUTE: &str =
    "receiver: ops, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 1h";

/// A routing file with one route more than the keys given and one webhook.
fn dispatcher() -> Dispatcher {
    routed(ROUTE, "{url: 'https://a.example'}", "")
}

fn routed(route: &str, webhooks: &str, more: &str) -> Dispatcher {
    Dispatcher::new(routing(route, webhooks, more))
}

fn routing(route: &str, webhooks: &str, more: &str) -> Routing {
    let text =
        format!("route: {{{route}}}\nreceivers: [{{name: ops, webhook_configs: [{webhooks}]}}]\n{more}");
    Routing::parse("routing.yaml", &text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What ClickHouse keeps of a notification that was delivered, and of one that was not.
fn told(sent: &Notification, second: i64) -> Told {
    Told {
        group_key: sent.group_key.clone(),
        receiver: sent.receiver.clone(),
        integration: sent.integration.clone(),
        at: at(second),
        alerts: sent.alerts.clone(),
        withheld: Vec::new(),
    }
}

fn planned(sent: &Notification) -> Planned {
    Planned {
        id: sent.id.clone(),
        group_key: sent.group_key.clone(),
        receiver: sent.receiver.clone(),
        integration: sent.integration.clone(),
        reason: sent.reason,
        alerts: sent.alerts.clone(),
        withheld: Vec::new(),
    }
}

/// Flushes when the dispatcher wants it, up to a second; what is sent is delivered at once.
fn run(dispatcher: &mut Dispatcher, until: i64) -> Vec<(i64, Result<NotifyReason, QuietReason>)> {
    let mut log = Vec::new();
    while let Some(due) = dispatcher.due().filter(|due| *due <= at(until)) {
        for decision in dispatcher.flush(due) {
            let second = due.as_second() - at(0).as_second();
            log.push((second, decision.as_ref().map(|sent| sent.reason).map_err(|quiet| *quiet)));
            if let Ok(sent) = decision {
                dispatcher.settle(&sent, Settled::Delivered, due);
            }
        }
    }
    log
}

fn only(decisions: Vec<Result<Notification, QuietReason>>) -> Notification {
    assert_eq!(decisions.len(), 1);
    decisions.into_iter().next().expect("one").expect("a notification")
}

#[test]
fn a_group_speaks_after_its_wait_of_what_is_new_and_again_when_the_repeat_interval_has_passed() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0)]);
    assert_eq!(run(&mut dispatcher, 29), []);
    assert_eq!(run(&mut dispatcher, 100), [(30, Ok(NotifyReason::FirstNotification))]);
    dispatcher.observe(&[firing("b", 100)]);
    assert_eq!(run(&mut dispatcher, 330), [(330, Ok(NotifyReason::NewAlerts))]);
    let log = run(&mut dispatcher, 330 + 3_600);
    assert_eq!(log.last(), Some(&(3_930, Ok(NotifyReason::RepeatElapsed))));
    assert!(log[..log.len() - 1].iter().all(|(_, decision)| *decision == Err(QuietReason::Unchanged)));
    dispatcher.observe(&[resolved("a", 0, 4_000)]);
    assert_eq!(run(&mut dispatcher, 4_230), [(4_230, Ok(NotifyReason::Resolved))]);
    dispatcher.observe(&[resolved("b", 100, 4_300)]);
    assert_eq!(run(&mut dispatcher, 9_999), [(4_530, Ok(NotifyReason::Resolved))]);
    assert_eq!(dispatcher.due(), None);
}

#[test]
fn what_resolves_before_anybody_was_told_is_never_mentioned() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0), resolved("a", 0, 10), resolved("stranger", 0, 10)]);
    assert_eq!(run(&mut dispatcher, 9_999), [(30, Err(QuietReason::ResolvedBeforeFirst))]);
}

#[test]
fn an_alert_that_fires_again_is_news() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0)]);
    run(&mut dispatcher, 30);
    dispatcher.observe(&[resolved("a", 0, 40), firing("a", 50)]);
    assert_eq!(run(&mut dispatcher, 330), [(330, Ok(NotifyReason::NewAlerts))]);
}

#[test]
fn a_target_that_wants_no_resolved_alerts_hears_of_none() {
    let mut dispatcher = routed(ROUTE, "{url: 'https://a.example', send_resolved: false}", "");
    dispatcher.observe(&[firing("a", 0)]);
    run(&mut dispatcher, 30);
    dispatcher.observe(&[resolved("a", 0, 40)]);
    assert_eq!(run(&mut dispatcher, 9_999), [(330, Err(QuietReason::Unchanged))]);
}

#[test]
fn a_failed_notification_is_tried_again_under_the_same_id_and_nothing_overtakes_it() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0)]);
    let first = only(dispatcher.flush(at(30)));
    assert_eq!(dispatcher.flush(at(330)), [Err(QuietReason::InFlight)]);
    dispatcher.settle(&first, Settled::GaveUp, at(400));
    assert_eq!(dispatcher.due(), Some(at(400)));
    let second = only(dispatcher.flush(at(400)));
    assert_eq!(second, first);
    dispatcher.observe(&[firing("b", 410)]);
    dispatcher.settle(&second, Settled::GaveUp, at(420));
    assert_ne!(only(dispatcher.flush(at(700))).id, first.id);
}

#[test]
fn a_disabled_target_is_left_alone_and_its_resolved_alerts_are_forgotten() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0)]);
    let first = only(dispatcher.flush(at(30)));
    dispatcher.settle(&first, Settled::Disabled, at(31));
    assert_eq!(dispatcher.flush(at(330)), [Err(QuietReason::Disabled)]);
    dispatcher.observe(&[resolved("a", 0, 400)]);
    run(&mut dispatcher, 9_999);
    assert_eq!(dispatcher.due(), None);
}

#[test]
fn after_a_restart_an_unfinished_notification_goes_on_and_a_finished_one_is_not_repeated() {
    let mut before = dispatcher();
    before.observe(&[firing("a", 0)]);
    let sent = only(before.flush(at(30)));

    let mut finished = dispatcher();
    assert_eq!(finished.restore(&[firing("a", 0)], vec![told(&sent, 31)], Vec::new()), []);
    assert_eq!(run(&mut finished, 60), [(30, Err(QuietReason::Unchanged))]);

    let mut unfinished = dispatcher();
    let again = unfinished.restore(&[resolved("a", 0, 35)], Vec::new(), vec![planned(&sent)]);
    assert_eq!(again, std::slice::from_ref(&sent));
    assert_eq!(unfinished.flush(at(40)), [Err(QuietReason::InFlight)]);
    unfinished.settle(&sent, Settled::Delivered, at(41));
    assert_eq!(run(&mut unfinished, 41), [(41, Ok(NotifyReason::Resolved))]);
}

#[test]
fn after_a_restart_an_end_is_told_although_the_alert_is_pending_again() {
    let mut before = dispatcher();
    before.observe(&[firing("a", 0)]);
    let sent = only(before.flush(at(30)));
    let mut after = dispatcher();
    after.restore(
        &[resolved("a", 0, 40), alert("a", State::Pending, 50, 50)],
        vec![told(&sent, 31)],
        Vec::new(),
    );
    assert_eq!(run(&mut after, 60), [(30, Ok(NotifyReason::Resolved))]);
}

#[test]
fn an_outage_of_a_thousand_customers_is_one_page() {
    let mut dispatcher = dispatcher();
    let outage: Vec<Transition> = (0..1_000).map(|customer| firing(&format!("c{customer}"), 0)).collect();
    dispatcher.observe(&outage);
    assert_eq!(only(dispatcher.flush(at(30))).alerts.len(), 1_000);
}

const TWO_TEAMS: &str = "
route:
  receiver: ops
  group_by: [alertname]
  routes:
  - matchers: [customer=~\"big.*\"]
    receiver: keys
    continue: true
  - matchers: [customer=big1]
    receiver: pager
receivers:
- {name: ops, webhook_configs: [{url: 'https://o.example'}]}
- {name: keys, webhook_configs: [{url: 'https://k.example'}, {url: 'https://l.example'}]}
- {name: pager, webhook_configs: [{url: 'https://p.example'}]}
";

#[test]
fn an_alert_goes_to_every_receiver_whose_route_it_takes_under_an_id_for_each() {
    let mut dispatcher = Dispatcher::new(Routing::parse("routing.yaml", TWO_TEAMS).expect("valid"));
    dispatcher.observe(&[firing("big1", 0), firing("big2", 0), firing("small", 0)]);
    let sent: Vec<Notification> =
        dispatcher.flush(at(30)).into_iter().map(|sent| sent.expect("sent")).collect();
    let told: Vec<String> = sent
        .iter()
        .map(|sent| {
            let customers: Vec<&str> = sent.alerts.iter().map(|alert| &*alert.labels["customer"]).collect();
            format!("{} {} {} {customers:?}", sent.receiver, sent.integration.place, sent.group_key)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
pager 0 {}/{customer="big1"}:{alertname="A"} ["big1"]
keys 0 {}/{customer=~"big.*"}:{alertname="A"} ["big1", "big2"]
keys 1 {}/{customer=~"big.*"}:{alertname="A"} ["big1", "big2"]
ops 0 {}:{alertname="A"} ["small"]
"#);
    let mut ids: Vec<&str> = sent.iter().map(|sent| &*sent.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn what_targets_were_told_outlives_another_order_of_the_file() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0), firing("b", 0)]);
    let sent = only(dispatcher.flush(at(30)));
    let more = format!(
        "route: {{{ROUTE}}}\nreceivers: [{{name: new, webhook_configs: [{{url: 'https://n.example'}}]}}, \
         {{name: ops, webhook_configs: [{{url: 'https://a.example'}}, {{url: 'https://b.example'}}]}}]"
    );
    let mut other = Dispatcher::new(Routing::parse("routing.yaml", &more).expect("valid"));
    let unfinished = other.restore(&[firing("a", 0), firing("b", 0)], vec![told(&sent, 31)], Vec::new());
    assert_eq!(unfinished, []);
    let wanted = [(30, Err(QuietReason::Unchanged)), (30, Ok(NotifyReason::FirstNotification))];
    assert_eq!(run(&mut other, 330)[..2], wanted);
}

#[test]
fn the_body_is_alertmanagers() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0), firing("b", 1)]);
    let first = only(dispatcher.flush(at(30)));
    dispatcher.settle(&first, Settled::Delivered, at(30));
    dispatcher.observe(&[resolved("b", 1, 60)]);
    let body = message::alertmanager::body(&only(dispatcher.flush(at(330))), "https://callmeter.example", 0);
    let pretty: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    insta::assert_snapshot!(serde_json::to_string_pretty(&pretty).expect("JSON"), @r#"
{
  "alerts": [
    {
      "annotations": {
        "summary": "b fails"
      },
      "endsAt": "2027-01-15T08:01:00.000Z",
      "fingerprint": "328a0a9e211b2db7",
      "generatorURL": "https://callmeter.example",
      "labels": {
        "alertname": "A",
        "customer": "b",
        "workspace": "demo"
      },
      "startsAt": "2027-01-15T08:00:01.000Z",
      "status": "resolved"
    },
    {
      "annotations": {
        "summary": "a fails"
      },
      "endsAt": "0001-01-01T00:00:00Z",
      "fingerprint": "f4cd35899cae5f73",
      "generatorURL": "https://callmeter.example",
      "labels": {
        "alertname": "A",
        "customer": "a",
        "workspace": "demo"
      },
      "startsAt": "2027-01-15T08:00:00.000Z",
      "status": "firing"
    }
  ],
  "commonAnnotations": {},
  "commonLabels": {
    "alertname": "A",
    "workspace": "demo"
  },
  "externalURL": "https://callmeter.example",
  "groupKey": "{}:{alertname=\"A\"}",
  "groupLabels": {
    "alertname": "A"
  },
  "receiver": "ops",
  "status": "firing",
  "truncatedAlerts": 0,
  "version": "4"
}
"#);
}
