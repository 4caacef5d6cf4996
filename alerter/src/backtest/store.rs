//! Stored history: rules enter, the rollups that they look at and the alerts that did fire leave, read from ClickHouse.
//!
//! Promise: rows are streamed in the order of time and never held; every wait ends within a bound.

use crate::{
    backtest::episodes::Episodes,
    clickhouse::{Store, StoreError},
    query::{self, Query},
    replay::row::{Row, Sums},
    rows::TransitionRow,
    rules::RuleSet,
    transition::Transition,
    vocabulary::Dimension,
};
use callmeter_schemas::{ErrorClass, config::ClickHouseConfig};
use clickhouse::query::RowCursor;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::{collections::BTreeSet, time::Duration};

/// Longest wait for the next row.
const ROW_TIMEOUT: Duration = Duration::from_secs(120);
/// How long before the history an alert may have fired that still fires in it.
const FIRING_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 31);
/// Most changes of state that are read.
const MAX_TRANSITIONS: usize = 1_000_000;

const LIVE: &str = "SELECT transition_id, workspace, rule_group, rule, fingerprint, labels, annotations, state, value, \
     threshold, at, starts_at, ends_at FROM alert_transitions FINAL WHERE rule IN {rules:Array(String)} \
     AND state != 'pending' AND at >= fromUnixTimestamp64Milli({since:Int64}) \
     AND at < fromUnixTimestamp64Milli({until:Int64}) ORDER BY at, state";

/// What is asked of the database, for one set of rules.
pub(super) struct History {
    store: Store,
    queries: Vec<Query>,
    dimensions: Vec<Dimension>,
    text: String,
}

/// A part of the history: window starts from the first up to but without the second, seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) from: u32,
    pub(super) until: u32,
}

/// Rows that are on their way.
pub(super) struct Rows<'h> {
    cursor: RowCursor<RollupRow>,
    dimensions: &'h [Dimension],
}

#[derive(Debug, clickhouse::Row, Deserialize)]
struct RollupRow {
    start: u32,
    values: Vec<String>,
    calls: u64,
    errors: u64,
    errors_by_class: Vec<(String, u64)>,
    retried: u64,
    latency_us: u64,
    latency: Vec<(u16, u64)>,
    bytes_in: u64,
    bytes_out: u64,
    cost: i128,
}

impl History {
    pub(super) fn new(clickhouse: &ClickHouseConfig, rules: &RuleSet, stored: Duration) -> Self {
        let mut queries = query::plan(&rules.iter().collect::<Vec<_>>(), stored);
        queries.retain(|query| query.source().is_in_rollups());
        let dimensions: BTreeSet<Dimension> = queries.iter().flat_map(Query::dimensions_seen).collect();
        let dimensions: Vec<Dimension> = dimensions.into_iter().collect();
        let text = text(&dimensions, &queries);
        Self { store: Store::new(clickhouse), queries, dimensions, text }
    }

    /// How far back the rules look.
    pub(super) fn reach(&self) -> Duration {
        self.queries.iter().map(Query::reach).max().unwrap_or_default()
    }

    /// The rollups of a part of the history, in the order of their windows.
    pub(super) fn rows(&self, chunk: Chunk) -> Result<Rows<'_>, StoreError> {
        let query = self.store.client().query_raw(&self.text);
        let query = query.param("from", chunk.from).param("until", chunk.until);
        Ok(Rows { cursor: query.fetch()?, dimensions: &self.dimensions })
    }

    /// What did fire between two times.
    pub(super) async fn live(
        &self,
        rules: &RuleSet,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Episodes, StoreError> {
        let names: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        let since = from.saturating_sub(FIRING_BEFORE).unwrap_or(Timestamp::MIN);
        let query = self.store.client().query_raw(LIVE);
        let query = query.param("rules", names.into_iter().collect::<Vec<_>>());
        let query = query.param("since", since.as_millisecond()).param("until", until.as_millisecond());
        let mut cursor = query.fetch::<TransitionRow>()?;
        let mut episodes = Episodes::default();
        for _ in 0..MAX_TRANSITIONS {
            let Some(row) = next(&mut cursor).await? else { break };
            episodes.take(&Transition::from(row));
        }
        Ok(episodes)
    }
}

impl Rows<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let row = next(&mut self.cursor).await?;
        Ok(row.map(|row| row.into_row(self.dimensions)))
    }
}

async fn next<T: clickhouse::RowOwned + clickhouse::RowRead>(
    cursor: &mut RowCursor<T>,
) -> Result<Option<T>, StoreError> {
    match tokio::time::timeout(ROW_TIMEOUT, cursor.next()).await {
        Ok(row) => row.map_err(StoreError::from),
        Err(_) => Err(StoreError::Unavailable(format!("no row within {} s", ROW_TIMEOUT.as_secs()))),
    }
}

impl RollupRow {
    fn into_row(self, dimensions: &[Dimension]) -> Row {
        let key = dimensions.iter().copied().zip(self.values).filter(|(_, value)| !value.is_empty());
        let mut sums = Sums {
            calls: self.calls,
            errors: self.errors,
            retried: self.retried,
            latency_us: self.latency_us,
            latency: self.latency.into_iter().collect(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            cost: self.cost,
            ..Sums::default()
        };
        for (word, count) in self.errors_by_class {
            let class = ErrorClass::or_unknown(&word);
            let known = sums.errors_by_class.entry(class).or_default();
            *known = known.wrapping_add(count);
        }
        Row { window_start: self.start, key: key.collect(), sums }
    }
}

/// One row per stored window and combination of the dimensions that rules see, with the columns of [`RollupRow`].
fn text(dimensions: &[Dimension], queries: &[Query]) -> String {
    let words: Vec<&str> = dimensions.iter().map(|dimension| dimension.word()).collect();
    let values: Vec<String> = words.iter().map(|word| format!("toString({word})")).collect();
    let asked = |asks: fn(&Query) -> bool, sum: &'static str, none: &'static str| {
        if queries.iter().any(asks) { sum } else { none }
    };
    format!(
        "SELECT toUInt32(window_start) AS start, [{values}] AS values, sum(d.calls) AS calls, sum(d.errors) AS errors, \
         {classes} AS errors_by_class, sum(d.attempts_retried) AS retried, sum(d.latency_us_sum) AS latency_us, \
         {latency} AS latency, sum(d.bytes_in) AS bytes_in, sum(d.bytes_out) AS bytes_out, sum(d.cost) AS cost \
         FROM deltas AS d WHERE kind = 'data' AND window_start >= toDateTime({{from:UInt32}}, 'UTC') \
         AND window_start < toDateTime({{until:UInt32}}, 'UTC') GROUP BY window_start, {words} ORDER BY window_start",
        values = values.join(", "),
        words = words.join(", "),
        classes =
            asked(Query::asks_classes, "sumMap(d.errors_by_class)", "CAST(map(), 'Map(String, UInt64)')"),
        latency = asked(Query::asks_latency, "sumMap(d.latency)", "CAST(map(), 'Map(UInt16, UInt64)')"),
    )
}
