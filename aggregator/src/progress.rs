//! How far each partition has been counted: markers and log ends enter, rows for the alerter leave.
//!
//! Promise: `counted_up_to` never claims more than was counted; when the log's end cannot be read,
//! nothing is claimed at all.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// One partition's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Kafka partition.
    pub partition: i32,
    /// The broker's append time up to which every record has been counted, ms since 1970 UTC.
    pub counted_up_to_ms: i64,
    /// Records not counted yet.
    pub lag_records: i64,
    /// When this was seen, ms since 1970 UTC.
    pub observed_ms: i64,
}

/// What the last committed batch of a partition left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Next offset to count.
    pub marker: i64,
    /// Append time of the last counted record; 0 before the first.
    pub appended_ms: i64,
}

/// The partitions of this process, written by their workers and read once in a while.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<i32, Counted>>);

impl Board {
    /// Notes a partition's marker.
    pub(crate) fn set(&self, partition: i32, counted: Counted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, counted);
    }

    /// Forgets a partition that is no longer ours.
    pub(crate) fn remove(&self, partition: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    /// Whether a partition is still ours.
    pub(crate) fn holds(&self, partition: i32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&partition)
    }

    /// All partitions.
    pub(crate) fn all(&self) -> Vec<(i32, Counted)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(at, counted)| (*at, *counted))
            .collect()
    }
}

/// The progress of a partition whose log ended at `high` when it was `now_ms`.
pub(crate) fn of(partition: i32, counted: Counted, high: i64, now_ms: i64) -> Progress {
    let lag_records = (high - counted.marker).max(0);
    let counted_up_to_ms = if lag_records == 0 { now_ms } else { counted.appended_ms };
    Progress { partition, counted_up_to_ms, lag_records, observed_ms: now_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(marker: i64, high: i64, lag_records: i64, counted_up_to_ms: i64) {
        let counted = Counted { marker, appended_ms: 500 };
        let wanted = Progress { partition: 3, counted_up_to_ms, lag_records, observed_ms: 900 };
        assert_eq!(of(3, counted, high, 900), wanted);
    }

    #[test]
    fn a_partition_is_counted_up_to_now_only_when_nothing_is_left() {
        check(10, 10, 0, 900);
        check(10, 11, 1, 500);
        // The log's end was asked before the last batch was counted.
        check(10, 9, 0, 900);
    }

    #[test]
    fn a_partition_that_is_gone_is_not_shown() {
        let board = Board::default();
        board.set(1, Counted { marker: 5, appended_ms: 1 });
        board.set(2, Counted::default());
        board.set(1, Counted { marker: 7, appended_ms: 2 });
        board.remove(2);
        assert!(board.holds(1) && !board.holds(2));
        assert_eq!(board.all(), [(1, Counted { marker: 7, appended_ms: 2 })]);
    }
}
