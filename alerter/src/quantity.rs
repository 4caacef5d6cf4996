//! Measured values and thresholds: counts, shares, times and exact money enter, their order leaves.
//!
//! Promise: pure; money is compared with money without a float between.

use std::cmp::Ordering;

/// Units of money in one unit of a currency.
const MONEY_UNITS: f64 = 1e12;

/// A measured value or a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A count, a share, milliseconds of latency or seconds of time.
    Real(f64),
    /// Money in units of 10^-12, exact.
    Money(i128),
}

impl Quantity {
    /// The nearest float, for display and storage.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Real(value) => value,
            Self::Money(units) => units as f64 / MONEY_UNITS,
        }
    }

    /// The order of two quantities; money is compared with money exactly.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Money(left), Self::Money(right)) => Some(left.cmp(&right)),
            (left, right) => left.as_f64().partial_cmp(&right.as_f64()),
        }
    }

    /// This less another; exact for money.
    pub fn less(self, other: Self) -> Self {
        match (self, other) {
            (Self::Money(left), Self::Money(right)) => Self::Money(left.saturating_sub(right)),
            (left, right) => Self::Real(left.as_f64() - right.as_f64()),
        }
    }

    /// This over another; `None` over nothing.
    pub fn over(self, other: Self) -> Option<Self> {
        let (part, whole) = (self.as_f64(), other.as_f64());
        (whole != 0.0).then(|| Self::Real(part / whole))
    }
}
