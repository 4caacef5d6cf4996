//! Attempts enter; what is said of their price is compared, and held against their charge.

use super::*;
use crate::month::instant;
use callmeter_schemas::{Amount, ErrorClass};
use std::collections::BTreeMap;

fn example() -> Book {
    Book::parse("prices.yaml", include_str!("../../../../prices.yaml")).expect("the example is right")
}

fn told(
    integration: &str,
    endpoint: &str,
    attributes: &[(&str, &str)],
    change: impl Fn(&mut Attempt<'_>),
) -> String {
    let attributes: BTreeMap<String, String> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut attempt = Attempt {
        time_us: instant("2026-11-21").expect("a date"),
        attempt: 1,
        error_class: ErrorClass::Ok,
        status: Some(200),
        billable: None,
        items: 1,
        records: 0,
        bytes_in: 0,
        bytes_out: 0,
        attributes: &attributes,
    };
    change(&mut attempt);
    let book = example();
    let told = explain(&book, &Question { integration, endpoint, tier: "", attempt }).to_string();
    told.replace(book.id(), "of this text")
}

const CHAT: &str = "POST /v1/chat/completions";

#[test]
fn the_line_that_matches_is_told_with_its_arithmetic_and_the_others_with_their_reason() {
    let tokens = [
        ("gen_ai.request.model", "gpt-4o-mini-2024"),
        ("gen_ai.usage.input_tokens", "1200"),
        ("gen_ai.usage.output_tokens", "77"),
    ];
    insta::assert_snapshot!(told("openai", CHAT, &tokens, |_| {}), @r"
    openai, POST /v1/chat/completions, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    gen_ai.usage.input_tokens
    * openai-gpt4o-mini-input   1,200 × 0.15 / 1,000,000 = 0.00018
      openai-gpt4o-input        not reached: `openai-gpt4o-mini-input` comes first and matches
    gen_ai.usage.output_tokens
    * openai-gpt4o-mini-output  77 × 0.6 / 1,000,000 = 0.0000462
      openai-gpt4o-output       not reached: `openai-gpt4o-mini-output` comes first and matches
    cost 0.0002262 USD
    ");
    let early = |attempt: &mut Attempt<'_>| attempt.time_us = instant("2025-12-31").expect("a date");
    insta::assert_snapshot!(told("openai", CHAT, &tokens, early), @r"
    openai, POST /v1/chat/completions, 2025-12-31T00:00:00Z, ok, attempt 1, billable; book of this text
    gen_ai.usage.input_tokens
      openai-gpt4o-mini-input   not before 2026-01-01T00:00:00Z
      openai-gpt4o-input        not before 2026-01-01T00:00:00Z
    gen_ai.usage.output_tokens
      openai-gpt4o-mini-output  not before 2026-01-01T00:00:00Z
      openai-gpt4o-output       not before 2026-01-01T00:00:00Z
    cost 0 USD
    ");
    let tokens = [("gen_ai.request.model", "gpt-4o"), ("gen_ai.usage.input_tokens", "1200")];
    let before =
        |attempt: &mut Attempt<'_>| attempt.time_us = instant("2026-10-14T23:59:59.999999Z").expect("a time");
    insta::assert_snapshot!(told("openai", CHAT, &tokens, before), @r"
    openai, POST /v1/chat/completions, 2026-10-14T23:59:59.999999Z, ok, attempt 1, billable; book of this text
    gen_ai.usage.input_tokens
      openai-gpt4o-mini-input   gen_ai.request.model `gpt-4o` is not `gpt-4o-mini*`
    * openai-gpt4o-input        1,200 × 2.5 / 1,000,000 = 0.003
    gen_ai.usage.output_tokens
      openai-gpt4o-mini-output  gen_ai.request.model `gpt-4o` is not `gpt-4o-mini*`
      openai-gpt4o-output       gen_ai.usage.output_tokens is absent
    cost 0.003 USD
    ");
    insta::assert_snapshot!(told("openai", "GET /v1/models", &tokens, |_| {}), @r"
    openai, GET /v1/models, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    gen_ai.usage.input_tokens
      openai-gpt4o-mini-input   endpoint `GET /v1/models` is not `POST /v1/chat/completions` or `POST /v1/responses`
      openai-gpt4o-input        endpoint `GET /v1/models` is not `POST /v1/chat/completions` or `POST /v1/responses`
    gen_ai.usage.output_tokens
      openai-gpt4o-mini-output  endpoint `GET /v1/models` is not `POST /v1/chat/completions` or `POST /v1/responses`
      openai-gpt4o-output       endpoint `GET /v1/models` is not `POST /v1/chat/completions` or `POST /v1/responses`
    cost 0 USD
    ");
}

#[test]
fn a_share_of_cents_and_a_fee_add_up() {
    insta::assert_snapshot!(told("stripe", "POST /v1/charges", &[("stripe.amount", "2099")], |_| {}), @r"
    stripe, POST /v1/charges, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    call
    * stripe-charge-fee    1 × 0.3 = 0.3
    stripe.amount
    * stripe-charge-share  2,099 × 2.9 % / 100 = 0.60871
    cost 0.90871 USD
    ");
}

#[test]
fn what_counts_nothing_says_why() {
    let refused = |attempt: &mut Attempt<'_>| {
        (attempt.error_class, attempt.status) = (ErrorClass::RateLimited, Some(429));
    };
    insta::assert_snapshot!(told("stripe", "POST /v1/charges", &[("stripe.amount", "x")], refused), @r"
    stripe, POST /v1/charges, 2026-11-21T00:00:00Z, rate_limited, attempt 1, billable; book of this text
    call
    * stripe-charge-fee    matches and counts nothing: billable is success, and the class is rate_limited
    stripe.amount
    * stripe-charge-share  matches and counts nothing: billable is success, and the class is rate_limited
    cost 0 USD
    ");
}

#[test]
fn a_number_that_is_none_leaves_the_attempt_unpriced() {
    insta::assert_snapshot!(told("stripe", "POST /v1/charges", &[("stripe.amount", "20.9999999")], |_| {}), @r"
    stripe, POST /v1/charges, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    call
    * stripe-charge-fee    1 × 0.3 = 0.3
    stripe.amount
    * stripe-charge-share  matches and has no exact price: stripe.amount `20.9999999` is not an amount of at least 0 with at most 6 decimals, or its price is too large
    unpriced: nothing is charged, and the attempt is counted as unpriced
    ");
}

#[test]
fn usage_of_the_month_and_an_integration_without_prices_are_told() {
    insta::assert_snapshot!(told("sendgrid", "POST /v3/mail/send", &[], |attempt| attempt.items = 1_500), @r"
    sendgrid, POST /v3/mail/send, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    item
    * sendgrid-mail  adds 1,500 to the month's usage, which is priced as a whole
    cost 0 USD, and its part of the month
    ");
    insta::assert_snapshot!(told("hubspot", "GET /crm", &[], |_| {}), @r"
    hubspot, GET /crm, 2026-11-21T00:00:00Z, ok, attempt 1, billable; book of this text
    the book has no prices for this integration
    ");
}

#[test]
fn what_is_told_of_the_lines_is_what_the_attempt_is_charged() {
    let text = "currency: USD\nprices:\n\
        - {line: a, integration: x, meter: call, billable: success, model: flat, price: \"0.3\"}\n\
        - {line: b, integration: x, meter: item, model: flat, price: \"2\", free: 1}\n\
        - {line: c, integration: x, endpoint: [e], meter: attribute, attribute: amount, model: percent, price: \"2.9\"}\n\
        - {line: d, integration: x, meter: attribute, attribute: amount, billable: any_response, model: percent, price: \"1\"}\n";
    let book = Book::parse("prices.yaml", text).expect("a book");
    for (number, class) in (1..3).flat_map(|number| ErrorClass::ALL.iter().map(move |class| (number, *class)))
    {
        for (endpoint, amount) in [("e", "12.5"), ("f", "7"), ("f", "bad")] {
            let attributes = BTreeMap::from([("amount".to_owned(), amount.to_owned())]);
            let attempt = Attempt {
                time_us: instant("2026-11-21").expect("a date"),
                attempt: number,
                error_class: class,
                status: (class == ErrorClass::Ok).then_some(200),
                billable: None,
                items: 3,
                records: 0,
                bytes_in: 0,
                bytes_out: 0,
                attributes: &attributes,
            };
            let told = explain(&book, &Question { integration: "x", endpoint, tier: "", attempt });
            let mut charge = Charge::default();
            let selection = book.integration("x").expect("its tariff").selection(endpoint, "");
            book.charge(&selection, &attempt, &mut charge);
            let costs = told.lines.iter().filter_map(|line| line.cost.as_deref());
            let cost: i128 = costs.map(|cost| Amount::parse(cost).expect("money").units()).sum();
            let usage: Vec<u64> = told.lines.iter().filter_map(|line| line.usage).collect();
            assert_eq!(told.unpriced, charge.unpriced);
            if !charge.unpriced {
                let charged: Vec<u64> = charge.usage.iter().map(|(_, quantity)| *quantity).collect();
                assert_eq!((cost, usage), (charge.cost_units, charged), "{told}");
            }
        }
    }
}
