//! Months of usage enter; what is said of their price is compared.

use super::*;

const BOOK: &str = r#"
currency: USD
prices:
- {line: sms, integration: twilio, meter: item, model: tiered, tiers: [{up_to: 1000000, price: "0.0079"}, {price: "0.0075"}], free: 1000}
- {line: packs, integration: salesforce, meter: call, billable: success, model: package, package: 1000, price: "25", pool: customer}
- {line: mail, integration: sendgrid, currency: EUR, meter: item, model: volume, tiers: [{up_to: 10, price: "2"}, {price: "1"}], effective_from: 2026-12-01}
- {line: huge, integration: huge, meter: item, model: flat, price: "999999999", free: 1}
"#;

fn row(hour: u32, customer: &str, usage: &[(&str, u64)]) -> UsageRow {
    let cell = UsageCell { hour: hour * 3600, customer: customer.into(), ..UsageCell::default() };
    let usage = usage.iter().map(|(line, quantity)| ((*line).to_owned(), *quantity)).collect();
    UsageRow { workspace: "default".into(), cell, usage }
}

fn told(month: &str, customer: Option<&str>, integration: Option<&str>) -> Explanation {
    let book = Book::parse("prices.yaml", BOOK).expect("a book");
    let usage = vec![
        row(2, "acme", &[("sms", 500_000), ("packs", 700), ("mail", 6)]),
        row(1, "beta", &[("sms", 700_000), ("packs", 1_001)]),
        row(1, "acme", &[("sms", 400), ("packs", 400), ("huge", 2_000)]),
        row(3, "beta", &[("mail", 6), ("gone", 7)]),
    ];
    let costs = ["acme", "beta"].map(|customer| CostRow {
        workspace: "default".into(),
        customer: customer.into(),
        integration: "stripe".into(),
        currency: "USD".into(),
        cost_units: 1_250_000_000_000,
        unpriced: u64::from(customer == "beta"),
    });
    let month = Month::parse(month).expect("a month");
    explain(&book, &Question { month, customer, integration }, usage, &costs)
}

#[test]
fn every_pool_is_told_with_its_arithmetic_and_its_parts() {
    insta::assert_snapshot!(told("2026-12", None, None), @r"
    2026-12; book 45b39bfa21328259
    gone: workspace default
      usage 7, no price: the price book has no entry of this line for the month
      part of beta: 7
    huge: workspace default
      usage 2,000, no price: a price at or beyond 1000000000000
      part of acme: 2,000
    mail (sendgrid, volume, since 2026-12-01T00:00:00Z): workspace default
      usage 12, of which free 0
      12 × 1 = 12
      sum 12 EUR
      part of acme: 6 = 12 EUR
      part of beta: 6 = 0 EUR
    packs (salesforce, package, since 2000-01-01T00:00:00Z): customer acme of workspace default
      usage 1,100, of which free 0
      2 begun packages of 1,000 × 25 = 50
      sum 50 USD
      part of acme: 1,100 = 50 USD
    packs (salesforce, package, since 2000-01-01T00:00:00Z): customer beta of workspace default
      usage 1,001, of which free 0
      2 begun packages of 1,000 × 25 = 50
      sum 50 USD
      part of beta: 1,001 = 50 USD
    sms (twilio, tiered, since 2000-01-01T00:00:00Z): workspace default
      usage 1,200,400, of which free 1,000
      1,000,000 × 0.0079 = 7,900
      199,400 × 0.0075 = 1,495.5
      sum 9,395.5 USD
      part of acme: 500,400 = 3,870.24 USD
      part of beta: 700,000 = 5,525.26 USD
    priced or told with the attempts
      default, acme, stripe: 1.25 USD
      default, beta, stripe: 1.25 USD, 1 unpriced
    total 12 EUR, 9,498 USD, and what has no price
    ");
}

#[test]
fn a_customer_sees_its_part_of_each_pool_and_the_arithmetic_of_the_whole() {
    insta::assert_snapshot!(told("2026-11", Some("acme"), None), @r"
    2026-11, customer acme; book 45b39bfa21328259
    huge: workspace default
      usage 2,000, no price: a price at or beyond 1000000000000
      part of acme: 2,000
    mail: workspace default
      usage 12, no price: the price book has no entry of this line for the month
      part of acme: 6
    packs (salesforce, package, since 2000-01-01T00:00:00Z): customer acme of workspace default
      usage 1,100, of which free 0
      2 begun packages of 1,000 × 25 = 50
      sum 50 USD
      part of acme: 1,100 = 50 USD
    sms (twilio, tiered, since 2000-01-01T00:00:00Z): workspace default
      usage 1,200,400, of which free 1,000
      1,000,000 × 0.0079 = 7,900
      199,400 × 0.0075 = 1,495.5
      sum 9,395.5 USD
      part of acme: 500,400 = 3,870.24 USD
    priced or told with the attempts
      default, acme, stripe: 1.25 USD
    total 3,921.49 USD, and what has no price
    ");
    insta::assert_snapshot!(told("2026-11", Some("nobody"), None), @r"
    2026-11, customer nobody; book 45b39bfa21328259
    total nothing
    ");
}

#[test]
fn an_integration_alone_has_its_own_total() {
    let told = told("2026-12", None, Some("twilio"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&told).expect("json"), @r#"
    {
      "month": "2026-12",
      "customer": null,
      "book": "45b39bfa21328259",
      "pools": [
        {
          "workspace": "default",
          "line": "sms",
          "integration": "twilio",
          "pool_of": null,
          "usage": 1200400,
          "price": {
            "model": "tiered",
            "effective_from": "2000-01-01T00:00:00Z",
            "free": 1000,
            "arithmetic": [
              "1,000,000 × 0.0079 = 7,900",
              "199,400 × 0.0075 = 1,495.5"
            ],
            "cost": "9395.5",
            "currency": "USD"
          },
          "unpriced": null,
          "parts": [
            {
              "customer": "acme",
              "usage": 500400,
              "cost": "3870.24"
            },
            {
              "customer": "beta",
              "usage": 700000,
              "cost": "5525.26"
            }
          ]
        }
      ],
      "attempts": [],
      "totals": {
        "USD": "9395.5"
      }
    }
    "#);
}
