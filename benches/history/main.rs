//! What history costs: days of rollups enter, the time that the same questions take on one day and on all of them leaves.
//!
//! `cargo bench --bench history -- [--days 365] [--keys 20] [--rounds 15]` starts a genuine ClickHouse, fills one database with
//! the last day and another with all days, minute by minute, and asks both the same, one after the other. Promise: both
//! answer alike, or there is no result.

use anyhow::{Context, ensure};
use callmeter_harness::{
    spread::Spread,
    stack::{RUNTIME, Stack},
};
use clap::Parser;
use std::time::Instant;

/// The database with all days; the other is the product's own.
const LONG: &str = "long";
const SHORT: &str = "callmeter";
const MINUTES_OF_A_DAY: u32 = 1_440;
/// Minutes of one insert: of what is long past many, of the last day an hour, so that both databases have young parts alike.
const PAST_AT_ONCE: u32 = 10 * MINUTES_OF_A_DAY;
const LAST_AT_ONCE: u32 = 60;

/// What people, boards and rules ask of recent rollups; `{now}` is the end of the newest minute, `{db}` the database.
const QUESTIONS: [(&str, &str); 5] = [
    (
        "an hour of every customer",
        "SELECT customer, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95 \
         FROM {db}.rollups WHERE window_start >= {now} - INTERVAL 1 HOUR GROUP BY customer ORDER BY customer",
    ),
    (
        "a day of one customer, by hour",
        "SELECT toStartOfHour(window_start) AS hour, sum(calls) AS calls, sum(cost) AS cost FROM {db}.rollups \
         WHERE workspace = 'acme' AND customer = 'customer-3' AND window_start >= {now} - INTERVAL 1 DAY \
         GROUP BY hour ORDER BY hour",
    ),
    (
        "errors of a day by class",
        "SELECT integration, sumMap(errors_by_class) AS classes FROM {db}.rollups \
         WHERE window_start >= {now} - INTERVAL 1 DAY GROUP BY integration ORDER BY integration",
    ),
    (
        "a rule over five minutes",
        "SELECT customer, integration, sum(calls) AS calls, sum(errors) AS errors FROM {db}.deltas \
         WHERE kind = 'data' AND window_start > {now} - INTERVAL 5 MINUTE AND window_start <= {now} \
         GROUP BY customer, integration ORDER BY customer, integration",
    ),
    ("where counting stands", "SELECT count() AS markers FROM {db}.markers"),
];

/// What history costs
#[derive(Debug, Parser)]
struct Args {
    /// Days of the long history
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(2..=3_650))]
    days: u32,
    /// Keys with calls in every minute
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keys: u32,
    /// How often everything is asked
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    RUNTIME.block_on(measure(&args))
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let stack = Stack::start(|_| {}).await;
    stack.execute(&format!("CREATE DATABASE {LONG}")).await;
    let migrated = stack.command("migrate").env("CALLMETER__CLICKHOUSE__DATABASE", LONG).output()?;
    ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let last = (args.days - 1) * MINUTES_OF_A_DAY;
    for first in (0..last).step_by(PAST_AT_ONCE as usize) {
        fill(&stack, LONG, first, PAST_AT_ONCE.min(last - first), args.keys).await;
        eprint!("\r{} of {} days are written", first / MINUTES_OF_A_DAY, args.days);
    }
    for first in (last..last + MINUTES_OF_A_DAY).step_by(LAST_AT_ONCE as usize) {
        for database in [LONG, SHORT] {
            fill(&stack, database, first, LAST_AT_ONCE, args.keys).await;
        }
    }
    eprintln!("\r{} days are written          ", args.days);
    settled(&stack).await?;
    let size = "SELECT database, sum(rows) AS rows, round(sum(bytes_on_disk) / 1e6) AS megabytes, count() AS parts \
                FROM system.parts WHERE active AND table = 'deltas' GROUP BY database ORDER BY rows";
    for row in stack.rows(size).await {
        println!(
            "{:<10} {} rows, {} MB, {} parts",
            row["database"], row["rows"], row["megabytes"], row["parts"]
        );
    }
    println!("\n{:<32} {:>10} {:>10}   long ÷ short", "ms, medians", "1 day", format!("{} days", args.days));
    for (name, question) in QUESTIONS {
        let asked = ask(&stack, question, args).await.with_context(|| name.to_owned())?;
        println!("{name:<32} {:>10.1} {:>10.1}   {:.2}", asked.short.median, asked.long.median, asked.ratio);
    }
    stack.stop().await;
    Ok(())
}

/// Some minutes from one on, counted from the beginning: every key has calls in each of them.
async fn fill(stack: &Stack, database: &str, first: u32, minutes: u32, keys: u32) {
    let rows = u64::from(minutes) * u64::from(keys);
    stack
        .execute(&format!(
            "INSERT INTO {database}.deltas (kind, window_start, workspace, customer, integration, endpoint, tier, environment, \
             currency, calls, errors, errors_by_class, latency_us_sum, latency, bytes_in, cost, billable_calls) \
             SELECT 'data', toDateTime('2026-01-01 00:00:00', 'UTC') + 60 * (intDiv(number, {keys}) + {first}), 'acme', \
             concat('customer-', toString(number % {keys} % 10)), ['hubspot', 'stripe', 'github'][number % {keys} % 3 + 1], \
             concat('GET /v1/things/', toString(intDiv(number % {keys}, 10))), 'enterprise', 'production', 'USD', 10, 1, \
             map('rate_limited', 1), 100000, CAST((arrayMap(i -> toUInt16(800 + (number * 7 + i * 13) % 300), range(8)), \
             arrayMap(i -> toUInt64(1), range(8))), 'Map(UInt16, UInt64)'), 10000, toDecimal128('1.23', 12), 10 \
             FROM numbers({rows})"
        ))
        .await;
}

/// Waits until nothing is merged any more.
async fn settled(stack: &Stack) -> anyhow::Result<()> {
    while stack.number("SELECT toInt64(count()) FROM system.merges").await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    Ok(())
}

struct Asked {
    short: Spread,
    long: Spread,
    ratio: Spread,
}

/// Asks both databases in turns; the first turn warms up.
async fn ask(stack: &Stack, question: &str, args: &Args) -> anyhow::Result<Asked> {
    let now = format!("toDateTime('2026-01-01 00:00:00', 'UTC') + INTERVAL {} DAY", args.days);
    let [short, long] =
        [SHORT, LONG].map(|database| question.replace("{db}", database).replace("{now}", &now));
    let mut times = Vec::new();
    for _ in 0..=args.rounds {
        let (left, here) = timed(stack, &short).await?;
        let (right, there) = timed(stack, &long).await?;
        ensure!(here == there, "the databases answer differently:\n{here}\n{there}");
        times.push((left, right));
    }
    let of = |value: fn(&(f64, f64)) -> f64| Spread::of(times.iter().skip(1).map(value)).unwrap_or_default();
    Ok(Asked { short: of(|time| time.0), long: of(|time| time.1), ratio: of(|time| time.1 / time.0) })
}

/// Milliseconds until the answer, and the answer.
async fn timed(stack: &Stack, question: &str) -> anyhow::Result<(f64, String)> {
    let began = Instant::now();
    let answer = stack.try_ask(question).await.map_err(anyhow::Error::msg)?;
    Ok((began.elapsed().as_secs_f64() * 1e3, answer))
}
