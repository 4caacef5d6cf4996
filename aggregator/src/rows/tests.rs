//! The blocks of batches and of a genesis, read back column by column.

use super::*;
use crate::{
    facts::Facts,
    fold::{Call, Poison},
    plan::{Fields, Plan},
    samples::{event, native, payload},
};
use callmeter_schemas::{Amount, Cost, PoisonReason, QuotaObservation, avro::call_event_schema};

const OWNER: Owner<'_> = Owner { src: "cluster:calls:id", part: 3 };

/// One line for each row: the columns that are neither 0 nor empty.
fn lines(block: &[u8]) -> String {
    let columns = native(block);
    let rows = columns.first().map_or(0, |(_, _, values)| values.len());
    let line = |row: usize| {
        let cells = columns.iter().map(|(name, _, values)| (name, &values[row]));
        let cells = cells.filter(|(_, value)| !["0", "", "{}"].contains(&value.as_str()));
        cells.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    (0..rows).map(line).collect::<Vec<_>>().join("\n")
}

fn quota() -> QuotaObservation {
    QuotaObservation {
        policy: "daily".into(),
        scope: "app".into(),
        limit: Some(1_000),
        remaining: Some(7),
        reset_us: None,
    }
}

fn desk() -> Desk {
    Desk::new(60, Pricing::new(Arc::new(Book::empty())))
}

/// Columns that say something stand in the order of the structure, each with its type there.
#[track_caller]
fn check_structure(block: &[u8]) {
    let columns = native(block);
    let mut structure = STRUCTURE;
    for (name, kind, _) in &columns {
        let column = format!("{name} {kind}");
        let at = structure.find(&column).unwrap_or_else(|| panic!("{column} stands in {structure}"));
        structure = &structure[at + column.len()..];
    }
    assert_eq!(columns[0].0, "kind");
}

#[test]
fn the_structure_names_the_columns() {
    // Of a tuple's members only the first follows its name.
    let names = STRUCTURE.replace("Decimal(38, 12)", "Decimal");
    let mut rest = names.as_str();
    for column in COLUMNS.split(", ") {
        assert!(rest.starts_with(&format!("{column} ")), "{column} comes next in {rest}");
        let end = if column == "quota_latest" { rest.len() } else { end_of_type(rest) };
        rest = rest[end..].trim_start_matches(", ");
    }
    assert_eq!(rest, "");
}

fn end_of_type(rest: &str) -> usize {
    let mut depth = 0;
    let end = rest.find(|sign: char| {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        sign == ',' && depth == 0
    });
    end.unwrap_or(rest.len())
}

#[test]
fn a_genesis_is_its_row_and_the_first_marker() {
    let block = of_genesis(OWNER, 20);
    check_structure(&block);
    insta::assert_snapshot!(lines(&block), @"
    kind=1 src=cluster:calls:id part=3 batch_first=20 next_offset=20
    kind=2 src=cluster:calls:id part=3 next_offset=20
    ");
}

#[test]
fn a_batch_is_its_deltas_its_marker_and_its_ledger_row_in_one_block() {
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let (mut batch, mut desk) = (Batch::new(100), desk());
    for (offset, customer) in [(100, "c1"), (101, "c2"), (102, "c1")] {
        let mut event = event(customer);
        event.status = Some(if offset == 102 { 503 } else { 200 });
        event.latency_us = Some(1_000 + offset as u64);
        event.attempt = 2;
        event.quota = (customer == "c1").then(quota).into_iter().collect();
        event.cost = (customer == "c1").then(|| Cost {
            amount: Amount::parse("-0.000000000001").expect("an amount"),
            currency: "EUR".into(),
        });
        let payload = payload(&event);
        let fields: Fields<'_> = plan.read(&payload).expect("readable");
        let facts = Facts::check(&fields).expect("countable");
        batch.count(&[Call { offset, facts: &facts, wait_ignored: false }], &mut desk);
        batch.took(offset, 0);
    }
    batch.duplicates += 1;
    batch.took(103, 0);
    batch.set_aside(Poison {
        offset: 104,
        appended_ms: 0,
        reason: PoisonReason::Empty,
        detail: String::new(),
        key: None,
        value: Vec::new(),
    });
    batch.took(104, 0);
    let block = of_batch(OWNER, &batch, &desk);
    check_structure(&block);
    insta::assert_snapshot!(lines(&block), @r"
    kind=4 window_start=1699999980 workspace=acme customer=c1 integration=hubspot currency=EUR calls=2 attempts_retried=2 latency_us_sum=2202 billable_calls=2 errors=1 errors_by_class={upstream_5xx: 1} latency={324: 2} cost=-2 cost_failed=-1 cost_retried=-1
    kind=4 window_start=1699999980 workspace=acme customer=c2 integration=hubspot calls=1 attempts_retried=1 latency_us_sum=1101 billable_calls=1 latency={324: 1}
    kind=5 window_start=1699999980 workspace=acme customer=c1 integration=hubspot calls=2 policy=daily scope=app quota_latest=(1700000000001102, 102, 1000, 7, -1)
    kind=2 src=cluster:calls:id part=3 next_offset=105
    kind=3 src=cluster:calls:id part=3 batch_first=100 next_offset=105 commits=1 consumed=5 duplicates=1 dead_lettered=1 calls=3
    ");
}

#[test]
fn a_batch_without_a_countable_record_still_moves_the_marker() {
    let mut batch = Batch::new(7);
    batch.duplicates += 1;
    batch.took(7, 0);
    let block = of_batch(OWNER, &batch, &desk());
    check_structure(&block);
    insta::assert_snapshot!(lines(&block), @"
    kind=2 src=cluster:calls:id part=3 next_offset=8
    kind=3 src=cluster:calls:id part=3 batch_first=7 next_offset=8 commits=1 consumed=1 duplicates=1
    ");
}
