//! The meaning of a price book: a located tree enters, a book leaves, or all that is wrong goes to the problems.
//!
//! Promise: pure. First each entry by itself, then what entries say of each other; a mistake in one entry hides none in
//! another, and no mistake is told that follows from another only.

mod across;
mod entry;
mod price;

use crate::{
    book::{Book, Entry, Rate, Tariff},
    document::{self, Meter},
    metered::MeteredEntry,
};
use callmeter_documents::{
    Pattern, Problems,
    shape::{line_of, name_of},
    yaml::Node,
};
use price::{Form, Price};
use std::collections::{BTreeMap, BTreeSet};

/// Most entries of a book.
const MAX_ENTRIES: usize = 10_000;
/// Most entries of one integration: those that fit a series are looked through for each of its attempts.
const MAX_INTEGRATION_ENTRIES: usize = 1_000;
/// Most patterns for workspaces.
const MAX_WORKSPACES: usize = 64;

/// Where mistakes are told.
struct Teller<'a> {
    root: &'a Node,
    problems: &'a mut Problems,
}

impl Teller<'_> {
    /// Tells a mistake in the entry at this place of the list, at keys within it.
    fn tell(&mut self, at: usize, keys: &[&str], message: impl Into<String>) {
        let place = place(at, keys);
        self.problems.add(line_of(self.root, &place), &name_of(&place), message, None);
    }

    /// The line of the file where an entry begins.
    fn line(&self, at: usize) -> u64 {
        line_of(self.root, &place(at, &[]))
    }
}

fn place(at: usize, keys: &[&str]) -> Vec<String> {
    let keys = keys.iter().map(|key| (*key).to_owned());
    ["prices".to_owned(), at.to_string()].into_iter().chain(keys).collect()
}

/// An entry that is right by itself.
struct Draft {
    /// Its place in the list.
    at: usize,
    document: document::Entry,
    currency: String,
    price: Price,
    /// Line, group and end are filled in when all are known.
    entry: Entry,
}

/// Makes a book; it is of use only when no problem was added.
pub(crate) fn compile(root: &Node, problems: &mut Problems) -> Book {
    let parts = document::read(root, problems);
    if parts.entries.len() > MAX_ENTRIES {
        problems.add(root.line, "prices", format!("more than {MAX_ENTRIES} entries"), None);
        return Book::empty();
    }
    let mut teller = Teller { root, problems };
    if let Some(text) = parts.currency.as_deref().filter(|text| !entry::is_currency(text)) {
        let line = line_of(root, &["currency".to_owned()]);
        teller.problems.add(line, "currency", format!("`{text}` is not {}", entry::CURRENCY), None);
    }
    // Lines with an entry that is wrong: nothing is concluded from the others of theirs.
    let mut broken = BTreeSet::new();
    let mut drafts = Vec::new();
    for (at, document) in parts.entries {
        let line = document.line.clone();
        match entry::read(&mut teller, at, document, parts.currency.as_deref()) {
            Some(draft) => drafts.push(draft),
            None => {
                broken.insert(line);
            }
        }
    }
    let lines = number(&mut drafts);
    across::versions(&mut teller, &mut drafts);
    across::currencies(&mut teller, &drafts);
    across::sizes(&mut teller, &drafts);
    across::reach(&mut teller, &drafts, &broken);
    if parts.workspaces.len() > MAX_WORKSPACES {
        let line = line_of(root, &["workspaces".to_owned()]);
        teller.problems.add(line, "workspaces", format!("more than {MAX_WORKSPACES}"), None);
    }
    let workspaces = parts.workspaces.iter().map(|text| Pattern::new(text)).collect();
    Book { workspaces, ..assemble(lines, drafts) }
}

/// Numbers lines in the order of the file, and groups within their integration.
fn number(drafts: &mut [Draft]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut groups: BTreeMap<(String, Meter, String), u32> = BTreeMap::new();
    for draft in drafts {
        draft.entry.line = *numbers.entry(draft.document.line.clone()).or_insert_with(|| {
            lines.push(draft.document.line.clone());
            lines.len() as u32 - 1
        });
        let group = (draft.document.integration.clone(), draft.entry.meter, draft.entry.attribute.clone());
        let next = groups.len() as u32;
        draft.entry.group = *groups.entry(group).or_insert(next);
    }
    lines
}

fn assemble(lines: Vec<String>, mut drafts: Vec<Draft>) -> Book {
    drafts.sort_by_key(|draft| (draft.entry.group, draft.entry.line, draft.entry.from_us));
    let mut tariffs: BTreeMap<String, Tariff> = BTreeMap::new();
    let mut metered = Vec::new();
    for draft in drafts {
        metered.extend(month_entry(&draft));
        let integration = draft.document.integration.clone();
        let tariff = tariffs.entry(integration.clone()).or_insert_with(|| Tariff {
            number: 0,
            integration,
            currency: draft.currency,
            entries: Vec::new(),
        });
        tariff.entries.push(draft.entry);
    }
    metered.sort_by_key(|entry| (entry.line_index, entry.effective_from_us));
    let tariffs = (0..).zip(tariffs.into_values()).map(|(number, tariff)| Tariff { number, ..tariff });
    Book { id: String::new(), lines, tariffs: tariffs.collect(), metered, ..Book::default() }
}

fn month_entry(draft: &Draft) -> Option<MeteredEntry> {
    let Price::Metered(Form { kind, tiers, package, free }) = &draft.price else { return None };
    debug_assert!(matches!(draft.entry.rate, Rate::Metered), "the rate is made from the price");
    Some(MeteredEntry {
        line: draft.document.line.clone(),
        line_index: draft.entry.line,
        integration: draft.document.integration.clone(),
        currency: draft.currency.clone(),
        pool: draft.document.pool.unwrap_or_default(),
        effective_from_us: draft.entry.from_us,
        effective_until_us: draft.entry.until_us,
        free: *free,
        kind: *kind,
        tiers: tiers.clone(),
        package: *package,
    })
}

#[cfg(test)]
mod tests;
