//! Where the contenders play: a shape enters, running engines with a log and an idle ClickHouse leave.

use crate::{
    callmeter,
    log::{Log, Shape},
};
use anyhow::{Context, ensure};
use callmeter_harness::{stack::Stack, usage::Usage};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long ClickHouse is watched while nobody asks it.
const IDLE_WATCH: Duration = Duration::from_secs(5);
/// How often a contender's progress is asked for; where ClickHouse is asked, that is part of the contender's ClickHouse time.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Longest time that one contender may take.
const BOUND: Duration = Duration::from_secs(900);
/// Longest time that merges may take after a contender ended.
const MERGE_BOUND: Duration = Duration::from_secs(120);

/// Engines, a log, and what was measured before anybody played.
pub(crate) struct Site {
    /// The engines.
    pub(crate) stack: Stack,
    /// The log.
    pub(crate) log: Log,
    /// CPU seconds per second of ClickHouse while nobody asks it.
    pub(crate) idle: f64,
    /// What the aggregator uses until it is ready on an empty log; part of its figures.
    pub(crate) startup: Duration,
}

impl Site {
    /// Starts the engines, measures what costs without events, and writes the log.
    pub(crate) async fn start(shape: Shape) -> anyhow::Result<Self> {
        eprintln!("engines start");
        let stack = Stack::start(|options| {
            options.kafka.fast_start = false;
            options.kafka.max_heap_mib = 1024;
            options.clickhouse.max_memory_bytes = 6 << 30;
        })
        .await;
        stack.execute("CREATE DATABASE answers").await;
        stack.execute("CREATE TABLE answers.repeated (customer String, integration String, window DateTime('UTC'), calls UInt64, errors UInt64, cost Decimal(38, 12), latencies UInt64) ENGINE = MergeTree ORDER BY (customer, integration, window)").await;
        let startup = callmeter::startup(&stack).await?;
        eprintln!("log of {} records is written: {} keys, {:?}", shape.events, shape.keys, shape.skew);
        let log = Log::write(&stack, shape).await?;
        let clickhouse = clickhouse(&stack)?;
        merged(&stack, "answers").await?;
        let before = Usage::of(clickhouse)?.cpu;
        tokio::time::sleep(IDLE_WATCH).await;
        let idle = (Usage::of(clickhouse)?.cpu - before).as_secs_f64() / IDLE_WATCH.as_secs_f64();
        eprintln!("an idle ClickHouse uses {:.1} % of a core", idle * 100.0);
        Ok(Self { stack, log, idle, startup })
    }

    /// Waits until who is asked has read the whole log.
    pub(crate) async fn reads(
        &self,
        mut ask: impl AsyncFnMut() -> anyhow::Result<u64>,
    ) -> anyhow::Result<()> {
        let (began, wanted) = (Instant::now(), self.log.shape.events);
        loop {
            let reached = ask().await?;
            if reached >= wanted {
                return Ok(());
            }
            ensure!(began.elapsed() < BOUND, "{reached} of {wanted} records after {BOUND:?}");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// ClickHouse's process.
pub(crate) fn clickhouse(stack: &Stack) -> anyhow::Result<Pid> {
    stack.engine_pid("clickhouse").context("clickhouse does not run")
}

/// Waits until a database has nothing to merge.
pub(crate) async fn merged(stack: &Stack, database: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let query = format!("SELECT count() FROM system.merges WHERE database = '{database}'");
    // Merges come in rows: one pause is too short to call it quiet.
    let mut quiet = 0;
    while quiet < 3 {
        ensure!(began.elapsed() < MERGE_BOUND, "merges of {database} do not end");
        tokio::time::sleep(ASK_EVERY).await;
        quiet = if stack.number(&query).await == 0 { quiet + 1 } else { 0 };
    }
    Ok(())
}
