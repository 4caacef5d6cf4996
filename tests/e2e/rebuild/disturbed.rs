//! What others do to a rebuild meanwhile: nothing half-counted takes live's place, and counting goes on.

use super::{cells, held, rebuild, running, slow_insert};
use crate::{exactness::send, intake::same_as_oracle};
use callmeter_harness::{
    producer::Direct,
    stack::{Stack, eventually, with_stack},
};
use nix::sys::signal::Signal;
use std::{
    process::{Child, Stdio},
    thread::JoinHandle,
    time::Duration,
};

const BOUND: Duration = Duration::from_secs(60);
const END_SLOW: &str = "KILL QUERY WHERE query_id = 'callmeter/slow' SYNC";

/// A rebuild that holds counting and waits for what looks like an insert that began before.
async fn waiting(stack: &Stack) -> (Child, JoinHandle<()>) {
    let slow = slow_insert(stack);
    eventually("the slow insert runs", BOUND, async || running(stack, 1).await).await;
    let mut command = stack.command("rebuild --from earliest --swap");
    let rebuild = command.stderr(Stdio::piped()).spawn().expect("rebuild starts");
    eventually("counting is held", BOUND, async || held(stack, 1).await).await;
    (rebuild, slow)
}

/// It failed and said this, and counting goes on.
async fn failed(stack: &Stack, rebuild: Child, said: &str) {
    let ended = tokio::task::spawn_blocking(move || rebuild.wait_with_output().expect("it ended"));
    let output = ended.await.expect("it ended");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains(said), "{told}");
    assert_eq!(held(stack, 0).await, Ok(()));
}

#[test]
fn a_rebuild_that_is_disturbed_replaces_nothing_and_lets_counting_go_on() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &super::HASTY).await;
        let direct = Direct::new(&stack.kafka);
        send(&direct, 0..1_000);
        same_as_oracle(stack).await;

        // As another rebuild does that passed the look for held tables a moment before.
        let (rebuild, slow) = waiting(stack).await;
        stack.execute("DROP TABLE deltas_rebuilt SYNC").await;
        stack.execute("CREATE TABLE deltas_rebuilt AS deltas COMMENT 'callmeter rebuild of another'").await;
        stack.execute("ALTER TABLE deltas_rebuilt DROP CONSTRAINT callmeter_rebuild").await;
        stack.execute(END_SLOW).await;
        slow.join().expect("the slow insert ended");
        failed(stack, rebuild, "deltas_rebuilt was changed meanwhile").await;
        send(&direct, 1_000..1_500);
        same_as_oracle(stack).await;

        // The same table, with less in it.
        let (rebuild, slow) = waiting(stack).await;
        stack.execute("TRUNCATE TABLE deltas_rebuilt SYNC").await;
        stack.execute(END_SLOW).await;
        slow.join().expect("the slow insert ended");
        failed(stack, rebuild, "deltas_rebuilt was changed meanwhile").await;

        // ClickHouse dies with the table held, and is started again.
        let (rebuild, slow) = waiting(stack).await;
        assert!(stack.signal_engine("clickhouse", Signal::SIGKILL), "clickhouse runs");
        slow.join().expect("the slow insert ended");
        failed(stack, rebuild, "error: ").await;
        send(&direct, 1_500..2_000);
        same_as_oracle(stack).await;
        stack.terminate(aggregator);
    });
}

#[test]
fn a_rebuild_without_the_price_book_in_force_is_refused_and_one_that_compares_nothing_is_no_proof() {
    with_stack(async |stack| {
        stack.role("aggregate", &super::HASTY).await;
        send(&Direct::new(&stack.kafka), 0..500);
        same_as_oracle(stack).await;
        let mut bare = stack.command("rebuild --from earliest --swap");
        let refused = bare.env_remove("CALLMETER__AGGREGATOR__PRICES").output().expect("rebuild runs");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains("no price book is configured"), "{said}");
        same_as_oracle(stack).await;

        let (report, status) = rebuild(stack, &["--from", "1970-01-01T00:00:00Z"]).await;
        cells(&report, 0, 0, 0);
        assert_eq!(status, 0);
        let (report, status) = rebuild(stack, &["--from", "2100-01-01T00:00:00Z"]).await;
        assert_eq!((report["compared"].as_bool(), status), (Some(false), 1), "{report:#}");
    });
}
