//! Books with mistakes enter; what is said about each is compared.

use crate::Book;

fn told(text: &str) -> String {
    let problems = Book::parse("prices.yaml", text).expect_err("a book with mistakes");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A book of entries, each the keys that differ from a flat price of 1 for a call.
fn book(entries: &[&str]) -> String {
    let mut text = "currency: USD\nprices:\n".to_owned();
    for entry in entries {
        text += &format!("- {{{entry}}}\n");
    }
    text
}

const FLAT: &str = "meter: attempt, model: flat, price: \"1\"";

#[test]
fn all_mistakes_of_a_bad_book_are_told_at_once_with_their_lines() {
    insta::assert_snapshot!(told(include_str!("../../testdata/bad.yaml")), @"
    prices.yaml:3:3: prices[0].line: `Upper Case` is not a name of 1 to 64 of a-z, 0-9 and `-`
    prices.yaml:3:3: prices[0].currency: missing, and the book names none for all
    prices.yaml:4:3: prices[0].integration: must have 1 to 256 bytes
    prices.yaml:11:3: prices[1].meter: `atempt` is none of: call, attempt, item, record, byte_in, byte_out, byte, attribute (did you mean `attempt`?)
    prices.yaml:12:3: prices[1].model: `flatt` is none of: flat, tiered, volume, package, percent (did you mean `flat`?)
    prices.yaml:13:3: prices[1].price: a text (in quotes) is expected here, not a number
    prices.yaml:14:3: prices[1].prise: unknown key (did you mean `price`?)
    prices.yaml:15:3: prices[2].price: missing
    prices.yaml:17:3: prices[2].currency: `dollars` is not three capital letters such as USD
    prices.yaml:19:3: prices[2].attribute: belongs to meter attribute only, and this is call
    prices.yaml:21:3: prices[2].tiers: belong to models tiered and volume only
    prices.yaml:22:3: prices[2].package: belongs to model package only
    prices.yaml:23:3: prices[2].pool: has no meaning without tiers, packages or free units
    prices.yaml:29:3: prices[3].price: does not belong to models tiered and volume: their tiers have the prices
    prices.yaml:32:6: prices[3].tiers[1].up_to: must grow: 100 is not above 100
    prices.yaml:32:18: prices[3].tiers[1].price: `-1`: below 0
    prices.yaml:33:5: prices[3].tiers[2].up_to: missing: only the last tier is without
    prices.yaml:34:6: prices[3].tiers[3].up_to: the last tier has none: what lies beyond it would have no price
    prices.yaml:34:18: prices[3].tiers[3].price: `0.0000000000001`: more than 12 decimal places
    prices.yaml:35:3: prices[4].attribute: missing
    prices.yaml:40:3: prices[4].tiers: there must be 1 to 50
    prices.yaml:41:3: prices[5].package: missing
    prices.yaml:46:3: prices[5].price: `1e9`: at or beyond 1000000000
    prices.yaml:47:3: prices[5].per: does not belong to model package: the price is for one package
    prices.yaml:53:3: prices[6].price: 1 / 3 has more than 12 decimals, and nothing is rounded
    prices.yaml:58:3: prices[7].meter: model percent takes its amount from an attribute: say `meter: attribute`
    prices.yaml:61:3: prices[7].free: does not belong to model percent: an amount has no units
    prices.yaml:68:3: prices[8].per: must be 1 to 1000000000000000
    prices.yaml:69:3: prices[8].free: must be 0 to 1000000000000000
    prices.yaml:77:3: prices[9].effective_from: must be the first of a month, 00:00 UTC: the price depends on the month's usage
    prices.yaml:84:3: prices[10].effective_from: `2026-13-01` is neither a date such as 2026-01-01 nor a time such as 2026-01-01T12:00:00Z
    prices.yaml:91:3: prices[11].effective_from: `1999-12-31` is not within the years 2000 to 2099
    prices.yaml:98:3: prices[13].line: never charged: line `one` (line 92 of the file) comes first and matches all that this could; put it after this
    prices.yaml:100:3: prices[13].currency: `stripe` is charged in USD (line 92 of the file), and an integration has one currency
    ");
}

#[test]
fn mistakes_of_form_hide_no_mistakes_of_meaning() {
    let text = "currency: usd\nprices:\n- line: A\n  integration: x\n  meter: call\n  model: flat\n  price: \"1\"\n- lin: b\n";
    insta::assert_snapshot!(told(text), @"
    prices.yaml:1:1: currency: `usd` is not three capital letters such as USD
    prices.yaml:3:3: prices[0].line: `A` is not a name of 1 to 64 of a-z, 0-9 and `-`
    prices.yaml:8:3: prices[1].line: missing
    prices.yaml:8:3: prices[1].integration: missing
    prices.yaml:8:3: prices[1].meter: missing
    prices.yaml:8:3: prices[1].model: missing
    prices.yaml:8:3: prices[1].lin: unknown key (did you mean `line`?)
    ");
}

#[test]
fn versions_of_a_line_differ_in_price_and_conditions_only() {
    let tiered = "meter: attempt, model: tiered, tiers: [{price: \"1\"}]";
    let text = book(&[
        &format!("line: a, integration: x, {FLAT}"),
        &format!("line: a, integration: other, {FLAT}, effective_from: 2026-02-01"),
        "line: a, integration: x, meter: item, model: flat, price: \"1\", effective_from: 2026-03-01",
        &format!("line: a, integration: x, {FLAT}, effective_from: 2026-02-01T00:00:00Z"),
        &format!("line: a, integration: x, {tiered}, effective_from: 2026-04-01"),
        &format!("line: b, integration: z, {tiered}"),
        &format!("line: b, integration: z, {tiered}, pool: customer, effective_from: 2026-04-01"),
        "line: c, integration: z, meter: attribute, attribute: tokens, model: flat, price: \"1\"",
        "line: c, integration: z, meter: attribute, attribute: words, model: flat, price: \"1\", effective_from: 2027-01-01",
    ]);
    insta::assert_snapshot!(told(&text), @"
    prices.yaml:4:13: prices[1].integration: differs from the first entry of line `a` (line 3 of the file); another integration needs a line of its own
    prices.yaml:5:29: prices[2].meter: differs from the first entry of line `a` (line 3 of the file); another meter needs a line of its own
    prices.yaml:6:70: prices[3].effective_from: line `a` has another entry from the same time (line 4 of the file)
    prices.yaml:7:45: prices[4].model: differs from the first entry of line `a` (line 3 of the file); a change between prices of one attempt and prices of a month needs a line of its own
    prices.yaml:9:83: prices[6].pool: differs from the first entry of line `b` (line 8 of the file); another pool needs a line of its own
    prices.yaml:11:47: prices[8].attribute: differs from the first entry of line `c` (line 10 of the file); another attribute needs a line of its own
    ");
}

#[test]
fn an_entry_that_no_attempt_can_reach_is_told() {
    let text = book(&[
        &format!("line: narrow, integration: x, endpoint: [\"GET /a/*\"], {FLAT}"),
        &format!("line: narrower, integration: x, endpoint: [\"GET /a/b\", \"GET /a/c*\"], {FLAT}"),
        &format!("line: later, integration: x, {FLAT}, effective_from: 2027-01-01"),
        &format!("line: until-later, integration: x, endpoint: [\"*\"], {FLAT}"),
        &format!(
            "line: never, integration: x, tier: [pro], where: {{a: b}}, {FLAT}, effective_from: 2026-01-01"
        ),
        "line: other-meter, integration: x, meter: item, model: flat, price: \"1\"",
    ]);
    insta::assert_snapshot!(told(&text), @"
    prices.yaml:4:4: prices[1].line: never charged: line `narrow` (line 3 of the file) comes first and matches all that this could; put it after this
    prices.yaml:7:4: prices[4].line: never charged: line `until-later` (line 6 of the file) comes first and matches all that this could; put it after this
    ");
}

#[test]
fn a_text_that_is_no_yaml_or_no_book_is_refused() {
    insta::assert_snapshot!(told("prices: [\n"), @"prices.yaml:1:9: unclosed bracket '['");
    insta::assert_snapshot!(told("- 1\n"), @"prices.yaml:1:1: a map is expected here, not a list");
    insta::assert_snapshot!(told(""), @"prices.yaml:1:1: a map is expected here, not nothing");
}

#[test]
fn too_many_entries_are_refused() {
    let entry = format!("line: a, integration: x, {FLAT}");
    insta::assert_snapshot!(told(&book(&vec![entry.as_str(); 10_001])), @"prices.yaml:2:1: prices: more than 10000 entries");
}
