//! The check of a partition's ledger when its counting begins or goes on after a doubt: the partition enters, a metric and
//! a line of the log leave.
//!
//! Promise: it runs beside the counting and neither delays nor stops it: what is missing is not lost once more by counting
//! on, and a rebuild mends it while counting goes on.

use crate::{
    clickhouse::Store,
    gather::Gather,
    lane::{Assignment, Lane},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A ClickHouse that was just started may not answer yet: it is asked again after this time, so many times.
const ASK_AGAIN: Duration = Duration::from_secs(3);
const QUESTIONS: u32 = 20;

/// Asks for the records that the ledgers of a source's partitions do not tell of.
pub(crate) fn missing(store: Store) -> Gather<i64> {
    Gather::new("ledgers", move |source: String, partitions: Vec<i32>| {
        let store = store.clone();
        async move { store.missing(&source, &partitions).await }
    })
}

/// Compares the partition's ledger with its marker, and says when they differ.
pub(crate) fn check(assignment: &Assignment) {
    let Assignment { lane, source, partition, stop, .. } = assignment;
    let (lane, source, partition, stop) = (lane.clone(), source.clone(), *partition, Arc::clone(stop));
    lane.runtime.clone().spawn(async move {
        for _ in 0..QUESTIONS {
            if compare(&lane, &source, partition).await || stop.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    });
}

/// Whether ClickHouse answered.
async fn compare(lane: &Lane, source: &str, partition: i32) -> bool {
    let Some(missing) = lane.missing.of(source, partition).await else { return false };
    lane.metrics.ledger(partition, missing);
    if missing != 0 {
        tracing::error!(
            source,
            partition,
            missing,
            "the ledger does not tell of every record below the marker: ClickHouse lost rows that it had \
             stored; see the view ledger, and count them anew with callmeter rebuild"
        );
    }
    true
}
