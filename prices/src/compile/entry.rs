//! One entry by itself: its document enters, a draft leaves or all its mistakes are told.
//!
//! Promise: pure; what other entries say does not matter here.

use super::{
    Draft, Teller,
    price::{self, Price},
};
use crate::{
    book::{Entry, Rate},
    document::{self, Billable, Meter},
    month,
};
use callmeter_documents::Pattern;
use callmeter_schemas::limits::{DIMENSION_BYTES, TIME_END_US, TIME_MIN_US};

/// What a currency looks like.
pub(super) const CURRENCY: &str = "three capital letters such as USD";
/// Longest name of a line: it is a key of the usage of every rollup.
const MAX_LINE_BYTES: usize = 64;
/// Most patterns for endpoints, for tiers and for attributes of one entry.
const MAX_PATTERNS: usize = 64;

/// Whether a text has the form of a currency.
pub(super) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Reads one entry.
pub(super) fn read(
    teller: &mut Teller<'_>,
    at: usize,
    document: document::Entry,
    book_currency: Option<&str>,
) -> Option<Draft> {
    let before = teller.problems.count();
    names(teller, at, &document);
    let currency = currency(teller, at, document.currency.as_deref(), book_currency);
    let endpoint = patterns(teller, at, "endpoint", &document.endpoint);
    let tier = patterns(teller, at, "tier", &document.tier);
    let conditions = conditions(teller, at, &document);
    let price = price::read(teller, at, &document);
    let from_us = effective_from(teller, at, document.effective_from.as_deref());
    if let (Some(Price::Metered(_)), Some(from_us)) = (&price, from_us)
        && !month::begins_at(from_us)
    {
        let message = "must be the first of a month, 00:00 UTC: the price depends on the month's usage";
        teller.tell(at, &["effective_from"], message);
    }
    let (price, from_us) = (price?, from_us?);
    if teller.problems.count() > before {
        return None;
    }
    let rate = match &price {
        Price::Linear(rate) => rate.clone(),
        Price::Metered(_) => Rate::Metered,
    };
    let entry = Entry {
        line: 0,
        group: 0,
        meter: document.meter,
        attribute: document.attribute.clone().unwrap_or_default(),
        endpoint,
        tier,
        conditions,
        billable: match document.meter {
            Meter::Call => Some(Billable::Success),
            _ => document.billable,
        },
        from_us,
        until_us: i64::MAX,
        rate,
    };
    Some(Draft { at, currency: currency.to_owned(), document, price, entry })
}

fn names(teller: &mut Teller<'_>, at: usize, document: &document::Entry) {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let line = &document.line;
    if line.is_empty() || line.len() > MAX_LINE_BYTES || !line.bytes().all(plain) {
        let message = format!("`{line}` is not a name of 1 to {MAX_LINE_BYTES} of a-z, 0-9 and `-`");
        teller.tell(at, &["line"], message);
    }
    text(teller, at, &["integration"], &document.integration);
    match (document.meter, &document.attribute) {
        (Meter::Attribute, None) => teller.tell(at, &["attribute"], "missing"),
        (Meter::Attribute, Some(name)) => text(teller, at, &["attribute"], name),
        (meter, Some(_)) => {
            let message = format!("belongs to meter attribute only, and this is {}", meter.as_str());
            teller.tell(at, &["attribute"], message);
        }
        (_, None) => {}
    }
    if document.meter == Meter::Call && !matches!(document.billable, None | Some(Billable::Success)) {
        let message =
            "a call is charged once, by the attempt that succeeds; to charge others, use meter attempt";
        teller.tell(at, &["billable"], message);
    }
}

fn text(teller: &mut Teller<'_>, at: usize, keys: &[&str], text: &str) {
    if text.is_empty() || text.len() > DIMENSION_BYTES {
        teller.tell(at, keys, format!("must have 1 to {DIMENSION_BYTES} bytes"));
    }
}

fn currency<'t>(teller: &mut Teller<'_>, at: usize, own: Option<&'t str>, book: Option<&'t str>) -> &'t str {
    match (own, book) {
        (Some(own), _) if !is_currency(own) => {
            teller.tell(at, &["currency"], format!("`{own}` is not {CURRENCY}"));
        }
        (None, None) => teller.tell(at, &["currency"], "missing, and the book names none for all"),
        _ => {}
    }
    own.or(book).unwrap_or_default()
}

/// Patterns of one dimension; none at all when one takes every text.
fn patterns(teller: &mut Teller<'_>, at: usize, key: &str, texts: &[String]) -> Vec<Pattern> {
    if texts.len() > MAX_PATTERNS {
        teller.tell(at, &[key], format!("more than {MAX_PATTERNS}"));
    }
    for (number, pattern) in texts.iter().enumerate() {
        text(teller, at, &[key, &number.to_string()], pattern);
    }
    let patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::new(text)).collect();
    if patterns.iter().any(Pattern::is_any) { Vec::new() } else { patterns }
}

fn conditions(teller: &mut Teller<'_>, at: usize, document: &document::Entry) -> Vec<(String, Pattern)> {
    if document.conditions.len() > MAX_PATTERNS {
        teller.tell(at, &["where"], format!("more than {MAX_PATTERNS}"));
    }
    for (name, pattern) in &document.conditions {
        text(teller, at, &["where", name], name);
        if pattern.len() > DIMENSION_BYTES {
            teller.tell(at, &["where", name], format!("must have at most {DIMENSION_BYTES} bytes"));
        }
    }
    document.conditions.iter().map(|(name, text)| (name.clone(), Pattern::new(text))).collect()
}

/// µs since 1970 UTC; absent: the earliest time that an event may have.
fn effective_from(teller: &mut Teller<'_>, at: usize, text: Option<&str>) -> Option<i64> {
    let Some(text) = text else { return Some(TIME_MIN_US) };
    let message = match month::instant(text) {
        Some(time_us) if (TIME_MIN_US..TIME_END_US).contains(&time_us) => return Some(time_us),
        Some(_) => format!("`{text}` is not within the years 2000 to 2099"),
        None => {
            format!("`{text}` is neither a date such as 2026-01-01 nor a time such as 2026-01-01T12:00:00Z")
        }
    };
    teller.tell(at, &["effective_from"], message);
    None
}
