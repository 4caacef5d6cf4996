//! Counted exactly once, whatever dies.

use crate::intake::same_as_oracle;
use callmeter_harness::{
    producer::{Direct, event},
    stack::{Stack, eventually, with_stack},
    topic::Topic,
};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Small and frequent batches make more moments at which a kill hurts.
const HASTY: [(&str, &str); 2] =
    [("AGGREGATOR__FLUSH_INTERVAL", "20ms"), ("AGGREGATOR__SESSION_TIMEOUT", "1s")];

/// Sends a slice of the seeded log: every 17th event twice, every 501st record poison.
pub(crate) fn send(direct: &Direct, numbers: std::ops::Range<u64>) {
    for number in numbers {
        direct.event(&event(number));
        if number % 17 == 0 {
            direct.event(&event(number.saturating_sub(number % 340)));
        }
        if number % 501 == 0 {
            direct.raw("poison", format!("poison {number}").as_bytes());
        }
    }
    direct.flush();
}

#[test]
fn an_aggregator_killed_in_mid_flow_counts_every_event_once() {
    with_stack(async |stack| {
        let aggregator =
            stack.role("aggregate", &[&HASTY[..], &[("AGGREGATOR__INSTANCE", "a")]].concat()).await;
        let direct = Direct::new(&stack.kafka);
        for round in 0..8_u64 {
            send(&direct, round * 1_500..(round + 1) * 1_500);
            // Another moment of the flush in each round.
            tokio::time::sleep(Duration::from_millis(40 + 37 * round)).await;
            stack.kill(aggregator);
            stack.restart(aggregator);
        }
        same_as_oracle(stack).await;
        stack.terminate(aggregator);
    });
}

#[test]
fn a_second_aggregator_joins_and_leaves_without_a_trace_in_the_numbers() {
    with_stack(async |stack| {
        let member = |name: &'static str| [&HASTY[..], &[("AGGREGATOR__INSTANCE", name)]].concat();
        let first = stack.role("aggregate", &member("a")).await;
        let direct = Direct::new(&stack.kafka);
        send(&direct, 0..2_000);
        let second = stack.role("aggregate", &member("b")).await;
        shared(stack, [first, second]).await;
        send(&direct, 2_000..4_000);
        stack.terminate(first);
        send(&direct, 4_000..6_000);
        stack.restart(first);
        shared(stack, [first, second]).await;
        send(&direct, 6_000..8_000);
        stack.kill(second);
        send(&direct, 8_000..9_000);
        same_as_oracle(stack).await;
    });
}

#[test]
fn raw_calls_that_cannot_be_written_delay_nothing_and_catch_up() {
    with_stack(async |stack| {
        stack.role("aggregate", &HASTY).await;
        let direct = Direct::new(&stack.kafka);
        send(&direct, 0..500);
        same_as_oracle(stack).await;
        stack.execute("RENAME TABLE raw_calls TO raw_calls_away").await;
        send(&direct, 500..2_000);
        let records = Topic::new(&stack.kafka, "callmeter.calls.v1").rest().len();
        stack.drained(records.try_into().expect("few")).await;
        stack.execute("RENAME TABLE raw_calls_away TO raw_calls").await;
        same_as_oracle(stack).await;
    });
}

/// Waits until both processes count partitions.
async fn shared(stack: &Stack, roles: [usize; 2]) {
    callmeter_harness::stack::eventually("both count partitions", Duration::from_secs(30), async || {
        for role in roles {
            let assigned = stack.metric(role, "callmeter_aggregator_assigned_partitions").await?;
            if assigned == 0.0 {
                return Err(format!("role {role} has none"));
            }
        }
        Ok(())
    })
    .await;
}

#[test]
fn rows_that_clickhouse_lost_are_told_when_it_is_back_and_whenever_counting_begins() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &HASTY).await;
        let direct = Direct::new(&stack.kafka);
        send(&direct, 0..1_000);
        same_as_oracle(stack).await;
        let batch = "SELECT partition, first_offset, next_offset - first_offset AS records FROM ledger ORDER BY records DESC LIMIT 1";
        let batch = stack.rows(batch).await.remove(0);
        let (partition, missing) = (&batch["partition"], batch["records"].as_f64().expect("a number"));
        let metric = format!("callmeter_aggregator_ledger_missing_records{{partition=\"{partition}\"}}");
        told(stack, aggregator, &metric, 0.0).await;
        let lost = format!(
            "ALTER TABLE deltas DELETE WHERE kind = 'batch' AND part = {partition} AND batch_first = {} \
             SETTINGS mutations_sync = 1",
            batch["first_offset"]
        );
        stack.execute(&lost).await;
        assert!(stack.signal_engine("clickhouse", Signal::SIGKILL), "clickhouse runs");
        // No event is sent: no answer to an insert is missing that could say that ClickHouse was gone.
        told(stack, aggregator, &metric, missing).await;
        send(&direct, 1_000..2_000);
        stack.kill(aggregator);
        stack.restart(aggregator);
        told(stack, aggregator, &metric, missing).await;
    });
}

async fn told(stack: &Stack, aggregator: usize, metric: &str, wanted: f64) {
    eventually("the ledger is compared with its marker", Duration::from_secs(60), async || {
        match stack.metric(aggregator, metric).await {
            Ok(value) if value == wanted => Ok(()),
            other => Err(format!("{wanted} wanted: {other:?}; {}", stack.tails())),
        }
    })
    .await;
}
