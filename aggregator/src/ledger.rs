//! The check of a partition's ledger when its counting begins and whenever ClickHouse was started: the partition enters, a
//! metric and a line of the log leave.
//!
//! Promise: a start is seen although nothing is inserted. The check runs beside the counting and neither delays nor stops
//! it: what is missing is not lost once more by counting on, and a rebuild mends it while counting goes on.

use crate::{
    clickhouse::{Store, brief},
    gather::Gather,
    lane::{Assignment, Lane},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A ClickHouse that was just started may not answer yet: it is asked again after this time, so many times.
const ASK_AGAIN: Duration = Duration::from_secs(3);
const QUESTIONS: u32 = 20;
/// How often ClickHouse is asked when it was started.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Seconds by which two answers about one start may differ.
const SAME_START: u64 = 1;

/// The starts of ClickHouse that this process has seen: rows that were acknowledged are lost by a start, or not at all.
#[derive(Debug, Default)]
pub(crate) struct Starts(AtomicU64);

impl Starts {
    /// How many there were; 0 until ClickHouse has answered.
    pub(crate) fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks for further ones until the task is ended.
    pub(crate) async fn watch(&self, store: &Store) {
        let mut known = None;
        loop {
            match store.started().await {
                Ok(started) => {
                    // The first counts too: until it is known no partition compares anything.
                    if known.replace(started).is_none_or(|known: i64| known.abs_diff(started) > SAME_START) {
                        self.0.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    tracing::debug!(error = %brief(&error), "clickhouse does not say when it was started")
                }
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }
}

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
