//! The price book of the tests, twice: as the YAML that the product reads, and as plain arithmetic that shares no code
//! with it. An event enters, its cost and usage leave; a month's quantity enters, its price leaves, unit by unit.

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use std::collections::BTreeMap;

/// The month before this one: raw calls of it are still kept, and all of it has passed.
#[allow(clippy::disallowed_methods, reason = "the clock of the pretended services")]
pub fn last_month() -> Date {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.first_of_month().saturating_sub(1.month())
}

/// First instant of a month, µs since 1970 UTC.
pub fn start_us(month: Date) -> i64 {
    month.to_zoned(TimeZone::UTC).expect("in range").timestamp().as_microsecond()
}

/// The book that every aggregator of the tests runs with: one price rises with this month.
pub fn book() -> String {
    BOOK.replace("THIS_MONTH", &last_month().saturating_add(1.month()).to_string())
}

/// The book with the price of a package lowered, for all months.
pub fn corrected_book() -> String {
    book().replace(r#"price: "1.5""#, r#"price: "1.25""#)
}

const BOOK: &str = r#"
currency: EUR
prices:
- {line: hubspot-attempts, integration: hubspot, meter: attempt, model: flat, price: "0.000123", effective_from: 2020-01-01}
- {line: hubspot-attempts, integration: hubspot, meter: attempt, model: flat, price: "0.000456", effective_from: THIS_MONTH}
- {line: stripe-fee, integration: stripe, meter: call, model: flat, price: "0.3", effective_from: 2020-01-01}
- {line: stripe-percent, integration: stripe, meter: attribute, attribute: amount, billable: success, model: percent, price: "2.9", effective_from: 2020-01-01}
- line: github-standard
  integration: github
  endpoint: ["*/2"]
  tier: [standard]
  meter: record
  model: tiered
  tiers: [{up_to: 40, price: "0.07"}, {up_to: 300, price: "0.0301"}, {price: "0.002"}]
  pool: customer
  effective_from: 2020-01-01
- {line: github-records, integration: github, meter: record, model: package, package: 1000, price: "1.5", effective_from: 2020-01-01}
- {line: openai-fast, integration: openai, where: {model: "fast-*"}, meter: attribute, attribute: tokens, billable: any_response, model: flat, price: "2.5", per: 1000000, effective_from: 2020-01-01}
- line: openai-tokens
  integration: openai
  meter: attribute
  attribute: tokens
  model: volume
  tiers: [{up_to: 5000, price: "0.00002"}, {up_to: 90000, price: "0.000015"}, {price: "0.00001"}]
  free: 1000
  effective_from: 2020-01-01
- {line: openai-bytes, integration: openai, meter: byte_in, model: flat, price: "0.000000000003", free: 10000, pool: customer, effective_from: 2020-01-01}
"#;

/// The facts of an event that prices look at.
#[allow(missing_docs, reason = "each is the field of its name")]
pub struct Facts<'a> {
    pub time_us: i64,
    pub integration: &'a str,
    pub endpoint: &'a str,
    pub tier: &'a str,
    pub class: &'a str,
    pub has_status: bool,
    pub attempt: i64,
    pub billable: Option<bool>,
    pub records: i64,
    pub bytes_in: i64,
    pub attributes: &'a BTreeMap<String, String>,
}

/// What one event costs at once, adds to lines, and whether it has no exact price.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the struct says what they are")]
pub struct Priced {
    pub currency: &'static str,
    /// Units of 10^-12.
    pub cost: i128,
    pub usage: BTreeMap<&'static str, i64>,
    pub unpriced: bool,
}

/// Whether the vendor charges for the attempt as far as the event says.
pub fn billable(facts: &Facts<'_>) -> bool {
    facts.billable.unwrap_or(facts.has_status || !["dns", "connect", "tls", "killed"].contains(&facts.class))
}

/// Prices one event by [`book`].
pub fn price(facts: &Facts<'_>) -> Priced {
    let mut priced = Priced { currency: "EUR", ..Priced::default() };
    let success = facts.class == "ok";
    let mut add = |line: &'static str, quantity: i64| {
        if quantity > 0 {
            priced.usage.insert(line, quantity);
        }
    };
    match facts.integration {
        "hubspot" if !billable(facts) => {}
        "hubspot" => {
            let risen = facts.time_us >= start_us(last_month().saturating_add(1.month()));
            priced.cost = if risen { 456_000_000 } else { 123_000_000 };
        }
        "stripe" if success => {
            priced.cost = 300_000_000_000;
            match facts.attributes.get("amount").map(|amount| amount.parse::<i64>()) {
                None => {}
                Some(Ok(whole)) => priced.cost += i128::from(whole) * 29_000_000_000,
                Some(Err(_)) => (priced.cost, priced.unpriced) = (0, true),
            }
        }
        "stripe" => {}
        "github" if !billable(facts) => {}
        "github" if facts.endpoint.ends_with("/2") && facts.tier == "standard" => {
            add("github-standard", facts.records);
        }
        "github" => add("github-records", facts.records),
        "openai" => {
            let tokens = facts.attributes.get("tokens").map(|tokens| tokens.parse::<i64>().expect("a count"));
            let fast = facts.attributes.get("model").is_some_and(|model| model.starts_with("fast-"));
            match tokens {
                Some(tokens) if fast && facts.has_status => priced.cost = i128::from(tokens) * 2_500_000,
                Some(tokens) if !fast && billable(facts) => add("openai-tokens", tokens),
                _ => {}
            }
            if billable(facts) {
                add("openai-bytes", facts.bytes_in);
            }
        }
        _ => priced.currency = "",
    }
    priced
}

/// Whether a line's tiers count for each customer apart.
pub fn per_customer(line: &str) -> bool {
    ["github-standard", "openai-bytes"].contains(&line)
}

/// Price of a package by [`book`], units of 10^-12.
pub const PACKAGE: i128 = 1_500_000_000_000;
/// The same by [`corrected_book`].
pub const CORRECTED_PACKAGE: i128 = 1_250_000_000_000;

/// The price of a month's whole usage of a line, units of 10^-12.
pub fn month(line: &str, quantity: i64, package: i128) -> i128 {
    let quantity = i128::from(quantity);
    match line {
        "github-standard" => {
            let first = quantity.min(40);
            let second = (quantity - 40).clamp(0, 260);
            let rest = (quantity - 300).max(0);
            first * 70_000_000_000 + second * 30_100_000_000 + rest * 2_000_000_000
        }
        "github-records" => (quantity + 999) / 1000 * package,
        "openai-tokens" => match quantity - 1000 {
            charged if charged <= 0 => 0,
            charged @ 1..=5000 => charged * 20_000_000,
            charged @ 5001..=90000 => charged * 15_000_000,
            charged => charged * 10_000_000,
        },
        "openai-bytes" => (quantity - 10_000).max(0) * 3,
        other => panic!("no such line: {other}"),
    }
}
