//! Limits of vendors as the view `quota` tells them: what answers told of each enters, groups of a query leave.
//!
//! Promise: pure; the rule is that of `schemas/sql/0005_quota.sql` for limits that were told. Those that the view learns
//! from refusals are not here.

use crate::{
    query::{Group, Query},
    replay::row::Key,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Words so much older than the newest say nothing of the pace, seconds.
const PACE_WINDOW: u32 = 600;
const MINUTE_US: f64 = 60e6;
/// Of what nobody has used for so long nothing is used now, µs.
const UNUSED_US: i64 = 600_000_000;

/// What answers told of one limit in one stored window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Start of the stored window, seconds since 1970 UTC.
    pub window_start: u32,
    /// Workspace, integration, policy and scope.
    pub key: Key,
    /// The newest of them.
    pub told: Told,
    /// How many there were.
    pub answers: u64,
}

/// What one answer told of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When, µs since 1970.
    pub observed_us: i64,
    /// The whole of it.
    pub limit: Option<u64>,
    /// What was left.
    pub remaining: Option<u64>,
    /// When all will be there again, µs since 1970.
    pub reset_us: Option<i64>,
}

/// What was told of one limit in one stored window.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    newest: Told,
    answers: u64,
}

/// Every limit, by workspace, integration, policy and scope.
#[derive(Debug, Default)]
pub(crate) struct Limits(BTreeMap<Key, BTreeMap<u32, Minute>>);

/// One limit at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    observed_us: i64,
    ratio: Option<f64>,
    exhausts_in: Option<f64>,
}

impl Limits {
    /// Takes what was told in a stored window.
    pub(crate) fn add(&mut self, limit: &Limit) {
        let Limit { told, answers, .. } = *limit;
        let minutes = self.0.entry(limit.key.clone()).or_default();
        let minute = minutes.entry(limit.window_start).or_default();
        minute.answers = minute.answers.saturating_add(answers);
        if minute.answers == answers || told.observed_us >= minute.newest.observed_us {
            minute.newest = told;
        }
        let newest = minutes.last_key_value().map_or(0, |(start, _)| *start);
        minutes.retain(|start, _| start.saturating_add(PACE_WINDOW) > newest);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The worst limit of each group of a query that looks at words later than `since`.
    pub(crate) fn groups(&self, query: &Query, since: u32, now: Timestamp) -> Vec<Group> {
        let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
        for (key, minutes) in self.0.iter().filter(|(key, _)| query.reads(key)) {
            let Some(state) = state(minutes, now.as_microsecond()) else { continue };
            if state.observed_us <= i64::from(since) * 1_000_000 {
                continue;
            }
            let values: Vec<String> = query
                .dimensions()
                .iter()
                .map(|dimension| key.get(dimension).cloned().unwrap_or_default())
                .collect();
            let seen = u32::try_from(state.observed_us / 1_000_000).unwrap_or(u32::MAX);
            let group = groups.entry(values.clone()).or_insert_with(|| Group {
                values,
                first_seen: seen,
                last_seen: seen,
                ..Group::default()
            });
            group.first_seen = group.first_seen.min(seen);
            group.last_seen = group.last_seen.max(seen);
            group.remaining_ratio = least(group.remaining_ratio, state.ratio);
            group.exhausts_in = least(group.exhausts_in, state.exhausts_in);
        }
        groups.into_values().collect()
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::min)
}

/// A limit as of a time, µs since 1970.
fn state(minutes: &BTreeMap<u32, Minute>, now_us: i64) -> Option<State> {
    let newest = minutes.values().map(|minute| minute.newest).max_by_key(|told| told.observed_us)?;
    let turned = newest.reset_us.is_some_and(|reset_us| reset_us <= now_us);
    let left = if turned { newest.limit } else { newest.remaining };
    let share = |(left, limit): (u64, u64)| (limit > 0).then(|| left as f64 / limit as f64);
    Some(State {
        observed_us: newest.observed_us,
        ratio: left.zip(newest.limit).and_then(share),
        exhausts_in: left.map(|left| match turned {
            true => f64::INFINITY,
            false => exhausts_in(minutes, newest, left as f64, now_us),
        }),
    })
}

/// Seconds until the rest is used up at the present pace; infinite when it will not be.
fn exhausts_in(minutes: &BTreeMap<u32, Minute>, newest: Told, left: f64, now_us: i64) -> f64 {
    let mut words: Vec<(i64, f64)> = minutes
        .values()
        .filter_map(|minute| Some((minute.newest.observed_us, minute.newest.remaining? as f64)))
        .collect();
    words.sort_by_key(|(observed_us, _)| *observed_us);
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return f64::INFINITY };
    let took = ((last.0 - first.0) as f64).max(MINUTE_US);
    let pairs = words.iter().zip(words.iter().skip(1));
    let fallen: f64 = pairs.map(|(before, after)| (before.1 - after.1).max(0.0)).sum();
    let answers: u64 = minutes.values().map(|minute| minute.answers).sum();
    let idle = newest.observed_us < now_us.saturating_sub(UNUSED_US);
    let pace = if idle { 0.0 } else { (fallen * MINUTE_US / took).max(answers as f64 / 10.0) };
    // Without a reset time it may be refilled all the while: then only what it lost on the whole leads to its end.
    let lost = (first.1 - last.1).max(0.0) * MINUTE_US / took;
    let pace = if newest.reset_us.is_none() { lost.min(pace) } else { pace };
    let empty_us = newest.observed_us as f64 + left * MINUTE_US / pace;
    if left > 0.0 && (pace <= 0.0 || newest.reset_us.is_some_and(|reset_us| empty_us >= reset_us as f64)) {
        return f64::INFINITY;
    }
    let empty_us = if left > 0.0 { empty_us } else { newest.observed_us as f64 };
    ((empty_us - now_us as f64) / 1e6).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remaining of 2,000 at a second of each of the last minutes, oldest first, and the reset in seconds from now.
    fn judged(words: &[(i64, u64)], reset: Option<i64>) -> (Option<f64>, Option<f64>) {
        let now = 10_000 * 60;
        let mut limits = Limits::default();
        for (ago, remaining) in words {
            let at = now - ago;
            let told = Told {
                observed_us: at * 1_000_000,
                limit: Some(2_000),
                remaining: Some(*remaining),
                reset_us: reset.map(|reset| (now + reset) * 1_000_000),
            };
            let window_start = u32::try_from(at / 60 * 60).expect("in range");
            limits.add(&Limit { window_start, key: Key::new(), told, answers: 1 });
        }
        let minutes = limits.0.values().next().expect("one limit");
        let state = state(minutes, now * 1_000_000).expect("words");
        (state.ratio, state.exhausts_in)
    }

    #[test]
    fn limits_run_out_as_the_view_says() {
        // Fell by 100, 100 and 200 in four minutes, and rose between: 100 a minute, 1,300 left 50 s ago.
        let falling = [(290, 1_000), (230, 900), (170, 800), (110, 1_500), (50, 1_300)];
        assert_eq!(judged(&falling, Some(3_600)), (Some(0.65), Some(730.0)));
        // It turns before it is empty; and it has turned.
        assert_eq!(judged(&falling, Some(600)), (Some(0.65), Some(f64::INFINITY)));
        assert_eq!(judged(&falling, Some(-60)), (Some(1.0), Some(f64::INFINITY)));
        // Without a reset it only ends if it lost on the whole.
        assert_eq!(judged(&falling, None).1, Some(f64::INFINITY));
        assert_eq!(judged(&[(170, 500), (50, 300)], None), (Some(0.15), Some(130.0)));
        assert_eq!(judged(&[(290, 0)], Some(600)), (Some(0.0), Some(0.0)));
        assert_eq!(judged(&[(3_600, 3), (3_000, 2)], None).1, Some(f64::INFINITY));
    }
}
