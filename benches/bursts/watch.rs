//! What the installation is like during a phase: looks every second enter, the most of each figure leaves.

use anyhow::Context;
use callmeter_harness::{
    stack::Stack,
    topic::Topic,
    usage::{Usage, forget_peak},
};
use callmeter_schemas::topics;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Most of each figure during a phase.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Records that were stored and not counted.
    pub(crate) lag: i64,
    /// Active parts of both tables.
    pub(crate) parts: i64,
    /// Inserts of counted batches per second.
    pub(crate) inserts_per_second: f64,
    /// Memory of ingest and of the aggregator, bytes.
    pub(crate) peaks: [u64; 2],
    /// CPU of ingest, the aggregator and ClickHouse, in cores.
    pub(crate) cores: [f64; 3],
}

/// Looks until it is told to stop.
pub(crate) async fn watch(stack: &Stack, roles: [usize; 2], stopping: &AtomicBool) -> anyhow::Result<Seen> {
    for role in roles {
        forget_peak(stack.roles[role].pid())?;
    }
    let (began, batches) = (Instant::now(), batches(stack).await);
    let before = used(stack, roles)?;
    let mut seen = Seen::default();
    while !stopping.load(Ordering::Relaxed) {
        seen.lag = seen.lag.max(lag(stack).await.unwrap_or(0));
        let parts = "SELECT toInt64(count()) FROM system.parts WHERE active AND database = 'callmeter' AND table IN ('deltas', 'raw_calls')";
        seen.parts = seen.parts.max(stack.number(parts).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (seconds, after) = (began.elapsed().as_secs_f64(), used(stack, roles)?);
    seen.inserts_per_second = (self::batches(stack).await - batches) as f64 / seconds;
    seen.peaks = [after[0].peak_bytes, after[1].peak_bytes];
    for (at, cores) in seen.cores.iter_mut().enumerate() {
        *cores = (after[at].cpu - before[at].cpu).as_secs_f64() / seconds;
    }
    Ok(seen)
}

fn used(stack: &Stack, roles: [usize; 2]) -> anyhow::Result<[Usage; 3]> {
    let clickhouse = stack.engine_pid("clickhouse").context("clickhouse does not run")?;
    let [ingest, aggregator] = roles.map(|role| stack.roles[role].pid());
    Ok([Usage::of(ingest)?, Usage::of(aggregator)?, Usage::of(clickhouse)?])
}

async fn batches(stack: &Stack) -> i64 {
    stack.number("SELECT toInt64(count()) FROM ledger").await
}

async fn lag(stack: &Stack) -> Result<i64, String> {
    let kafka = stack.kafka.clone();
    let records = tokio::task::spawn_blocking(move || Topic::new(&kafka, topics::CALLS).records());
    Ok(records.await.map_err(|error| error.to_string())? - stack.consumed().await?)
}
