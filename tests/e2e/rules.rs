//! One evaluator for live alerts, rule tests and back-tests: the same stored rows answer the same in ClickHouse and in
//! memory, and a back-test finds in them what was put there.

use callmeter_alerter::{
    RuleSet,
    query::{self, Group, Param, Query},
    replay::{
        history::History,
        row::{Row, Sums},
    },
    vocabulary::Dimension,
};
use callmeter_harness::stack::{Stack, eventually, with_stack};
use callmeter_schemas::{ErrorClass, histogram::bucket_of};
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::time::Duration;

const MINUTE: u32 = 60;
/// The first stored window: 2026-01-10T00:00:00Z.
const START: u32 = 1_768_003_200;

/// Every kind of window, filter and sum that rollups answer.
const RULES: &str = r#"
groups:
- name: g
  rules:
  - {alert: A, metric: error_rate, window: 5m, op: ">", threshold: 0, group_by: [customer, integration]}
  - {alert: B, metric: latency_p95, window: 10m, op: ">", threshold: 0, group_by: [integration, endpoint]}
  - {alert: C, metric: latency_p50, window: 10m, op: ">", threshold: 0, group_by: [integration, endpoint]}
  - {alert: D, metric: errors, window: 7m, op: ">", threshold: 0, filter: {customer: {not: [c1]}, error_class: timeout}}
  - {alert: E, metric: calls, window: 3m, op: "<", threshold: 9, group_by: [customer], filter: {integration: [i0]}}
  - {alert: F, metric: calls, window: 5m, op: ">", threshold: 2, group_by: [customer], compare: {with: 30m, as: ratio}}
  - {alert: G, metric: bytes_in, window: 1m, op: ">", threshold: 2, group_by: [tier, environment]}
  - {alert: H, metric: no_traffic_for, window: 30m, op: ">", threshold: 2m, group_by: [customer, integration]}
  - {alert: I, metric: cost, window: 15m, op: ">", threshold: "1", group_by: [customer]}
  - {alert: J, metric: budget_spent, budget: {amount: "10", period: day}, op: ">", threshold: 1, group_by: [customer]}
  - {alert: K, metric: budget_spent, budget: {amount: "10", period: month}, op: ">", threshold: 1}
"#;

/// A row that a seed makes.
fn row(rng: &mut StdRng, minute: u32) -> Row {
    let calls = rng.random_range(1..30_u64);
    let (timeouts, refused) = (rng.random_range(0..=calls / 2), rng.random_range(0..=calls / 3));
    let priced = rng.random_bool(0.5);
    let key = [
        (Dimension::Workspace, "w".to_owned()),
        (Dimension::Customer, format!("c{}", rng.random_range(0..4))),
        (Dimension::Integration, format!("i{}", rng.random_range(0..3))),
        (Dimension::Endpoint, format!("GET /{}", rng.random_range(0..2))),
        (Dimension::Tier, ["", "gold"][rng.random_range(0..2)].to_owned()),
        (Dimension::Environment, ["", "eu"][rng.random_range(0..2)].to_owned()),
        (Dimension::Currency, if priced { "USD" } else { "" }.to_owned()),
    ];
    let latency_us = rng.random_range(0..3_000_000_u64);
    Row {
        window_start: START + minute * MINUTE,
        key: key.into(),
        sums: Sums {
            calls,
            errors: timeouts + refused,
            errors_by_class: [(ErrorClass::Timeout, timeouts), (ErrorClass::RateLimited, refused)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect(),
            retried: rng.random_range(0..=calls),
            latency_us: latency_us * calls,
            latency: [(bucket_of(latency_us), calls)].into(),
            bytes_in: calls * 100,
            bytes_out: calls * 7,
            // Quarters are exact also as floats.
            cost: if priced { i128::from(calls) * 250_000_000_000 } else { 0 },
        },
    }
}

async fn insert(stack: &Stack, rows: &[Row]) {
    let value = |row: &Row| {
        let dimension = |dimension| row.key.get(&dimension).cloned().unwrap_or_default();
        let sums = &row.sums;
        let classes: Vec<String> = sums
            .errors_by_class
            .iter()
            .map(|(class, count)| format!("'{}': {count}", class.as_str()))
            .collect();
        let latency: Vec<String> =
            sums.latency.iter().map(|(bucket, count)| format!("{bucket}: {count}")).collect();
        format!(
            "('data', {}, '{}', '{}', '{}', '{}', '{}', '{}', '{}', {}, {}, {{{}}}, {}, {}, {{{}}}, {}, {}, {})",
            row.window_start,
            dimension(Dimension::Workspace),
            dimension(Dimension::Customer),
            dimension(Dimension::Integration),
            dimension(Dimension::Endpoint),
            dimension(Dimension::Tier),
            dimension(Dimension::Environment),
            dimension(Dimension::Currency),
            sums.calls,
            sums.errors,
            classes.join(", "),
            sums.retried,
            sums.latency_us,
            latency.join(", "),
            sums.bytes_in,
            sums.bytes_out,
            sums.cost as f64 / 1e12,
        )
    };
    let values: Vec<String> = rows.iter().map(value).collect();
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, tier, environment, \
             currency, calls, errors, errors_by_class, attempts_retried, latency_us_sum, latency, bytes_in, bytes_out, \
             cost) VALUES {}",
            values.join(", ")
        ))
        .await;
}

/// The text with its parameters in their places.
fn bound(query: &Query, now: Timestamp) -> String {
    let quoted = |text: &String| format!("'{text}'");
    query.params(now, now).into_iter().fold(query.text(), |text, (name, param)| match param {
        Param::Seconds(seconds) => text.replace(&format!("{{{name}:UInt32}}"), &seconds.to_string()),
        Param::Text(value) => text.replace(&format!("{{{name}:String}}"), &quoted(&value)),
        Param::Texts(values) => {
            let values: Vec<String> = values.iter().map(quoted).collect();
            text.replace(&format!("{{{name}:Array(String)}}"), &format!("[{}]", values.join(", ")))
        }
    })
}

/// A group as ClickHouse told it, in the alerter's form.
fn group(row: &Value) -> Group {
    let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{name} of {row}"));
    let list = |name: &str| row[name].as_array().cloned().unwrap_or_default();
    let classes = row["errors_by_class"].as_object().expect("a map");
    let class = |(word, count): (&String, &Value)| {
        (ErrorClass::parse(word).expect("a class"), count.as_u64().expect("a count"))
    };
    Group {
        past: number("past") == 1,
        values: list("values").iter().map(|value| value.as_str().expect("a text").to_owned()).collect(),
        calls: number("calls"),
        errors: number("errors"),
        errors_by_class: classes.iter().map(class).collect(),
        retried: number("retried"),
        latency_us_sum: number("latency_us_sum"),
        measured: number("measured"),
        quantiles: list("quantiles").iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect(),
        bytes_in: number("bytes_in"),
        bytes_out: number("bytes_out"),
        cost: (row["cost"].as_f64().expect("money") * 1e12) as i128,
        first_seen: number("first_seen") as u32,
        last_seen: number("last_seen") as u32,
        ..Group::default()
    }
}

/// Groups in one order and in words, NaN included.
fn told(answer: &callmeter_alerter::query::Answer) -> Vec<String> {
    let both = |group: &Group| [Some(group.clone()), answer.before(group).cloned()];
    let mut groups: Vec<Group> = answer.groups.iter().flat_map(both).flatten().collect();
    for group in &mut groups {
        group.errors_by_class.retain(|(_, count)| *count > 0);
        group.errors_by_class.sort_unstable();
    }
    let mut told: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
    told.sort_unstable();
    told
}

#[test]
fn stored_rows_answer_the_same_in_clickhouse_and_in_memory() {
    with_stack(async |stack| {
        let mut rng = StdRng::seed_from_u64(7);
        let rules = RuleSet::parse([("rules.yaml", RULES)]).unwrap_or_else(|problems| panic!("{problems:?}"));
        let queries = query::plan(&rules.iter().collect::<Vec<_>>(), Duration::from_secs(u64::from(MINUTE)));
        let mut history = History::new(queries.clone());
        // In three inserts that are not merged, so that keys have several rows; with an hour of silence.
        for _ in 0..3 {
            let minutes = (0..60).chain(120..180).filter(|_| rng.random_bool(0.8)).collect::<Vec<u32>>();
            let rows: Vec<Row> = minutes
                .iter()
                .flat_map(|minute| {
                    let count = rng.random_range(0..8);
                    (0..count).map(|_| row(&mut rng, *minute)).collect::<Vec<_>>()
                })
                .collect();
            insert(stack, &rows).await;
            rows.iter().for_each(|row| history.add(row).expect("few"));
        }
        let mut compared = 0;
        for second in [
            0, 59, 60, 61, 599, 1_800, 3_599, 3_600, 3_900, 5_000, 7_199, 7_200, 7_260, 9_001, 10_799, 20_000,
        ] {
            let now = Timestamp::from_second(i64::from(START + second)).expect("in range");
            for (place, query) in queries.iter().enumerate() {
                let live: Vec<Group> = stack.rows(&bound(query, now)).await.iter().map(group).collect();
                let live = told(&query.answer(live));
                let replayed = told(history.answer(place, now).expect("asked"));
                assert_eq!(replayed, live, "{second} s: {}", bound(query, now));
                compared += live.len();
            }
        }
        assert!(compared > 500, "{compared} groups");
    });
}

#[test]
fn a_back_test_finds_what_was_and_holds_it_against_what_fired() {
    with_stack(async |stack| {
        let minute = |minute: u32, failed: u64| Row {
            window_start: START + minute * MINUTE,
            key: [
                (Dimension::Workspace, "w"),
                (Dimension::Customer, "acme"),
                (Dimension::Integration, "crm"),
            ]
            .map(|(dimension, value)| (dimension, value.to_owned()))
            .into(),
            sums: Sums { calls: 10, errors: failed, ..Sums::default() },
        };
        // Ten minutes fail, and twelve hours later, in another part of the history, five.
        let fails = |at: u32| (60..70).contains(&at) || (780..785).contains(&at);
        let rows: Vec<Row> = (0..900).map(|at| minute(at, if fails(at) { 10 } else { 0 })).collect();
        insert(stack, &rows).await;
        let at = |minute: u32, second: u32| i64::from(START + minute * MINUTE + second) * 1_000;
        let labels = "{'alertname': 'Fails', 'workspace': 'w', 'customer': 'acme', 'severity': 'page'}";
        let change = |state: &str, at: i64| {
            format!(
                "('{state}{at}', 'w', 'old', 'Fails', 'f', {labels}, '{state}', 1, {at} / 1000, {at} / 1000)"
            )
        };
        stack
            .execute(&format!(
                "INSERT INTO alert_transitions (transition_id, workspace, rule_group, rule, fingerprint, labels, state, \
                 value, at, starts_at) VALUES {}, {}, {}, {}",
                change("firing", at(61, 10)),
                change("resolved", at(70, 10)),
                change("firing", at(400, 0)),
                change("resolved", at(401, 0)),
            ))
            .await;
        let rules = r#"{groups: [{name: new, rules: [{alert: Fails, metric: error_rate, window: 2m, op: ">",
            threshold: 0.5, group_by: [customer]}]}]}"#;
        std::fs::write(stack.folder.path().join("fails.yaml"), rules).expect("written");
        let order = "rules backtest fails.yaml --from 2026-01-10T00:00:00Z --to 2026-01-10T15:00:00Z --json";
        let output = stack.command(order).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let rule = &report["rules"][0];
        let numbers = ["fired", "alerts", "firing_seconds", "longest_seconds", "fired_live", "new", "gone"];
        // From the end of the 62nd minute to the end of the 71st, and so on: half is not more than half.
        assert_eq!(
            numbers.map(|name| rule[name].as_i64().expect("a number")),
            [2, 1, 9 * 60 + 4 * 60, 9 * 60, 2, 1, 1],
            "{report:#}"
        );
        let told: Vec<_> = rule["episodes"].as_array().expect("a list").iter().collect();
        let told: Vec<_> =
            told.iter().map(|told| (told["fired_at"].as_str(), told["seen"].as_str())).collect();
        assert_eq!(
            told,
            [
                (Some("2026-01-10T01:01:59Z"), Some("both")),
                (Some("2026-01-10T06:40:00Z"), Some("gone")),
                (Some("2026-01-10T13:01:59Z"), Some("new")),
            ]
        );
    });
}

#[test]
fn a_vendor_that_fails_for_many_is_one_alert_that_counts_them() {
    with_stack(async |stack| {
        // An hour of ordinary calls of four customers; since two minutes three of them fail at one of two vendors.
        stack
            .execute(
                "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, calls, errors, \
                 errors_by_class) SELECT 'data', toStartOfMinute(now()) - 60 * minute, 'w', \
                 'c' || toString(customer), ['crm', 'mail'][vendor + 1], 'GET /' || toString(endpoint), 10, \
                 if(minute < 2 AND vendor = 0 AND customer < 3, 9, 0) AS failed, \
                 if(failed > 0, map('upstream_5xx', failed), map()) \
                 FROM (SELECT arrayJoin(range(60)) AS minute, arrayJoin(range(4)) AS customer, arrayJoin(range(2)) AS vendor, \
                 arrayJoin(range(2)) AS endpoint)",
            )
            .await;
        stack.role("aggregate", &[]).await;
        stack.role("alert", &[]).await;
        let alerts = "SELECT rule, labels['integration'] AS vendor, labels['scope'] AS scope, value, \
             toString(state) AS state, annotations['summary'] AS summary FROM alerts WHERE rule_group = 'callmeter' \
             AND rule LIKE '%Fault'";
        eventually("the vendor is blamed", Duration::from_secs(60), async || {
            let rows = stack.rows(alerts).await;
            let wanted = serde_json::json!([{
                "rule": "IntegrationFault", "vendor": "crm", "scope": "vendor", "value": 3, "state": "firing",
                "summary": "crm fails: 3 customers affected",
            }]);
            if Value::Array(rows.clone()) == wanted { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;
    });
}
