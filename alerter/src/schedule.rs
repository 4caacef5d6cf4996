//! When rule groups are evaluated: intervals and the time enter, the groups that are due leave.
//!
//! Groups are due at whole multiples of their interval, so that groups with the same interval share
//! queries. Promise: pure; and evaluation takes at most a quarter of the time, because a round that
//! took long is followed by a pause of three times as long.

use crate::rules::RuleSet;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A pause is this many times as long as the round before it.
const REST: u32 = 3;

/// When each rule group is next due.
#[derive(Debug)]
pub struct Schedule {
    intervals: Vec<Duration>,
    next: Vec<Timestamp>,
    /// Evaluated when there is no rule group at all, to watch over Callmeter itself.
    idle: Duration,
    idle_next: Timestamp,
    rested: Timestamp,
}

impl Schedule {
    /// Everything is due at once.
    pub fn new(intervals: Vec<Duration>, idle: Duration, now: Timestamp) -> Self {
        Self { next: vec![now; intervals.len()], intervals, idle, idle_next: now, rested: now }
    }

    /// The groups of a set of rules; those without an interval of their own are due every `interval`.
    pub fn of(rules: &RuleSet, interval: Duration, now: Timestamp) -> Self {
        let intervals = rules.groups.iter().map(|group| group.interval.unwrap_or(interval));
        Self::new(intervals.collect(), interval, now)
    }

    /// When the next round is due.
    pub fn next(&self) -> Option<Timestamp> {
        let first = self.next.iter().copied().chain([self.idle_next]).min();
        first.map(|first| first.max(self.rested))
    }

    /// Whether a round is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    /// Places of the groups that are due.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        self.next.iter().enumerate().filter(move |(_, next)| **next <= now).map(|(place, _)| place)
    }

    /// How much later than due a round begins at `now`, without the pause after the one before.
    pub fn delay(&self, now: Timestamp) -> Duration {
        let due = self.next().unwrap_or(now);
        now.duration_since(due).max(SignedDuration::ZERO).unsigned_abs()
    }

    /// Ends a round that began at `now`; how many evaluations of groups were left out leaves, because they had been due
    /// before it or while it took and rested.
    pub fn done(&mut self, now: Timestamp, took: Duration) -> u64 {
        let mut missed = 0;
        for (next, interval) in self.next.iter_mut().zip(&self.intervals).filter(|(next, _)| **next <= now) {
            let late = now.duration_since(*next).max(SignedDuration::ZERO).unsigned_abs();
            missed += (late.as_millis() / interval.as_millis().max(1)) as u64;
            *next = following(now, *interval);
        }
        self.idle_next = following(now, self.idle);
        self.rested = now.saturating_add(took * (REST + 1)).unwrap_or(Timestamp::MAX);
        missed
    }
}

/// The first multiple of an interval after `now`.
fn following(now: Timestamp, interval: Duration) -> Timestamp {
    let interval = (interval.as_millis() as i64).max(1);
    let next = (now.as_millisecond().div_euclid(interval) + 1) * interval;
    Timestamp::from_millisecond(next).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("in range")
    }

    #[test]
    fn groups_meet_at_multiples_of_their_interval_and_long_rounds_are_followed_by_long_pauses() {
        let second = Duration::from_secs(1);
        let mut schedule = Schedule::new(vec![second, 3 * second], second, at(100));
        assert_eq!(schedule.due(at(100)).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(schedule.done(at(100), Duration::from_millis(10)), 0);
        assert_eq!(schedule.next(), Some(at(1_000)));
        assert_eq!(schedule.due(at(1_000)).collect::<Vec<_>>(), [0]);
        assert_eq!(schedule.done(at(1_000), Duration::from_millis(700)), 0);
        assert_eq!(schedule.next(), Some(at(3_800)));
        assert!(!schedule.is_due(at(3_799)));
        assert_eq!(schedule.due(at(3_800)).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(schedule.delay(at(3_900)), Duration::from_millis(100));
        assert_eq!(
            schedule.done(at(3_900), second),
            1,
            "the group of every second was due at 2 s and at 3 s"
        );
    }
}
