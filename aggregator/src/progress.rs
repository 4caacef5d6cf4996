//! How far each partition has been counted: markers and log ends enter, rows for the alerter leave.
//!
//! Promise: `counted_up_to` never claims more than was counted; when the log's end cannot be read,
//! nothing is claimed at all.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// One partition's progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Kafka partition.
    pub partition: i32,
    /// The broker's append time up to which every record has been counted, ms since 1970 UTC.
    pub counted_up_to_ms: i64,
    /// Records not counted yet.
    pub lag_records: i64,
    /// When this was seen, ms since 1970 UTC.
    pub observed_ms: i64,
    /// Why it waits for an operator; empty while it is counted.
    pub stopped: String,
}

/// What the last committed batch of a partition left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Next offset to count.
    pub marker: i64,
    /// Append time of the last counted record; 0 before the first.
    pub appended_ms: i64,
}

/// A partition as its worker last had it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What was counted; `None` before anything was found out.
    pub counted: Option<Counted>,
    /// Why it waits for an operator; empty while it is counted.
    pub stopped: String,
}

/// The partitions of this process, written by their workers and read once in a while.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<i32, Entry>>);

impl Board {
    /// Notes the marker of a partition that is counted.
    pub(crate) fn set(&self, partition: i32, counted: Counted) {
        let entry = Entry { counted: Some(counted), stopped: String::new() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, entry);
    }

    /// Notes that a partition waits for an operator; what was counted of it stays so.
    pub(crate) fn stop(&self, partition: i32, marker: Option<i64>, reason: &str) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(partition).or_default();
        if let (None, Some(marker)) = (entry.counted, marker) {
            entry.counted = Some(Counted { marker, appended_ms: 0 });
        }
        reason.clone_into(&mut entry.stopped);
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
    pub(crate) fn all(&self) -> Vec<(i32, Entry)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(at, entry)| (*at, entry.clone()))
            .collect()
    }
}

/// The progress of a partition whose log held `low` up to `high` when it was `now_ms`.
pub(crate) fn of(partition: i32, entry: Entry, (low, high): (i64, i64), now_ms: i64) -> Progress {
    let counted = entry.counted.unwrap_or(Counted { marker: low, appended_ms: 0 });
    let lag_records = (high - counted.marker).max(0);
    // Of a stopped partition records may be missing although none is left to count.
    let is_complete = lag_records == 0 && entry.stopped.is_empty();
    let counted_up_to_ms = if is_complete { now_ms } else { counted.appended_ms };
    Progress { partition, counted_up_to_ms, lag_records, observed_ms: now_ms, stopped: entry.stopped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(marker: i64, high: i64, lag_records: i64, counted_up_to_ms: i64) {
        let board = Board::default();
        board.set(3, Counted { marker, appended_ms: 500 });
        check_all(&board, high, lag_records, counted_up_to_ms, "");
    }

    #[track_caller]
    fn check_all(board: &Board, high: i64, lag_records: i64, counted_up_to_ms: i64, stopped: &str) {
        let stopped = stopped.to_owned();
        let wanted = Progress { partition: 3, counted_up_to_ms, lag_records, observed_ms: 900, stopped };
        let (_, entry) = board.all().remove(0);
        assert_eq!(of(3, entry, (2, high), 900), wanted);
    }

    #[test]
    fn a_partition_is_counted_up_to_now_only_when_nothing_is_left() {
        check(10, 10, 0, 900);
        check(10, 11, 1, 500);
        // The log's end was asked before the last batch was counted.
        check(10, 9, 0, 900);
    }

    #[test]
    fn a_stopped_partition_says_why_and_is_never_complete() {
        let board = Board::default();
        // Nothing of it was ever counted.
        board.stop(3, None, "replaced");
        check_all(&board, 10, 8, 0, "replaced");
        board.stop(3, Some(12), "truncated");
        check_all(&board, 10, 0, 0, "truncated");
        board.set(3, Counted { marker: 10, appended_ms: 500 });
        check_all(&board, 10, 0, 900, "");
        board.stop(3, Some(10), "flood");
        check_all(&board, 11, 1, 500, "flood");
        check_all(&board, 10, 0, 500, "flood");
    }

    #[test]
    fn a_partition_that_is_gone_is_not_shown() {
        let board = Board::default();
        board.set(1, Counted { marker: 5, appended_ms: 1 });
        board.set(2, Counted::default());
        board.set(1, Counted { marker: 7, appended_ms: 2 });
        board.remove(2);
        assert!(board.holds(1) && !board.holds(2));
        let counted = Some(Counted { marker: 7, appended_ms: 2 });
        assert_eq!(board.all(), [(1, Entry { counted, stopped: String::new() })]);
    }
}
