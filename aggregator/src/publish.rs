//! Progress for the alerter, the metrics and people: the board enters, rows of `partition_progress` leave.
//!
//! Promise: a partition whose log cannot be asked is not told of; a write that fails is made up for by the next one.

use crate::{
    clickhouse::brief,
    lane::Lane,
    metrics::PartitionLabel,
    progress::{self, Progress},
};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Publishes how far every partition of this process is.
pub(crate) async fn publish(lane: Lane, log: String) {
    let (fetcher, entries) = (Arc::clone(&lane.fetcher), lane.board.all());
    let asked = tokio::task::spawn_blocking(move || {
        let seen = entries.into_iter().filter_map(|(partition, entry)| {
            // The clock first: what is appended after it may be missing in the log's end.
            let now_ms = now_ms();
            let bounds = fetcher.bounds(partition).ok()?;
            Some(progress::of(partition, entry, bounds, now_ms))
        });
        seen.collect::<Vec<Progress>>()
    });
    let Ok(mut progress) = asked.await else { return };
    // A partition may have gone while Kafka was asked.
    progress.retain(|row| lane.board.holds(row.partition));
    for row in &progress {
        let label = PartitionLabel { partition: row.partition };
        lane.metrics.lag.get_or_create(&label).set(row.lag_records);
    }
    if progress.is_empty() {
        return;
    }
    if let Err(error) = lane.store.publish(&log, &progress).await {
        tracing::warn!(error = %brief(&error), "progress not published");
    }
}

#[allow(clippy::disallowed_methods, reason = "the one clock of the aggregator; the fold never sees it")]
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
