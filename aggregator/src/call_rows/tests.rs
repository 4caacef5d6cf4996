//! The block of raw calls, read back column by column.

use super::*;
use crate::{
    plan::Plan,
    samples::{event, native, payload},
};
use callmeter_schemas::{Amount, CallEvent, Cost, QuotaObservation, avro::call_event_schema};

const OWNER: Owner<'_> = Owner { src: "cluster:calls:id", part: 3 };

fn push(rows: &mut CallRows, offset: i64, event: &CallEvent, duplicate: bool) {
    let payload = payload(event);
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let fields = plan.read(&payload).expect("readable");
    let facts = Facts::check(&fields).expect("countable");
    let record = Record { offset, appended_ms: 5, key: None, value: &payload };
    rows.push(OWNER, &record, &fields, &facts, Found { duplicate, wait_ignored: duplicate });
}

#[test]
fn a_row_says_what_the_event_said_and_absent_is_empty_or_null() {
    let mut full = event("c");
    full.status = Some(429);
    full.latency_us = Some(1_500);
    full.items = Some(2);
    full.cost = Some(Cost { amount: Amount::parse("0.5").expect("an amount"), currency: "EUR".into() });
    full.run_id = Some("run".into());
    [full.endpoint, full.tier, full.environment] = ["GET /a", "free", "test"].map(Into::into);
    for (text, told) in [
        (&mut full.host, "h"),
        (&mut full.method, "GET"),
        (&mut full.path, "/a"),
        (&mut full.error, "E"),
        (&mut full.retry_of, "before"),
        (&mut full.data_type, "contacts"),
        (&mut full.operation, "sync"),
        (&mut full.trace_id, "0af7"),
    ] {
        *text = Some(told.into());
    }
    full.attributes = [("plan".into(), "a".into())].into();
    full.extra = [("new".into(), "1".into())].into();
    full.headers = [("a", "1"), ("b", "2")].map(|(key, text)| (key.into(), text.into())).into();
    full.quota =
        vec![QuotaObservation { policy: "daily".into(), limit: Some(9), ..QuotaObservation::default() }];
    let mut rows = CallRows::default();
    push(&mut rows, 10, &event("c"), true);
    push(&mut rows, 11, &full, false);
    assert_eq!(rows.len(), 2);
    let block = native(&rows.take_block());
    assert_eq!(rows.len(), 0);
    let names: Vec<&str> = block.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names.join(", "), COLUMNS);
    let differing = block.iter().filter(|(_, _, values)| values[0] != values[1]);
    let lines: Vec<String> =
        differing.map(|(name, _, values)| format!("{name}: {:?} {:?}", values[0], values[1])).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    endpoint: "" "GET /a"
    tier: "" "free"
    environment: "" "test"
    host: "" "h"
    method: "" "GET"
    path: "" "/a"
    error: "" "E"
    retry_of: "" "before"
    run_id: "" "run"
    data_type: "" "contacts"
    operation: "" "sync"
    currency: "" "EUR"
    trace_id: "" "0af7"
    offset: "10" "11"
    duplicate: "1" "0"
    status: "null" "429"
    error_class: "ok" "rate_limited"
    latency_ms: "null" "1.5"
    items: "null" "2"
    cost: "null" "500000000000"
    quota: "" "[{\"limit\":9,\"policy\":\"daily\",\"remaining\":null,\"reset_us\":null,\"scope\":\"\"}]"
    headers: "{}" "{a: 1, b: 2}"
    attributes: "{}" "{plan: a}"
    extra: "{}" "{new: 1}"
    retry_after_ignored: "1" "0"
    "#);
}

#[test]
fn a_block_may_have_no_rows() {
    let block = native(&CallRows::default().take_block());
    assert!(block.iter().all(|(_, _, values)| values.is_empty()));
}
