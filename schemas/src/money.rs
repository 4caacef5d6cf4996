//! Money: decimal text enters, an exact [`Amount`] of 12 decimal places leaves.
//!
//! Promise: never a float. What cannot be held exactly is refused, never rounded.

use std::fmt;
use thiserror::Error;

/// Decimal places that are kept, as in ClickHouse `Decimal(38, 12)`.
pub const SCALE: u32 = 12;

/// Amounts lie strictly between minus and plus this many units of 10^-12, that is 10^12 of a
/// currency's unit: ClickHouse's `sum` wraps silently past 38 digits, and 10^14 such amounts stay below.
pub const BOUND: i128 = 1_000_000_000_000 * 1_000_000_000_000;

/// Digits that every `i128` has room for.
const MOST_DIGITS: u32 = 38;

/// An exact amount of money in units of 10^-12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// Why a text or number is not an [`Amount`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not plain decimal notation.
    #[error("not a decimal number such as \"0.0042\"")]
    Malformed,
    /// More than 12 decimal places that are not zero.
    #[error("more than {SCALE} decimal places")]
    TooFine,
    /// At or beyond 10^12.
    #[error("at or beyond 1000000000000")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// An amount of so many units of 10^-12; `None` beyond the bound.
    pub fn from_units(units: i128) -> Option<Self> {
        (-BOUND < units && units < BOUND).then_some(Self(units))
    }

    /// Units of 10^-12.
    pub fn units(self) -> i128 {
        self.0
    }

    /// Parses plain decimal notation with an optional exponent of at most two digits, so that a JSON
    /// number's own text can be taken as it stands.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = split_exponent(rest)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(AmountError::Malformed);
        }
        let units = scale(whole, fraction, exponent - fraction.len() as i32 + SCALE as i32)?;
        Self::from_units(if negative { -units } else { units }).ok_or(AmountError::TooLarge)
    }
}

fn split_exponent(text: &str) -> Result<(&str, i32), AmountError> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Ok((text, 0)) };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || digits.len() > 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::Malformed);
    }
    exponent.parse().map(|exponent| (mantissa, exponent)).map_err(|_| AmountError::Malformed)
}

/// The integer of the digits of both parts × 10^`power`; a negative power only drops zeros.
fn scale(whole: &str, fraction: &str, power: i32) -> Result<i128, AmountError> {
    let digits = || whole.bytes().chain(fraction.bytes());
    let dropped = power.min(0).unsigned_abs() as usize;
    let kept = (whole.len() + fraction.len()).saturating_sub(dropped);
    if digits().skip(kept).any(|digit| digit != b'0') {
        return Err(AmountError::TooFine);
    }
    let (mut value, zeros) = (0_i128, power.max(0) as u32);
    let mut length = zeros;
    for digit in digits().take(kept).skip_while(|digit| *digit == b'0') {
        length += 1;
        if length > MOST_DIGITS {
            return Err(AmountError::TooLarge);
        }
        value = 10 * value + i128::from(digit - b'0');
    }
    // Of zero no power is too large.
    Ok(if value == 0 { 0 } else { value * 10_i128.pow(zeros) })
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let one = 10_u128.pow(SCALE);
        let (whole, fraction) = (self.0.unsigned_abs() / one, self.0.unsigned_abs() % one);
        if fraction == 0 {
            return write!(out, "{sign}{whole}");
        }
        let fraction = format!("{fraction:012}");
        write!(out, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, wanted: Result<&str, AmountError>) {
        assert_eq!(Amount::parse(text).map(|amount| amount.to_string()), wanted.map(str::to_owned));
    }

    #[test]
    fn decimal_text_is_kept_exactly_or_refused() {
        check("0.0042", Ok("0.0042"));
        check("-1.50", Ok("-1.5"));
        check("0.000000000001", Ok("0.000000000001"));
        check("4.2e-3", Ok("0.0042"));
        check("1E3", Ok("1000"));
        check("0.1000000000000", Ok("0.1"));
        check("0.0000000000001", Err(AmountError::TooFine));
        check("999999999999.999999999999", Ok("999999999999.999999999999"));
        check("1000000000000", Err(AmountError::TooLarge));
        check("1e99", Err(AmountError::TooLarge));
        for text in ["", "-", ".", "1.", ".5", "NaN", "inf", "1e999", "0x1", "1 ", "+1", "1,0", "1e", "--1"] {
            check(text, Err(AmountError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same_amount(units in -BOUND + 1..BOUND) {
            let amount = Amount::from_units(units).expect("within the bound");
            prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn an_amount_is_its_digits_moved_by_its_exponent(
            whole in "0{0,3}[0-9]{1,30}0{0,20}", fraction in "[0-9]{1,20}0{0,20}", exponent in -40..40_i32,
        ) {
            let digits = format!("{whole}{fraction}");
            let power = exponent - fraction.len() as i32 + SCALE as i32;
            let moved = match usize::try_from(power) {
                Ok(zeros) => Ok(digits + &"0".repeat(zeros)),
                Err(_) => {
                    let padded = format!("{}{digits}", "0".repeat(100));
                    let (kept, cut) = padded.split_at(padded.len() - power.unsigned_abs() as usize);
                    if cut.bytes().all(|digit| digit == b'0') { Ok(kept.to_owned()) } else { Err(AmountError::TooFine) }
                }
            };
            let wanted = moved.and_then(|digits| {
                let units = digits.parse().ok().and_then(Amount::from_units);
                units.ok_or(AmountError::TooLarge)
            });
            prop_assert_eq!(Amount::parse(&format!("{whole}.{fraction}e{exponent}")), wanted);
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,60}") {
            let _ = Amount::parse(&text);
        }
    }
}
