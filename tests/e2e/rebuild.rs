//! The tables are what the log says: recounted beside live, compared, mended, repriced, and let go after a kill.

mod disturbed;
mod traffic;

use crate::{exactness::send, intake::same_as_oracle};
use callmeter_harness::{
    oracle::Oracle,
    producer::{Direct, event},
    stack::{PRICES, Stack, eventually, with_stack},
    tariff,
    topic::Topic,
};
use callmeter_schemas::{CallEvent, topics};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
};
use serde_json::Value;
use std::{collections::BTreeMap, process::Output, thread::JoinHandle, time::Duration};
use traffic::{Traffic, Transactions};

/// Frequent batches make many inserts that a held table meets.
const HASTY: [(&str, &str); 1] = [("AGGREGATOR__FLUSH_INTERVAL", "20ms")];

/// Adds a call, a latency and a cent to one cell.
const FALSIFY: &str = "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, tier, environment, \
    currency, calls, latency, cost) SELECT 'data', window_start, workspace, customer, integration, endpoint, tier, environment, \
    currency, 1, map(3, 1), 0.01 FROM rollups WHERE ";

/// Runs `rebuild` while the test goes on; its report, and its exit status.
async fn rebuild(stack: &Stack, args: &[&str]) -> (Value, i32) {
    let mut command = stack.command("rebuild --json");
    command.args(args);
    let run = tokio::task::spawn_blocking(move || command.output().expect("rebuild runs"));
    let Output { status, stdout, stderr } = run.await.expect("rebuild ends");
    let report = serde_json::from_slice(&stdout)
        .unwrap_or_else(|_| panic!("{args:?}: {}\n{}", String::from_utf8_lossy(&stderr), stack.tails()));
    (report, status.code().expect("it was not killed"))
}

#[track_caller]
fn cells(report: &Value, different: u64, only_live: u64, only_rebuilt: u64) {
    let cells = &report["cells"];
    let found = ["different", "only_live", "only_rebuilt"].map(|name| cells[name].as_u64().expect("a count"));
    assert_eq!(found, [different, only_live, only_rebuilt], "{report:#}");
    assert!(cells["equal"].as_u64() > Some(0), "{report:#}");
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value:#}"))
}

#[test]
fn a_false_cell_is_found_and_mended_while_counting_goes_on() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &HASTY).await;
        send(&Direct::new(&stack.kafka), 0..3_000);
        same_as_oracle(stack).await;
        let direct = Direct::new(&stack.kafka);
        let traffic =
            Traffic::start(move |round| send(&direct, 100_000 + round * 50..100_000 + (round + 1) * 50));

        let (report, status) = rebuild(stack, &["--from", "earliest"]).await;
        cells(&report, 0, 0, 0);
        assert_eq!((status, &report["equal"], &report["cut"]), (0, &Value::Bool(true), &Value::Null));
        let parts = report["ledger"].as_array().expect("a list");
        let consumed: i64 =
            parts.iter().map(|part| part["live"]["consumed"].as_i64().expect("a count")).sum();
        assert!(parts.len() == 4 && consumed > 3_000, "{report:#}");
        assert!(parts.iter().all(|part| part["live"] == part["rebuilt"]), "{report:#}");

        stack.execute(&format!("{FALSIFY} calls > 2 AND customer = 'customer-3' LIMIT 1")).await;
        let nobody = "INSERT INTO deltas (kind, window_start, workspace, customer, calls) VALUES ('quota', now(), 'test', 'nobody', 1)";
        stack.execute(nobody).await;
        for args in [&["--from", "earliest"][..], &["--compare-only"]] {
            let (report, status) = rebuild(stack, args).await;
            cells(&report, 1, 1, 0);
            assert_eq!(status, 1);
            let differing = report["differing"].as_array().expect("a list");
            let cell = |state: &str| differing.iter().find(|cell| cell["state"] == state).expect("a cell");
            assert_eq!(cell("different")["key"][1], serde_json::json!(["customer", "customer-3"]));
            let columns = cell("different")["columns"].as_array().expect("a list");
            let names: Vec<&str> = columns.iter().map(|column| column[0].as_str().expect("a name")).collect();
            assert_eq!(names, ["calls", "latency", "cost"]);
            assert_eq!(text(cell("only live"), "kind"), "quota");
        }

        let (report, status) = rebuild(stack, &["--from", "earliest", "--swap", "--note", "a test"]).await;
        cells(&report, 1, 1, 0);
        assert_eq!(status, 0);
        traffic.end();
        same_as_oracle(stack).await;
        let notes =
            "SELECT toInt64(count()) FROM rebuilds WHERE note LIKE '%all windows, price book %: a test'";
        assert_eq!(stack.number(notes).await, 4);
        let (report_after, status) = rebuild(stack, &["--from", "earliest"]).await;
        cells(&report_after, 0, 0, 0);
        assert_eq!(status, 0);

        // The way back and forth again: what came since is counted from the log, whichever table is live.
        let before = text(&report, "before");
        stack.execute(&format!("EXCHANGE TABLES deltas AND {before}")).await;
        assert_eq!(stack.number("SELECT toInt64(count()) FROM deltas WHERE customer = 'nobody'").await, 1);
        send(&Direct::new(&stack.kafka), 3_000..3_500);
        let records = Topic::new(&stack.kafka, "callmeter.calls.v1").bounds().values().map(|end| end.1).sum();
        stack.drained(records).await;
        stack.execute(&format!("EXCHANGE TABLES deltas AND {before}")).await;
        send(&Direct::new(&stack.kafka), 3_500..4_000);
        same_as_oracle(stack).await;
        // The process that was there from the beginning.
        stack.terminate(aggregator);
    });
}

#[test]
fn offsets_that_hold_no_record_and_gaps_are_passed_as_live_passed_them() {
    with_stack(async |stack| {
        stack.role("aggregate", &HASTY).await;
        let mut transactions = Transactions::new(&stack.kafka);
        let traffic = Traffic::start(move |round| transactions.send(round));
        eventually("some are counted", Duration::from_secs(30), async || {
            match stack.number("SELECT toInt64(sum(consumed)) FROM ledger").await {
                consumed if consumed > 30 => Ok(()),
                consumed => Err(consumed.to_string()),
            }
        })
        .await;
        for _ in 0..3 {
            let (report, status) = rebuild(stack, &["--from", "earliest"]).await;
            cells(&report, 0, 0, 0);
            assert_eq!(status, 0);
            let parts = report["ledger"].as_array().expect("a list");
            let unused = |part: &Value| part["next_offset"].as_i64() > part["rebuilt"]["consumed"].as_i64();
            assert!(parts.iter().any(unused), "{report:#}");
        }

        // Records that an operator gave up while nothing was counted: they are remembered and never counted.
        stack.kill(0);
        let markers: BTreeMap<i64, i64> = stack
            .rows("SELECT toInt64(partition) AS partition, next_offset FROM markers")
            .await
            .iter()
            .filter_map(|row| Some((row["partition"].as_i64()?, row["next_offset"].as_i64()?)))
            .collect();
        let topic = Topic::new(&stack.kafka, "callmeter.calls.v1");
        eventually("every partition has more records", Duration::from_secs(60), async || {
            let ends = topic.bounds();
            let far = |(partition, marker): (&i64, &i64)| ends[&(*partition as i32)].1 > marker + 40;
            if markers.iter().all(far) { Ok(()) } else { Err(format!("{ends:?}")) }
        })
        .await;
        for (kind, first, lost) in [("gap", "next_offset", 20), ("mark", "0", 0)] {
            let row = format!("'{kind}', source, partition, {first}, next_offset + 20, {lost}");
            stack
                .execute(&format!(
                    "INSERT INTO deltas (kind, src, part, batch_first, next_offset, lost) SELECT {row} FROM markers"
                ))
                .await;
        }
        let counted = "SELECT toInt64(countIf(kind = 'batch' AND first_offset > gap)) FROM ledger INNER JOIN \
            (SELECT partition, max(first_offset) AS gap FROM ledger WHERE kind = 'gap' GROUP BY partition) AS gaps USING partition";
        stack.restart(0);
        eventually("counting goes on after the gaps", Duration::from_secs(30), async || {
            match stack.number(counted).await {
                0 => Err("no batch yet".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        let (report, status) = rebuild(stack, &["--from", "earliest", "--swap"]).await;
        cells(&report, 0, 0, 0);
        assert_eq!((status, &report["equal"]), (0, &Value::Bool(true)));
        assert_eq!(stack.number("SELECT toInt64(sum(lost)) FROM ledger").await, 20 * markers.len() as i64);
        traffic.end();

        // What retention deleted is refused, with what is possible, and that is.
        forget(&stack.kafka, 30).await;
        let refused = stack.command("rebuild --from earliest --ahead 0s").output().expect("rebuild runs");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains("records 0..30 were deleted by retention"),
            "{said}"
        );
        let possible = said.split_once("possible with --from ").and_then(|(_, rest)| rest.split_once(' '));
        let (possible, _) = possible.unwrap_or_else(|| panic!("{said}"));
        let (report, status) = rebuild(stack, &["--from", possible, "--ahead", "0s"]).await;
        // Nothing is in windows of the next hour yet.
        assert_eq!((status, text(&report, "cut")), (1, possible));
        assert_eq!((&report["equal"], &report["compared"]), (&Value::Bool(true), &Value::Bool(false)));
        let early = stack.command("rebuild --from 2026-01-01T00:00:00Z").output().expect("rebuild runs");
        let said = String::from_utf8_lossy(&early.stderr).into_owned();
        assert!(!early.status.success() && said.contains("A rebuild is possible with --from"), "{said}");
    });
}

/// Deletes the first records of each partition, as retention does.
async fn forget(brokers: &str, records: i64) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let mut list = TopicPartitionList::new();
    for partition in Topic::new(brokers, topics::CALLS).bounds().into_keys() {
        list.add_partition_offset(topics::CALLS, partition, Offset::Offset(records)).expect("a partition");
    }
    admin.delete_records(&list, &AdminOptions::new()).await.expect("the broker deletes");
}

/// An event without a cost of its own, so many hours from now.
fn charged(number: u64, hours: i64) -> CallEvent {
    let base = event(number);
    CallEvent {
        id: format!("hours-{number}"),
        time_us: base.time_us + hours * 3_600_000_000,
        integration: "hubspot".into(),
        customer: format!("customer-{hours}"),
        cost: None,
        retry_at_us: None,
        quota: Vec::new(),
        ..base
    }
}

async fn sum(stack: &Stack, condition: &str) -> i128 {
    let sql = format!(
        "SELECT toString(toInt128(sum(cost) * 1000000000000)) AS units FROM rollups WHERE {condition}"
    );
    stack.rows(&sql).await[0]["units"].as_str().expect("a text").parse().expect("an integer")
}

async fn drained(stack: &Stack) {
    let records = Topic::new(&stack.kafka, "callmeter.calls.v1").bounds().values().map(|end| end.1).sum();
    stack.drained(records).await;
}

#[test]
fn windows_from_a_time_or_an_offset_on_are_mended_alone_and_a_corrected_price_book_prices_all_anew() {
    with_stack(async |stack| {
        stack.role("aggregate", &HASTY).await;
        let direct = Direct::new(&stack.kafka);
        (0..300).for_each(|number| direct.event(&charged(number, -6)));
        (300..600).for_each(|number| direct.event(&charged(number, -1)));
        direct.flush();
        same_as_oracle(stack).await;
        for hours in [-6, -1] {
            stack.execute(&format!("{FALSIFY} customer = 'customer-{hours}' LIMIT 1")).await;
        }
        let (old, recent) =
            (sum(stack, "customer = 'customer--6'").await, sum(stack, "customer = 'customer--1'").await);

        // From a time on: the older windows stay as they are.
        let hours = charged(0, -4).time_us / 1_000_000;
        let time = jiff::Timestamp::from_second(hours).expect("in range").to_string();
        let (report, _) = rebuild(stack, &["--from", &time, "--swap"]).await;
        cells(&report, 1, 0, 0);
        assert!(text(&report, "cut") >= time.as_str(), "{report:#}");
        assert_eq!(sum(stack, "customer = 'customer--6'").await, old);
        assert_eq!(recent - sum(stack, "customer = 'customer--1'").await, 10_000_000_000);

        // From an offset on: windows that no earlier record belongs to, by what is said of clocks.
        let ends = Topic::new(&stack.kafka, "callmeter.calls.v1").bounds();
        let from: Vec<String> =
            ends.iter().map(|(partition, (_, end))| format!("{partition}:{end}")).collect();
        (600..900).for_each(|number| direct.event(&charged(number, 3)));
        (900..950).for_each(|number| direct.event(&charged(number, -6)));
        direct.flush();
        drained(stack).await;
        let old = sum(stack, "customer = 'customer--6'").await;
        let next = sum(stack, "customer = 'customer-3'").await;
        stack.execute(&format!("{FALSIFY} customer = 'customer-3' LIMIT 1")).await;
        let (report, _) = rebuild(stack, &["--from", &from.join(","), "--ahead", "0s", "--swap"]).await;
        cells(&report, 1, 0, 0);
        assert_eq!(sum(stack, "customer = 'customer-3'").await, next);
        assert_eq!(sum(stack, "customer = 'customer--6'").await, old);
        let parts = report["ledger"].as_array().expect("a list");
        assert!(parts.iter().any(|part| part["first_offset"].as_i64() > Some(0)), "{report:#}");
        assert!(parts.iter().all(|part| part["live"] == part["rebuilt"]), "{report:#}");

        // All of it, at twice the price.
        let doubled = tariff::book().replace("0.000123", "0.000246").replace("0.000456", "0.000912");
        std::fs::write(stack.folder.path().join(PRICES), doubled).expect("written");
        let mut oracle = Oracle::new(&stack.kafka, stack.horizon);
        let once: i128 = oracle.catch_up().cells.values().map(|cell| cell.cost).sum();
        let (report, status) = rebuild(stack, &["--from", "earliest", "--swap"]).await;
        assert_eq!(status, 0);
        assert!(once > 0 && report["cells"]["different"].as_u64() > Some(5), "{report:#}");
        assert_eq!(sum(stack, "1").await, 2 * once);
    });
}

#[test]
fn a_rebuild_killed_while_counting_is_held_is_let_go_by_abort() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &HASTY).await;
        let direct = Direct::new(&stack.kafka);
        send(&direct, 0..1_000);
        same_as_oracle(stack).await;

        // What looks like an insert that began before keeps the rebuild waiting with the table held.
        let slow = slow_insert(stack);
        eventually("the slow insert runs", Duration::from_secs(10), async || running(stack, 1).await).await;
        let bound = Duration::from_secs(60);
        // One that is told to stop lets counting go on; one that is killed cannot.
        let mut stopped = stack.command("rebuild --from earliest --swap").spawn().expect("rebuild starts");
        eventually("counting is held", bound, async || held(stack, 1).await).await;
        let pid = Pid::from_raw(stopped.id().try_into().expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("it waits for the slow insert");
        assert_eq!(stopped.wait().expect("it ended").code(), Some(1));
        assert_eq!(held(stack, 0).await, Ok(()));
        let mut killed = stack.command("rebuild --from earliest --swap").spawn().expect("rebuild starts");
        eventually("counting is held", bound, async || held(stack, 1).await).await;
        killed.kill().expect("it waits for the slow insert");
        killed.wait().expect("it ended");
        let gone = "KILL QUERY WHERE query_id = 'callmeter/slow' SYNC";
        stack.execute(gone).await;
        slow.join().expect("the slow insert ended");

        send(&direct, 1_000..2_000);
        eventually("an insert was refused", Duration::from_secs(30), async || {
            match stack.metric(aggregator, "callmeter_aggregator_inserts_total{answer=\"unknown\"}").await? {
                0.0 => Err("none".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        let refused = stack.command("rebuild --from earliest").output().expect("rebuild runs");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("callmeter rebuild --abort"), "{said}");
        assert_eq!(held(stack, 1).await, Ok(()));

        let (released, status) = rebuild(stack, &["--abort"]).await;
        assert_eq!((released["released"][0].as_str(), status), (Some("deltas"), 0));
        same_as_oracle(stack).await;
        let (report, status) = rebuild(stack, &["--from", "earliest"]).await;
        cells(&report, 0, 0, 0);
        assert_eq!(status, 0);
        stack.terminate(aggregator);
    });
}

/// A long question under a name such as inserts have.
fn slow_insert(stack: &Stack) -> JoinHandle<()> {
    let settings: Vec<(String, String)> = stack
        .command("")
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
        .collect();
    let setting = |wanted: &str| {
        settings.iter().find(|(name, _)| name.ends_with(wanted)).map(|(_, value)| value.clone()).expect("set")
    };
    let request = stack
        .http
        .post(format!("{}/?query_id=callmeter/slow", stack.clickhouse))
        .basic_auth(setting("CLICKHOUSE__USER"), Some(setting("CLICKHOUSE__PASSWORD")))
        .body("SELECT sleepEachRow(0.1) FROM numbers(3000) SETTINGS max_block_size = 1 FORMAT Null");
    std::thread::spawn(move || {
        callmeter_harness::stack::RUNTIME.block_on(async {
            // It is killed: its answer is an error.
            let _ = request.send().await;
        });
    })
}

async fn running(stack: &Stack, wanted: i64) -> Result<(), String> {
    let sql = "SELECT toInt64(count()) FROM system.processes WHERE query_id = 'callmeter/slow'";
    let found = stack.number(sql).await;
    if found == wanted { Ok(()) } else { Err(found.to_string()) }
}

async fn held(stack: &Stack, wanted: i64) -> Result<(), String> {
    let sql = "SELECT toInt64(count()) FROM system.tables WHERE database = 'callmeter' AND name = 'deltas' \
        AND create_table_query LIKE '%CONSTRAINT callmeter_rebuild%'";
    let found = stack.number(sql).await;
    if found == wanted { Ok(()) } else { Err(found.to_string()) }
}
