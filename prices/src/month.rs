//! A month of usage: the hourly cells of one pool enter, what each of them costs leaves.
//!
//! The cells are put in one order, and each costs what the price of the month grows by with it. The sum is therefore the
//! price of the whole, to the last digit, whatever the cells. Promise: pure; the order of the input does not matter. A cell
//! may cost less than nothing, where the price of all units falls with their number (model volume).

use crate::metered::{MeteredEntry, TooLarge};
use callmeter_schemas::limits::{TIME_END_US, TIME_MIN_US};
use jiff::{Timestamp, civil, tz::TimeZone};
use std::fmt;

/// The usage of one line in one hour under one key, within one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct UsageCell {
    /// Start of the hour, seconds since 1970 UTC.
    pub hour: u32,
    pub customer: String,
    pub endpoint: String,
    pub tier: String,
    pub environment: String,
    pub integration: String,
    /// Units.
    pub quantity: u64,
    /// What they cost, in units of 10^-12; filled in by [`price_cells`].
    pub cost_units: i128,
}

impl UsageCell {
    /// The one order of cells: by time, then by the bytes of the names.
    fn order(&self) -> (u32, [&str; 5], u64) {
        let names = [&self.customer, &self.endpoint, &self.tier, &self.environment, &self.integration];
        (self.hour, names.map(String::as_str), self.quantity)
    }
}

/// Orders the cells of one pool and one month, fills in what each costs, and returns the sum, in units of 10^-12.
///
/// Without an exact price of the usage up to one of them there is none of any, and all cost 0.
pub fn price_cells(entry: &MeteredEntry, cells: &mut [UsageCell]) -> Result<i128, TooLarge> {
    cells.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    let (mut usage, mut paid) = (0_u64, 0);
    for at in 0..cells.len() {
        let price = usage.checked_add(cells[at].quantity).ok_or(TooLarge).and_then(|sum| {
            usage = sum;
            entry.price_of(sum)
        });
        let Ok(price) = price else {
            cells.iter_mut().for_each(|cell| cell.cost_units = 0);
            return Err(TooLarge);
        };
        cells[at].cost_units = price - paid;
        paid = price;
    }
    Ok(paid)
}

/// One month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: civil::Date,
}

impl Month {
    /// The month of a text such as `2026-11`; `None` for any other text and outside of 2000 to 2099.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let plain =
            |part: &str, digits| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(year, 4) || !plain(month, 2) {
            return None;
        }
        let first = civil::Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        (2000..2100).contains(&first.year()).then_some(Self { first })
    }

    /// Its first instant, µs since 1970 UTC.
    pub fn start_us(self) -> i64 {
        utc(self.first.into()).unwrap_or(TIME_MIN_US)
    }

    /// The first instant of the next month, µs since 1970 UTC.
    pub fn end_us(self) -> i64 {
        let next = self.first.last_of_month().tomorrow().ok();
        next.and_then(|date| utc(date.into())).unwrap_or(TIME_END_US)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

fn utc(time: civil::DateTime) -> Option<i64> {
    TimeZone::UTC.to_timestamp(time).ok().map(Timestamp::as_microsecond)
}

/// Whether a month begins at a time, µs since 1970 UTC.
pub(crate) fn begins_at(time_us: i64) -> bool {
    let Ok(time) = Timestamp::from_microsecond(time_us) else { return false };
    let time = TimeZone::UTC.to_datetime(time);
    time.day() == 1 && time.time() == civil::Time::midnight()
}

/// A date, at 00:00 UTC, or a time in RFC 3339, in µs since 1970 UTC; `None` for anything else and for what is finer.
pub fn instant(text: &str) -> Option<i64> {
    // A longer text would pass for the date that it begins with.
    if text.len() == "2026-01-01".len() {
        return utc(text.parse::<civil::Date>().ok()?.into());
    }
    let time: Timestamp = text.parse().ok()?;
    (time.subsec_nanosecond() % 1_000 == 0).then(|| time.as_microsecond())
}

#[cfg(test)]
mod tests;
