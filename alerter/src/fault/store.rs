//! Cells from ClickHouse: the time enters, calls and errors of the last minutes and of the hour before leave.
//!
//! Promise: the windows have the edges of rules' windows; every wait ends within a bound.

use crate::{
    clickhouse::{Store, StoreError, bounded},
    fault::evidence::{Cell, Counts},
    query::MAX_GROUPS,
};
use callmeter_schemas::ErrorClass;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;

/// What is judged, seconds.
const NOW: u32 = 300;
/// What it is held against: so long before that, seconds.
const BEFORE: u32 = 3_600;
/// Longest wait.
const TIMEOUT: Duration = Duration::from_secs(30);

const CELLS: &str = "SELECT toString(workspace) AS tenant, toString(integration) AS vendor, toString(endpoint) AS path, \
     toString(environment) AS place, customer, sumIf(d.calls, window_start > toDateTime({middle:UInt32}, 'UTC')) AS made, \
     sumMapIf(d.errors_by_class, window_start > toDateTime({middle:UInt32}, 'UTC')) AS failed, \
     sumIf(d.calls, window_start <= toDateTime({middle:UInt32}, 'UTC')) AS made_before, \
     sumMapIf(d.errors_by_class, window_start <= toDateTime({middle:UInt32}, 'UTC')) AS failed_before \
     FROM deltas AS d WHERE kind = 'data' AND window_start > toDateTime({since:UInt32}, 'UTC') \
     AND window_start <= toDateTime({until:UInt32}, 'UTC') \
     GROUP BY tenant, vendor, path, place, customer HAVING made > 0 LIMIT {limit:UInt64}";

#[derive(Debug, clickhouse::Row, Deserialize)]
struct CellRow {
    tenant: String,
    vendor: String,
    path: String,
    place: String,
    customer: String,
    made: u64,
    failed: Vec<(String, u64)>,
    made_before: u64,
    failed_before: Vec<(String, u64)>,
}

impl Store {
    /// Every cell with calls in the last minutes.
    pub(crate) async fn cells(&self, now: Timestamp) -> Result<Vec<Cell>, StoreError> {
        let until = now.as_second().clamp(0, i64::from(u32::MAX)) as u32;
        let middle = until.saturating_sub(NOW);
        let query = self.client().query_raw(CELLS);
        let query = query.param("since", middle.saturating_sub(BEFORE)).param("middle", middle);
        let query = query.param("until", until).param("limit", MAX_GROUPS + 1);
        let rows: Vec<CellRow> = bounded(TIMEOUT, query.fetch_all()).await?;
        if rows.len() > MAX_GROUPS {
            return Err(StoreError::TooManyGroups);
        }
        Ok(rows.into_iter().map(Cell::from).collect())
    }
}

impl From<CellRow> for Cell {
    fn from(row: CellRow) -> Self {
        Self {
            workspace: row.tenant,
            integration: row.vendor,
            endpoint: row.path,
            environment: row.place,
            customer: row.customer,
            now: counts(row.made, &row.failed),
            before: counts(row.made_before, &row.failed_before),
        }
    }
}

fn counts(calls: u64, failed: &[(String, u64)]) -> Counts {
    let mut counts = Counts { calls, ..Counts::default() };
    for (word, count) in failed {
        let class = ErrorClass::or_unknown(word);
        let known = counts.errors.entry(class).or_default();
        *known = known.saturating_add(*count);
    }
    counts
}
