//! The product: `callmeter aggregate`, with default settings, in a database and a consumer group of its own.

use crate::site::Site;
use anyhow::ensure;
use callmeter_harness::{
    role::Role,
    stack::{READY, Stack, free_port, within},
    usage::Usage,
};
use std::{process::Command, time::Duration};

/// Reads the log until its markers reach the end, and the positions of single calls too when they are `kept`.
pub(crate) async fn run(site: &Site, database: &str, kept: bool) -> anyhow::Result<Usage> {
    let mut role = start(&site.stack, database, kept);
    // The aggregator says itself when to look: asking ClickHouse ten times would cost it a tenth of what the rows do.
    site.reads(async || {
        lives(&mut role)?;
        Ok(stored(&site.stack.metrics(&role).await.unwrap_or_default()))
    })
    .await?;
    let markers = format!("SELECT toInt64(sum(next_offset)) FROM {database}.markers");
    let calls = format!(
        "SELECT toInt64(sum(next)) FROM (SELECT max(next_offset) AS next FROM {database}.calls_positions GROUP BY source, partition)"
    );
    for query in [Some(&markers), kept.then_some(&calls)].into_iter().flatten() {
        site.reads(async || {
            lives(&mut role)?;
            Ok(u64::try_from(site.stack.number(query).await)?)
        })
        .await?;
    }
    let usage = Usage::of(role.pid())?;
    role.terminate();
    Ok(usage)
}

fn lives(role: &mut Role) -> anyhow::Result<()> {
    ensure!(role.is_running(), "the aggregator ended: {}", role.tail());
    Ok(())
}

/// Records that were stored, whatever their outcome, by the metrics of the aggregator.
fn stored(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("callmeter_aggregator_records_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// CPU time until it is ready on an empty log.
pub(crate) async fn startup(stack: &Stack) -> anyhow::Result<Duration> {
    migrate(stack, "startup")?;
    let mut role = start(stack, "startup", true);
    let url = format!("http://{}", role.metrics);
    within(READY, || stack.is_ready(&url))
        .await
        .map_err(|problem| anyhow::anyhow!("the aggregator is not ready: {problem}: {}", role.tail()))?;
    let used = Usage::of(role.pid())?.cpu;
    role.terminate();
    stack.execute("DROP DATABASE startup SYNC").await;
    eprintln!("the aggregator's start costs {} ms of CPU", used.as_millis());
    Ok(used)
}

/// The answer's columns from its tables.
pub(crate) fn answer(database: &str) -> String {
    format!(
        "SELECT customer, integration, window_start AS window, sum(calls) AS calls, sum(errors) AS errors, \
         sum(cost) AS cost, arraySum(mapValues(sumMap(latency))) AS latencies FROM {database}.rollups \
         GROUP BY customer, integration, window"
    )
}

/// Makes its tables and views.
pub(crate) fn migrate(stack: &Stack, database: &str) -> anyhow::Result<()> {
    let migrated = in_database(stack.command("migrate"), database).output()?;
    ensure!(migrated.status.success(), "migrate: {}", String::from_utf8_lossy(&migrated.stderr));
    Ok(())
}

fn start(stack: &Stack, database: &str, kept: bool) -> Role {
    let mut command = in_database(stack.command("aggregate"), database);
    // The harness has a price book; the default is none.
    command.env_remove("CALLMETER__AGGREGATOR__PRICES");
    command.env("CALLMETER__AGGREGATOR__GROUP", database);
    command.env("CALLMETER__AGGREGATOR__CALLS", kept.to_string());
    let metrics = format!("127.0.0.1:{}", free_port());
    let settings = vec![("CALLMETER__METRICS__LISTEN".to_owned(), metrics.clone())];
    Role::start(command, database.to_owned(), metrics, settings, stack.folder.path())
}

fn in_database(mut command: Command, database: &str) -> Command {
    command.env("CALLMETER__CLICKHOUSE__DATABASE", database);
    command
}
