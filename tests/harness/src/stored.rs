//! What the tables say, in the oracle's form: rows of a query enter, cells leave.

use crate::oracle::{Cell, Key, QuotaCell, QuotaKey};
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// What the view `rollups` says, in the oracle's form.
pub fn rollups(rows: &[serde_json::Value]) -> BTreeMap<Key, Cell> {
    let mut cells = BTreeMap::new();
    for row in rows {
        let text = |name: &str| match &row[name] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let number = |name: &str| row[name].as_i64().unwrap_or_else(|| panic!("{name} of {row}"));
        let names =
            ["window", "customer", "integration", "endpoint", "tier", "environment", "currency", "workspace"];
        let empty = Map::new();
        let map = |name: &str| row[name].as_object().unwrap_or(&empty).clone();
        let counts = |name: &str| -> BTreeMap<String, i64> {
            map(name).iter().map(|(key, count)| (key.clone(), count.as_i64().expect("a count"))).collect()
        };
        let units = |name: &str| text(name).parse().expect("an integer");
        let cell = Cell {
            calls: number("calls"),
            failed: number("errors"),
            errors: counts("errors_by_class"),
            retried: number("attempts_retried"),
            latency_us: number("latency_us_sum"),
            queue_us: number("queue_us_sum"),
            bytes_in: number("bytes_in"),
            bytes_out: number("bytes_out"),
            items: number("items"),
            records: number("records"),
            cost: units("cost_units"),
            billable: number("billable_calls"),
            unpriced: number("unpriced"),
            cost_failed: units("cost_failed_units"),
            cost_retried: units("cost_retried_units"),
            usage: counts("usage"),
            usage_failed: counts("usage_failed"),
            usage_retried: counts("usage_retried"),
            batchable: number("batchable_calls"),
            batch_size: number("batch_size"),
            waits_asked: number("retry_after_asked"),
            waits_ignored: number("retry_after_ignored"),
            latency: map("latency")
                .iter()
                .map(|(bucket, calls)| (bucket.parse().expect("a bucket"), calls.as_i64().expect("a count")))
                .collect(),
        };
        let twice = cells.insert(names.map(text), cell);
        assert!(twice.is_none(), "one row for each window and key: {}", json!(row));
    }
    cells
}

/// The query whose rows [`rollups`] reads.
pub const ROLLUPS: &str = "SELECT toString(toUnixTimestamp(window_start)) AS window, workspace, customer, integration, endpoint, \
    tier, environment, currency, calls, errors, errors_by_class, attempts_retried, latency_us_sum, queue_us_sum, bytes_in, \
    bytes_out, items, records, latency, toString(toInt128(cost * 1000000000000)) AS cost_units, billable_calls, unpriced, \
    toString(toInt128(cost_failed * 1000000000000)) AS cost_failed_units, \
    toString(toInt128(cost_retried * 1000000000000)) AS cost_retried_units, usage, usage_failed, usage_retried, \
    batchable_calls, batch_size, retry_after_asked, retry_after_ignored FROM rollups";

/// What the quota rows say, in the oracle's form.
pub fn quotas(rows: &[serde_json::Value]) -> BTreeMap<QuotaKey, QuotaCell> {
    let cell = |row: &serde_json::Value| {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        let number = |name: &str| row[name].as_i64().expect("a number");
        let latest = ["observed_us", "offset", "limit", "remaining", "reset_us"].map(number);
        let key = ["window", "customer", "integration", "policy", "scope", "workspace"].map(text);
        (key, QuotaCell { calls: number("seen"), refused: number("refused"), latest })
    };
    rows.iter().map(cell).collect()
}

/// The query whose rows [`quotas`] reads.
pub const QUOTAS: &str = "SELECT toString(toUnixTimestamp(window_start)) AS window, workspace, customer, integration, policy, \
    scope, sum(calls) AS seen, sum(errors) AS refused, max(quota_latest) AS latest, latest.observed_us AS observed_us, \
    latest.offset AS offset, latest.limit AS limit, latest.remaining AS remaining, latest.reset_us AS reset_us \
    FROM deltas WHERE kind = 'quota' GROUP BY window_start, workspace, customer, integration, policy, scope";
