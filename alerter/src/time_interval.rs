//! Times of the week and of the year: a moment enters, whether it lies within leaves.
//!
//! Alertmanager's semantics: a named interval is a list of spans, and a moment within one of them is within; a
//! span holds what all of its fields hold, each of which may name several ranges. Days of a month count from
//! its end when negative, and ranges are cut at the end of a shorter month. Promise: pure; the rules of time
//! zones are those that were built in.

mod read;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use std::ops::RangeInclusive;

pub(crate) use read::read;

/// A time interval by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeInterval {
    /// What routes call it.
    pub name: String,
    /// A moment within one of these is within the interval.
    pub spans: Vec<Span>,
}

/// What holds at once; a field without ranges holds always.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Minutes of the day: from, and up to but not with.
    times: Vec<(u16, u16)>,
    /// From 0 for Sunday.
    weekdays: Vec<RangeInclusive<i8>>,
    /// From 1, or from -1 for the last.
    days_of_month: Vec<(i8, i8)>,
    /// From 1.
    months: Vec<RangeInclusive<i8>>,
    years: Vec<RangeInclusive<i16>>,
    /// Whose clock and calendar.
    zone: TimeZone,
}

impl TimeInterval {
    /// Whether a moment lies within.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.spans.iter().any(|span| span.contains(&now.to_zoned(span.zone.clone())))
    }
}

impl Span {
    fn contains(&self, now: &Zoned) -> bool {
        let minute = now.hour() as u16 * 60 + now.minute() as u16;
        let weekday = now.weekday().to_sunday_zero_offset();
        holds(&self.times, |(from, until)| (*from..*until).contains(&minute))
            && holds(&self.weekdays, |range| range.contains(&weekday))
            && holds(&self.days_of_month, |(from, until)| {
                days(*from, *until, now.days_in_month()).contains(&now.day())
            })
            && holds(&self.months, |range| range.contains(&now.month()))
            && holds(&self.years, |range| range.contains(&now.year()))
    }
}

fn holds<T>(ranges: &[T], within: impl Fn(&T) -> bool) -> bool {
    ranges.is_empty() || ranges.iter().any(within)
}

/// The days that a range names in a month of so many.
fn days(from: i8, until: i8, in_month: i8) -> RangeInclusive<i8> {
    let counted = |day: i8| if day < 0 { in_month + 1 + day } else { day };
    counted(from).max(1)..=counted(until).min(in_month)
}

#[cfg(test)]
mod tests;
