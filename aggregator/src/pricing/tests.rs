//! Attempts of one series after the other enter; under which currency they stand and what they cost leaves.

use super::*;
use crate::{
    fold::{Batch, Call, Desk},
    plan::Plan,
    samples::{event, payload},
};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, avro::call_event_schema};
use std::collections::BTreeMap;

const BOOK: &str = r#"
currency: EUR
prices:
- {line: crm, integration: hubspot, endpoint: ["GET *"], meter: attempt, model: flat, price: "0.01", effective_from: 2020-01-01}
- {line: tokens, integration: hubspot, meter: attribute, attribute: tokens, model: package, package: 10, price: "1", effective_from: 2020-01-01}
"#;

fn call(endpoint: &str, change: impl FnOnce(&mut CallEvent)) -> CallEvent {
    let mut event = CallEvent { endpoint: endpoint.into(), ..event("c") };
    change(&mut event);
    event
}

fn told(amount: &str, currency: &str) -> Option<Cost> {
    Some(Cost { amount: Amount::parse(amount).expect("an amount"), currency: currency.into() })
}

fn with_tokens(tokens: &str) -> impl FnOnce(&mut CallEvent) {
    let tokens = tokens.to_owned();
    move |event| drop(event.attributes.insert("tokens".into(), tokens))
}

/// Cost and usage.
type Held = (i128, Vec<(u32, u64)>);

/// What a batch holds, by endpoint and currency.
fn held(batch: &Batch, desk: &Desk) -> BTreeMap<(String, String), Held> {
    let mut all: BTreeMap<_, Held> = BTreeMap::new();
    for cell in batch.cells.iter() {
        let text = |dimension| String::from_utf8_lossy(desk.names.texts(cell.series)[dimension]).into_owned();
        let held = all.entry((text(3), text(6))).or_default();
        held.0 += cell.cost;
        held.1.extend(cell.rare.iter().flat_map(|rare| rare.usage.clone()));
    }
    all
}

fn count(batch: &mut Batch, offset: i64, event: &CallEvent, desk: &mut Desk) {
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let payload = payload(event);
    let fields = plan.read(&payload).expect("readable");
    let facts = Facts::check(&fields).expect("countable");
    batch.count(&[Call { offset, facts: &facts, wait_ignored: false }], desk);
}

#[test]
fn a_desk_that_forgets_between_batches_charges_the_same_series() {
    let book = || Arc::new(Book::parse("prices.yaml", BOOK).expect("a good book"));
    let events: Vec<CallEvent> = (0..40)
        .map(|number: u64| match number % 4 {
            0 => call("GET /a", |_| {}),
            1 => call("POST /b", with_tokens(&number.to_string())),
            2 => call("GET /c", |event| event.integration = "unpriced".into()),
            _ => call("GET /d", |event| event.customer = format!("c{number}")),
        })
        .collect();
    let mut forgetful = Desk::new(60, Pricing::new(book()));
    for (offset, event) in (0..).zip(&events) {
        let (mut once, mut fresh) = (Batch::new(offset), Desk::new(60, Pricing::new(book())));
        count(&mut once, offset, event, &mut fresh);
        let mut batch = Batch::new(offset);
        count(&mut batch, offset, event, &mut forgetful);
        assert_eq!(held(&batch, &forgetful), held(&once, &fresh), "offset {offset}");
        if offset % 3 == 2 {
            forgetful.forget();
            assert_eq!(forgetful.bytes(), 0);
        }
    }
}

#[test]
fn a_book_for_some_workspaces_prices_no_others() {
    let book = Book::parse("prices.yaml", &format!("workspaces: [demo*]\n{BOOK}")).expect("a good book");
    let mut desk = Desk::new(60, Pricing::new(Arc::new(book)));
    let mut batch = Batch::new(0);
    count(&mut batch, 0, &call("GET /a", |event| event.workspace = "demo-1".into()), &mut desk);
    count(&mut batch, 1, &call("GET /a", |event| event.workspace = "default".into()), &mut desk);
    let costs: Vec<i128> = batch.cells.iter().map(|cell| cell.cost).collect();
    assert_eq!(costs, [10_000_000_000, 0]);
    assert_eq!(desk.names.texts(batch.cells[1].series)[6], b"");
}

#[test]
fn prices_of_the_book_become_cost_or_usage_and_told_costs_win() {
    let book = Book::parse("prices.yaml", BOOK).expect("a good book");
    let mut desk = Desk::new(60, Pricing::new(Arc::new(book)));
    let mut batch = Batch::new(0);
    let events = [
        call("GET /a", |_| {}),
        call("GET /a", |event| event.attempt = 2),
        call("GET /a", |event| event.error_class = Some(ErrorClass::Upstream5xx)),
        call("GET /a", |event| event.error_class = Some(ErrorClass::Dns)),
        call("GET /a", |event| event.cost = told("5", "EUR")),
        call("GET /a", |event| event.cost = told("7", "USD")),
        call("POST /b", |_| {}),
        call("POST /b", with_tokens("12")),
        call("POST /b", |event| {
            with_tokens("3")(event);
            event.attempt = 2;
        }),
        call("POST /b", with_tokens("many")),
        call("GET /c", |event| event.integration = "unpriced".into()),
    ];
    (0..).zip(&events).for_each(|(offset, event)| count(&mut batch, offset, event, &mut desk));
    let line = |cell: &crate::cell::Cell| {
        let text = |dimension| String::from_utf8_lossy(desk.names.texts(cell.series)[dimension]).into_owned();
        let rare = cell.rare.as_deref().cloned().unwrap_or_default();
        let money = |units| Amount::from_units(units).expect("bounded").to_string();
        format!(
            "{} {:3} calls {} billable {} cost {} failed {} retried {} usage {:?} of it retried {:?} unpriced {}",
            text(3),
            text(6),
            cell.calls,
            cell.billable_calls,
            money(cell.cost),
            money(rare.cost_failed),
            money(rare.cost_retried),
            rare.usage,
            rare.usage_retried,
            rare.unpriced,
        )
    };
    insta::assert_snapshot!(batch.cells.iter().map(line).collect::<Vec<_>>().join("\n"), @r"
    GET /a EUR calls 5 billable 4 cost 5.03 failed 0.01 retried 0.01 usage [] of it retried [] unpriced 0
    GET /a USD calls 1 billable 1 cost 7 failed 0 retried 0 usage [] of it retried [] unpriced 0
    POST /b EUR calls 4 billable 4 cost 0 failed 0 retried 0 usage [(1, 15)] of it retried [(1, 3)] unpriced 1
    GET /c     calls 1 billable 1 cost 0 failed 0 retried 0 usage [] of it retried [] unpriced 0
    ");
}
