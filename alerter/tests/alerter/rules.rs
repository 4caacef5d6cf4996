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
    assert_eq!(rules.rules(), 9);
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
fn what_says_nothing_to_a_metric_is_refused() {
    let text = r#"
groups:
- name: a
  defaults: {op: ">", theshold: 3, min_samples: 5}
  rules:
  - {alert: A, metric: quota_exhausts_in, threshold: soon, group_by: [customer], min_samples: 3, new_group_delay: 5m}
  - {alert: B, metric: pipeline_lag, threshold: 1m, window: 5m, group_by: [workspace]}
  - {alert: C, metric: budget_spent, threshold: 1, window: 5m}
  - {alert: D, metric: calls, threshold: 1, window: 5m, budget: {amount: 0, period: year}, compare: {with: 1m, as: quotient}}
  - {alert: E, metric: calls, threshold: 1, window: 5m, filter: {customer: {regex: "\\d+"}, tier: {is: a, not: b}, policy: x}}
  - alert: F
    metric: calls
    threshold: 10
    window: 5m
    look_back: 1m
    new_group_delay: 2h
    no_data: yes
    overrides:
    - {filter: {customer: acme}, threshold: 20}
    - {threshold: 20, clear_threshold: 30, labels: {a: b}}
"#;
    insta::assert_snapshot!(mistakes(text), @r"
rules.yaml:4:23: groups[0].defaults.theshold: unknown key
rules.yaml:6:43: groups[0].rules[0].threshold: neither a duration such as 15m nor a number of seconds
rules.yaml:6:71: groups[0].rules[0].group_by[0]: this metric has the dimensions workspace, integration, policy, scope only
rules.yaml:6:82: groups[0].rules[0].min_samples: there are no calls to count beside this metric
rules.yaml:6:98: groups[0].rules[0].new_group_delay: groups of this metric have no first call
rules.yaml:7:53: groups[0].rules[1].window: the lag is that of the moment
rules.yaml:7:76: groups[0].rules[1].group_by[0]: this metric has no dimensions
rules.yaml:8:5: groups[0].rules[2].budget: missing
rules.yaml:8:52: groups[0].rules[2].window: the window is the period of the budget
rules.yaml:9:57: groups[0].rules[3].budget: goes with the metric budget_spent only
rules.yaml:9:102: groups[0].rules[3].compare.with: must not be shorter than the window: the two would share calls
rules.yaml:9:112: groups[0].rules[3].compare.as: `quotient` is not one of ratio, difference
rules.yaml:10:77: groups[0].rules[4].filter.customer.regex: `\d` does not mean the same everywhere: write [0-9]
rules.yaml:10:93: groups[0].rules[4].filter.tier: one of is, in, not, regex is expected here
rules.yaml:10:116: groups[0].rules[4].filter.policy: this metric has the dimensions workspace, customer, integration, endpoint, tier, environment, currency only
rules.yaml:15:5: groups[0].rules[5].look_back: must be longer than the window
rules.yaml:16:5: groups[0].rules[5].new_group_delay: must be shorter than what is looked back at, or all groups are new
rules.yaml:17:5: groups[0].rules[5].no_data: `true` is not one of ok, alert, keep
rules.yaml:19:17: groups[0].rules[5].overrides[0].filter.customer: groups are told apart by dimensions of group_by only
rules.yaml:20:7: groups[0].rules[5].overrides[1].filter: missing
rules.yaml:20:23: groups[0].rules[5].overrides[1].clear_threshold: must lie on the clear side of threshold, and goes with >, >=, < and <= only
rules.yaml:20:44: groups[0].rules[5].overrides[1].labels: unknown key
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
    insta::assert_snapshot!(queries[0].text(), @"SELECT past, values, calls, errors, errors_by_class, retried, latency_us_sum, arraySum(mapValues(latency)) AS measured, CAST([latencyQuantile(0.5, latency), latencyQuantile(0.95, latency)], 'Array(Float64)') AS quantiles, bytes_in, bytes_out, cost, first_seen, last_seen, CAST(NULL, 'Nullable(Float64)') AS remaining_ratio, CAST(NULL, 'Nullable(Float64)') AS exhausts_in FROM (SELECT toUInt8(0) AS past, [toString(workspace), toString(customer)] AS values, sum(calls) AS calls, sum(errors) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, sum(attempts_retried) AS retried, sum(latency_us_sum) AS latency_us_sum, sumMap(latency) AS latency, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost, toUInt32(min(window_start)) AS first_seen, toUInt32(max(window_start) + 60) AS last_seen FROM deltas WHERE kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') GROUP BY past, workspace, customer LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw', max_rows_to_group_by = 1000001, group_by_overflow_mode = 'any'");
}

#[test]
fn values_are_parameters_and_never_text() {
    let set = RuleSet::parse([("rules.yaml", MANY)]).expect("valid");
    let query = &plan(&set)[1];
    assert!(!query.text().contains("DROP"));
    insta::assert_snapshot!(query.text().split("WHERE ").last().expect("a condition"), @"kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') AND NOT tier IN {tier:Array(String)} AND customer IN {customer:Array(String)} GROUP BY past, workspace, customer LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw', max_rows_to_group_by = 1000001, group_by_overflow_mode = 'any'");
    let now = "2026-11-21T12:05:30.9Z".parse().expect("a time");
    insta::assert_compact_debug_snapshot!(query.params(now, now), @r#"[("since", Seconds(1795262430)), ("until", Seconds(1795262730)), ("tier", Texts(["free"])), ("customer", Texts(["x'); DROP"]))]"#);
}

#[test]
fn ten_thousand_rules_need_a_handful_of_queries() {
    let metrics = ["error_rate", "latency_p95", "calls", "throttled_share"];
    let rule = |number: usize| {
        let (metric, integration) = (metrics[number % 4], number / 4 % 500);
        format!(
            "  - {{alert: R{number}, metric: {metric}, op: '>', threshold: {number}, \
             filter: {{integration: vendor-{integration}}}}}\n"
        )
    };
    let rules: String = (0..10_000).map(rule).collect();
    let text =
        format!("groups:\n- name: g\n  defaults: {{window: 5m, group_by: [customer]}}\n  rules:\n{rules}");
    let set = RuleSet::parse([("rules.yaml", text.as_str())]).expect("valid");
    let queries = plan(&set);
    assert_eq!(queries.iter().map(|query| query.rules.len()).collect::<Vec<_>>(), [10_000]);
    let text = queries[0].text();
    assert!(text.contains("GROUP BY past, workspace, customer, integration LIMIT"), "{text}");
    assert!(!text.contains(" IN "), "more values than are worth sending: {text}");
}

#[test]
fn a_query_reads_only_what_its_rules_name_when_all_of_them_do() {
    let text = "
groups:
- name: a
  rules:
  - {alert: A, metric: calls, op: '>', threshold: 1, window: 5m, filter: {integration: hubspot}}
  - {alert: B, metric: errors, op: '>', threshold: 1, window: 5m, filter: {integration: [stripe, hubspot]}, group_by: [integration]}
  - {alert: C, metric: calls, op: '>', threshold: 1, window: 5m, filter: {tier: {regex: 'free.*'}}}
";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let now = "2026-11-21T12:05:30.9Z".parse().expect("a time");
    let sent = |query: &query::Query| format!("{:?} {:?}", query.rules, &query.params(now, now)[2..]);
    let sent: Vec<String> = plan(&set).iter().map(sent).collect();
    insta::assert_debug_snapshot!(sent, @r#"
[
    "[2] [(\"tier\", Text(\"^(?s:free.*)$\"))]",
    "[0, 1] [(\"integration\", Texts([\"hubspot\", \"stripe\"]))]",
]
"#);
}

#[test]
fn a_window_that_must_be_full_ends_with_what_was_counted() {
    let text = "
groups:
- name: a
  rules:
  - {alert: Fewer, metric: calls, op: '<', threshold: 10, window: 90s}
  - {alert: Jump, metric: error_rate, op: '>', threshold: 2, window: 5m, compare: {with: 1d, as: ratio}}
  - {alert: Known, metric: error_rate, op: '>', threshold: 2, window: 5m, no_data: alert}
";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let now = "2026-11-21T12:05:30Z".parse().expect("a time");
    let counted = "2026-11-21T12:04:59Z".parse().expect("a time");
    let sent: Vec<String> =
        plan(&set).iter().map(|query| format!("{:?}", query.params(now, counted))).collect();
    insta::assert_debug_snapshot!(sent, @r#"
[
    "[(\"since\", Seconds(1795262519)), (\"until\", Seconds(1795262639))]",
    "[(\"since\", Seconds(1795262430)), (\"until\", Seconds(1795262730)), (\"known_since\", Seconds(1795176330))]",
    "[(\"since\", Seconds(1795262339)), (\"until\", Seconds(1795262639)), (\"since_before\", Seconds(1795175939)), (\"until_before\", Seconds(1795176239))]",
]
"#);
}

/// The questions as a whole: a change of one of them is a change of what people are paged for.
#[test]
fn every_source_has_its_question() {
    let text = "
groups:
- name: a
  rules:
  - {alert: Cost, metric: cost, op: '>', threshold: 1, window: 1h, group_by: [customer]}
  - {alert: Month, metric: budget_spent, op: '>', threshold: 1, budget: {amount: 5, period: day}}
  - {alert: Quota, metric: quota_exhausts_in, op: '<', threshold: 1h, group_by: [policy]}
  - {alert: Jump, metric: calls, op: '>', threshold: 2, window: 5m, compare: {with: 1d, as: ratio}, look_back: 2d}
";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let texts: Vec<String> = plan(&set).iter().map(query::Query::text).collect();
    insta::assert_snapshot!(texts.join("\n"), @"
SELECT past, values, calls, errors, errors_by_class, retried, latency_us_sum, arraySum(mapValues(latency)) AS measured, CAST([], 'Array(Float64)') AS quantiles, bytes_in, bytes_out, cost, first_seen, last_seen, CAST(NULL, 'Nullable(Float64)') AS remaining_ratio, CAST(NULL, 'Nullable(Float64)') AS exhausts_in FROM (SELECT toUInt8(window_start <= toDateTime({until_before:UInt32}, 'UTC')) AS past, [toString(workspace)] AS values, sum(calls) AS calls, sum(errors) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, sum(attempts_retried) AS retried, sum(latency_us_sum) AS latency_us_sum, CAST(map(), 'Map(UInt16, UInt64)') AS latency, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost, toUInt32(min(window_start)) AS first_seen, toUInt32(max(window_start) + 60) AS last_seen FROM (SELECT workspace, window_start, calls, errors, errors_by_class, attempts_retried, latency_us_sum, latency, bytes_in, bytes_out, cost FROM deltas WHERE kind = 'data' AND (window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') OR window_start > toDateTime({since_before:UInt32}, 'UTC') AND window_start <= toDateTime({until_before:UInt32}, 'UTC')) UNION ALL SELECT workspace, window_start, 0, 0, CAST(map(), 'Map(String, UInt64)'), 0, 0, CAST(map(), 'Map(UInt16, UInt64)'), 0, 0, toDecimal128(0, 12) FROM deltas WHERE kind = 'data' AND calls > 0 AND window_start > toDateTime({known_since:UInt32}, 'UTC') AND window_start <= toDateTime({since:UInt32}, 'UTC')) WHERE 1 GROUP BY past, workspace LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw', max_rows_to_group_by = 1000001, group_by_overflow_mode = 'any'
SELECT past, values, calls, errors, errors_by_class, retried, latency_us_sum, arraySum(mapValues(latency)) AS measured, CAST([], 'Array(Float64)') AS quantiles, bytes_in, bytes_out, cost, first_seen, last_seen, CAST(NULL, 'Nullable(Float64)') AS remaining_ratio, CAST(NULL, 'Nullable(Float64)') AS exhausts_in FROM (SELECT toUInt8(0) AS past, [toString(workspace), toString(customer), toString(currency)] AS values, sum(calls) AS calls, sum(errors) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, sum(attempts_retried) AS retried, sum(latency_us_sum) AS latency_us_sum, CAST(map(), 'Map(UInt16, UInt64)') AS latency, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost, toUInt32(min(window_start)) AS first_seen, toUInt32(max(window_start) + 60) AS last_seen FROM (SELECT workspace, customer, toString(currency) AS currency, window_start, calls, errors, errors_by_class, attempts_retried, latency_us_sum, latency, bytes_in, bytes_out, cost FROM deltas WHERE kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') UNION ALL SELECT workspace, customer, toString(currency) AS currency, window_start, 0, 0, CAST(map(), 'Map(String, UInt64)'), 0, 0, CAST(map(), 'Map(UInt16, UInt64)'), 0, 0, share FROM (SELECT *, usage_costs.cost * units / greatest(quantity, 1) AS share FROM (SELECT toStartOfHour(window_start) AS hour, window_start, workspace, customer, integration, line, endpoint, tier, environment, sum(counted) AS units FROM deltas ARRAY JOIN mapKeys(usage) AS line, mapValues(usage) AS counted WHERE kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') AND window_start <= toDateTime({until:UInt32}, 'UTC') GROUP BY window_start, workspace, hour, customer, integration, line, endpoint, tier, environment) AS used INNER JOIN (SELECT workspace, hour, customer, integration, line, endpoint, tier, environment, currency, cost, quantity FROM usage_costs WHERE month BETWEEN toStartOfMonth(toDateTime({since:UInt32}, 'UTC')) AND toStartOfMonth(toDateTime({until:UInt32}, 'UTC'))) AS usage_costs USING (workspace, hour, customer, integration, line, endpoint, tier, environment))) WHERE 1 GROUP BY past, workspace, customer, currency LIMIT 1000001) SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw'
SELECT toUInt8(0) AS past, [toString(workspace), toString(currency)] AS values, sum(calls) AS calls, toUInt64(0) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, toUInt64(0) AS retried, toUInt64(0) AS latency_us_sum, toUInt64(0) AS measured, CAST([], 'Array(Float64)') AS quantiles, toUInt64(0) AS bytes_in, toUInt64(0) AS bytes_out, sum(cost) AS cost, toUInt32(0) AS first_seen, toUInt32(0) AS last_seen, CAST(NULL, 'Nullable(Float64)') AS remaining_ratio, CAST(NULL, 'Nullable(Float64)') AS exhausts_in FROM costs WHERE month = toStartOfMonth(toDateTime({until:UInt32}, 'UTC')) AND day = toDate(toDateTime({until:UInt32}, 'UTC')) GROUP BY workspace, currency LIMIT 1000001 SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw'
SELECT toUInt8(0) AS past, [toString(workspace), toString(policy)] AS values, toUInt64(0) AS calls, toUInt64(0) AS errors, CAST(map(), 'Map(String, UInt64)') AS errors_by_class, toUInt64(0) AS retried, toUInt64(0) AS latency_us_sum, toUInt64(0) AS measured, CAST([], 'Array(Float64)') AS quantiles, toUInt64(0) AS bytes_in, toUInt64(0) AS bytes_out, toDecimal128(0, 12) AS cost, toUInt32(min(observed_at)) AS first_seen, toUInt32(max(observed_at)) AS last_seen, CAST(min(toFloat64(remaining) / nullIf(toFloat64(`limit`), 0)), 'Nullable(Float64)') AS remaining_ratio, CAST(min(if(isNull(remaining), NULL, if(isNull(exhausts_at), inf, greatest(toFloat64(exhausts_at) - toFloat64(now64(3)), 0)))), 'Nullable(Float64)') AS exhausts_in FROM quota WHERE observed_at > toDateTime({since:UInt32}, 'UTC') GROUP BY workspace, policy LIMIT 1000001 SETTINGS max_execution_time = 25, timeout_overflow_mode = 'throw'
");
}
