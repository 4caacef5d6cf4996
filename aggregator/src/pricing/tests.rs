//! Attempts of one series after the other enter; under which currency they stand and what they cost leaves.

use super::*;
use crate::{
    fold::{Batch, Desk},
    plan::Plan,
    samples::{event, payload},
};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, avro::call_event_schema};

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
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    for (offset, event) in events.iter().enumerate() {
        let payload = payload(event);
        let fields = plan.read(&payload).expect("readable");
        batch.count(offset as i64, &Facts::check(&fields).expect("countable"), false, &mut desk);
    }
    let line = |cell: &crate::fold::Cell| {
        let text = |dimension| String::from_utf8_lossy(desk.names.text(cell.series, dimension)).into_owned();
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
