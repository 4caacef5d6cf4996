//! Whether counting keeps up: progress of partitions enters, a time up to which all is counted and what waits leave.
//!
//! Promise: pure. Unknown progress is never taken for completeness.

use crate::evaluate::Freshness;
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, time::Duration};

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

/// How far counting has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Every partition has been counted up to this time; `None` when nothing is known.
    pub all: Option<Timestamp>,
    /// The same without those that wait for an operator; `None` when there are no others.
    pub moving: Option<Timestamp>,
    /// Up to when the one that was stopped last had been counted.
    pub stopped: Option<Timestamp>,
}

/// How far counting has come over all partitions of topics that are not of the past.
pub fn completeness(partitions: &[Progress]) -> Completeness {
    let counted = |stopped: bool| {
        let chosen = live(partitions).filter(move |partition| partition.stopped.is_empty() != stopped);
        chosen.map(|partition| partition.counted_up_to)
    };
    let (moving, stopped) = (counted(false).min(), counted(true).max());
    Completeness { all: counted(false).chain(counted(true)).min(), moving, stopped }
}

impl Completeness {
    /// Up to when that was counted of which conclusions may be drawn; in doubt everything.
    pub fn trusted(&self) -> Option<Timestamp> {
        self.moving.or(self.all)
    }

    /// What that means to an evaluation at `now`.
    pub fn freshness(&self, now: Timestamp, max_lag: Duration) -> Freshness {
        let bound = SignedDuration::try_from(max_lag).unwrap_or(SignedDuration::MAX);
        let keeps_up =
            |until: Option<Timestamp>| until.is_some_and(|until| now.duration_since(until) <= bound);
        match self.stopped {
            _ if !keeps_up(self.moving) => Freshness::Behind,
            None => Freshness::Current,
            Some(stopped) => Freshness::PartlyStopped(stopped),
        }
    }
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
        assert_eq!(completeness(partitions).all.map(Timestamp::as_second), wanted);
    }

    #[test]
    fn a_stopped_partition_is_told_apart_from_counting_that_is_behind() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let stopped = |counted| Progress { stopped: "truncated".into(), ..progress("a", counted, 100) };
        let check = |partitions: &[Progress], now, wanted| {
            let freshness = completeness(partitions).freshness(at(now), Duration::from_secs(30));
            assert_eq!(freshness, wanted, "{partitions:?} at {now}");
        };
        check(&[], 0, Freshness::Behind);
        check(&[progress("a", 100, 100)], 130, Freshness::Current);
        check(&[progress("a", 100, 100)], 131, Freshness::Behind);
        let two = [progress("a", 100, 100), stopped(40), stopped(70)];
        check(&two, 130, Freshness::PartlyStopped(at(70)));
        check(&two, 131, Freshness::Behind);
        check(&[stopped(100)], 100, Freshness::Behind);
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
