//! What is countable and what is refused, by one changed field each.

use super::*;
use crate::{
    plan::Plan,
    samples::{event, payload},
};
use callmeter_schemas::{CallEvent, Cost, avro::call_event_schema};

/// Asserts whether a sample with one change is countable.
#[track_caller]
fn check(change: impl FnOnce(&mut CallEvent), wanted: Result<(), Invalid>) {
    let mut event = event("c");
    change(&mut event);
    let payload = payload(&event);
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let fields = plan.read(&payload).expect("readable");
    assert_eq!(Facts::check(&fields).map(drop), wanted);
}

#[test]
fn a_required_text_is_there_and_within_its_bound() {
    check(|_| {}, Ok(()));
    check(|event| event.workspace.clear(), Err(Invalid::Empty("workspace")));
    check(|event| event.id.clear(), Err(Invalid::Empty("id")));
    check(|event| event.customer.clear(), Err(Invalid::Empty("customer")));
    check(|event| event.integration.clear(), Err(Invalid::Empty("integration")));
    check(|event| event.id = "x".repeat(256), Ok(()));
    check(|event| event.id = "x".repeat(257), Err(Invalid::TooLong("id", 256)));
    check(|event| event.customer = "ü".repeat(129), Err(Invalid::TooLong("customer", 256)));
    check(|event| event.endpoint = "x".repeat(257), Err(Invalid::TooLong("endpoint", 256)));
    check(|event| event.tier = "x".repeat(256), Ok(()));
}

#[test]
fn a_number_is_within_its_bounds() {
    check(|event| event.time_us = limits::TIME_MIN_US, Ok(()));
    check(|event| event.time_us = limits::TIME_MIN_US - 1, Err(Invalid::OutOfBounds("time")));
    check(|event| event.time_us = limits::TIME_END_US - 1, Ok(()));
    check(|event| event.time_us = limits::TIME_END_US, Err(Invalid::OutOfBounds("time")));
    check(|event| event.attempt = 0, Err(Invalid::OutOfBounds("attempt")));
    check(|event| event.attempt = limits::ATTEMPT_MAX + 1, Err(Invalid::OutOfBounds("attempt")));
    // What only advises costs no event.
    check(|event| event.retry_at_us = Some(0), Ok(()));
    check(|event| event.batch_size = Some(limits::BATCH_SIZE_MAX + 1), Ok(()));
    check(|event| event.latency_us = Some(MAX_LATENCY_US), Ok(()));
    check(|event| event.latency_us = Some(MAX_LATENCY_US + 1), Err(Invalid::OutOfBounds("latency_us")));
    // As Avro has no unsigned numbers, this is -1.
    check(|event| event.queue_us = Some(u64::MAX), Err(Invalid::OutOfBounds("queue_us")));
    check(|event| event.items = Some(limits::COUNT_BOUND - 1), Ok(()));
    check(|event| event.items = Some(limits::COUNT_BOUND), Err(Invalid::OutOfBounds("items")));
    check(|event| event.records = Some(limits::COUNT_BOUND), Err(Invalid::OutOfBounds("records")));
    check(|event| event.bytes_in = Some(limits::COUNT_BOUND), Err(Invalid::OutOfBounds("bytes_in")));
    check(|event| event.bytes_out = Some(limits::COUNT_BOUND), Err(Invalid::OutOfBounds("bytes_out")));
    let status = Fields::default();
    assert_eq!(Facts::check(&status).map(drop), Err(Invalid::Empty("workspace")));
}

#[test]
fn a_cost_has_a_currency_of_three_capital_letters() {
    let cost = |currency: &str| Some(Cost { amount: Amount::ZERO, currency: currency.into() });
    check(|event| event.cost = cost("EUR"), Ok(()));
    for currency in ["", "EU", "EURO", "eur", "€", "E1R"] {
        check(|event| event.cost = cost(currency), Err(Invalid::Currency));
    }
}

#[test]
fn an_absent_number_adds_nothing_and_an_absent_latency_is_not_zero() {
    let payload = payload(&event("c"));
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let fields = plan.read(&payload).expect("readable");
    let facts = Facts::check(&fields).expect("countable");
    assert_eq!((facts.queue_us, facts.items, facts.bytes_in, facts.cost), (0, 0, 0, None));
    assert_eq!((facts.latency_us, facts.is_retry(), facts.currency), (None, false, ""));
}

/// Asserts in which window a second of 2023-11-14, 22:13:20 UTC and later, falls.
#[track_caller]
fn check_window(time_us: i64, window_s: u32, wanted: u32) {
    let mut event = event("c");
    event.time_us = time_us;
    let payload = payload(&event);
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let fields = plan.read(&payload).expect("readable");
    assert_eq!(Facts::check(&fields).expect("countable").window_start(window_s), wanted);
}

#[test]
fn a_window_takes_its_first_microsecond_and_not_the_next_windows() {
    check_window(1_700_000_040_000_000, 60, 1_700_000_040);
    check_window(1_700_000_039_999_999, 60, 1_699_999_980);
    check_window(1_700_000_099_999_999, 60, 1_700_000_040);
    check_window(1_700_000_100_000_000, 60, 1_700_000_100);
    check_window(1_700_000_000_999_999, 1, 1_700_000_000);
    check_window(1_700_002_799_999_999, 3600, 1_699_999_200);
    check_window(limits::TIME_MIN_US, 3600, 946_684_800);
    check_window(limits::TIME_END_US - 1, 60, 4_102_444_740);
}
