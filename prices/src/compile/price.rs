//! The price of one entry: its model and the keys that belong to it enter, an exact price leaves or all mistakes are told.
//!
//! Promise: pure. A price that leaves has a product with every quantity that needs no rounding.

use super::Teller;
use crate::{
    book::Rate,
    document::{self, Meter, Model},
    metered::{Kind, Tier},
};
use callmeter_schemas::{Amount, money::SCALE};

/// Prices lie below this many of a currency's unit, so that a price times 2^40 is far within 128 bits.
const PRICE_BOUND: i128 = 1_000_000_000;
/// Largest `per`, `package`, `free` and `up_to`: no month has more units.
const MAX_UNITS: u64 = 1_000_000_000_000_000;
/// Most tiers of an entry.
const MAX_TIERS: usize = 50;
/// Units of 10^-12 in 10^-4: percentages have 4 decimals, so that with 6 of the amount and 2 of the percent a
/// product has 12.
const PERCENT_STEP: i128 = 100_000_000;

/// What an entry costs.
pub(super) enum Price {
    /// From one attempt.
    Linear(Rate),
    /// From a month.
    Metered(Form),
}

/// The function of a month.
pub(super) struct Form {
    pub(super) kind: Kind,
    pub(super) tiers: Vec<Tier>,
    pub(super) package: u64,
    pub(super) free: u64,
}

/// Reads the price of an entry.
pub(super) fn read(teller: &mut Teller<'_>, at: usize, entry: &document::Entry) -> Option<Price> {
    let fit = keys_fit(teller, at, entry);
    let sizes = [("per", entry.per, 1), ("package", entry.package, 1), ("free", entry.free, 0)];
    let sizes =
        sizes.map(|(key, value, least)| size(teller, at, &[key], value, least)).iter().all(|fine| *fine);
    let one = entry.price.as_deref().map(|text| amount(teller, at, &["price"], text));
    let tiers = entry.tiers.as_deref().map(|tiers| tier_list(teller, at, tiers, entry.per));
    if !fit || !sizes {
        return None;
    }
    let (per, free) = (entry.per.unwrap_or(1), entry.free.unwrap_or(0));
    let (kind, tiers) = match entry.model {
        Model::Percent => return percent(teller, at, one??, per),
        Model::Flat => {
            let price = one??;
            let unit = exact(teller, at, &["price"], price, per)?;
            if free == 0 {
                return Some(Price::Linear(Rate::Unit { unit, price, per }));
            }
            (Kind::Flat, vec![Tier { up_to: u64::MAX, price_units: unit }])
        }
        Model::Package => (Kind::Package, vec![Tier { up_to: u64::MAX, price_units: one??.units() }]),
        Model::Tiered => (Kind::Tiered, tiers??),
        Model::Volume => (Kind::Volume, tiers??),
    };
    Some(Price::Metered(Form { kind, tiers, package: entry.package.unwrap_or(1), free }))
}

/// Whether the keys belong to the model; each that is missing or too many is told.
fn keys_fit(teller: &mut Teller<'_>, at: usize, entry: &document::Entry) -> bool {
    use Model::{Flat, Package, Percent, Tiered, Volume};
    let model = entry.model;
    let metered = matches!(model, Tiered | Volume | Package) || entry.free.is_some_and(|free| free > 0);
    let by_tiers = matches!(model, Tiered | Volume);
    let mut fit = true;
    let mut tell = |key: &str, message: &str| {
        fit = false;
        teller.tell(at, &[key], message);
    };
    match (by_tiers, entry.price.is_some(), entry.tiers.is_some()) {
        (true, true, _) => {
            tell("price", "does not belong to models tiered and volume: their tiers have the prices")
        }
        (false, false, _) => tell("price", "missing"),
        _ => {}
    }
    match (by_tiers, entry.tiers.is_some()) {
        (true, false) => tell("tiers", "missing"),
        (false, true) => tell("tiers", "belong to models tiered and volume only"),
        _ => {}
    }
    match (model == Package, entry.package.is_some()) {
        (true, false) => tell("package", "missing"),
        (false, true) => tell("package", "belongs to model package only"),
        _ => {}
    }
    if model == Package && entry.per.is_some() {
        tell("per", "does not belong to model package: the price is for one package");
    }
    if model == Percent && entry.free.is_some() {
        tell("free", "does not belong to model percent: an amount has no units");
    }
    if model == Percent && entry.meter != Meter::Attribute {
        tell("meter", "model percent takes its amount from an attribute: say `meter: attribute`");
    }
    if matches!(model, Flat | Percent) && !metered && entry.pool.is_some() {
        tell("pool", "has no meaning without tiers, packages or free units");
    }
    fit
}

fn size(teller: &mut Teller<'_>, at: usize, keys: &[&str], value: Option<u64>, least: u64) -> bool {
    let fine = value.is_none_or(|value| (least..=MAX_UNITS).contains(&value));
    if !fine {
        teller.tell(at, keys, format!("must be {least} to {MAX_UNITS}"));
    }
    fine
}

/// A price as it is written.
fn amount(teller: &mut Teller<'_>, at: usize, keys: &[&str], text: &str) -> Option<Amount> {
    let one = 10_i128.pow(SCALE);
    let message = match Amount::parse(text) {
        Ok(amount) if amount < Amount::ZERO => "below 0".to_owned(),
        Ok(amount) if amount.units() >= PRICE_BOUND * one => format!("at or beyond {PRICE_BOUND}"),
        Ok(amount) => return Some(amount),
        Err(error) => error.to_string(),
    };
    teller.tell(at, keys, format!("`{text}`: {message}"));
    None
}

/// The price of one unit.
fn exact(teller: &mut Teller<'_>, at: usize, keys: &[&str], price: Amount, per: u64) -> Option<i128> {
    let per = i128::from(per);
    if price.units() % per != 0 {
        teller.tell(
            at,
            keys,
            format!("{price} / {per} has more than {SCALE} decimals, and nothing is rounded"),
        );
        return None;
    }
    Some(price.units() / per)
}

fn percent(teller: &mut Teller<'_>, at: usize, price: Amount, per: u64) -> Option<Price> {
    let step = PERCENT_STEP * i128::from(per);
    if price.units() % step != 0 {
        let share = if per == 1 { format!("{price} %") } else { format!("{price} % / {per}") };
        teller.tell(at, &["price"], format!("{share} has more than 4 decimals, and nothing is rounded"));
        return None;
    }
    Some(Price::Linear(Rate::Percent { rate: price.units() / step, price, per }))
}

/// Tiers whose bounds grow and whose last has none.
fn tier_list(
    teller: &mut Teller<'_>,
    at: usize,
    tiers: &[document::Tier],
    per: Option<u64>,
) -> Option<Vec<Tier>> {
    if tiers.is_empty() || tiers.len() > MAX_TIERS {
        teller.tell(at, &["tiers"], format!("there must be 1 to {MAX_TIERS}"));
        return None;
    }
    let (mut read, mut fine, mut below) = (Vec::new(), true, 0);
    for (number, tier) in tiers.iter().enumerate() {
        let name = number.to_string();
        let price = amount(teller, at, &["tiers", &name, "price"], &tier.price);
        let price = match per {
            // That `per` must not be 0 is told where it stands.
            Some(0) => None,
            per => {
                price.and_then(|price| exact(teller, at, &["tiers", &name, "price"], price, per.unwrap_or(1)))
            }
        };
        let up_to = bound(teller, at, &name, tier.up_to, below, number + 1 == tiers.len());
        below = tier.up_to.unwrap_or(below);
        match (price, up_to) {
            (Some(price_units), Some(up_to)) => read.push(Tier { up_to, price_units }),
            _ => fine = false,
        }
    }
    fine.then_some(read)
}

fn bound(
    teller: &mut Teller<'_>,
    at: usize,
    name: &str,
    up_to: Option<u64>,
    below: u64,
    last: bool,
) -> Option<u64> {
    let message = match up_to {
        None if last => return Some(u64::MAX),
        None => "missing: only the last tier is without".to_owned(),
        Some(_) if last => "the last tier has none: what lies beyond it would have no price".to_owned(),
        Some(up_to) if up_to <= below => format!("must grow: {up_to} is not above {below}"),
        Some(up_to) if up_to > MAX_UNITS => format!("must be 1 to {MAX_UNITS}"),
        Some(up_to) => return Some(up_to),
    };
    teller.tell(at, &["tiers", name, "up_to"], message);
    None
}
