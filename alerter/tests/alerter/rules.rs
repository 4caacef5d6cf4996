//! Rule files as people write them: what is understood, what is refused, and which queries they cost.

use callmeter_alerter::{RuleSet, query, rules::Rule};
use std::time::Duration;

/// All mistakes of one file, one per line.
fn mistakes(text: &str) -> String {
    let problems = RuleSet::parse([("rules.yaml", text)]).expect_err("mistakes");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_starter_rules_have_no_mistakes() {
    let rules = callmeter_alerter::check_rules(&["../rules/*.yaml"]).expect("no mistakes");
    assert_eq!(rules.rules(), 4);
}

#[test]
fn every_mistake_is_reported_with_line_field_and_suggestion() {
    let text = r#"
groups:
- name: a
  intervall: 30s
  rules:
  - alert: One
    metric: error_rat
    window: 5 minutes
    filter: {integraton: hubspot, error_class: {not: [validaton]}}
    group_by: [customer, regoin]
    op: "=>"
    threshold: lots
    min_samples: -1
    for: 5m
    keep_firing_for: 10m
    no_data: ok
    labels: {customer: x, "a b": y, severity: "{{ $value }}"}
    annotations: {summary: "{{ $value | nonsense }}"}
  - alert: Two
    metric: cost
    window: 0s
    filter: {error_class: timeout, customer: []}
    op: ">"
    threshold: 0.0000000000001
    clear_threshold: 7
  - 7
- name: a
  rules: {}
"#;
    insta::assert_snapshot!(mistakes(text), @"
rules.yaml:4:3: groups[0].intervall: unknown key (did you mean `interval`?)
rules.yaml:7:5: groups[0].rules[0].metric: `error_rat` is not one of calls, errors, error_rate, latency_p50, latency_p75, latency_p90, latency_p95, latency_p99, latency_p999, latency_mean, throttled_share, retried_share, retry_amplification, bytes_in, bytes_out, no_traffic_for, cost, spend_rate, budget_spent, quota_remaining_ratio, quota_exhausts_in, pipeline_lag (did you mean `error_rate`?)
rules.yaml:8:5: groups[0].rules[0].window: `5 minutes` is not a duration such as 90s, 5m or 1h30m
rules.yaml:9:14: groups[0].rules[0].filter.integraton: unknown key (did you mean `integration`?)
rules.yaml:9:35: groups[0].rules[0].filter.error_class: `validaton` is not one of auth_expired, forbidden, not_found, validation, conflict, rate_limited, quota_exhausted, throttled_soft, upstream_5xx, timeout, connect, dns, tls, schema_mismatch, killed, cancelled, unknown (did you mean `validation`?)
rules.yaml:10:26: groups[0].rules[0].group_by[1]: `regoin` is not one of workspace, customer, integration, endpoint, tier, environment, currency, policy, scope
rules.yaml:11:5: groups[0].rules[0].op: `=>` is not one of >, >=, <, <=, ==, != (did you mean `==`?)
rules.yaml:12:5: groups[0].rules[0].threshold: not a number
rules.yaml:13:5: groups[0].rules[0].min_samples: a whole number of calls is expected here
rules.yaml:17:14: groups[0].rules[0].labels.customer: is set by Callmeter
rules.yaml:17:27: groups[0].rules[0].labels.a b: names have letters, digits and _ and begin with no digit
rules.yaml:17:37: groups[0].rules[0].labels.severity: labels are plain texts; templates go into annotations
rules.yaml:18:19: groups[0].rules[0].annotations.summary: filter nonsense is unknown
rules.yaml:21:5: groups[0].rules[1].window: must be longer than 0s
rules.yaml:22:14: groups[0].rules[1].filter.error_class: restricts which errors count, so it goes with the metrics errors and error_rate only
rules.yaml:22:36: groups[0].rules[1].filter.customer: names no value
rules.yaml:24:5: groups[0].rules[1].threshold: more than 12 decimal places
rules.yaml:26:5: groups[0].rules[2]: a map is expected here, not a number
rules.yaml:27:3: a group of this name stands at rules.yaml:3:3 already
rules.yaml:28:3: groups[1].rules: a list is expected here, not a map
");
}

#[test]
fn two_rules_cannot_raise_the_same_alert() {
    let text = "
groups:
- name: a
  rules:
  - {alert: A, metric: calls, window: 1m, op: '>', threshold: 1, labels: {severity: page}}
  - {alert: A, metric: calls, window: 1m, op: '>', threshold: 2, labels: {severity: warning}}
  - {alert: A, metric: errors, window: 1m, op: '>', threshold: 3, labels: {severity: page}}
";
    insta::assert_snapshot!(mistakes(text), @"rules.yaml:7:5: a rule of this name with the same labels stands at rules.yaml:5:5 already");
}

#[test]
fn a_file_that_is_not_rules_is_refused() {
    insta::assert_snapshot!(mistakes("groups: [\n"), @"rules.yaml:1:9: unclosed bracket '['");
    insta::assert_snapshot!(mistakes("- a\n"), @"rules.yaml:1:1: a map is expected here, not a list");
    insta::assert_snapshot!(mistakes("a: 1\n"), @"
rules.yaml:1:1: groups: missing
rules.yaml:1:1: a: unknown key
");
}

#[test]
fn a_window_always_holds_a_stored_one_that_is_full() {
    let text = "groups: [{name: g, rules: [{alert: A, metric: calls, window: 10s, op: '>', threshold: 1}]}]";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let minute_begins = "2026-11-21T12:05:00Z".parse().expect("a time");
    insta::assert_compact_debug_snapshot!(plan(&set)[0].params(minute_begins, minute_begins), @r#"[("since", Seconds(1795262580)), ("until", Seconds(1795262700))]"#);
}

const MANY: &str = "
groups:
- name: a
  rules:
  - {alert: A, metric: error_rate, window: 5m, op: '>', threshold: 0.1, group_by: [customer]}
  - {alert: B, metric: latency_p95, window: 5m, op: '>', threshold: 900, group_by: [customer]}
  - {alert: C, metric: latency_p50, window: 300s, op: '>', threshold: 90, group_by: [customer, workspace]}
  - {alert: D, metric: throttled_share, window: 5m, op: '>', threshold: 0.1, filter: {customer: \"x'); DROP\", tier: {not: [free]}}}
";

fn plan(set: &RuleSet) -> Vec<query::Query> {
    query::plan(&set.iter().collect::<Vec<&Rule>>(), Duration::from_secs(60))
}

#[test]
fn rules_over_the_same_groups_share_one_query() {
    let set = RuleSet::parse([("rules.yaml", MANY)]).expect("valid");
    let queries = plan(&set);
    assert_eq!(queries.iter().map(|query| query.rules.clone()).collect::<Vec<_>>(), [vec![0, 1, 2], vec![3]]);
    insta::assert_snapshot!(queries[0].text(), @"SELECT past, values, calls, errors, errors_by_class, retried, latency_us_sum, arraySum(mapValues(latency)) AS measured, CAST([latencyQuantile(0.5, latency), latencyQuantile(0.95, latency)], 'Array(Float64)') AS quantiles, bytes_in, bytes_out, cost, first_seen, last_seen, CAST(NULL, 'Nullable(Float64)') AS remaining_ratio, CAST(NULL, 'Nullable(Float64)') AS exhausts_in FROM (SELECT toUInt8(0) AS past, [toString(workspace), toString(customer)] AS values, sum(calls) AS calls, sum(errors) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, sum(attempts_retried) AS retried, sum(latency_us_sum) AS latency_us_sum, sumMap(latency) AS latency, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost, toUInt32(min(window_start)) AS first_seen, toUInt32(max(window_start) + 60) AS last_seen FROM deltas WHERE kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') GROUP BY past, workspace, customer LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw'");
}

#[test]
fn values_are_parameters_and_never_text() {
    let set = RuleSet::parse([("rules.yaml", MANY)]).expect("valid");
    let query = &plan(&set)[1];
    assert!(!query.text().contains("DROP"));
    insta::assert_snapshot!(query.text().split("WHERE ").last().expect("a condition"), @"kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') AND NOT tier IN {tier:Array(String)} AND customer IN {customer:Array(String)} GROUP BY past, workspace, customer LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw'");
    let now = "2026-11-21T12:05:30.9Z".parse().expect("a time");
    insta::assert_compact_debug_snapshot!(query.params(now, now), @r#"[("since", Seconds(1795262430)), ("until", Seconds(1795262730)), ("tier", Texts(["free"])), ("customer", Texts(["x'); DROP"]))]"#);
}
