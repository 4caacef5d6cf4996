//! What rules say beyond a threshold: told as what is known of one group at which second, and what changes then.

use callmeter_alerter::{
    RuleSet,
    evaluate::{Evaluator, Freshness, Freshness::Current},
    query::{self, Answer, Group},
    rules::Rule,
};
use jiff::Timestamp;
use std::time::Duration;

const START: i64 = 1_800_000_000;

fn rules(extra: &str) -> RuleSet {
    let text =
        format!("groups: [{{name: g, rules: [{{alert: A, group_by: [customer, integration], {extra}}}]}}]");
    RuleSet::parse([("rules.yaml", text.as_str())]).expect("valid")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).expect("in range")
}

/// One customer's group.
fn group(customer: &str, calls: u64, errors: u64) -> Group {
    let values = ["demo", customer, "hubspot"].map(str::to_owned).to_vec();
    Group { values, calls, errors, last_seen: START as u32, ..Group::default() }
}

fn answer(rule: &Rule, groups: &[Group]) -> Answer {
    query::plan(&[rule], Duration::from_secs(60))[0].answer(groups.to_vec())
}

/// What happens is `state customer@second`.
#[track_caller]
fn check(extra: &str, steps: &[(i64, Freshness, Vec<Group>)], wanted: &[&str]) {
    let set = rules(extra);
    let rule = set.iter().next().expect("one");
    let mut evaluator = Evaluator::default();
    let mut seen = Vec::new();
    for (second, freshness, groups) in steps {
        let changes = evaluator.evaluate(rule, &answer(rule, groups), *freshness, at(*second)).transitions;
        let told = |change: &callmeter_alerter::transition::Transition| {
            format!("{} {}@{second}", change.state.word(), change.labels["customer"])
        };
        seen.extend(changes.iter().map(told));
    }
    assert_eq!(seen, wanted, "{extra}");
}

const RATE: &str = "metric: error_rate, window: 5m, op: '>', threshold: 0.5";

fn now(second: i64, groups: Vec<Group>) -> (i64, Freshness, Vec<Group>) {
    (second, Current, groups)
}

fn acme(calls: u64, errors: u64) -> Vec<Group> {
    vec![group("acme", calls, errors)]
}

#[test]
fn a_firing_alert_goes_on_for_its_time_after_the_value_was_last_beyond() {
    let rule = format!("{RATE}, keep_firing_for: 1m");
    let steps = [now(0, acme(9, 9)), now(30, acme(9, 0)), now(89, vec![]), now(90, acme(9, 0))];
    check(&rule, &steps, &["firing acme@0", "resolved acme@90"]);
    let steps = [
        now(0, acme(9, 9)),
        now(30, acme(9, 0)),
        now(60, acme(9, 9)),
        now(120, acme(9, 0)),
        now(179, vec![]),
    ];
    check(&rule, &steps, &["firing acme@0"]);
}

#[test]
fn time_that_nobody_looked_at_does_not_count_towards_for() {
    let rule = format!("{RATE}, for: 10m");
    // Two hours without an evaluation count as the five minutes that the next one looks at.
    let steps = [now(0, acme(9, 9)), now(7_200, acme(9, 9)), now(7_499, acme(9, 9)), now(7_500, acme(9, 9))];
    check(&rule, &steps, &["pending acme@0", "firing acme@7500"]);
}

#[test]
fn a_restart_counts_no_more_than_what_the_next_evaluation_looks_at() {
    let set = rules(&format!("{RATE}, for: 10m"));
    let rule = set.iter().next().expect("one");
    let step = |evaluator: &mut Evaluator, second| {
        evaluator.evaluate(rule, &answer(rule, &acme(9, 9)), Current, at(second)).transitions
    };
    let pending = step(&mut Evaluator::default(), 0);
    let (mut evaluator, _) = Evaluator::restore(&set, &[], &pending, at(3_600));
    assert_eq!(step(&mut evaluator, 3_600), []);
    assert_eq!(step(&mut evaluator, 3_899), []);
    assert_eq!(step(&mut evaluator, 3_900)[0].starts_at, at(3_900));
}

#[test]
fn of_a_group_with_nothing_to_measure_no_data_decides() {
    let steps = [now(0, acme(9, 9)), now(1, acme(0, 0)), now(2, acme(9, 0))];
    check(&format!("{RATE}, look_back: 1d"), &steps, &["firing acme@0", "resolved acme@1"]);
    check(&format!("{RATE}, no_data: keep"), &steps, &["firing acme@0", "resolved acme@2"]);
    let silent = [now(0, acme(0, 0)), now(60, acme(0, 0)), now(61, acme(9, 0)), now(62, vec![])];
    check(
        &format!("{RATE}, no_data: alert, for: 1m"),
        &silent,
        &["pending acme@0", "firing acme@60", "resolved acme@61"],
    );
    check(&format!("{RATE}, no_data: keep"), &silent, &[]);
    // Whoever was silent for all of look_back is forgotten.
    let forgotten = [now(0, acme(0, 0)), now(9, vec![])];
    check(&format!("{RATE}, no_data: alert"), &forgotten, &["firing acme@0", "resolved acme@9"]);
}

#[test]
fn a_group_that_is_known_and_silent_has_no_calls() {
    let rule = "metric: calls, window: 5m, op: '<', threshold: 1, look_back: 1d";
    check(
        rule,
        &[now(0, acme(3, 0)), now(1, acme(0, 0)), now(2, vec![])],
        &["firing acme@1", "resolved acme@2"],
    );
    let rule = "metric: no_traffic_for, window: 1d, op: '>', threshold: 15m";
    check(
        rule,
        &[now(900, acme(3, 0)), now(901, acme(3, 0)), now(902, vec![])],
        &["firing acme@901", "resolved acme@902"],
    );
}

#[test]
fn a_new_group_starts_no_alert() {
    let since = |second: i64| vec![Group { first_seen: (START + second) as u32, ..group("acme", 9, 9) }];
    let rule = format!("{RATE}, new_group_delay: 10m");
    check(&rule, &[now(0, since(0)), now(599, since(0)), now(600, since(0))], &["firing acme@600"]);
    // What is open goes on, also when the group's first call has left the time that is looked back at.
    check(&rule, &[now(0, since(-600)), now(1, since(1))], &["firing acme@0"]);
    // With a comparison, what was known before stands in the window that is compared with.
    let known = vec![
        Group { first_seen: START as u32, ..group("acme", 9, 9) },
        Group { past: true, first_seen: (START - 86_400) as u32, ..group("acme", 9, 1) },
    ];
    let compared = format!("{RATE}, new_group_delay: 10m, compare: {{with: 1h, as: ratio}}");
    check(&compared, &[now(0, known)], &["firing acme@0"]);
}

#[test]
fn a_rule_on_too_little_traffic_cannot_ask_for_much_of_it() {
    for rule in [
        "metric: calls, window: 5m, op: '<', threshold: 1, min_samples: 1",
        "metric: no_traffic_for, window: 1d, op: '>', threshold: 15m, min_samples: 1",
    ] {
        let text = format!("groups: [{{name: g, rules: [{{alert: A, {rule}}}]}}]");
        let problems = RuleSet::parse([("rules.yaml", text.as_str())]).expect_err(rule);
        assert_eq!(problems[0].field, "groups[0].rules[0].min_samples");
    }
    let defaults = "groups: [{name: g, defaults: {min_samples: 50}, rules: [{alert: A, metric: no_traffic_for, window: 1d, op: '>', threshold: 15m}]}]";
    let set = RuleSet::parse([("rules.yaml", defaults)])
        .expect("what says nothing to a metric is no default of it");
    assert_eq!(set.iter().next().map(|rule| rule.terms.min_samples), Some(0));
}

#[test]
fn a_value_is_held_against_the_window_before() {
    let both = |now: (u64, u64), before: (u64, u64)| {
        vec![group("acme", now.0, now.1), Group { past: true, ..group("acme", before.0, before.1) }]
    };
    let gone = || vec![Group { past: true, ..group("acme", 100, 0) }];
    let fall =
        "metric: calls, window: 5m, op: '<', threshold: 0.5, min_samples: 50, compare: {with: 1d, as: ratio}";
    check(fall, &[now(0, both((50, 0), (100, 0))), now(1, both((49, 0), (100, 0)))], &["firing acme@1"]);
    check(fall, &[now(0, gone()), now(1, both((99, 0), (100, 0)))], &["firing acme@0", "resolved acme@1"]);
    check(fall, &[now(0, both((1, 0), (49, 0))), now(1, acme(100, 0))], &[]);
    let rise =
        "metric: error_rate, window: 5m, op: '>=', threshold: 0.25, compare: {with: 1w, as: difference}";
    check(
        rise,
        &[now(0, both((8, 3), (8, 2))), now(1, both((8, 4), (8, 2))), now(2, acme(8, 8))],
        &["firing acme@1", "resolved acme@2"],
    );
}

#[test]
fn the_first_override_that_matches_holds() {
    let rule = "metric: errors, window: 5m, op: '>', threshold: 5, for: 1m, overrides: [
        {filter: {customer: acme}, threshold: 50}, {filter: {customer: {regex: 'a.*|globex'}}, for: 0s, min_samples: 20}]";
    let all = |errors| ["acme", "globex", "initech"].map(|name| group(name, errors, errors)).to_vec();
    check(
        rule,
        &[now(0, all(19)), now(60, all(20))],
        &["pending initech@0", "firing globex@60", "firing initech@60"],
    );
    check(rule, &[now(0, all(51))], &["pending acme@0", "firing globex@0", "pending initech@0"]);
}

#[test]
fn while_a_partition_waits_rules_go_on_for_groups_that_are_counted() {
    let stopped = Freshness::PartlyStopped(at(-300));
    let only = |groups: Vec<Group>| [(0, Current, acme(9, 9)), (1, stopped, groups)];
    // A group with calls lies in a partition that is counted; one without calls may lie in the one that waits.
    check(RATE, &only(acme(9, 0)), &["firing acme@0", "resolved acme@1"]);
    check(RATE, &only(vec![]), &["firing acme@0"]);
    check(RATE, &only(vec![group("globex", 9, 9)]), &["firing acme@0", "firing globex@1"]);
    let silent = format!("{RATE}, no_data: alert");
    check(&silent, &[(0, stopped, acme(0, 0))], &[]);
    // Calls of the window may have been counted before it stopped: then nothing is concluded.
    let later = Freshness::PartlyStopped(at(-299));
    check(RATE, &[(0, Current, acme(9, 9)), (0, later, acme(9, 0))], &["firing acme@0"]);
    // Groups of one customer lie in many partitions.
    let text = format!("groups: [{{name: g, rules: [{{alert: A, group_by: [customer], {RATE}}}]}}]");
    let set = RuleSet::parse([("rules.yaml", text.as_str())]).expect("valid");
    let rule = set.iter().next().expect("one");
    let group = Group { values: vec!["demo".into(), "acme".into()], calls: 9, errors: 9, ..Group::default() };
    let seen = Evaluator::default().evaluate(rule, &answer(rule, &[group]), stopped, at(0));
    assert_eq!(seen.transitions, []);
}

#[test]
fn a_filter_that_leaves_one_value_shares_the_query_and_not_the_labels() {
    let text = "
groups:
- name: g
  rules:
  - {alert: Hub, metric: calls, window: 5m, op: '>', threshold: 1, group_by: [customer], filter: {integration: hubspot}}
  - {alert: Others, metric: calls, window: 5m, op: '>', threshold: 1, group_by: [customer, integration],
     filter: {integration: {not: {regex: 'hub.*'}}, customer: [acme, globex]}}
";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let rules: Vec<&Rule> = set.iter().collect();
    let queries = query::plan(&rules, Duration::from_secs(60));
    assert_eq!(queries.len(), 1);
    let group = |customer: &str, integration: &str| Group {
        values: vec!["demo".into(), customer.into(), integration.into()],
        calls: 9,
        ..Group::default()
    };
    let answer = queries[0].answer(vec![
        group("acme", "hubspot"),
        group("acme", "stripe"),
        group("globex", "hubspot"),
        group("initech", "stripe"),
    ]);
    let fired = |rule: &Rule| {
        let changes = Evaluator::default().evaluate(rule, &answer, Current, at(0)).transitions;
        let labels = changes.iter().map(|change| format!("{:?}", change.labels));
        labels.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(fired(rules[0]), @r#"
{"alertname": "Hub", "customer": "acme", "workspace": "demo"}
{"alertname": "Hub", "customer": "globex", "workspace": "demo"}
"#);
    insta::assert_snapshot!(fired(rules[1]), @r#"{"alertname": "Others", "customer": "acme", "integration": "stripe", "workspace": "demo"}"#);
}

#[test]
fn a_reload_keeps_the_alerts_of_rules_that_stay_and_ends_those_of_rules_that_go() {
    let text = |rules: &str| format!("groups: [{{name: g, rules: [{rules}]}}]");
    let rule = |name: &str, extra: &str| {
        format!("{{alert: {name}, metric: calls, window: 5m, op: '>', threshold: 1, for: 1m, {extra}}}")
    };
    let parse =
        |rules: &[String]| RuleSet::parse([("rules.yaml", text(&rules.join(", ")).as_str())]).expect("valid");
    let old = parse(&[rule("Stays", ""), rule("Goes", ""), rule("Regroups", "")]);
    let new = parse(&[
        rule("Stays", "keep_firing_for: 1m"),
        rule("Regroups", "group_by: [customer]"),
        rule("Comes", ""),
    ]);
    let mut evaluator = Evaluator::default();
    let workspace = Group { values: vec!["demo".into()], calls: 9, ..Group::default() };
    for rule in old.iter() {
        evaluator.evaluate(rule, &answer(rule, std::slice::from_ref(&workspace)), Current, at(0));
    }
    let ended = evaluator.adopt(&old, &new, at(30));
    let told: Vec<_> = ended.iter().map(|change| (change.rule.as_str(), change.state.word())).collect();
    assert_eq!(told, [("Goes", "resolved"), ("Regroups", "resolved")]);
    let stays = new.iter().next().expect("one");
    let fired = evaluator.evaluate(stays, &answer(stays, &[workspace]), Current, at(60)).transitions;
    assert_eq!(fired[0].state.word(), "firing", "its time went on over the reload");
}
