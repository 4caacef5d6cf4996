//! Partitions whose log was lost: each stops and says so, an operator's decision is recorded, and counting goes on
//! without a restart, with the gap in the ledger and everything after it counted once.

use callmeter_harness::{
    producer::{Direct, event},
    stack::{Stack, eventually, with_stack},
    topic::Topic,
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
};
use serde_json::{Value, json};
use std::{process::Output, time::Duration};

const CALLS: &str = "callmeter.calls.v1";
const LETTERS: &str = "callmeter.dead-letters.v1";
const STOPPED: &str = "callmeter_aggregator_stopped_partitions";
const BOUND: Duration = Duration::from_secs(60);
const SETTINGS: [(&str, &str); 3] = [
    ("AGGREGATOR__FLUSH_INTERVAL", "50ms"),
    ("AGGREGATOR__INSTANCE", "a"),
    ("AGGREGATOR__POISON_FLOOD", "40"),
];

fn send(stack: &Stack, numbers: std::ops::Range<u64>) {
    let direct = Direct::new(&stack.kafka);
    numbers.for_each(|number| direct.event(&event(number)));
    direct.flush();
}

fn admin(stack: &Stack) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &stack.kafka).create().expect("an admin client")
}

fn partitions(stack: &Stack, args: &str) -> Output {
    let mut command = stack.command(&format!("partitions {args}"));
    if args.starts_with("resume") {
        command.args(["--note", "an outage"]);
    }
    command.output().expect("the program runs")
}

/// What the command records, after it said what it would and recorded nothing.
async fn resume(stack: &Stack, args: &str) -> Value {
    let count = async || stack.number("SELECT toInt64(count()) FROM deltas WHERE kind = 'gap'").await;
    let before = count().await;
    let planned = partitions(stack, &format!("resume {args} --json"));
    assert_eq!(planned.status.code(), Some(1), "{planned:?}");
    assert!(String::from_utf8_lossy(&planned.stderr).starts_with("Nothing was recorded"), "{planned:?}");
    assert_eq!(count().await, before);
    let recorded = partitions(stack, &format!("resume {args} --json --yes"));
    assert!(recorded.status.success(), "{recorded:?}");
    let [planned, recorded] =
        [planned, recorded].map(|output| serde_json::from_slice::<Value>(&output.stdout).expect("JSON"));
    assert_eq!((&planned["recorded"], &recorded["recorded"]), (&json!(false), &json!(true)));
    assert_eq!(planned["gaps"], recorded["gaps"]);
    recorded["gaps"].clone()
}

/// Waits until so many partitions are stopped, by metric, progress and command alike.
async fn stopped(stack: &Stack, aggregator: usize, partitions: usize, why: &str) {
    let progress = format!(
        "SELECT toInt64(count()) AS waiting, toInt64(countIf(position(stopped, '{why}') > 0)) AS so FROM \
         partition_progress FINAL WHERE stopped != ''"
    );
    eventually("partitions stop", BOUND, async || {
        let metric = stack.metric(aggregator, STOPPED).await?;
        let rows = stack.try_rows(&progress).await?;
        let wanted = json!({"waiting": partitions, "so": partitions});
        match metric == partitions as f64 && rows == [wanted] {
            true => Ok(()),
            false => Err(format!("{metric} {rows:?} {}", stack.tails())),
        }
    })
    .await;
    let list = self::partitions(stack, "list --json");
    let list: Vec<Value> = serde_json::from_slice(&list.stdout).expect("JSON");
    let told = list.iter().filter(|row| row["state"] == "stopped");
    assert_eq!(told.filter(|row| row["why"].to_string().contains(why)).count(), partitions, "{list:?}");
}

/// Waits until nothing is stopped and so many records were counted, and checks the ledgers of these sources.
async fn goes_on(stack: &Stack, aggregator: usize, consumed: i64, sources: &str) {
    stack.drained(consumed).await;
    stopped(stack, aggregator, 0, "").await;
    let ranges = "SELECT source, partition, first_offset, next_offset, kind, commits, \
        lagInFrame(next_offset, 1, genesis) OVER (PARTITION BY source, partition ORDER BY first_offset, next_offset \
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before, \
        max(next_offset) OVER (PARTITION BY source, partition) AS counted_to, marker \
        FROM ledger LEFT JOIN (SELECT source, partition, genesis, next_offset AS marker FROM markers) AS markers \
        USING (source, partition)";
    let wrong = format!(
        "SELECT * FROM ({ranges}) WHERE (before != first_offset OR commits != if(kind = 'gap', 0, 1) \
         OR counted_to != marker) AND {sources}"
    );
    assert_eq!(stack.rows(&wrong).await, Vec::<Value>::new(), "batches and gaps tile the log");
    let totals = "SELECT toInt64(sum(counted)) AS ledger, (SELECT toInt64(sum(calls)) FROM rollups) AS rollups FROM ledger";
    let totals = &stack.rows(totals).await[0];
    assert_eq!(totals["ledger"], totals["rollups"]);
}

/// Waits until each of these ids is among the raw calls, and none of the others.
async fn raw_calls(stack: &Stack, ids: i64) {
    eventually("the raw calls are written", BOUND, async || {
        let rows =
            stack.rows("SELECT toInt64(count()) AS rows, toInt64(uniqExact(id)) AS ids FROM calls").await;
        if rows == [json!({"rows": ids, "ids": ids})] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
}

#[test]
fn records_that_retention_deleted_stop_a_partition_until_the_gap_is_recorded() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &SETTINGS).await;
        send(stack, 0..600);
        stack.drained(600).await;
        raw_calls(stack, 600).await;
        stack.terminate(aggregator);
        send(stack, 600..1_200);
        let ends = Topic::new(&stack.kafka, CALLS).bounds();
        let mut list = TopicPartitionList::new();
        for (partition, (_, end)) in &ends {
            list.add_partition_offset(CALLS, *partition, Offset::Offset(*end)).expect("a partition");
        }
        admin(stack).delete_records(&list, &AdminOptions::new()).await.expect("kafka deletes");
        send(stack, 1_200..1_500);
        stack.restart(aggregator);

        stopped(stack, aggregator, ends.len(), "were deleted by retention").await;
        let refused = partitions(stack, "resume --partition 0 --to 1 --yes");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--to 1 is not possible"), "{refused:?}");
        let gaps = resume(stack, "--all").await;
        assert_eq!(gaps.as_array().expect("gaps").len(), ends.len());
        goes_on(stack, aggregator, 900, "true").await;
        assert_eq!(stack.number("SELECT toInt64(sum(lost)) FROM ledger WHERE kind = 'gap'").await, 600);
        assert_eq!(stack.number("SELECT toInt64(sum(calls)) FROM rollups").await, 900);
        raw_calls(stack, 900).await;
        let refused = partitions(stack, "resume --all --yes");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no partition is stopped"), "{refused:?}");
    });
}

#[test]
fn a_truncated_log_goes_on_at_its_end_under_the_next_source() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &SETTINGS).await;
        send(stack, 0..500);
        stack.drained(500).await;
        raw_calls(stack, 500).await;
        // As if the log had been longer once.
        stack
            .execute(
                "INSERT INTO deltas (kind, src, part, next_offset) SELECT 'mark', source, partition, next_offset + 1000 \
                 FROM markers WHERE partition = 0",
            )
            .await;
        // It is idle: no insert is fenced, and it finds out by looking.
        stopped(stack, aggregator, 1, "it was truncated").await;
        send(stack, 500..800);
        let gap = resume(stack, "--partition 0").await[0].clone();
        assert_eq!(gap["lost"], Value::Null);
        assert!(gap["note"].to_string().contains("how many is not known"), "{gap}");
        let source = gap["source"].as_str().expect("a source");
        assert!(source.ends_with("#2"), "{gap}");
        // What had arrived in the partition by then is behind its new beginning.
        stopped(stack, aggregator, 0, "").await;
        let begins = gap["next_offset"].as_i64().expect("an offset");
        let ends: i64 = Topic::new(&stack.kafka, CALLS).bounds().values().map(|(_, end)| end).sum();
        let before = stack.number("SELECT toInt64(sum(consumed)) FROM ledger WHERE partition = 0").await;
        assert!(before < begins, "{before} of {begins}");
        let direct = Direct::new(&stack.kafka);
        (800..1_200).for_each(|number| direct.event(&event(number)));
        // Somewhere among the partitions; those of partition 0 are told of under its new source.
        (0..20).for_each(|number| direct.raw(&format!("poison {number}"), b"poison"));
        direct.flush();
        let uncounted = begins - before;
        goes_on(
            stack,
            aggregator,
            ends - uncounted + 420,
            &format!("(partition > 0 OR source = '{source}')"),
        )
        .await;
        let letters = Topic::new(&stack.kafka, LETTERS).rest();
        let keys: Vec<String> =
            letters.iter().map(|letter| String::from_utf8_lossy(&letter.key).into_owned()).collect();
        assert_eq!(keys.len(), 20);
        assert!(keys.iter().any(|key| key.starts_with(&format!("{source}/0/"))), "{keys:?}");
        assert!(!keys.iter().any(|key| key.contains("/0/") && !key.contains("#2/0/")), "{keys:?}");
        // No raw call took another's place, and none stands under both sources.
        raw_calls(stack, 1_200).await;
        eventually("raw calls go on under the next source", BOUND, async || {
            let position = format!("SELECT toInt64(count()) FROM calls_positions WHERE source = '{source}'");
            if stack.number(&position).await > 0 { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        send(stack, 1_200..1_300);
        raw_calls(stack, 1_300).await;
        let under_next = format!("SELECT toInt64(count()) FROM calls WHERE source = '{source}'");
        assert!(stack.number(&under_next).await > 0);
    });
}

/// As if a command that accepts a log of so many partitions had died after its first block.
async fn accepted_in_part(stack: &Stack, partitions: usize) {
    let list = self::partitions(stack, "list --json");
    let list: Vec<Value> = serde_json::from_slice(&list.stdout).expect("JSON");
    let (source, first) = (&list[0]["source"], &list[0]["first_offset"]);
    let source = source.as_str().expect("a source");
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, src, part, batch_first, next_offset, note) VALUES \
             ('genesis', '{source}', 0, {first}, {first}, '{partitions}'), ('mark', '{source}', 0, 0, {first}, ''), \
             ('gap', '{source}', 0, {first}, {first}, 'an outage')"
        ))
        .await;
}

#[test]
fn a_topic_made_anew_under_a_running_aggregator_waits_until_it_is_accepted() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &SETTINGS).await;
        send(stack, 0..400);
        stack.drained(400).await;
        raw_calls(stack, 400).await;
        let old = stack.rows("SELECT DISTINCT source FROM markers").await[0]["source"].clone();
        admin(stack).delete_topics(&[CALLS], &AdminOptions::new()).await.expect("kafka deletes");
        eventually("the topic is made anew", BOUND, async || {
            let migrated = stack.command("migrate").output().expect("migrate runs");
            let text = String::from_utf8_lossy(&migrated.stdout).into_owned();
            if text.contains(&format!("{CALLS}: created")) { Ok(()) } else { Err(text) }
        })
        .await;
        send(stack, 400..700);
        let count = Topic::new(&stack.kafka, CALLS).bounds().len();
        stopped(stack, aggregator, count, "made anew").await;
        assert_eq!(stack.number("SELECT toInt64(sum(consumed)) FROM ledger").await, 400);
        let refused = partitions(stack, "resume --partition 0 --yes");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("use --all"), "{refused:?}");
        accepted_in_part(stack, count).await;
        stopped(stack, aggregator, count - 1, "made anew").await;
        // A partition that the topic gets now is none of those that wait.
        let more = NewPartitions::new(CALLS, count + 1);
        admin(stack).create_partitions(&[more], &AdminOptions::new()).await.expect("kafka adds one");
        eventually("the new partition begins by itself", BOUND, async || {
            let genesis = format!("SELECT toInt64(count()) FROM markers WHERE partition = {count}");
            if stack.number(&genesis).await > 0 { Ok(()) } else { Err(stack.tails()) }
        })
        .await;
        stopped(stack, aggregator, count - 1, "made anew").await;
        let gaps = resume(stack, "--all").await;
        assert_eq!(gaps.as_array().expect("gaps").len(), count - 1);
        let note = gaps[0]["note"].as_str().expect("a note");
        assert_eq!(note, format!("an outage (took the place of {})", old.as_str().expect("a source")));
        goes_on(stack, aggregator, 700, "true").await;
        send(stack, 700..900);
        goes_on(stack, aggregator, 900, "true").await;
        raw_calls(stack, 900).await;
    });
}

#[test]
fn a_flood_of_poison_stops_its_partition_until_somebody_says_where_to_go_on() {
    with_stack(async |stack| {
        let aggregator = stack.role("aggregate", &SETTINGS).await;
        send(stack, 0..300);
        stack.drained(300).await;
        let ends = |stack: &Stack| Topic::new(&stack.kafka, CALLS).bounds();
        let before = ends(stack);
        let direct = Direct::new(&stack.kafka);
        (0..200).for_each(|_| direct.raw("one partition", b"poison"));
        direct.flush();
        let after = ends(stack);
        let (&flooded, &(_, end)) =
            after.iter().find(|(at, bounds)| before[at] != **bounds).expect("one grew");
        stopped(stack, aggregator, 1, "is poison").await;
        let refused = partitions(stack, &format!("resume --partition {flooded} --yes"));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--to OFFSET"), "{refused:?}");
        let gap = resume(stack, &format!("--partition {flooded} --to {end}")).await[0].clone();
        send(stack, 300..500);
        let lost = gap["lost"].as_i64().expect("a number");
        // Some of the flood may have become dead letters before it was one.
        assert!((1..=200).contains(&lost), "{gap}");
        goes_on(stack, aggregator, 700 - lost, "true").await;
        assert_eq!(stack.number("SELECT toInt64(sum(calls)) FROM rollups").await, 500);
    });
}
