//! How often partitions store: the settings and the number of partitions enter, the age and the size at which a batch is
//! stored leave.
//!
//! An insert costs ClickHouse 12 to 19 ms of CPU and a part to merge, whatever its size. Promise: all partitions of a
//! process together begin at most as many inserts in a second as configured, beside those of full batches and of repeats.

use crate::{
    config::{AggregatorConfig, std_duration},
    fold::Bounds,
};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Partitions whose batches a process has memory for, even when it counts fewer: the fewer, the more of a log stands in one
/// partition, and the more its keys repeat within a larger batch.
const FEWEST: u32 = 4;
/// Most keys of a batch: ClickHouse splits an insert of 1,048,449 rows.
const MOST_KEYS: usize = 1_000_000;
/// Most records of a batch, so that none of its sums overflows.
pub(crate) const MOST_RECORDS: u64 = 4_000_000;

/// The pace of one process; its partitions share it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    partitions: AtomicU32,
}

impl Pace {
    /// Notes how many partitions share it from now on.
    pub(crate) fn share(&self, partitions: usize) {
        self.partitions.store(partitions.try_into().unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// The age at which a batch of rollups is stored.
    pub(crate) fn age(&self, config: &AggregatorConfig) -> Duration {
        self.at_least(config, std_duration(config.flush_interval))
    }

    /// When a batch of rollups is full.
    pub(crate) fn bounds(&self, config: &AggregatorConfig) -> Bounds {
        let partitions = self.partitions.load(Ordering::Relaxed);
        let times = FEWEST.checked_div(partitions).unwrap_or(1).max(1);
        Bounds {
            cells: (config.max_batch_keys * times as usize).min(MOST_KEYS),
            records: (config.max_batch_records * u64::from(times)).min(MOST_RECORDS),
            poison_bytes: 4 << 20,
        }
    }

    /// The same as [`Self::age`] for what is stored less often by itself.
    pub(crate) fn at_least(&self, config: &AggregatorConfig, shortest: Duration) -> Duration {
        let round = Duration::from_secs(1) * self.partitions.load(Ordering::Relaxed);
        shortest.max(round / config.inserts_per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_partitions_have_larger_batches_within_what_one_insert_may_hold() {
        let mut config = AggregatorConfig::default();
        let pace = Pace::default();
        let mut sizes = |keys| {
            config.max_batch_keys = keys;
            [0, 1, 2, 3, 4, 64].map(|partitions| {
                pace.share(partitions);
                let Bounds { cells, records, .. } = pace.bounds(&config);
                (cells / 1_000, records / 1_000)
            })
        };
        let wanted = [(50, 1_000), (200, 4_000), (100, 2_000), (50, 1_000), (50, 1_000), (50, 1_000)];
        assert_eq!(sizes(50_000), wanted);
        assert_eq!(sizes(500_000)[1], (1_000, 4_000));
    }

    #[test]
    fn many_partitions_store_less_often_each_and_no_more_often_together() {
        let config = AggregatorConfig::default();
        let pace = Pace::default();
        let ages = [0, 1, 6, 20, 64, 1_000].map(|partitions| {
            pace.share(partitions);
            (partitions, pace.age(&config).as_millis())
        });
        assert_eq!(ages, [(0, 300), (1, 300), (6, 300), (20, 1_000), (64, 3_200), (1_000, 50_000)]);
        assert_eq!(pace.at_least(&config, Duration::from_secs(90)), Duration::from_secs(90));
    }
}
