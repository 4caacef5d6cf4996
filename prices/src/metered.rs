//! Prices that depend on a whole month: a month's quantity enters, its exact price leaves.
//!
//! Promise: pure; the price of a quantity is a function of the entry alone, so that ClickHouse can compute the same
//! from the same rows. Beyond the bound of amounts there is no price.

use crate::document::Pool;
use callmeter_schemas::money::BOUND;

/// An entry whose price depends on the month's usage: tiers, packages or free units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeteredEntry {
    /// Name of the line, as it stands in the usage of the rollups.
    pub line: String,
    /// Its number in the book.
    pub line_index: u32,
    /// The integration.
    pub integration: String,
    /// ISO 4217.
    pub currency: String,
    /// Whose usage counts together.
    pub pool: Pool,
    /// From when the entry holds, µs since 1970 UTC: the first instant of a month.
    pub effective_from_us: i64,
    /// Until when, exclusive: where the line's next version begins; `i64::MAX` for the last.
    pub effective_until_us: i64,
    /// Units free in each month.
    pub free: u64,
    /// How the price follows from the units beyond the free ones.
    pub kind: Kind,
    /// At least one, `up_to` growing to `u64::MAX`; exactly one for flat prices and packages.
    pub tiers: Vec<Tier>,
    /// Units in a package; 1 for the other kinds.
    pub package: u64,
}

/// How a month's price follows from its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Units × price; the same as tiered with one tier.
    Flat,
    /// Each unit at the price of the tier it lies in (graduated).
    Tiered,
    /// All units at the price of the tier in which the last one lies.
    Volume,
    /// A price per begun package.
    Package,
}

impl Kind {
    /// The word as it stands in a book.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Tiered => "tiered",
            Self::Volume => "volume",
            Self::Package => "package",
        }
    }
}

/// The price of units up to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Last unit, counted from the first that is not free; `u64::MAX` for the last tier.
    pub up_to: u64,
    /// Price of one unit, or of one package, in units of 10^-12.
    pub price_units: i128,
}

/// One product of a month's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bracket {
    /// Units or packages, more than 0.
    pub(crate) count: u64,
    /// Price of each, in units of 10^-12.
    pub(crate) price_units: i128,
}

/// A price at or beyond 10^12 of a currency's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a price at or beyond 1000000000000")]
pub struct TooLarge;

impl MeteredEntry {
    /// The price of a whole month's usage, in units of 10^-12. 0 costs 0.
    pub fn price_of(&self, quantity: u64) -> Result<i128, TooLarge> {
        let add = |sum: i128, bracket: Bracket| sum.checked_add(bracket.cost_units()?);
        let sum = self.brackets(quantity).try_fold(0, add);
        sum.filter(|units| *units < BOUND).ok_or(TooLarge)
    }

    /// The products whose sum that is.
    pub(crate) fn brackets(&self, quantity: u64) -> impl Iterator<Item = Bracket> {
        let charged = quantity.saturating_sub(self.free);
        let mut below = 0;
        self.tiers.iter().filter_map(move |tier| {
            let count = match self.kind {
                Kind::Flat | Kind::Tiered => charged.min(tier.up_to).saturating_sub(below),
                Kind::Volume if below < charged && charged <= tier.up_to => charged,
                Kind::Volume => 0,
                Kind::Package => charged.div_ceil(self.package.max(1)),
            };
            below = tier.up_to;
            (count > 0).then_some(Bracket { count, price_units: tier.price_units })
        })
    }
}

impl Bracket {
    /// Count × price, `None` far beyond the bound of amounts.
    pub(crate) fn cost_units(self) -> Option<i128> {
        i128::from(self.count).checked_mul(self.price_units)
    }
}
