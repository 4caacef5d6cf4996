//! Milliseconds in decimal text enter, whole microseconds leave.
//!
//! The text is a JSON number as it stands in the body. Promise: exact, never through a float; the part
//! below a microsecond is rounded half up; what is negative, beyond the bound or written with a huge
//! exponent is refused.

use callmeter_schemas::histogram::MAX_LATENCY_US;

/// Longest exponent that is looked at, in digits.
const EXPONENT_DIGITS: usize = 3;

/// Why a number is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a JSON number.
    #[error("not a number")]
    Malformed,
    /// Negative, or 2^40 µs and more.
    #[error("not between 0 and 2^40 microseconds")]
    OutOfRange,
}

/// Converts milliseconds, as the text of a JSON number, to µs.
pub fn micros(text: &str) -> Result<u64, DurationError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, small_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(DurationError::Malformed);
    }
    let digits = whole.bytes().chain(fraction.bytes()).map(|byte| u64::from(byte.wrapping_sub(b'0')));
    let value = shift(digits, whole.len() as i64 + exponent + 3)?;
    match negative && value > 0 {
        true => Err(DurationError::OutOfRange),
        false => Ok(value),
    }
}

fn small_exponent(text: &str) -> Result<i64, DurationError> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.len() > EXPONENT_DIGITS {
        return Err(DurationError::OutOfRange);
    }
    text.parse().map_err(|_| DurationError::Malformed)
}

/// The first `places` digits as a number; the digit after them decides the rounding.
fn shift(digits: impl Iterator<Item = u64>, places: i64) -> Result<u64, DurationError> {
    let mut value = 0_u64;
    let mut seen = 0_i64;
    for digit in digits {
        if digit > 9 {
            return Err(DurationError::Malformed);
        }
        if seen == places {
            return bounded(value + u64::from(digit >= 5));
        }
        if seen > places {
            return Ok(0);
        }
        value = bounded(value * 10 + digit)?;
        seen += 1;
    }
    while seen < places && value > 0 {
        value = bounded(value * 10)?;
        seen += 1;
    }
    Ok(value)
}

fn bounded(value: u64) -> Result<u64, DurationError> {
    if value > MAX_LATENCY_US { Err(DurationError::OutOfRange) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, wanted: Result<u64, DurationError>) {
        assert_eq!(micros(text), wanted, "{text}");
    }

    #[test]
    fn milliseconds_become_whole_microseconds_rounded_half_up() {
        check("182.4", Ok(182_400));
        check("0", Ok(0));
        check("-0.0", Ok(0));
        check("1.0005", Ok(1_001));
        check("1.00049999999999999999999", Ok(1_000));
        check("0.0005", Ok(1));
        check("0.0004999", Ok(0));
        check("0.00005", Ok(0));
        check("1e3", Ok(1_000_000));
        check("5E-4", Ok(1));
        check("5e-5", Ok(0));
        check("0e999", Ok(0));
        check("12e-1", Ok(1_200));
        check("1099511627.775", Ok(MAX_LATENCY_US));
        check("1099511627.7755", Err(DurationError::OutOfRange));
        check("1099511627.776", Err(DurationError::OutOfRange));
        check("-1", Err(DurationError::OutOfRange));
        check("1e999", Err(DurationError::OutOfRange));
        check("1e99999999999999999999", Err(DurationError::OutOfRange));
        for text in ["", "NaN", "\"1\"", "true", "1.2.3", "1e", "[1]"] {
            check(text, Err(DurationError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn every_whole_microsecond_is_read_back(value in 0..=MAX_LATENCY_US) {
            let text = format!("{}.{:03}", value / 1000, value % 1000);
            prop_assert_eq!(micros(&text), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,40}") {
            let _ = micros(&text);
        }
    }
}
