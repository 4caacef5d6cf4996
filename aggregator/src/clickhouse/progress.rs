//! Progress in ClickHouse: how far each partition has been counted enters, rows of `partition_progress` leave.
//!
//! Promise: the rows of one call stand in one insert.

use super::{Store, in_time};
use crate::progress::Progress;
use clickhouse::error::Error;

impl Store {
    /// Publishes how far each partition has been counted, for the alerter and for people.
    pub async fn publish(&self, source: &str, progress: &[Progress]) -> Result<(), Error> {
        let rows: Vec<String> = progress
            .iter()
            .map(|row| {
                let Progress { partition, counted_up_to_ms, lag_records, observed_ms, .. } = row;
                format!(
                    "({{source:String}}, {partition}, fromUnixTimestamp64Milli({counted_up_to_ms}), {lag_records}, \
                     fromUnixTimestamp64Milli({observed_ms}), {{stopped_{partition}:String}})"
                )
            })
            .collect();
        let sql = format!(
            "INSERT INTO partition_progress (source, partition, counted_up_to, lag_records, observed_at, stopped) \
             SETTINGS async_insert = 0 VALUES {}",
            rows.join(", ")
        );
        let query = self.client.query(&sql).param("source", source);
        let query = progress
            .iter()
            .fold(query, |query, row| query.param(&format!("stopped_{}", row.partition), &row.stopped));
        in_time(query.execute()).await
    }
}
