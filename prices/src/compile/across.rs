//! What entries say of each other: drafts enter, their ends are filled in, all contradictions are told.
//!
//! Promise: pure.

use super::{Draft, MAX_INTEGRATION_ENTRIES, Teller, price::Price};
use callmeter_documents::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// Checks that no integration has more entries than an attempt may be held against.
pub(super) fn sizes(teller: &mut Teller<'_>, drafts: &[Draft]) {
    let mut entries: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in drafts {
        let count = entries.entry(&draft.document.integration).or_default();
        *count += 1;
        if *count == MAX_INTEGRATION_ENTRIES + 1 {
            let message = format!("more than {MAX_INTEGRATION_ENTRIES} entries of one integration");
            teller.tell(draft.at, &["integration"], message);
        }
    }
}

/// Checks that the entries of a line are versions of one thing, and ends each where the next begins.
pub(super) fn versions(teller: &mut Teller<'_>, drafts: &mut [Draft]) {
    let mut lines: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        lines.entry(draft.entry.line).or_default().push(number);
    }
    for mut numbers in lines.into_values() {
        let first = &drafts[numbers[0]];
        for draft in numbers.iter().skip(1).map(|number| &drafts[*number]) {
            same_thing(teller, first, draft);
        }
        numbers.sort_by_key(|number| (drafts[*number].entry.from_us, drafts[*number].at));
        for pair in numbers.windows(2) {
            let (next_from, next_at) = (drafts[pair[1]].entry.from_us, drafts[pair[1]].at);
            let this = &mut drafts[pair[0]];
            this.entry.until_us = next_from;
            if this.entry.from_us == next_from {
                let message = format!(
                    "line `{}` has another entry from the same time (line {} of the file)",
                    this.document.line,
                    teller.line(this.at)
                );
                teller.tell(next_at, &["effective_from"], message);
            }
        }
    }
}

/// Tells what a version must have in common with the first entry of its line and has not.
fn same_thing(teller: &mut Teller<'_>, first: &Draft, draft: &Draft) {
    let metered = |draft: &Draft| matches!(draft.price, Price::Metered(_));
    let (one, other) = (&first.document, &draft.document);
    let pools = (one.pool.unwrap_or_default(), other.pool.unwrap_or_default());
    let place = teller.line(first.at);
    let mut differs = |key: &str, what: &str| {
        let message = format!(
            "differs from the first entry of line `{}` (line {place} of the file); {what} needs a line of its own",
            one.line
        );
        teller.tell(draft.at, &[key], message);
    };
    if one.integration != other.integration {
        differs("integration", "another integration");
    }
    if one.meter != other.meter {
        differs("meter", "another meter");
    }
    if one.attribute != other.attribute && one.meter == other.meter {
        differs("attribute", "another attribute");
    }
    if metered(first) != metered(draft) {
        differs("model", "a change between prices of one attempt and prices of a month");
    } else if pools.0 != pools.1 {
        differs("pool", "another pool");
    }
}

/// Checks that an integration has one currency.
pub(super) fn currencies(teller: &mut Teller<'_>, drafts: &[Draft]) {
    let mut seen: BTreeMap<&str, &Draft> = BTreeMap::new();
    for draft in drafts {
        let first = *seen.entry(&draft.document.integration).or_insert(draft);
        if first.currency != draft.currency {
            let message = format!(
                "`{}` is charged in {} (line {} of the file), and an integration has one currency",
                draft.document.integration,
                first.currency,
                teller.line(first.at)
            );
            teller.tell(draft.at, &["currency"], message);
        }
    }
}

/// Tells entries that no attempt can reach, because lines before theirs take all that they could match.
pub(super) fn reach(teller: &mut Teller<'_>, drafts: &[Draft], broken: &BTreeSet<String>) {
    let mut groups: BTreeMap<u32, Vec<&Draft>> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| !broken.contains(&draft.document.line)) {
        groups.entry(draft.entry.group).or_default().push(draft);
    }
    for drafts in groups.into_values() {
        for draft in &drafts {
            let before = drafts.iter().filter(|other| other.entry.line < draft.entry.line);
            let mut takers: Vec<&&Draft> = before.filter(|other| takes_all_of(other, draft)).collect();
            takers.sort_by_key(|taker| taker.entry.from_us);
            if draft.entry.from_us < draft.entry.until_us && is_taken(draft, &takers) {
                let taker = takers[0];
                let message = format!(
                    "never charged: line `{}` (line {} of the file) comes first and matches all that this could; \
                     put it after this",
                    taker.document.line,
                    teller.line(taker.at)
                );
                teller.tell(draft.at, &["line"], message);
            }
        }
    }
}

/// Whether the takers hold, one or another, all the time that a draft does.
fn is_taken(draft: &Draft, takers: &[&&Draft]) -> bool {
    let mut free_from = draft.entry.from_us;
    for taker in takers {
        if taker.entry.from_us <= free_from {
            free_from = free_from.max(taker.entry.until_us);
        }
    }
    free_from >= draft.entry.until_us
}

/// Whether an entry matches, while it holds, all that another of its group could.
fn takes_all_of(wide: &Draft, narrow: &Draft) -> bool {
    let (wide, narrow) = (&wide.entry, &narrow.entry);
    let condition = |(name, pattern): &(String, Pattern)| {
        narrow.conditions.iter().any(|(other, narrow)| other == name && pattern.covers(narrow))
    };
    covers(&wide.endpoint, &narrow.endpoint)
        && covers(&wide.tier, &narrow.tier)
        && wide.conditions.iter().all(condition)
}

fn covers(wide: &[Pattern], narrow: &[Pattern]) -> bool {
    let covered = |narrow: &Pattern| wide.iter().any(|wide| wide.covers(narrow));
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
}
