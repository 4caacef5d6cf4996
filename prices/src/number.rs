//! Numbers in attributes: text enters, an exact integer leaves; and integers as people read them.
//!
//! Promise: pure. No float, no rounding, no allocation on the way in; what is not exactly such a number is none.

use callmeter_schemas::{limits::COUNT_BOUND, money::SCALE};

/// Decimal places of an amount in an attribute.
const AMOUNT_SCALE: usize = 6;
/// Digits before the point of an amount in an attribute: amounts lie below 10^12, like all money.
const AMOUNT_DIGITS: usize = SCALE as usize;

/// A whole number below 2^40.
pub(crate) fn count(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|count| *count < COUNT_BOUND)
}

/// A decimal amount of at least 0 and below 10^12 with at most 6 decimals, in millionths.
pub(crate) fn millionths(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(AMOUNT_SCALE));
    let whole = whole.trim_start_matches('0');
    if whole.len() > AMOUNT_DIGITS || rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', AMOUNT_SCALE - kept.len());
    let digits = whole.bytes().chain(kept.bytes()).chain(zeros);
    Some(digits.fold(0, |number, digit| number * 10 + i128::from(digit - b'0')))
}

/// Units of 10^-12 as a plain decimal number; sums may lie beyond the bound of one amount.
pub(crate) fn money(units: i128) -> String {
    let one = 10_u128.pow(SCALE);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, fraction) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    let text = format!("{sign}{whole}.{fraction:012}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count, digits in groups of three.
pub(crate) fn counted(count: u64) -> String {
    grouped(&count.to_string())
}

/// A plain decimal number, digits before the point in groups of three: `7,900.5`.
pub(crate) fn grouped(number: &str) -> String {
    let (sign, rest) = number.split_at(usize::from(number.starts_with('-')));
    let whole = rest.split('.').next().unwrap_or_default();
    let mut text = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + &rest[whole.len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_numbers_within_their_bounds_are_read() {
        for (text, wanted) in [("0", Some(0)), ("007", Some(7)), ("1099511627775", Some((1 << 40) - 1))] {
            assert_eq!(count(text), wanted, "{text}");
        }
        for text in ["", "-1", "+1", "1.0", "1e3", "1099511627776", "99999999999999999999999", " 1", "١"] {
            assert_eq!(count(text), None, "{text}");
        }
        for (text, wanted) in [
            ("100", Some(100_000_000)),
            ("0.000001", Some(1)),
            ("12.500000000", Some(12_500_000)),
            ("000999999999999.999999", Some(999_999_999_999_999_999)),
        ] {
            assert_eq!(millionths(text), wanted, "{text}");
        }
        for text in ["", "-1", "1.", ".5", "0.0000001", "1000000000000", "1e3", "1,5", "é", "1.é"] {
            assert_eq!(millionths(text), None, "{text}");
        }
    }

    #[test]
    fn digits_stand_in_groups() {
        assert_eq!(counted(1_000_000), "1,000,000");
        assert_eq!(counted(999), "999");
        assert_eq!(grouped("-7900.25"), "-7,900.25");
        assert_eq!(grouped("100"), "100");
    }

    #[test]
    fn every_sum_is_written_exactly() {
        for (units, wanted) in [
            (-7_900_250_000_000_000, "-7900.25"),
            (1, "0.000000000001"),
            (100_000_000_000_000, "100"),
            (0, "0"),
            (i128::MIN, "-170141183460469231731687303.715884105728"),
        ] {
            assert_eq!(money(units), wanted);
        }
    }
}
