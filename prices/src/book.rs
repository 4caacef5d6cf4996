//! A checked price book: a series or an attempt enters, the lines that can match or its charge leaves.
//!
//! The fold asks once per series for its selection and then charges each attempt with it. Promise: pure; charging
//! allocates nothing; one book gives one attempt one charge, whatever came before.

use crate::{
    charge::{Attempt, Charge},
    compile,
    document::{Billable, Meter},
    metered::MeteredEntry,
};
use callmeter_documents::{Pattern, Problem, Problems, yaml};
use callmeter_schemas::Amount;
use sha2::{Digest, Sha256};

/// Bytes of the hash in a book's id.
const ID_BYTES: usize = 8;

/// A price book that was checked.
#[derive(Debug, Default)]
pub struct Book {
    pub(crate) id: String,
    /// Names of lines in the order of the file.
    pub(crate) lines: Vec<String>,
    /// By integration, sorted by its name.
    pub(crate) tariffs: Vec<Tariff>,
    pub(crate) metered: Vec<MeteredEntry>,
    /// Whose calls are priced; none: everybody's.
    pub(crate) workspaces: Vec<Pattern>,
}

/// What one integration charges.
#[derive(Debug)]
pub struct Tariff {
    pub(crate) number: u32,
    pub(crate) integration: String,
    pub(crate) currency: String,
    /// Sorted by group, then by line in the order of the file, then by time.
    pub(crate) entries: Vec<Entry>,
}

/// One version of one line.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Number of the line in the book.
    pub(crate) line: u32,
    /// Number of its meter and attribute in the tariff: one line of a group is charged.
    pub(crate) group: u32,
    pub(crate) meter: Meter,
    /// Empty unless that is the meter.
    pub(crate) attribute: String,
    /// Empty: all.
    pub(crate) endpoint: Vec<Pattern>,
    /// Empty: all.
    pub(crate) tier: Vec<Pattern>,
    pub(crate) conditions: Vec<(String, Pattern)>,
    pub(crate) billable: Option<Billable>,
    /// µs since 1970 UTC.
    pub(crate) from_us: i64,
    /// Where the line's next version begins.
    pub(crate) until_us: i64,
    pub(crate) rate: Rate,
}

/// How an entry's price follows from one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Rate {
    /// So many units of 10^-12 each; `price` for `per` as it was written.
    Unit { unit: i128, price: Amount, per: u64 },
    /// So many 10^-4 of a percent of an amount.
    Percent { rate: i128, price: Amount, per: u64 },
    /// Not from one attempt, but from the month.
    Metered,
}

/// The entries of a book that can match the attempts of one series, all versions; of use with this book only.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    tariff: u32,
    entries: Vec<u32>,
    needs_attributes: bool,
}

impl Selection {
    /// Whether a charge depends on the event's attributes.
    pub fn needs_attributes(&self) -> bool {
        self.needs_attributes
    }

    /// Bytes held, near enough for a bound.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.entries.len() * size_of::<u32>()
    }

    /// Whether nothing of the book can match.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Book {
    /// A book without prices.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a book, or says everything that is wrong with it; `file` is the name in the problems.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let book = match yaml::parse(text) {
            Ok(root) => {
                let book = compile::compile(&root, &mut problems);
                problems.locate(&root);
                book
            }
            Err(error) => {
                problems.add_at((error.line, error.column), "", error.message, None);
                Self::empty()
            }
        };
        if problems.count() > 0 {
            return Err(problems.into_vec());
        }
        let hash = Sha256::digest(text);
        Ok(Self { id: hash.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect(), ..book })
    }

    /// The first 16 hex digits of the SHA-256 of the text; empty for the empty book.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it has no price at all.
    pub fn is_empty(&self) -> bool {
        self.tariffs.is_empty()
    }

    /// Names of the integrations that have prices.
    pub fn integrations(&self) -> impl Iterator<Item = &str> {
        self.tariffs.iter().map(|tariff| tariff.integration.as_str())
    }

    /// Whether the calls of a workspace are priced by this book.
    pub fn covers(&self, workspace: &str) -> bool {
        one_matches(&self.workspaces, workspace)
    }

    /// What an integration charges.
    pub fn integration(&self, name: &str) -> Option<&Tariff> {
        let at = self.tariffs.binary_search_by(|tariff| tariff.integration.as_str().cmp(name)).ok()?;
        self.tariffs.get(at)
    }

    /// Names of all lines, in the order of the file: a line's number is its place.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The name of a line; empty for a number that no line of this book has.
    pub fn line_name(&self, index: u32) -> &str {
        self.lines.get(index as usize).map_or("", String::as_str)
    }

    /// The entries whose price depends on the month, by line in the order of the file, then by time.
    pub fn metered(&self) -> impl Iterator<Item = &MeteredEntry> {
        self.metered.iter()
    }

    /// The entry of a line that prices the month that begins at this instant.
    pub fn metered_in(&self, line: &str, month_start_us: i64) -> Option<&MeteredEntry> {
        let holds = |entry: &&MeteredEntry| {
            (entry.effective_from_us..entry.effective_until_us).contains(&month_start_us)
        };
        self.metered.iter().filter(|entry| entry.line == line).find(holds)
    }

    /// What an attempt of the selection's series costs. An attempt that says its cost itself is never asked for.
    pub fn charge(&self, selection: &Selection, attempt: &Attempt<'_>, charge: &mut Charge) {
        charge.begin(attempt);
        let Some(tariff) = self.tariffs.get(selection.tariff as usize) else { return };
        let mut charged = None;
        for entry in selection.entries.iter().filter_map(|at| tariff.entries.get(*at as usize)) {
            if charged == Some(entry.group)
                || !entry.holds_at(attempt.time_us)
                || !entry.fits(attempt.attributes)
            {
                continue;
            }
            charged = Some(entry.group);
            if !charge.add(entry, entry.quantity(attempt)) {
                return;
            }
        }
    }
}

impl Tariff {
    /// ISO 4217, of every line.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The entries that can match attempts with this endpoint and tier.
    pub fn selection(&self, endpoint: &str, tier: &str) -> Selection {
        let matching = (0_u32..).zip(&self.entries);
        let matching = matching.filter(|(_, entry)| entry.takes(endpoint, tier));
        let mut selection = Selection { tariff: self.number, ..Selection::default() };
        for (at, entry) in matching {
            selection.needs_attributes |= entry.meter == Meter::Attribute || !entry.conditions.is_empty();
            selection.entries.push(at);
        }
        selection
    }
}

impl Entry {
    /// Whether this version holds at a time, µs since 1970 UTC.
    pub(crate) fn holds_at(&self, time_us: i64) -> bool {
        (self.from_us..self.until_us).contains(&time_us)
    }

    /// Whether endpoint and tier are such as the entry wants.
    pub(crate) fn takes(&self, endpoint: &str, tier: &str) -> bool {
        one_matches(&self.endpoint, endpoint) && one_matches(&self.tier, tier)
    }
}

/// Whether one of the patterns matches; no patterns at all match everything.
pub(crate) fn one_matches(patterns: &[Pattern], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
}

#[cfg(test)]
mod tests;
