//! Edges of a query's windows: a query and the time enter, which window starts it looks at leaves.
//!
//! Promise: pure; the edges of sliding windows are the parameters that ClickHouse gets.

use crate::{
    query::{Param, Query},
    vocabulary::{Period, Source},
};
use jiff::{Timestamp, tz::TimeZone};
use std::ops::RangeInclusive;

/// Seconds of a day; windows of days begin at its multiples.
const DAY: u32 = 86_400;

/// Window starts above the first and up to the second, seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) since: u32,
    pub(crate) until: u32,
}

/// Every window of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edges {
    pub(crate) now: Span,
    /// The window that it is compared with; empty without one.
    pub(crate) before: Span,
    /// From where on calls make a group known.
    pub(crate) known_since: Option<u32>,
}

impl Span {
    pub(crate) fn is_empty(self) -> bool {
        self.until <= self.since
    }

    pub(crate) fn holds(self, start: u32) -> bool {
        self.since < start && start <= self.until
    }

    pub(crate) fn range(self) -> RangeInclusive<u32> {
        self.since.saturating_add(1)..=self.until
    }
}

impl Edges {
    /// Up to which window start nothing matters any more.
    pub(crate) fn oldest(&self) -> u32 {
        let before = if self.before.is_empty() { self.now.since } else { self.before.since };
        self.now.since.min(before).min(self.known_since.unwrap_or(u32::MAX))
    }

    /// Where calls make a group known, beside its window; all that lies before the end of the window that is
    /// compared with is told of that one.
    pub(crate) fn known(&self, past: bool) -> Span {
        let Some(since) = self.known_since else { return Span::default() };
        let split = if self.before.is_empty() { 0 } else { self.before.until };
        match past {
            true => Span { since, until: self.now.since.min(split) },
            false => Span { since: since.max(split), until: self.now.since },
        }
    }
}

/// The windows of a query at a time, when everything up to then was counted.
pub(crate) fn of(query: &Query, now: Timestamp) -> Edges {
    let params = query.params(now, now);
    let edge = |wanted: &str| {
        params.iter().find_map(|(name, param)| match param {
            Param::Seconds(seconds) if *name == wanted => Some(*seconds),
            _ => None,
        })
    };
    let span = |since, until| Span { since: edge(since).unwrap_or(0), until: edge(until).unwrap_or(0) };
    let window = match query.source() {
        Source::Budget(period) => period_of(period, edge("until").unwrap_or(0)),
        _ => span("since", "until"),
    };
    Edges { now: window, before: span("since_before", "until_before"), known_since: edge("known_since") }
}

/// Under which start a stored window is held: budgets read the view `costs`, whose rows are days.
pub(crate) fn start_of(query: &Query, window_start: u32) -> u32 {
    if query.is_budget() { window_start / DAY * DAY } else { window_start }
}

/// The days of the period in which a second lies.
fn period_of(period: Period, second: u32) -> Span {
    let day = second / DAY * DAY;
    let (first, last) = match period {
        Period::Day => (day, day),
        Period::Month => month_of(day),
    };
    Span { since: first.saturating_sub(1), until: last }
}

/// The first and the last day of a month, as seconds since 1970 UTC.
fn month_of(day: u32) -> (u32, u32) {
    let Ok(time) = Timestamp::from_second(i64::from(day)) else { return (day, day) };
    let date = time.to_zoned(TimeZone::UTC).date();
    let (before, after) = (date.day() - 1, date.days_in_month() - date.day());
    let days = |count: i8| u32::try_from(count).unwrap_or(0).saturating_mul(DAY);
    (day.saturating_sub(days(before)), day.saturating_add(days(after)))
}
