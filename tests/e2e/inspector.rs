//! The inspector is not fooled: one thing is falsified after the other, and each is noticed by the invariant it breaks.

use crate::{exactness::send, intake::same_as_oracle};
use callmeter_harness::{
    inspector::{Inspector, Sent, Violation},
    producer::Direct,
    stack::{Stack, with_stack},
};
use callmeter_schemas::topics;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{collections::BTreeSet, time::Duration};

const BOUND: Duration = Duration::from_millis(100);

/// Columns of one cell, and more of each.
const MORE: [(&str, &str); 23] = [
    ("calls", "1"),
    ("errors", "1"),
    ("errors_by_class", "map('timeout', 1)"),
    ("attempts_retried", "1"),
    ("latency_us_sum", "1"),
    ("latency", "map(3, 1)"),
    ("queue_us_sum", "1"),
    ("bytes_in", "1"),
    ("bytes_out", "1"),
    ("items", "1"),
    ("records", "1"),
    ("cost", "0.000000000001"),
    ("billable_calls", "1"),
    ("unpriced", "1"),
    ("cost_failed", "0.000000000001"),
    ("cost_retried", "0.000000000001"),
    ("usage", "map('a line', 1)"),
    ("usage_failed", "map('a line', 1)"),
    ("usage_retried", "map('a line', 1)"),
    ("batchable_calls", "1"),
    ("batch_size", "4000000"),
    ("retry_after_asked", "1"),
    ("retry_after_ignored", "1"),
];

/// What is done to the ledger, the markers and the quotas, and which invariant that breaks.
const FALSE: [(&str, &str); 13] = [
    (
        "I1",
        "INSERT INTO deltas (kind, src, part, batch_first, next_offset, commits) SELECT 'batch', source, partition, first_offset, next_offset, 1 FROM ledger LIMIT 1",
    ),
    (
        "I1",
        "INSERT INTO deltas (kind, src, part, batch_first, next_offset, commits) SELECT 'batch', source, partition, first_offset + 1, next_offset, 1 FROM ledger LIMIT 1",
    ),
    (
        "I1",
        "ALTER TABLE deltas DELETE WHERE kind = 'batch' AND part = 1 AND batch_first = 0 SETTINGS mutations_sync = 2",
    ),
    (
        "I1",
        "INSERT INTO deltas (kind, src, part, next_offset) SELECT 'mark', source, partition, next_offset + 1 FROM markers LIMIT 1",
    ),
    (
        "I1",
        "INSERT INTO deltas (kind, src, part, next_offset) SELECT 'mark', source, 77, 5 FROM markers LIMIT 1",
    ),
    (
        "I1",
        "INSERT INTO deltas (kind, src, part, batch_first, next_offset) SELECT 'genesis', source, partition, 5, 5 FROM markers LIMIT 1",
    ),
    ("I1", "ALTER TABLE deltas DELETE WHERE kind = 'genesis' AND part = 2 SETTINGS mutations_sync = 2"),
    (
        "I2",
        "INSERT INTO deltas (kind, src, part, batch_first, duplicates) SELECT 'batch', source, partition, first_offset, 1 FROM ledger LIMIT 1",
    ),
    (
        "I3",
        "INSERT INTO deltas (kind, src, part, batch_first, consumed) SELECT 'batch', source, partition, first_offset, 1 FROM ledger LIMIT 1",
    ),
    (
        "I4",
        "INSERT INTO deltas (kind, window_start, workspace, customer, integration, policy, scope, calls) SELECT kind, window_start, workspace, customer, integration, policy, scope, 1 FROM deltas WHERE kind = 'quota' LIMIT 1",
    ),
    (
        "I7",
        "ALTER TABLE deltas UPDATE next_offset = next_offset - 1 WHERE kind = 'mark' AND part = 3 SETTINGS mutations_sync = 2",
    ),
    (
        "I7",
        "ALTER TABLE deltas DELETE WHERE kind IN ('genesis', 'mark') AND part = 3 SETTINGS mutations_sync = 2",
    ),
    ("I13", "TRUNCATE TABLE deltas"),
];

/// What was not noticed.
#[derive(Default)]
struct Missed(Vec<String>);

impl Missed {
    /// One invariant must notice it, whatever others do.
    async fn unless(
        &mut self,
        inspector: &mut Inspector,
        stack: &Stack,
        sent: &Sent,
        invariant: &str,
        what: &str,
    ) {
        let violations = inspector.inspect(stack, sent, BOUND).await;
        if !violations.iter().any(|violation| violation.invariant == invariant) {
            self.0.push(format!("{invariant} does not notice {what}: {violations:?}"));
        }
    }
}

/// An inspector that saw all as it is, and would notice what changes afterwards.
async fn mindful(stack: &Stack) -> Inspector {
    let mut inspector = Inspector::new(stack);
    assert_eq!(inspector.inspect(stack, &Sent::default(), BOUND).await, Vec::<Violation>::new());
    inspector
}

async fn put_back(stack: &Stack) {
    stack.execute("ALTER TABLE deltas REPLACE PARTITION tuple() FROM saved").await;
}

#[test]
fn whatever_is_falsified_is_noticed_by_the_invariant_that_it_breaks() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &[]).await;
        send(&Direct::new(&stack.kafka), 0..800);
        same_as_oracle(stack).await;
        stack.kill(aggregator);
        stack.execute("CREATE TABLE saved AS deltas").await;
        stack.execute("ALTER TABLE saved ATTACH PARTITION tuple() FROM deltas").await;

        let mut missed = Missed::default();
        let mut inspector = mindful(stack).await;
        for (column, more) in MORE {
            let cell =
                "window_start, workspace, customer, integration, endpoint, tier, environment, currency";
            let sql = format!(
                "INSERT INTO deltas (kind, {cell}, {column}) SELECT 'data', {cell}, {more} FROM rollups LIMIT 1"
            );
            stack.execute(&sql).await;
            missed.unless(&mut inspector, stack, &Sent::default(), "I4", column).await;
            put_back(stack).await;
        }
        for table in ["data", "quota"] {
            let of = format!("kind = '{table}' AND workspace = 'test' AND customer = 'customer-3'");
            stack
                .execute(&format!(
                    "INSERT INTO deltas SELECT * REPLACE ('other' AS workspace) FROM (SELECT * FROM deltas WHERE {of})"
                ))
                .await;
            stack.execute(&format!("ALTER TABLE deltas DELETE WHERE {of} SETTINGS mutations_sync = 2")).await;
            missed.unless(&mut inspector, stack, &Sent::default(), "I4", "another tenant's calls").await;
            put_back(stack).await;
        }
        for (invariant, sql) in FALSE {
            // Batches are judged once, and markers are remembered.
            let mut inspector = if invariant == "I7" { mindful(stack).await } else { Inspector::new(stack) };
            stack.execute(sql).await;
            missed.unless(&mut inspector, stack, &Sent::default(), invariant, sql).await;
            put_back(stack).await;
        }
        what_producers_know(stack, &mut missed).await;
        raw_calls(stack, &mut missed).await;
        letters(stack, &mut missed).await;
        assert_eq!(missed.0, Vec::<String>::new());
    });
}

async fn what_producers_know(stack: &Stack, missed: &mut Missed) {
    let inspector = &mut mindful(stack).await;
    let never: BTreeSet<String> = ["never".to_owned()].into();
    let sent = Sent { acknowledged: never, ..Sent::default() };
    missed.unless(inspector, stack, &sent, "I5", "an event that was acknowledged and is not there").await;
    let sent = Sent { poison: Some(BTreeSet::new()), ..Sent::default() };
    missed.unless(inspector, stack, &sent, "I9", "poison that nobody planted").await;
}

async fn raw_calls(stack: &Stack, missed: &mut Missed) {
    let mut inspector = mindful(stack).await;
    stack.execute("CREATE TABLE one AS raw_calls").await;
    stack.execute("INSERT INTO one SELECT * FROM raw_calls FINAL WHERE NOT duplicate LIMIT 1").await;
    stack.execute("ALTER TABLE raw_calls DELETE WHERE (partition, offset) IN (SELECT partition, offset FROM one) SETTINGS mutations_sync = 2").await;
    missed.unless(&mut inspector, stack, &Sent::default(), "I8", "a raw call less").await;
    let put = |column: &str| format!("INSERT INTO raw_calls SELECT * REPLACE ({column}) FROM one");
    stack.execute(&put("offset + 100000 AS offset")).await;
    missed.unless(&mut inspector, stack, &Sent::default(), "I8", "a raw call of another record").await;
    stack.execute("ALTER TABLE raw_calls DELETE WHERE offset >= 100000 SETTINGS mutations_sync = 2").await;
    stack.execute(&put("1 AS duplicate")).await;
    missed.unless(&mut inspector, stack, &Sent::default(), "I8", "a raw call that is flagged").await;
    stack.execute("ALTER TABLE raw_calls DELETE WHERE (partition, offset) IN (SELECT partition, offset FROM one) SETTINGS mutations_sync = 2").await;
    stack.execute(&put("0 AS duplicate")).await;
}

/// A letter about a record that is an event.
async fn letters(stack: &Stack, missed: &mut Missed) {
    let mut inspector = mindful(stack).await;
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &stack.kafka).create().expect("a producer");
    let letter = r#"{"source":"x","partition":0,"offset":0,"value":""}"#;
    producer
        .send(BaseRecord::to(topics::DEAD_LETTERS).key("x/0/0").payload(letter))
        .expect("the queue has room");
    producer.flush(Duration::from_secs(30)).expect("the broker takes it");
    missed.unless(&mut inspector, stack, &Sent::default(), "I9", "a letter about an event").await;
}
