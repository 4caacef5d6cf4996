//! Single values of an event: a JSON value enters, a typed one leaves, or a mistake is noted.
//!
//! Promise: exact; integers and money are never rounded, durations only below a microsecond. Null means
//! absent. The first mistake of an item is kept, with the name of its member and never its value.

use crate::{
    draft::{Code, Rejection},
    number::{self, DurationError},
    read::Scalar,
};
use callmeter_schemas::{Amount, limits, money::AmountError};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The first mistake of an item.
pub(crate) type Mistake = Option<Rejection>;

pub(crate) fn note(mistake: &mut Mistake, code: Code, field: &str, detail: &'static str) {
    mistake.get_or_insert_with(|| Rejection::new(code, field, detail));
}

pub(crate) fn text<'a>(value: Scalar<'a>, name: &str, mistake: &mut Mistake) -> Option<Cow<'a, str>> {
    match value {
        Scalar::Text(text) => return Some(text),
        Scalar::Null => {}
        _ => note(mistake, Code::WrongType, name, "must be a string"),
    }
    None
}

pub(crate) fn time(value: Scalar<'_>, name: &str, mistake: &mut Mistake) -> Option<i64> {
    let text = text(value, name, mistake)?;
    let parsed = text.parse::<jiff::Timestamp>();
    if parsed.is_err() {
        note(mistake, Code::InvalidValue, name, "not an RFC 3339 time with an offset");
    }
    parsed.ok().map(jiff::Timestamp::as_microsecond)
}

pub(crate) fn integer(value: Scalar<'_>, name: &str, mistake: &mut Mistake) -> Option<i128> {
    match value {
        Scalar::Null => {}
        Scalar::Unsigned(number) => return Some(number.into()),
        Scalar::Signed(number) => return Some(number.into()),
        Scalar::Float(number) if number.fract() == 0.0 && number.abs() < limits::COUNT_BOUND as f64 => {
            return Some(number as i128);
        }
        Scalar::Float(number) if number.fract() == 0.0 => {
            note(mistake, Code::OutOfRange, name, "beyond 2^40");
        }
        _ => note(mistake, Code::WrongType, name, "must be an integer"),
    }
    None
}

pub(crate) fn count(value: Scalar<'_>, name: &str, mistake: &mut Mistake) -> Option<u64> {
    let number = u64::try_from(integer(value, name, mistake)?).ok();
    let count = number.filter(|number| *number < limits::COUNT_BOUND);
    if count.is_none() {
        note(mistake, Code::OutOfRange, name, "not between 0 and 2^40");
    }
    count
}

pub(crate) fn status(value: Scalar<'_>, name: &str, mistake: &mut Mistake) -> Option<u16> {
    let status = u16::try_from(integer(value, name, mistake)?).ok();
    if status.is_none() {
        note(mistake, Code::OutOfRange, name, "not between 100 and 999");
    }
    status
}

pub(crate) fn signed(value: Scalar<'_>, name: &str, mistake: &mut Mistake) -> Option<i64> {
    let number = i64::try_from(integer(value, name, mistake)?).ok();
    let number = number.filter(|number| number.unsigned_abs() < limits::COUNT_BOUND);
    if number.is_none() {
        note(mistake, Code::OutOfRange, name, "not between -2^40 and 2^40");
    }
    number
}

pub(crate) fn duration(value: &RawValue, name: &str, mistake: &mut Mistake) -> Option<u64> {
    match value.get() {
        "null" => None,
        text => match number::micros(text) {
            Ok(micros) => Some(micros),
            Err(DurationError::Malformed) => {
                note(mistake, Code::WrongType, name, "must be a number of milliseconds");
                None
            }
            Err(DurationError::OutOfRange) => {
                note(mistake, Code::OutOfRange, name, "not between 0 and 2^40 microseconds");
                None
            }
        },
    }
}

/// The amount of a JSON number or string, by its own text.
pub(crate) fn money(raw: &str, mistake: &mut Mistake) -> Option<Amount> {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if raw == "null" {
        return None;
    }
    match Amount::parse(quoted.unwrap_or(raw)) {
        Ok(amount) => return Some(amount),
        Err(error) => {
            let code = match error {
                AmountError::TooLarge => Code::OutOfRange,
                _ => Code::InvalidValue,
            };
            mistake.get_or_insert_with(|| Rejection::new(code, "cost.amount", error.to_string()));
        }
    }
    None
}

pub(crate) fn owned(text: Option<Cow<'_, str>>) -> String {
    text.map(Cow::into_owned).unwrap_or_default()
}
