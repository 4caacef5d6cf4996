//! One attempt: what is known of it enters, which lines match and why not the others, and the arithmetic, leave.

use crate::{
    book::{Book, Entry, Rate, one_matches},
    charge::{Attempt, Attributes, Charge, Priced, Quantity},
    document::{Billable, Meter},
    number::{counted, grouped, money},
};
use callmeter_documents::Pattern;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;

/// One attempt and the series it belongs to.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "each is the event's field of its name")]
pub struct Question<'a> {
    pub integration: &'a str,
    pub endpoint: &'a str,
    pub tier: &'a str,
    pub attempt: Attempt<'a>,
}

/// What an attempt costs and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each is the event's field of its name")]
pub struct Explanation {
    pub integration: String,
    pub endpoint: String,
    pub tier: String,
    /// RFC 3339.
    pub time: String,
    pub error_class: &'static str,
    pub status: Option<u16>,
    pub attempt: u32,
    /// Whether the vendor counts it, as far as the event knows.
    pub billable: bool,
    /// Id of the price book.
    pub book: String,
    /// Every line of the integration, those of one meter together, in the order in which they are tried.
    pub lines: Vec<Line>,
    /// Cost of the lines that need no month.
    pub cost: String,
    /// `None` when the integration has no prices.
    pub currency: Option<String>,
    /// Whether a line matched that cannot be priced exactly; then nothing is charged.
    pub unpriced: bool,
}

/// One line and why it is charged or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it counts: a meter, or the name of an attribute.
    pub meter: String,
    /// Its name.
    pub line: String,
    /// Whether it is the line of its meter that matches.
    pub matched: bool,
    /// The reason, or the arithmetic.
    pub why: String,
    /// What is counted, when it matched and counts.
    pub quantity: Option<String>,
    /// What the attempt costs by this line.
    pub cost: Option<String>,
    /// What it adds to the month's usage of this line.
    pub usage: Option<u64>,
}

/// Explains one attempt.
pub fn explain(book: &Book, question: &Question<'_>) -> Explanation {
    let Question { integration, endpoint, tier, attempt } = *question;
    let tariff = book.integration(integration);
    let selection = tariff.map(|tariff| tariff.selection(endpoint, tier)).unwrap_or_default();
    let mut charge = Charge::default();
    book.charge(&selection, &attempt, &mut charge);
    let entries = tariff.map(|tariff| tariff.entries.as_slice()).unwrap_or_default();
    Explanation {
        integration: integration.to_owned(),
        endpoint: endpoint.to_owned(),
        tier: tier.to_owned(),
        time: rfc3339(attempt.time_us),
        error_class: attempt.error_class.as_str(),
        status: attempt.status,
        attempt: attempt.attempt,
        billable: charge.billable,
        book: book.id().to_owned(),
        lines: lines(book, entries, question),
        cost: money(charge.cost_units),
        currency: tariff.map(|tariff| tariff.currency().to_owned()),
        unpriced: charge.unpriced,
    }
}

/// A time, µs since 1970 UTC, as text.
pub(super) fn rfc3339(time_us: i64) -> String {
    Timestamp::from_microsecond(time_us).map_or_else(|_| format!("{time_us} µs"), |time| time.to_string())
}

fn lines(book: &Book, entries: &[Entry], question: &Question<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut charged: Option<&Entry> = None;
    for versions in entries.chunk_by(|one, other| one.line == other.line) {
        let Some(last) = versions.last() else { continue };
        let version = versions.iter().find(|entry| entry.holds_at(question.attempt.time_us));
        let mut line = Line {
            meter: match last.meter {
                Meter::Attribute => last.attribute.clone(),
                meter => meter.as_str().to_owned(),
            },
            line: book.line_name(last.line).to_owned(),
            matched: false,
            why: String::new(),
            quantity: None,
            cost: None,
            usage: None,
        };
        match (charged.filter(|entry| entry.group == last.group), version) {
            (Some(first), _) => {
                line.why = format!("not reached: `{}` comes first and matches", book.line_name(first.line));
            }
            (None, None) => {
                let first = versions.first().map_or(0, |entry| entry.from_us);
                line.why = format!("not before {}", rfc3339(first));
            }
            (None, Some(entry)) => match miss(entry, question) {
                Some(why) => line.why = why,
                None => {
                    charged = Some(entry);
                    tell(&mut line, entry, &question.attempt);
                }
            },
        }
        lines.push(line);
    }
    lines
}

/// Why an entry does not match.
fn miss(entry: &Entry, question: &Question<'_>) -> Option<String> {
    let attributes = question.attempt.attributes;
    for (what, patterns, text) in
        [("endpoint", &entry.endpoint, question.endpoint), ("tier", &entry.tier, question.tier)]
    {
        if !one_matches(patterns, text) {
            let wanted: Vec<String> =
                patterns.iter().map(|pattern| format!("`{}`", pattern.as_str())).collect();
            return Some(format!("{what} `{text}` is not {}", wanted.join(" or ")));
        }
    }
    let condition = |(name, pattern): &(String, Pattern)| match attributes.get(name) {
        None => Some(format!("{name} is absent")),
        Some(value) if !pattern.matches(value) => {
            Some(format!("{name} `{value}` is not `{}`", pattern.as_str()))
        }
        Some(_) => None,
    };
    entry.conditions.iter().find_map(condition).or_else(|| {
        let absent = entry.meter == Meter::Attribute && attributes.get(&entry.attribute).is_none();
        absent.then(|| format!("{} is absent", entry.attribute))
    })
}

/// What a line that matches asks for.
fn tell(line: &mut Line, entry: &Entry, attempt: &Attempt<'_>) {
    line.matched = true;
    let quantity = entry.quantity(attempt);
    let priced = quantity.and_then(|quantity| entry.price(quantity));
    let (Ok(quantity), Ok(priced)) = (quantity, priced) else {
        line.why = no_price(entry, attempt.attributes);
        return;
    };
    if let Some(why) = counts_nothing(entry, attempt) {
        line.why = why;
        return;
    }
    let count = match quantity {
        Quantity::Units(units) => units.to_string(),
        // Millionths to units of 10^-12.
        Quantity::Millionths(amount) => money(amount * 1_000_000),
    };
    let divisor = |per: u64| if per == 1 { String::new() } else { format!(" / {}", counted(per)) };
    match priced {
        Priced::Usage(units) => {
            line.why = format!("adds {} to the month's usage, which is priced as a whole", grouped(&count));
            line.usage = Some(units);
        }
        Priced::Cost(units) => {
            let (price, unit, per) = match entry.rate {
                Rate::Percent { price, per, .. } => (price, " %", per),
                Rate::Unit { price, per, .. } => (price, "", per),
                Rate::Metered => return,
            };
            let (count, price, cost) =
                (grouped(&count), grouped(&money(price.units())), grouped(&money(units)));
            line.why = format!("{count} × {price}{unit}{} = {cost}", divisor(per));
            line.cost = Some(money(units));
        }
    }
    line.quantity = Some(count);
}

fn no_price(entry: &Entry, attributes: &dyn Attributes) -> String {
    let wanted = match entry.rate {
        Rate::Percent { .. } => "an amount of at least 0 with at most 6 decimals",
        Rate::Unit { .. } | Rate::Metered => "a whole number below 2^40",
    };
    match attributes.get(&entry.attribute) {
        Some(text) if entry.meter == Meter::Attribute => {
            format!(
                "matches and has no exact price: {} `{text}` is not {wanted}, or its price is too large",
                entry.attribute
            )
        }
        _ => "matches and has no exact price: the quantity or the price is too large".to_owned(),
    }
}

/// Why an attempt that matches is not counted.
fn counts_nothing(entry: &Entry, attempt: &Attempt<'_>) -> Option<String> {
    let counts = entry.billable.map_or_else(|| attempt.billable(), |billable| billable.counts(attempt));
    let class = attempt.error_class.as_str();
    if counts {
        return None;
    }
    Some(match (entry.billable, attempt.billable) {
        (Some(Billable::AnyResponse), _) => {
            "matches and counts nothing: billable is any_response, and there is no status".to_owned()
        }
        (Some(billable), _) => {
            format!("matches and counts nothing: billable is {}, and the class is {class}", billable.as_str())
        }
        (None, Some(_)) => {
            "matches and counts nothing: the vendor's profile says that it is not billable".to_owned()
        }
        (None, None) => {
            format!("matches and counts nothing: the vendor was not reached, the class is {class}")
        }
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { integration, endpoint, time, error_class, attempt, .. } = self;
        write!(out, "{integration}, {endpoint}")?;
        if !self.tier.is_empty() {
            write!(out, ", tier {}", self.tier)?;
        }
        let billable = if self.billable { "billable" } else { "not billable" };
        writeln!(out, ", {time}, {error_class}, attempt {attempt}, {billable}; book {}", self.book)?;
        let width = self.lines.iter().map(|line| line.line.len()).max().unwrap_or(0);
        let mut meter = "";
        for line in &self.lines {
            if line.meter != meter {
                meter = &line.meter;
                writeln!(out, "{meter}")?;
            }
            let mark = if line.matched { "*" } else { " " };
            writeln!(out, "{mark} {:width$}  {}", line.line, line.why)?;
        }
        match (&self.currency, self.unpriced) {
            (None, _) => write!(out, "the book has no prices for this integration"),
            (Some(_), true) => {
                write!(out, "unpriced: nothing is charged, and the attempt is counted as unpriced")
            }
            (Some(currency), false) => {
                let month = self.lines.iter().any(|line| line.usage.is_some());
                let month = if month { ", and its part of the month" } else { "" };
                write!(out, "cost {} {currency}{month}", grouped(&self.cost))
            }
        }
    }
}

#[cfg(test)]
mod tests;
