//! Times in headers: a text, its form and the time of the answer enter, a point in time leaves.
//!
//! Promise: pure; vendors' text never panics. What is negative, malformed, or not between the years 2000 and
//! 2100 is nothing.

use crate::{forms, profile::TimeForm};
use callmeter_schemas::limits::{TIME_END_US, TIME_MIN_US};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const SECOND_US: i64 = 1_000_000;
/// A bare number above this is epoch milliseconds.
const EPOCH_MS_FROM: i64 = 1_000_000_000_000;
/// A bare number above this is epoch seconds.
const EPOCH_S_FROM: i64 = 1_000_000_000;
/// Units of durations such as `1m30s`, µs; `ns` are below what is kept.
const UNITS: [(&str, i64); 7] = [
    ("ms", 1_000),
    ("us", 1),
    ("µs", 1),
    ("s", SECOND_US),
    ("m", 60 * SECOND_US),
    ("h", 3_600 * SECOND_US),
    ("d", 86_400 * SECOND_US),
];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The point in time that a text means, µs since 1970 UTC.
pub(crate) fn instant(text: &str, form: TimeForm, answered_us: i64) -> Option<i64> {
    let text = unquoted(text.trim());
    let at = match form {
        TimeForm::EpochS => micros(text, SECOND_US),
        TimeForm::EpochMs => micros(text, 1_000),
        TimeForm::Seconds => after(answered_us, micros(text, SECOND_US)),
        TimeForm::Milliseconds => after(answered_us, micros(text, 1_000)),
        TimeForm::Duration => after(answered_us, duration(text)),
        TimeForm::Rfc3339 => rfc3339(text),
        TimeForm::HttpDate => http_date(text),
        TimeForm::Auto => automatic(text, answered_us),
    };
    at.filter(|at| (TIME_MIN_US..TIME_END_US).contains(at))
}

fn automatic(text: &str, answered_us: i64) -> Option<i64> {
    // Of a list, as repeated headers are joined, the first; dates have a comma of their own.
    if forms::is_parted(text) {
        return None;
    }
    let first = text.split([',', ';']).next().unwrap_or(text).trim();
    match first.parse::<f64>() {
        Ok(number) if number > EPOCH_MS_FROM as f64 => micros(first, 1_000),
        Ok(number) if number > EPOCH_S_FROM as f64 => micros(first, SECOND_US),
        Ok(_) => after(answered_us, micros(first, SECOND_US)),
        Err(_) => rfc3339(text).or_else(|| http_date(text)).or_else(|| after(answered_us, duration(first))),
    }
}

fn after(answered_us: i64, wait_us: Option<i64>) -> Option<i64> {
    answered_us.checked_add(wait_us?)
}

/// A decimal number of a unit, in µs; digits below a microsecond are dropped.
fn micros(text: &str, unit_us: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut total = whole.parse::<i64>().ok()?.checked_mul(unit_us)?;
    let mut place = unit_us;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(place * i64::from(digit - b'0'))?;
    }
    Some(total)
}

/// A duration such as `6m0s`, `1.5s` or `20ms`, in µs.
fn duration(text: &str) -> Option<i64> {
    let (mut rest, mut total) = (text, 0_i64);
    while !rest.is_empty() {
        let number = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, tail) = rest.split_at(number);
        let (word, size) = match tail.strip_prefix("ns") {
            Some(_) => ("ns", 0),
            None => *UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?,
        };
        total = total.checked_add(micros(number, size)?)?;
        rest = tail[word.len()..].trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// An HTTP date in any of the three forms of RFC 9110: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
fn http_date(text: &str) -> Option<i64> {
    let mut words = [""; 8];
    let mut count = 0;
    for word in text.split([' ', ',', '-', ':']).filter(|word| !word.is_empty()) {
        *words.get_mut(count)? = word;
        count += 1;
    }
    let [_, first, second, third, fourth, fifth, sixth, zone] = words;
    let (day, month, year, clock) = match count {
        8 if zone == "GMT" => (first, second, third, [fourth, fifth, sixth]),
        7 => (second, first, sixth, [third, fourth, fifth]),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i8 + 1;
    let number = |word: &str| word.parse::<i8>().ok().filter(|number| *number >= 0);
    let year = match year.len() {
        2 => 2_000 + year.parse::<i16>().ok()?,
        4 => year.parse::<i16>().ok()?,
        _ => return None,
    };
    let [hour, minute, second] = clock;
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let time = DateTime::new(year, month, number(day)?, hour, minute, second, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// A text without quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-15T12:00:00Z.
    const NOW: i64 = 1_768_478_400_000_000;

    #[track_caller]
    fn check(text: &str, form: TimeForm, wanted: Option<&str>) {
        let at = instant(text, form, NOW).and_then(|at| Timestamp::from_microsecond(at).ok());
        assert_eq!(at.map(|at| at.to_string()).as_deref(), wanted, "{text} {form:?}");
    }

    #[test]
    fn every_form_of_time_is_read() {
        check("1768478460", TimeForm::EpochS, Some("2026-01-15T12:01:00Z"));
        check("1768478460.25", TimeForm::EpochS, Some("2026-01-15T12:01:00.25Z"));
        check("1768478460500", TimeForm::EpochMs, Some("2026-01-15T12:01:00.5Z"));
        check("30", TimeForm::Seconds, Some("2026-01-15T12:00:30Z"));
        check("0.1234567", TimeForm::Seconds, Some("2026-01-15T12:00:00.123456Z"));
        check("1500", TimeForm::Milliseconds, Some("2026-01-15T12:00:01.5Z"));
        check("6m0s", TimeForm::Duration, Some("2026-01-15T12:06:00Z"));
        check("1h2m1.5s", TimeForm::Duration, Some("2026-01-15T13:02:01.5Z"));
        check("20ms", TimeForm::Duration, Some("2026-01-15T12:00:00.02Z"));
        check("1d", TimeForm::Duration, Some("2026-01-16T12:00:00Z"));
        check("500ns", TimeForm::Duration, Some("2026-01-15T12:00:00Z"));
        check("2026-01-15T12:01:00+00:00", TimeForm::Rfc3339, Some("2026-01-15T12:01:00Z"));
        check("Thu, 15 Jan 2026 12:02:03 GMT", TimeForm::HttpDate, Some("2026-01-15T12:02:03Z"));
        check("Thursday, 15-Jan-26 12:02:03 GMT", TimeForm::HttpDate, Some("2026-01-15T12:02:03Z"));
        check("Thu Jan  5 12:02:03 2026", TimeForm::HttpDate, Some("2026-01-05T12:02:03Z"));
    }

    #[test]
    fn without_a_form_the_size_and_the_look_decide() {
        for (text, wanted) in [
            ("1768478460", Some("2026-01-15T12:01:00Z")),
            ("1768478460500", Some("2026-01-15T12:01:00.5Z")),
            ("60", Some("2026-01-15T12:01:00Z")),
            ("60, 60", Some("2026-01-15T12:01:00Z")),
            ("1,250", None),
            ("1.5", Some("2026-01-15T12:00:01.5Z")),
            ("6m0s", Some("2026-01-15T12:06:00Z")),
            ("2026-01-15T13:00:00Z", Some("2026-01-15T13:00:00Z")),
            ("Thu, 15 Jan 2026 12:02:03 GMT", Some("2026-01-15T12:02:03Z")),
            ("soon", None),
            ("-5", None),
            ("", None),
            ("nan", None),
            ("inf", None),
            ("1e3", None),
        ] {
            check(text, TimeForm::Auto, wanted);
        }
    }

    #[test]
    fn absurd_times_are_nothing() {
        for (text, form) in [
            ("4102444800", TimeForm::EpochS),
            ("12", TimeForm::EpochS),
            ("99999999999999999999", TimeForm::EpochMs),
            ("9223372036854775807", TimeForm::Seconds),
            ("4000000000", TimeForm::Seconds),
            ("9999999999999h", TimeForm::Duration),
            ("5x", TimeForm::Duration),
            ("2200-01-01T00:00:00Z", TimeForm::Rfc3339),
            ("Thu, 15 Jan 1994 12:02:03 GMT", TimeForm::HttpDate),
            ("Thu, 32 Jan 2026 12:02:03 GMT", TimeForm::HttpDate),
            ("Thu, 15 Jan 2026 12:02:03 CET", TimeForm::HttpDate),
        ] {
            check(text, form, None);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-zA-Z.,:;µ +-]{0,30}") {
            for form in [TimeForm::Auto, TimeForm::Duration, TimeForm::HttpDate, TimeForm::EpochS, TimeForm::Milliseconds] {
                let _ = instant(&text, form, NOW);
            }
        }
    }
}
