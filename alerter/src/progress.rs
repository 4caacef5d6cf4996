//! Whether counting keeps up: progress of partitions enters, a time up to which all is counted and what waits leave.
//!
//! Promise: pure. Unknown progress is never taken for completeness.

use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// A source that nobody observes for this much longer than the newest one is a topic of the past.
const SOURCE_FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// How far one Kafka partition has been counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which topic of which cluster.
    pub source: String,
    /// Which partition of it.
    pub partition: i32,
    /// Every record that the broker appended before has been counted.
    pub counted_up_to: Timestamp,
    /// When the aggregator saw that.
    pub observed_at: Timestamp,
    /// Why it waits for an operator; empty while it is counted.
    pub stopped: String,
}

/// The time up to which every partition has been counted; `None` when nothing is known.
pub fn complete_until(partitions: &[Progress]) -> Option<Timestamp> {
    live(partitions).map(|partition| partition.counted_up_to).min()
}

/// The partitions that wait for an operator, in their order.
pub fn stopped(partitions: &[Progress]) -> Vec<&Progress> {
    let mut stopped: Vec<_> = live(partitions).filter(|partition| !partition.stopped.is_empty()).collect();
    stopped.sort_by_key(|progress| (&progress.source, progress.partition));
    stopped
}

/// The partitions of topics that are not of the past.
fn live(partitions: &[Progress]) -> impl Iterator<Item = &Progress> {
    let mut seen: HashMap<&str, Timestamp> = HashMap::new();
    for partition in partitions {
        let latest = seen.entry(&partition.source).or_insert(partition.observed_at);
        *latest = (*latest).max(partition.observed_at);
    }
    let newest = seen.values().max().copied().unwrap_or_default();
    partitions
        .iter()
        .filter(move |partition| newest.duration_since(seen[partition.source.as_str()]) <= SOURCE_FORGOTTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(source: &str, counted: i64, observed: i64) -> Progress {
        let time = |second| Timestamp::from_second(second).expect("in range");
        Progress {
            source: source.into(),
            partition: 0,
            counted_up_to: time(counted),
            observed_at: time(observed),
            stopped: String::new(),
        }
    }

    #[track_caller]
    fn check(partitions: &[Progress], wanted: Option<i64>) {
        assert_eq!(complete_until(partitions).map(Timestamp::as_second), wanted);
    }

    #[test]
    fn the_slowest_partition_decides_and_topics_of_the_past_do_not() {
        check(&[], None);
        check(&[progress("a", 100, 100), progress("a", 90, 100)], Some(90));
        check(&[progress("a", 5_000, 5_000), progress("a", 90, 90)], Some(90));
        check(&[progress("new", 5_000, 5_000), progress("old", 90, 90)], Some(5_000));
        check(&[progress("new", 500, 500), progress("old", 90, 90)], Some(90));
    }

    #[test]
    fn partitions_that_wait_for_an_operator_are_those_of_live_topics() {
        let waits = |source, partition, observed| Progress {
            partition,
            stopped: "truncated".into(),
            ..progress(source, 90, observed)
        };
        let all =
            [progress("new", 1, 5_000), waits("new", 7, 5_000), waits("new", 2, 90), waits("old", 0, 90)];
        let found: Vec<_> =
            stopped(&all).iter().map(|progress| (&*progress.source, progress.partition)).collect();
        assert_eq!(found, [("new", 2), ("new", 7)]);
        assert!(stopped(&[]).is_empty());
    }
}
