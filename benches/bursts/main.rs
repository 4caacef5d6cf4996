//! A burst on a steady load: rates enter; ack times, freshness, lag, memory, inserts and parts leave, phase by phase.
//!
//! `cargo bench --bench bursts -- [--rate 6000] [--times 20] [--seconds 30] [--customers 5000] [--seed 1]` starts genuine
//! Kafka and ClickHouse, `callmeter ingest` and `callmeter aggregate` on their defaults and with a price book, and sends over HTTP: steadily, then so
//! many times as much, then steadily again. Requests begin at their times whatever the answers are. Promise: at the end exactly
//! what was answered 202 is counted, or there is no result.

mod probes;
mod report;
mod traffic;
mod watch;

use anyhow::{Context, ensure};
use callmeter_harness::stack::{READY, RUNTIME, Stack, eventually, free_port, within};
use clap::Parser;
use probes::Probes;
use report::Phase;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use traffic::Traffic;

/// Longest time until everything is counted.
const DRAIN: Duration = Duration::from_secs(300);

/// A burst on a steady load.
#[derive(Debug, Parser)]
struct Args {
    /// Events per second of the steady load
    #[arg(long, default_value_t = 6_000)]
    rate: u64,
    /// How many times as much the burst is
    #[arg(long, default_value_t = 20)]
    times: u64,
    /// Length of each of the three phases, seconds
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Customers of the steady load and of the burst, five integrations each
    #[arg(long, default_value_t = 5_000)]
    customers: u64,
    /// Makes other events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    RUNTIME.block_on(measure(&args))
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let mut stack = Stack::start(|engines| engines.kafka.fast_start = false).await;
    let address = format!("127.0.0.1:{}", free_port());
    let ingest = stack.role("ingest", &[("INGEST__LISTEN", &address)]).await;
    let url = format!("http://{address}");
    eventually("ingest has seen the topic's partitions", READY, || stack.is_ready(&url)).await;
    let aggregator = stack.role("aggregate", &[]).await;
    let traffic = Arc::new(Traffic::new(&url, &stack.key, args.customers, args.seed)?);
    let probes = Probes::new(&stack, &url);
    let phases = async {
        let phases = pour(args, &stack, [ingest, aggregator], &traffic).await;
        probes.stop();
        phases
    };
    let (phases, ()) = tokio::join!(phases, probes.run());
    let phases = phases?;
    let asked = probes.asked();
    let acknowledged = traffic.answered().accepted + asked.accepted();
    let counted = within(DRAIN, async || {
        let counted = stack.try_rows("SELECT toInt64(sum(counted)) AS counted FROM ledger").await?;
        let counted = counted[0]["counted"].as_u64().unwrap_or(0);
        if counted >= acknowledged { Ok(()) } else { Err(format!("{counted} of {acknowledged} are counted")) }
    });
    counted.await.map_err(anyhow::Error::msg).context("the load was not counted in time")?;
    let counted = stack.number("SELECT toInt64(sum(calls)) FROM rollups").await.unsigned_abs();
    ensure!(counted == acknowledged, "{counted} calls are counted, {acknowledged} were acknowledged");
    println!("{}", report::table(&phases, &asked));
    println!("{acknowledged} events acknowledged, all counted once");
    stack.stop().await;
    Ok(())
}

/// The three phases.
async fn pour(
    args: &Args,
    stack: &Stack,
    roles: [usize; 2],
    traffic: &Arc<Traffic>,
) -> anyhow::Result<Vec<Phase>> {
    let mut phases = Vec::new();
    for (name, times) in [("steady", 1), ("burst", args.times), ("steady again", 1)] {
        let rate = args.rate * times;
        eprintln!("{name}: {rate} events/s for {} s", args.seconds);
        let (from, before, stopping) = (Instant::now(), traffic.answered(), AtomicBool::new(false));
        let (until, seen) = tokio::join!(
            async {
                traffic.pour(rate, Duration::from_secs(args.seconds)).await;
                stopping.store(true, Ordering::Relaxed);
                Instant::now()
            },
            watch::watch(stack, roles, &stopping)
        );
        let answered = traffic.answered().since(&before);
        phases.push(Phase { name, rate, from, until, answered, seen: seen? });
    }
    Ok(phases)
}
