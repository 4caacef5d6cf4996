//! Pricing: checked facts enter, what the attempt costs and whose row it belongs to leaves.
//!
//! Prices that do not depend on the month's use become money here; the others become usage of a line, which the view
//! `usage_costs` prices. Promise: the result depends on the facts and the price book alone; a cost that the
//! event itself tells wins, and is never priced again.

use crate::{facts::Facts, intern::Interner, plan};
use callmeter_prices::{Attempt, Attributes, Book, Charge, Selection};
use std::sync::Arc;

/// Workspace, customer, integration, endpoint, tier, environment and currency.
pub type SeriesNames = Interner<7>;

/// A price book, and what it holds for the series seen so far.
#[derive(Debug)]
pub struct Pricing {
    book: Arc<Book>,
    by_series: Vec<Option<Priced>>,
    selections: usize,
    charge: Charge,
}

/// What the book holds for one series.
#[derive(Debug)]
struct Priced {
    selection: Selection,
    /// The series with the currency of the prices; the series itself when nothing is priced.
    series: u32,
}

impl Pricing {
    /// Prices by a book.
    pub fn new(book: Arc<Book>) -> Self {
        Self { book, by_series: Vec::new(), selections: 0, charge: Charge::default() }
    }

    /// The price book.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Forgets every series: their numbers mean nothing any more.
    pub fn forget(&mut self) {
        (self.by_series, self.selections) = (Vec::new(), 0);
    }

    /// Bytes held for the series, near enough for a bound.
    pub fn bytes(&self) -> usize {
        self.by_series.len() * size_of::<Option<Priced>>() + self.selections
    }

    /// The series under which one attempt is counted, from the number of the series that the event names.
    pub fn series(&mut self, facts: &Facts<'_>, named: u32, names: &mut SeriesNames) -> u32 {
        let Self { book, by_series, selections, .. } = self;
        if facts.cost.is_some() || book.is_empty() {
            return named;
        }
        if by_series.len() <= named as usize {
            by_series.resize_with(named as usize + 1, || None);
        }
        let priced = by_series[named as usize].get_or_insert_with(|| {
            let priced = select(book, facts, named, names);
            *selections += priced.selection.bytes();
            priced
        });
        priced.series
    }

    /// Charges one attempt, whose series must have been asked for before.
    pub fn charge(&mut self, facts: &Facts<'_>, named: u32) -> &Charge {
        let Self { book, by_series, charge, .. } = self;
        let attempt = Attempt {
            time_us: facts.time_us,
            attempt: facts.attempt,
            error_class: facts.error_class,
            status: facts.status,
            billable: facts.billable,
            items: facts.items,
            records: facts.records,
            bytes_in: facts.bytes_in,
            bytes_out: facts.bytes_out,
            attributes: &AvroEntries(facts.attributes),
        };
        let (nothing, priced) =
            (Selection::default(), by_series.get(named as usize).and_then(Option::as_ref));
        let priced = priced.filter(|_| facts.cost.is_none());
        book.charge(priced.map_or(&nothing, |priced| &priced.selection), &attempt, charge);
        if let Some(told) = facts.cost {
            charge.cost_units = told.units();
        }
        charge
    }
}

fn select(book: &Book, facts: &Facts<'_>, series: u32, names: &mut SeriesNames) -> Priced {
    let tariff = book.integration(facts.integration).filter(|_| book.covers(facts.workspace));
    let Some(tariff) = tariff else {
        return Priced { selection: Selection::default(), series };
    };
    let selection = tariff.selection(facts.endpoint, facts.tier);
    let series = match selection.is_empty() {
        true => series,
        false => names.number(dimensions(facts, tariff.currency())),
    };
    Priced { selection, series }
}

/// The texts that name a series.
pub fn dimensions<'f>(facts: &Facts<'f>, currency: &'f str) -> [&'f str; 7] {
    [
        facts.workspace,
        facts.customer,
        facts.integration,
        facts.endpoint,
        facts.tier,
        facts.environment,
        currency,
    ]
}

/// The entries of an Avro map of texts.
struct AvroEntries<'a>(&'a [u8]);

impl Attributes for AvroEntries<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut found = None;
        // The plan walked these bytes already, so that reading cannot fail here. A later entry of one name replaces an
        // earlier one, as in any map.
        let _ = plan::entries(self.0, |key, value| {
            if key == name {
                found = Some(value);
            }
        });
        found
    }
}

#[cfg(test)]
mod tests;
