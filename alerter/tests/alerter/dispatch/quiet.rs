//! What keeps alerts quiet: silences, inhibition and times of routes, and what is said when they end.

use super::*;
use callmeter_alerter::{
    fault::Inhibition,
    rules::RuleSet,
    silence::{Silence, conditions},
};

fn silence(matchers: &str, from: i64, until: i64) -> Silence {
    Silence {
        id: "s1".into(),
        matchers: conditions(&[matchers]).expect("conditions"),
        author: "me".into(),
        reason: "planned work".into(),
        starts_at: at(from),
        ends_at: at(until),
        created_at: at(from),
    }
}

#[test]
fn a_silence_keeps_quiet_of_what_is_new_and_what_is_over_until_it_ends() {
    let mut dispatcher = dispatcher();
    dispatcher.hush(vec![silence("customer=a", 0, 1_000)]);
    dispatcher.observe(&[firing("a", 0)]);
    assert_eq!(
        run(&mut dispatcher, 900),
        [
            (30, Err(QuietReason::Silenced)),
            (330, Err(QuietReason::Silenced)),
            (630, Err(QuietReason::Silenced))
        ]
    );
    assert_eq!(
        run(&mut dispatcher, 1_300),
        [(930, Err(QuietReason::Silenced)), (1_230, Ok(NotifyReason::FirstNotification))]
    );
    dispatcher.hush(vec![silence("customer=a", 1_300, 2_000)]);
    dispatcher.observe(&[resolved("a", 0, 1_400)]);
    let log = run(&mut dispatcher, 9_999);
    assert_eq!(
        log,
        [
            (1_530, Err(QuietReason::Silenced)),
            (1_830, Err(QuietReason::Silenced)),
            (2_130, Ok(NotifyReason::Resolved)),
        ]
    );
}

#[test]
fn what_a_target_was_told_before_a_silence_is_neither_news_nor_forgotten_after_it() {
    let mut dispatcher = dispatcher();
    dispatcher.observe(&[firing("a", 0)]);
    run(&mut dispatcher, 30);
    dispatcher.hush(vec![silence("customer=a", 30, 400)]);
    dispatcher.observe(&[firing("b", 50)]);
    let second = only(dispatcher.flush(at(330)));
    assert_eq!(second.alerts.len(), 1);
    assert_eq!(second.withheld.values().collect::<Vec<_>>(), [&firing("a", 0).id]);
    dispatcher.settle(&second, Settled::Delivered, at(331));
    assert_eq!(run(&mut dispatcher, 630), [(630, Err(QuietReason::Unchanged))], "the silence is over");
    dispatcher.observe(&[resolved("a", 0, 700)]);
    assert_eq!(run(&mut dispatcher, 930), [(930, Ok(NotifyReason::Resolved))]);
}

#[test]
fn a_source_that_fires_keeps_its_targets_quiet_and_never_itself() {
    let rules = "inhibit_rules: [{source_matchers: [customer=a], target_matchers: ['customer=~a|b'], equal: [workspace]}]";
    let mut dispatcher = routed(ROUTE, "{url: 'https://a.example'}", rules);
    dispatcher.observe(&[firing("a", 0), firing("b", 0)]);
    let sent = only(dispatcher.flush(at(30)));
    assert_eq!(sent.alerts.iter().map(|alert| &*alert.labels["customer"]).collect::<Vec<_>>(), ["a"]);
    dispatcher.settle(&sent, Settled::Delivered, at(30));
    assert_eq!(run(&mut dispatcher, 330), [(330, Err(QuietReason::Inhibited))]);
    dispatcher.observe(&[resolved("a", 0, 400)]);
    assert_eq!(run(&mut dispatcher, 630), [(630, Ok(NotifyReason::NewAlerts))]);
}

#[test]
fn a_muted_route_waits_for_the_end_of_its_time_and_an_inactive_one_for_its_beginning() {
    // 2027-01-15 is a Friday; at(0) is 08:00 UTC.
    let times = "time_intervals: [{name: early, time_intervals: [{times: [{start_time: '00:00', end_time: '08:10'}]}]}]";
    for (key, wanted) in [
        (
            "mute_time_intervals",
            [
                (30, Err(QuietReason::Muted)),
                (330, Err(QuietReason::Muted)),
                (630, Ok(NotifyReason::FirstNotification)),
            ],
        ),
        (
            "active_time_intervals",
            [
                (30, Ok(NotifyReason::FirstNotification)),
                (330, Err(QuietReason::Unchanged)),
                (630, Err(QuietReason::Inactive)),
            ],
        ),
    ] {
        let route = format!("{ROUTE}, routes: [{{{key}: [early]}}]");
        let mut dispatcher = routed(&route, "{url: 'https://a.example'}", times);
        dispatcher.observe(&[firing("a", 0)]);
        assert_eq!(run(&mut dispatcher, 630), wanted, "{key}");
    }
}

/// A rule of the file fires for a customer, and the verdict that explains it.
fn explained(customer: &str) -> (Transition, Transition) {
    let labelled = |mut alert: Transition, labels: &[(&str, &str)]| {
        alert.labels.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        alert.fingerprint = fingerprint(&alert.labels);
        alert
    };
    let verdict =
        Transition { rule_group: "callmeter".into(), rule: "IntegrationFault".into(), ..firing("", 10) };
    let said = [("alertname", "IntegrationFault"), ("scope", "vendor"), ("integration", "crm")];
    (labelled(firing(customer, 0), &[("integration", "crm")]), labelled(verdict, &said))
}

/// What verdicts make needless, of the one rule that there is.
fn needless() -> Inhibition {
    const RULES: &str = "groups: [{name: g, rules: [{alert: A, metric: error_rate, window: 5m, op: '>', threshold: 0.1, group_by: [customer, integration]}]}]";
    Inhibition::new(&RuleSet::parse([("rules.yaml", RULES)]).expect("valid"))
}

#[test]
fn when_a_vendor_fails_for_a_thousand_customers_the_verdict_is_the_only_page() {
    let mut dispatcher = dispatcher();
    dispatcher.heed(needless());
    let (alerts, verdicts): (Vec<_>, Vec<_>) =
        (0..1_000).map(|number| explained(&format!("c{number}"))).unzip();
    dispatcher.observe(&alerts);
    dispatcher.observe(&verdicts[..1]);
    let sent: Vec<_> = [30, 40].into_iter().flat_map(|second| dispatcher.flush(at(second))).collect();
    let [Err(QuietReason::Inhibited), Ok(page)] = sent.as_slice() else { panic!("{sent:#?}") };
    assert_eq!(page.alerts, verdicts[..1]);
}

#[test]
fn who_does_not_hear_of_a_verdict_hears_of_the_alerts_that_it_explains() {
    let route = format!("{ROUTE}, routes: [{{matchers: [alertname=IntegrationFault], receiver: desk}}]");
    let more = "receivers: [{name: ops, webhook_configs: [{url: 'https://a.example'}]}, {name: desk}]";
    let routing = Routing::parse("routing.yaml", &format!("route: {{{route}}}\n{more}")).expect("valid");
    let mut dispatcher = Dispatcher::new(routing);
    dispatcher.heed(needless());
    let (alert, verdict) = explained("a");
    dispatcher.observe(&[alert.clone(), verdict]);
    assert_eq!(only(dispatcher.flush(at(40))).alerts, [alert]);
}

#[test]
fn a_verdict_that_is_silenced_or_old_keeps_nobody_from_hearing_of_what_it_explains() {
    let told = |prepare: &dyn Fn(&mut Dispatcher)| {
        let mut dispatcher = dispatcher();
        dispatcher.heed(needless());
        let (alert, verdict) = explained("a");
        dispatcher.observe(&[alert.clone(), verdict]);
        prepare(&mut dispatcher);
        let sent = dispatcher.flush(at(40)).into_iter().flatten().flat_map(|sent| sent.alerts);
        sent.filter(|sent| *sent == alert).count()
    };
    assert_eq!(told(&|_| ()), 0);
    assert_eq!(told(&|dispatcher| dispatcher.hush(vec![silence("scope=vendor", 0, 1_000)])), 1);
    assert_eq!(told(&|dispatcher| dispatcher.doubt(true)), 1);
}

#[test]
fn a_verdict_whose_route_is_muted_keeps_nobody_from_hearing_of_what_it_explains() {
    // at(0) is 08:00 UTC.
    let route = format!(
        "{ROUTE}, routes: [{{matchers: [alertname=IntegrationFault], mute_time_intervals: [morning]}}]"
    );
    let times = "time_intervals: [{name: morning, time_intervals: [{times: [{start_time: '07:00', end_time: '09:00'}]}]}]";
    let mut dispatcher = routed(&route, "{url: 'https://a.example'}", times);
    dispatcher.heed(needless());
    let (alert, verdict) = explained("a");
    dispatcher.observe(&[alert.clone(), verdict]);
    let sent: Vec<_> = dispatcher.flush(at(40)).into_iter().flatten().flat_map(|sent| sent.alerts).collect();
    assert_eq!(sent, [alert]);
}
