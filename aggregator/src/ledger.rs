//! The check of a partition's ledger when its counting begins or goes on after a doubt: the partition enters, a metric and
//! a line of the log leave.
//!
//! Promise: it runs beside the counting and neither delays nor stops it: what is missing is not lost once more by counting
//! on, and a rebuild mends it while counting goes on.

use crate::{
    clickhouse::brief,
    lane::{Assignment, Lane},
    rows::Owner,
};

/// Compares the partition's ledger with its marker, and says when they differ.
pub(crate) fn check(assignment: &Assignment) {
    let Assignment { lane, source, partition, .. } = assignment;
    let (lane, source, partition) = (lane.clone(), source.clone(), *partition);
    lane.runtime.clone().spawn(async move { compare(&lane, &source, partition).await });
}

async fn compare(lane: &Lane, source: &str, partition: i32) {
    match lane.store.missing(Owner { src: source, part: partition }).await {
        Ok(missing) => {
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
        }
        Err(error) => {
            tracing::warn!(partition, error = %brief(&error), "ledger not compared with its marker")
        }
    }
}
