//! Durations as people write them: `90s`, `5m` or `1h30m` enters, a [`Duration`] leaves.
//!
//! Promise: pure. Units are Prometheus's (`ms`, `s`, `m`, `h`, `d`, `w`), each at most once and from
//! large to small; a bare number other than `0` is refused, because its unit would be a guess.

use std::{fmt::Write, time::Duration};

/// Longest accepted duration: a year, so that no arithmetic on times can overflow.
pub const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Unit words and their milliseconds, from large to small.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration such as 90s, 5m or 1h30m")]
pub struct DurationError(pub String);

/// Parses one duration of at most [`MAX`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    millis(text)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX)
        .ok_or_else(|| DurationError(text.to_owned()))
}

fn millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (number, tail) = rest.split_at(digits);
        let (word, tail) = tail.split_at(letters);
        let (_, size) = units.find(|(unit, _)| *unit == word)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Writes a duration in the form that [`parse`] takes.
pub fn print(duration: Duration) -> String {
    let mut rest = duration.as_millis() as u64;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: Option<u64>) {
        assert_eq!(parse(text).ok(), wanted.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn the_forms_of_prometheus_are_understood_and_others_refused() {
        check("5m", Some(300_000));
        check("90s", Some(90_000));
        check("1h30m", Some(5_400_000));
        check("1d", Some(86_400_000));
        check("250ms", Some(250));
        check("0", Some(0));
        check("0s", Some(0));
        for text in
            ["", "5", "m", "5x", "30m1h", "1m1m", "-5m", "1.5h", "5 m", "é", "99999999999999999999s", "2000w"]
        {
            check(text, None);
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_duration() {
        for millis in [0, 1, 1_000, 90_000, 5_400_000, 86_400_000 + 61_001] {
            assert_eq!(parse(&print(Duration::from_millis(millis))), Ok(Duration::from_millis(millis)));
        }
    }
}
