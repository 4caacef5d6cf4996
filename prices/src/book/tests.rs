//! Attempts enter books; what they are charged is compared.

use super::*;
use crate::{charge::Attributes, month::instant};
use callmeter_schemas::{ErrorClass, money::BOUND};
use proptest::prelude::*;

/// Attributes by name.
struct Given<'a>(&'a [(&'a str, &'a str)]);

impl Attributes for Given<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

const NONE: &Given<'_> = &Given(&[]);

fn attempt<'a>(attributes: &'a dyn Attributes) -> Attempt<'a> {
    Attempt {
        time_us: instant("2026-11-21").expect("a date"),
        attempt: 1,
        error_class: ErrorClass::Ok,
        status: Some(200),
        billable: None,
        items: 10,
        records: 20,
        bytes_in: 300,
        bytes_out: 4_000,
        attributes,
    }
}

fn book(entries: &[&str]) -> Book {
    let entries: Vec<String> =
        entries.iter().map(|entry| format!("- {{integration: x, {entry}}}\n")).collect();
    Book::parse("prices.yaml", &format!("currency: USD\nprices:\n{}", entries.concat())).expect("a book")
}

fn charge(book: &Book, endpoint: &str, tier: &str, attempt: &Attempt<'_>) -> Charge {
    let selection = book.integration("x").expect("its tariff").selection(endpoint, tier);
    let mut charge = Charge { unpriced: true, usage: vec![(7, 7)], cost_units: 7, billable: true };
    book.charge(&selection, attempt, &mut charge);
    charge
}

/// Cost as text, usage by line, and `unpriced`.
#[track_caller]
fn check(book: &Book, endpoint: &str, attempt: &Attempt<'_>, wanted: &str) {
    let charge = charge(book, endpoint, "pro", attempt);
    let usage = charge.usage.iter().map(|(line, quantity)| format!(" {}+{quantity}", book.line_name(*line)));
    let unpriced = if charge.unpriced { " unpriced" } else { "" };
    let cost = Amount::from_units(charge.cost_units).expect("within the bound");
    assert_eq!(format!("{cost}{}{unpriced}", usage.collect::<String>()), wanted);
}

#[test]
fn the_first_line_that_matches_is_charged_and_meters_add_up() {
    let book = book(&[
        "line: special, endpoint: [\"GET /a/*\"], tier: [\"p*\"], meter: attempt, model: flat, price: \"5\"",
        "line: model, where: {model: \"m*\"}, meter: attempt, model: flat, price: \"3\"",
        "line: all, meter: attempt, model: flat, price: \"1\"",
        "line: items, meter: item, model: flat, price: \"0.01\"",
        "line: records, meter: record, model: package, package: 10, price: \"1\"",
        "line: bytes, meter: byte, model: flat, price: \"1\", per: 1000000000000",
    ]);
    let given = Given(&[("model", "m1")]);
    check(&book, "GET /a/1", &attempt(NONE), "5.1000000043 records+20");
    check(&book, "GET /b", &attempt(&given), "3.1000000043 records+20");
    check(&book, "GET /b", &attempt(NONE), "1.1000000043 records+20");
    assert_eq!(charge(&book, "GET /a/1", "free", &attempt(NONE)).cost_units, 1_100_000_004_300);
}

#[test]
fn the_version_in_force_at_the_attempts_own_time_decides_alone() {
    let book = book(&[
        "line: a, endpoint: [\"GET /old\"], meter: attempt, model: flat, price: \"1\"",
        "line: b, meter: attempt, model: flat, price: \"9\"",
        "line: a, endpoint: [\"GET /new\"], meter: attempt, model: flat, price: \"2\", effective_from: 2026-06-15T12:00:00Z",
    ]);
    let change = instant("2026-06-15T12:00:00Z").expect("a time");
    for (endpoint, time_us, wanted) in [
        ("GET /old", change - 1, "1"),
        ("GET /old", change, "9"),
        ("GET /new", change - 1, "9"),
        ("GET /new", change, "2"),
    ] {
        check(&book, endpoint, &Attempt { time_us, ..attempt(NONE) }, wanted);
    }
}

#[test]
fn an_attempt_counts_as_the_line_says_else_as_the_vendor_says_else_when_it_was_reached() {
    let book = book(&[
        "line: own, meter: attempt, model: flat, price: \"1\"",
        "line: response, meter: item, billable: any_response, model: flat, price: \"10\"",
        "line: success, meter: record, billable: success, model: flat, price: \"100\"",
    ]);
    let own = |billable, error_class, status, wanted: &str| {
        let attempt = Attempt { billable, error_class, status, items: 1, records: 1, ..attempt(NONE) };
        check(&book, "", &attempt, wanted);
    };
    use ErrorClass::{Connect, Dns, Killed, Ok, RateLimited, Timeout, Tls};
    own(None, Ok, Some(200), "111");
    own(None, RateLimited, Some(429), "11");
    own(None, Timeout, None, "1");
    own(Some(false), Ok, Some(200), "110");
    own(Some(true), Dns, None, "1");
    for class in [Dns, Connect, Tls, Killed] {
        own(None, class, None, "0");
    }
}

#[test]
fn a_call_is_charged_once_by_its_success_whichever_attempt_that_is() {
    let calls = book(&["line: a, meter: call, model: flat, price: \"1\""]);
    let tried = |number, error_class| Attempt { attempt: number, error_class, ..attempt(NONE) };
    check(&calls, "", &tried(1, ErrorClass::Upstream5xx), "0");
    check(&calls, "", &tried(2, ErrorClass::Timeout), "0");
    check(&calls, "", &tried(3, ErrorClass::Ok), "1");
    check(&calls, "", &tried(1, ErrorClass::Ok), "1");
}

#[test]
fn an_absent_number_does_not_match_and_a_bad_one_leaves_the_whole_attempt_unpriced() {
    let book = book(&[
        "line: fee, meter: attempt, model: flat, price: \"1\"",
        "line: free, meter: item, model: flat, price: \"1\", free: 5",
        "line: number, meter: attribute, attribute: count, billable: any_response, model: flat, price: \"2\"",
        "line: share, meter: attribute, attribute: amount, model: percent, price: \"2.9001\"",
    ]);
    check(&book, "", &attempt(NONE), "1 free+10");
    check(&book, "", &attempt(&Given(&[("count", "3")])), "7 free+10");
    check(&book, "", &attempt(&Given(&[("amount", "0.000001")])), "1.000000029001 free+10");
    for bad in ["", "-1", "3.0", "1099511627776", "x"] {
        check(&book, "", &attempt(&Given(&[("count", bad)])), "0 unpriced");
    }
    check(&book, "", &attempt(&Given(&[("amount", "-1")])), "0 unpriced");
    // What does not count has no price to be wrong about.
    check(&book, "", &Attempt { status: None, ..attempt(&Given(&[("count", "x")])) }, "1 free+10");
}

#[test]
fn beyond_the_bound_of_money_an_attempt_is_unpriced() {
    let book = book(&[
        "line: a, meter: item, model: flat, price: \"999999999\"",
        "line: b, meter: record, model: flat, price: \"999999999\"",
        "line: c, meter: byte_in, model: tiered, tiers: [{price: \"1\"}]",
        "line: d, meter: byte, model: flat, price: \"0\"",
    ]);
    let of = |items, records, bytes_in, bytes_out| Attempt {
        items,
        records,
        bytes_in,
        bytes_out,
        ..attempt(NONE)
    };
    check(&book, "", &of(1_000, 0, 0, 0), "999999999000");
    check(&book, "", &of(1_001, 0, 0, 0), "0 unpriced");
    check(&book, "", &of(600, 600, 0, 0), "0 unpriced");
    check(&book, "", &of(u64::MAX, 0, 0, 0), "0 unpriced");
    check(&book, "", &of(0, 0, u64::MAX, 0), "0 unpriced");
    check(&book, "", &of(0, 0, u64::MAX, u64::MAX), "0 unpriced");
    check(&book, "", &of(0, 0, 1 << 40, 0), "0 c+1099511627776");
}

#[test]
fn without_lines_an_attempt_is_billable_all_the_same() {
    let (book, mut charge) = (Book::empty(), Charge::default());
    for (billable, error_class, status, wanted) in [
        (None, ErrorClass::Ok, Some(200), true),
        (None, ErrorClass::Dns, None, false),
        // An answer proves that the vendor was reached, whatever the class is called.
        (None, ErrorClass::Connect, Some(200), true),
        (Some(true), ErrorClass::Connect, None, true),
        (Some(false), ErrorClass::Ok, Some(200), false),
    ] {
        let attempt = Attempt { billable, error_class, status, ..attempt(NONE) };
        book.charge(&Selection::default(), &attempt, &mut charge);
        assert_eq!(charge, Charge { billable: wanted, ..Charge::default() });
    }
    assert_eq!(book.id(), "");
}

#[test]
fn only_series_whose_price_depends_on_attributes_need_them() {
    let book = book(&[
        "line: a, endpoint: [a], meter: attempt, model: flat, price: \"1\"",
        "line: b, endpoint: [b], where: {m: x}, meter: item, model: flat, price: \"1\"",
        "line: c, endpoint: [c], meter: attribute, attribute: count, model: flat, price: \"1\"",
    ]);
    let tariff = book.integration("x").expect("its tariff");
    let needs = |endpoint| tariff.selection(endpoint, "").needs_attributes();
    assert_eq!(["a", "b", "c", "d"].map(needs), [false, true, true, false]);
    assert!(tariff.selection("d", "").is_empty() && tariff.currency() == "USD");
    assert!(book.integration("y").is_none());
}

#[test]
fn a_book_is_known_by_the_hash_of_its_text() {
    let book = Book::parse("prices.yaml", "prices: []\n").expect("a book");
    assert_eq!(book.id(), "d0dde8c8188da5c0");
}

#[test]
fn the_entries_of_the_month_tell_their_whole_form() {
    let book = book(&[
        "line: a, meter: item, model: tiered, tiers: [{up_to: 10, price: \"2\"}, {price: \"1\"}], per: 4, free: 3",
        "line: b, meter: record, model: flat, price: \"3\"",
        "line: c, meter: byte, model: package, package: 7, price: \"3\", pool: customer, effective_from: 2026-01-01",
        "line: c, meter: byte, model: package, package: 8, price: \"3\", pool: customer, effective_from: 2026-02-01",
    ]);
    let told = book.metered().map(|entry| {
        let MeteredEntry { line, line_index, pool, free, kind, tiers, package, .. } = entry;
        let tiers: Vec<_> = tiers.iter().map(|tier| (tier.up_to, tier.price_units)).collect();
        format!("{line} {line_index} {} {free} {} {tiers:?} {package}", pool.as_str(), kind.as_str())
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
    a 0 workspace 3 tiered [(10, 500000000000), (18446744073709551615, 250000000000)] 1
    c 2 customer 0 package [(18446744073709551615, 3000000000000)] 7
    c 2 customer 0 package [(18446744073709551615, 3000000000000)] 8
    ");
    let in_month = |month| book.metered_in("c", instant(month).expect("a date")).map(|entry| entry.package);
    assert_eq!(["2025-12-01", "2026-01-01", "2026-02-01"].map(in_month), [None, Some(7), Some(8)]);
}

proptest! {
    #[test]
    fn a_charge_is_exact_and_owes_nothing_to_the_one_before(
        whole in 0..1_000_000_000_000_u64, millionths in 0..1_000_000_u64, rate in 0..1_000_000_u64, count in 0..1_u64 << 40
    ) {
        let (percent, of_percent) = (rate / 10_000, rate % 10_000);
        let price = format!("\"{percent}.{of_percent:04}\"");
        let book = book(&[
            &format!("line: share, meter: attribute, attribute: amount, model: percent, price: {price}"),
            "line: number, meter: attribute, attribute: count, model: flat, price: \"0.000000000001\"",
        ]);
        let (amount, n) = (format!("{whole}.{millionths:06}"), count.to_string());
        let exact = (i128::from(whole) * 1_000_000 + i128::from(millionths)) * i128::from(rate) + i128::from(count);
        let charge = charge(&book, "", "", &attempt(&Given(&[("amount", &amount), ("count", &n)])));
        prop_assert_eq!(charge.unpriced, exact >= BOUND);
        prop_assert_eq!(charge.cost_units, if exact < BOUND { exact } else { 0 });
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,80}", attribute in "(?s).{0,20}") {
        let _ = Book::parse("prices.yaml", &text);
        let _ = Book::parse("prices.yaml", &format!("currency: USD\nprices:\n- {{line: a, {text}}}\n"));
        let book = book(&["line: number, meter: attribute, attribute: count, model: flat, price: \"1\"",
            "line: p, meter: attribute, attribute: p, model: percent, price: \"1\""]);
        charge(&book, &text, &text, &attempt(&Given(&[("count", &attribute), ("p", &attribute)])));
    }
}
