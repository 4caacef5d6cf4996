//! `callmeter rebuild`: an operator's order enters, a report leaves; what happens meanwhile goes to standard error.
//!
//! Promise: SIGINT and SIGTERM let counting go on before the process ends.

pub(crate) mod args;
mod progress;
mod render;

use crate::{commands, config, config::Config, migrate, telemetry};
use anyhow::bail;
use args::RebuildArgs;
use callmeter_aggregator::rebuild::{self, Access, Order, Report, Swap};
use progress::Progress;
use std::{
    pin::pin,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
};
use tokio::signal::unix::{SignalKind, signal};

/// Does what the command line asks for.
pub(crate) fn rebuild(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(args.config.config.as_deref())?;
    let _telemetry = telemetry::start(&config.log, "rebuild")?;
    commands::runtime()?.block_on(async {
        migrate::require_version(&config.clickhouse).await?;
        match args.abort {
            true => abort(&config, &args).await,
            false => run(config, args).await,
        }
    })
}

async fn abort(config: &Config, args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let held = rebuild::release(&config.clickhouse, &args.into).await?;
    match (args.json, held.is_empty()) {
        (true, _) => println!("{}", serde_json::json!({"released": held})),
        (false, true) => println!("nothing was held"),
        (false, false) => println!("counting goes on; inserts were held into {}", held.join(", ")),
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(config: Config, args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let Config { aggregator, kafka, clickhouse, .. } = config;
    let access = Access { aggregator, kafka, clickhouse };
    let progress = Arc::new(Progress::start(args.swap, &args.into));
    let tell = Arc::clone(&progress);
    let (order, database) = (order(&args), access.clickhouse.database.clone());
    let stop = Arc::clone(&order.stop);
    let mut run = pin!(rebuild::run(order, access, Arc::new(move |step| tell.tell(step))));
    let report = tokio::select! {
        report = &mut run => report?,
        signal = signalled() => {
            signal?;
            eprintln!("stopping; a second signal ends at once, and may leave counting held");
            stop.store(true, Ordering::Relaxed);
            tokio::select! {
                report = &mut run => report?,
                _ = signalled() => bail!("ended at once; run `callmeter rebuild --abort`, in case counting is held"),
            }
        }
    };
    progress.end();
    print(&report, &database, args.json)?;
    let is_proof = report.equal && report.compared;
    Ok(if is_proof || report.before.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::disallowed_methods, reason = "the table that is replaced is named by the time of that")]
fn order(args: &RebuildArgs) -> Order {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let swap = args.swap.then(|| Swap { stamp, note: args.note.clone() });
    let stop = Arc::default();
    Order { from: args.from.clone(), ahead: args.ahead, into: args.into.clone(), swap, stop }
}

async fn signalled() -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    Ok(())
}

fn print(report: &Report, database: &str, json: bool) -> anyhow::Result<()> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(report)?),
        false => print!("{}", render::text(report, database)),
    }
    Ok(())
}
