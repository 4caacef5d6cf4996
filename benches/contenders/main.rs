//! Whole-process CPU of the aggregator against its rivals, on genuine Kafka and ClickHouse.
//!
//! What enters is the size of a log and how often to play; what leaves is a table, `ratios.json` and `ratios.svg`. Every
//! contender reads the same log from start to end in a process of its own, in turns, round after round. Promise: no
//! figure is shown unless the contenders' answers were the same, row by row. Compare within one run only: a machine's
//! speed drifts between runs.

mod agree;
mod args;
mod callmeter;
mod clickhouse_kafka;
mod contender;
mod idiomatic;
mod log;
mod null;
mod registry;
mod report;
mod site;
mod svg;

use agree::Agreement;
use anyhow::bail;
use args::Args;
use callmeter_harness::stack::RUNTIME;
use clap::Parser;
use contender::{Contender, Figures};
use log::Shape;
use report::Series;
use site::Site;
use std::{collections::BTreeMap, process::ExitCode};

/// First word of the processes that the bench starts of itself.
const PLAY: &str = "play";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match words.next().as_deref() {
        Some(PLAY) => play(words.next().as_deref()),
        _ => RUNTIME.block_on(measure(&Args::parse())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a process of a contender does.
fn play(contender: Option<&str>) -> anyhow::Result<()> {
    match contender {
        Some(null::WORD) => null::read(),
        Some(idiomatic::WORD) => idiomatic::run(),
        _ => bail!("no such contender"),
    }
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for shape in args.shapes() {
        let series = play_all(shape, &args.contenders(), args.rounds()).await?;
        println!("{}", report::table(&series));
        all.push(series);
    }
    std::fs::create_dir_all(&args.out)?;
    std::fs::write(args.out.join("ratios.json"), serde_json::to_vec_pretty(&report::json(&all))?)?;
    std::fs::write(args.out.join("ratios.svg"), svg::svg(&all))?;
    eprintln!("written: {0}/ratios.json, {0}/ratios.svg", args.out.display());
    Ok(())
}

async fn play_all(shape: Shape, contenders: &[Contender], rounds: u32) -> anyhow::Result<Series> {
    let site = Site::start(shape).await?;
    let mut agreement = Agreement::default();
    let mut series = Series { log: site.log, idle: site.idle, startup: site.startup, rounds: Vec::new() };
    for round in 0..rounds {
        let mut order = contenders.to_vec();
        order.rotate_left(round as usize % contenders.len());
        let mut played: BTreeMap<Contender, Figures> = BTreeMap::new();
        for contender in order {
            let database = format!("{}_{round}", contender.name().replace('-', "_"));
            let figures = contender::play(&site, contender, &database).await?;
            agreement.check(&site, contender, &database).await?;
            site.stack.execute(&format!("DROP DATABASE {database} SYNC")).await;
            eprintln!(
                "round {} of {rounds}: {}",
                round + 1,
                report::line(contender, &figures, site.log.shape.events)
            );
            played.insert(contender, figures);
        }
        series.rounds.push(played);
    }
    site.stack.stop().await;
    Ok(series)
}
