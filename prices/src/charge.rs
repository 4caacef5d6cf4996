//! One attempt: what the fold knows of it enters, what it costs and adds to the month's usage leaves.
//!
//! Promise: pure, no allocation but for the growth of a reused list. An attempt is priced as a whole: when one of its
//! lines cannot be priced exactly, nothing of it is charged and it is `unpriced`.

use crate::{
    book::{Entry, Rate},
    document::{Billable, Meter},
    number,
};
use callmeter_documents::Pattern;
use callmeter_schemas::{ErrorClass, limits::COUNT_BOUND, money::BOUND};
use std::collections::BTreeMap;

/// Largest quantity of one attempt: bytes of both directions.
const QUANTITY_BOUND: u64 = 2 * COUNT_BOUND;

/// The attributes of an event.
pub trait Attributes {
    /// The text of one of them.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Attributes for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// What prices depend on, besides endpoint and tier.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "each is the event's field of its name")]
pub struct Attempt<'a> {
    /// µs since 1970 UTC.
    pub time_us: i64,
    /// 1 is the first try.
    pub attempt: u32,
    pub error_class: ErrorClass,
    pub status: Option<u16>,
    /// What the vendor's profile says; `None` when there is none.
    pub billable: Option<bool>,
    pub items: u64,
    pub records: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub attributes: &'a dyn Attributes,
}

/// What an attempt costs; reused between attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Whether the vendor counts the attempt, by its profile; without one, whether the vendor was reached. What a line says
    /// of its own (`billable` in the book) decides that line only.
    pub billable: bool,
    /// Cost of the lines that need no month, in units of 10^-12.
    pub cost_units: i128,
    /// What is added to the month's usage of lines: number of the line, quantity above 0.
    pub usage: Vec<(u32, u64)>,
    /// Whether a line matched that cannot be priced exactly; then there is neither cost nor usage.
    pub unpriced: bool,
}

impl Charge {
    /// Begins a new attempt.
    pub(crate) fn begin(&mut self, attempt: &Attempt<'_>) {
        self.billable = attempt.billable();
        self.cost_units = 0;
        self.usage.clear();
        self.unpriced = false;
    }

    /// Adds what one line asks for; false when there is no exact price.
    pub(crate) fn add(&mut self, entry: &Entry, quantity: Result<Quantity, Unpriced>) -> bool {
        let priced = match quantity.and_then(|quantity| entry.price(quantity)) {
            Ok(Priced::Cost(units)) => match self.cost_units.checked_add(units) {
                Some(sum) if sum < BOUND => {
                    self.cost_units = sum;
                    true
                }
                _ => false,
            },
            Ok(Priced::Usage(0)) => true,
            Ok(Priced::Usage(quantity)) => {
                self.usage.push((entry.line, quantity));
                true
            }
            Err(Unpriced) => false,
        };
        if !priced {
            self.cost_units = 0;
            self.usage.clear();
            self.unpriced = true;
        }
        priced
    }
}

/// There is no exact price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unpriced;

/// How much of what is metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Whole units.
    Units(u64),
    /// An amount of money in millionths.
    Millionths(i128),
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priced {
    /// Units of 10^-12.
    Cost(i128),
    /// Units of the month's usage.
    Usage(u64),
}

impl Attempt<'_> {
    /// Whether the vendor counts the attempt, as far as the event knows.
    pub(crate) fn billable(&self) -> bool {
        self.billable.unwrap_or_else(|| Billable::AnyAttempt.counts(self))
    }
}

impl Billable {
    /// Whether an attempt counts.
    pub(crate) fn counts(self, attempt: &Attempt<'_>) -> bool {
        use ErrorClass::{Connect, Dns, Killed, Tls};
        match self {
            // An answer proves it; without one a lost connection is told from one that never was by ingest, which
            // says so in the event.
            Self::AnyAttempt => {
                attempt.status.is_some()
                    || attempt.billable == Some(true)
                    || !matches!(attempt.error_class, Dns | Connect | Tls | Killed)
            }
            Self::AnyResponse => attempt.status.is_some(),
            Self::Success => attempt.error_class == ErrorClass::Ok,
        }
    }
}

impl Entry {
    /// Whether the event's attributes are such as the entry wants; the metered one must be there.
    pub(crate) fn fits(&self, attributes: &dyn Attributes) -> bool {
        let wanted = |(name, pattern): &(String, Pattern)| {
            attributes.get(name).is_some_and(|value| pattern.matches(value))
        };
        self.conditions.iter().all(wanted)
            && (self.meter != Meter::Attribute || attributes.get(&self.attribute).is_some())
    }

    /// How much of its meter an attempt is that fits; 0 when it does not count.
    pub(crate) fn quantity(&self, attempt: &Attempt<'_>) -> Result<Quantity, Unpriced> {
        let units =
            |units: u64| if units < QUANTITY_BOUND { Ok(Quantity::Units(units)) } else { Err(Unpriced) };
        let counts = self.billable.map_or_else(|| attempt.billable(), |billable| billable.counts(attempt));
        if !counts {
            return Ok(Quantity::Units(0));
        }
        match self.meter {
            // Of a call at most one attempt succeeds, and no other counts.
            Meter::Call | Meter::Attempt => units(1),
            Meter::Item => units(attempt.items),
            Meter::Record => units(attempt.records),
            Meter::ByteIn => units(attempt.bytes_in),
            Meter::ByteOut => units(attempt.bytes_out),
            Meter::Byte => units(attempt.bytes_in.checked_add(attempt.bytes_out).ok_or(Unpriced)?),
            Meter::Attribute => {
                let text = attempt.attributes.get(&self.attribute).unwrap_or_default();
                match self.rate {
                    Rate::Percent { .. } => number::millionths(text).map(Quantity::Millionths),
                    Rate::Unit { .. } | Rate::Metered => number::count(text).map(Quantity::Units),
                }
                .ok_or(Unpriced)
            }
        }
    }

    /// What a quantity costs or adds.
    pub(crate) fn price(&self, quantity: Quantity) -> Result<Priced, Unpriced> {
        let cost = match (&self.rate, quantity) {
            (Rate::Metered, Quantity::Units(units)) => return Ok(Priced::Usage(units)),
            (Rate::Unit { unit, .. }, Quantity::Units(units)) => unit.checked_mul(units.into()),
            // 10^-6 of an amount × 10^-4 of a percent = 10^-12.
            (Rate::Percent { rate, .. }, Quantity::Millionths(amount)) => rate.checked_mul(amount),
            (Rate::Percent { .. }, Quantity::Units(0)) => Some(0),
            (Rate::Percent { .. }, Quantity::Units(_)) | (_, Quantity::Millionths(_)) => None,
        };
        cost.filter(|units| *units < BOUND).map(Priced::Cost).ok_or(Unpriced)
    }
}
