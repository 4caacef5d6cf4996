//! How often partitions store: the settings and the number of partitions enter, the age at which a batch is stored leaves.
//!
//! An insert costs ClickHouse 12 to 19 ms of CPU and a part to merge, whatever its size. Promise: all partitions of a
//! process together begin at most as many inserts in a second as configured, beside those of full batches and of repeats.

use crate::config::{AggregatorConfig, std_duration};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

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

    /// The same for what is stored less often by itself.
    pub(crate) fn at_least(&self, config: &AggregatorConfig, shortest: Duration) -> Duration {
        let round = Duration::from_secs(1) * self.partitions.load(Ordering::Relaxed);
        shortest.max(round / config.inserts_per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
