//! The comparison of live with what was recomputed: two tables and a cut enter, the SQL that compares them leaves.
//!
//! A cell is one key of one window of rows of one kind (`data`, `quota`), whose deltas are merged; every value
//! column is compared, maps included. Promise: pure; rows of windows before the cut are not looked at.

use serde::{Deserialize, Serialize};

/// Most cells that are shown one by one.
const SHOWN: usize = 20;

/// Dimensions of a cell, each as a text.
pub(crate) const DIMENSIONS: [&str; 9] = [
    "workspace",
    "customer",
    "integration",
    "endpoint",
    "tier",
    "environment",
    "currency",
    "policy",
    "scope",
];

/// Value columns and what merges them.
const VALUES: [(&str, &str); 24] = [
    ("calls", "sum"),
    ("errors", "sum"),
    ("errors_by_class", "sumMap"),
    ("attempts_retried", "sum"),
    ("latency_us_sum", "sum"),
    ("latency", "sumMap"),
    ("queue_us_sum", "sum"),
    ("bytes_in", "sum"),
    ("bytes_out", "sum"),
    ("items", "sum"),
    ("records", "sum"),
    ("cost", "sum"),
    ("billable_calls", "sum"),
    ("unpriced", "sum"),
    ("cost_failed", "sum"),
    ("cost_retried", "sum"),
    ("usage", "sumMap"),
    ("usage_failed", "sumMap"),
    ("usage_retried", "sumMap"),
    ("batchable_calls", "sum"),
    ("batch_size", "max"),
    ("retry_after_asked", "sum"),
    ("retry_after_ignored", "sum"),
    ("quota_latest", "max"),
];

/// How many cells there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Cells {
    pub equal: u64,
    pub different: u64,
    pub only_live: u64,
    pub only_rebuilt: u64,
}

impl Cells {
    /// From rows of [`Sides::counts`].
    pub(crate) fn of(rows: &[(String, u64)]) -> Self {
        let count = |state: &str| rows.iter().find(|row| row.0 == state).map_or(0, |row| row.1);
        Self {
            equal: count("equal"),
            different: count("different"),
            only_live: count("only live"),
            only_rebuilt: count("only rebuilt"),
        }
    }

    /// Whether nothing differs.
    pub fn all_equal(&self) -> bool {
        self.different + self.only_live + self.only_rebuilt == 0
    }
}

/// Sums of one currency; calls that cost nothing stand under an empty one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clickhouse::Row)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Sums {
    pub currency: String,
    pub calls_live: u64,
    pub calls_rebuilt: u64,
    pub cost_live: String,
    pub cost_rebuilt: String,
}

/// One cell that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clickhouse::Row)]
pub struct Differing {
    /// `different`, `only live` or `only rebuilt`.
    pub state: String,
    /// `data` or `quota`.
    pub kind: String,
    /// Start of the window, UTC.
    pub window_start: String,
    /// Name and value of each dimension that is not empty.
    pub key: Vec<(String, String)>,
    /// Name of each column that differs, and its value in live and in what was recomputed; of a map the entries that differ.
    pub columns: Vec<(String, String, String)>,
}

/// The two sides.
pub(crate) struct Sides<'a> {
    pub(crate) live: &'a str,
    pub(crate) rebuilt: &'a str,
    pub(crate) cut_s: i64,
}

impl Sides<'_> {
    /// The rows of both tables, told apart by `live`.
    fn rows(&self) -> String {
        let columns: Vec<&str> =
            DIMENSIONS.into_iter().chain(VALUES.into_iter().map(|(name, _)| name)).collect();
        let columns = columns.join(", ");
        let side = |table: &str, live: u8| {
            format!(
                "SELECT {live} AS live, kind, window_start, {columns} FROM {table} \
                 WHERE kind IN ('data', 'quota') AND toUnixTimestamp(window_start) >= {}",
                self.cut_s
            )
        };
        format!("{} UNION ALL {}", side(self.live, 1), side(self.rebuilt, 0))
    }

    /// The cells of both tables side by side.
    fn cells(&self) -> String {
        let merged: Vec<String> = VALUES
            .into_iter()
            .map(|(name, merge)| {
                format!("{merge}If(r.{name}, r.live = 1) AS live_{name}, {merge}If(r.{name}, r.live = 0) AS rebuilt_{name}")
            })
            .collect();
        let side = |side: &str| VALUES.map(|(name, _)| format!("{side}_{name}")).join(", ");
        let dimensions = DIMENSIONS.join(", ");
        format!(
            "SELECT kind, window_start, {dimensions}, max(r.live) = 1 AS in_live, min(r.live) = 0 AS in_rebuilt, {}, \
             multiIf(NOT in_rebuilt, 'only live', NOT in_live, 'only rebuilt', ({}) = ({}), 'equal', 'different') AS state \
             FROM ({}) AS r GROUP BY kind, window_start, {dimensions}",
            merged.join(", "),
            side("live"),
            side("rebuilt"),
            self.rows(),
        )
    }

    /// The question whose rows [`Cells::of`] reads.
    pub(crate) fn counts(&self) -> String {
        format!("SELECT state, count() FROM ({}) GROUP BY state", self.cells())
    }

    /// The question for [`Sums`].
    pub(crate) fn sums(&self) -> String {
        format!(
            "SELECT toString(currency) AS currency, sumIf(r.calls, live = 1) AS calls_live, sumIf(r.calls, live = 0) AS calls_rebuilt, \
             toString(sumIf(r.cost, live = 1)) AS cost_live, toString(sumIf(r.cost, live = 0)) AS cost_rebuilt \
             FROM ({}) AS r WHERE kind = 'data' GROUP BY currency ORDER BY currency",
            self.rows()
        )
    }

    /// The question for [`Differing`].
    pub(crate) fn differing(&self) -> String {
        let key = DIMENSIONS.map(|name| format!("('{name}', toString({name}))")).join(", ");
        // Of a map only the entries that differ: a histogram has hundreds.
        let value = |name: &str, merge: &str, side: &str, other: &str| match merge {
            "sumMap" => {
                format!("toString(mapFilter((key, sum) -> sum != {other}_{name}[key], {side}_{name}))")
            }
            _ => format!("toString({side}_{name})"),
        };
        let columns = VALUES
            .map(|(name, merge)| {
                let (live, rebuilt) =
                    (value(name, merge, "live", "rebuilt"), value(name, merge, "rebuilt", "live"));
                format!("('{name}', {live}, {rebuilt})")
            })
            .join(", ");
        let order = DIMENSIONS.join(", ");
        format!(
            "SELECT state, toString(kind) AS kind, formatDateTime(window_start, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS window_start, \
             arrayFilter(pair -> pair.2 != '', [{key}]) AS key, \
             arrayFilter(column -> column.2 != column.3, [{columns}]) AS columns \
             FROM (SELECT * FROM ({}) WHERE state != 'equal' ORDER BY window_start, kind, {order} LIMIT {SHOWN})",
            self.cells()
        )
    }
}

/// What the ledger says of one partition's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each is the ledger's column of its name")]
pub struct Totals {
    pub consumed: u64,
    pub counted: u64,
    pub duplicates: u64,
    pub dead_lettered: u64,
}

/// Consumed, counted, duplicates, dead-lettered, and batches that lie across the first offset.
pub(crate) type LedgerRow = (u64, u64, u64, u64, u64);

/// The question for the totals of a partition's batches from `first` on; and how many batches lie across it.
pub(crate) fn ledger(table: &str, source: &str, partition: i32, first: i64) -> String {
    let source = source.replace('\\', "\\\\").replace('\'', "\\'");
    format!(
        "SELECT sumIf(l.consumed, l.batch_first >= {first}), sumIf(l.calls, l.batch_first >= {first}), \
         sumIf(l.duplicates, l.batch_first >= {first}), sumIf(l.dead_lettered, l.batch_first >= {first}), \
         countIf(l.batch_first < {first} AND l.next_offset > {first}) \
         FROM {table} AS l WHERE kind = 'batch' AND src = '{source}' AND part = {partition}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    /// A column that is added to the rows must be compared too.
    #[test]
    fn every_column_of_the_rows_is_a_dimension_or_a_value_or_belongs_to_the_ledger() {
        let ledger = [
            "kind",
            "src",
            "part",
            "batch_first",
            "window_start",
            "next_offset",
            "commits",
            "consumed",
            "duplicates",
            "dead_lettered",
            "price_book",
        ];
        let known = |name: &str| {
            DIMENSIONS.contains(&name)
                || ledger.contains(&name)
                || VALUES.iter().any(|(value, _)| *value == name)
        };
        let unknown: Vec<&str> =
            rows::COLUMNS.split(", ").map(str::trim).filter(|name| !known(name)).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }
}
