//! `callmeter partitions`: a configuration and a wish enter, a list or a recorded decision leaves.
//!
//! Data goes to standard output, everything else to standard error. Nothing is recorded without `--yes`; what would be
//! is then shown, and the status is 1.

pub(crate) mod args;
mod show;

use crate::{
    cli::ListArgs,
    commands::runtime,
    config::{self, Config},
    migrate,
};
use anyhow::{anyhow, bail};
use args::{PartitionsCommand, ResumeArgs};
use callmeter_aggregator::{
    decision::{self, Gap, Log, Wish},
    operators::Operators,
};
use serde_json::json;
use std::process::ExitCode;

/// Does what the command line asks for.
pub(crate) fn partitions(command: PartitionsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PartitionsCommand::List(args) => {
            let config = config::load(args.config.config.as_deref())?;
            runtime()?.block_on(list(&config, &args))
        }
        PartitionsCommand::Resume(args) => {
            let config = config::load(args.config.config.as_deref())?;
            runtime()?.block_on(resume(&config, &args))
        }
    }
}

async fn list(config: &Config, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let (_, log) = look(config).await?;
    match args.json {
        true => println!("{:#}", show::partitions_json(&log)),
        false => print!("{}", show::partitions(&log)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(config: &Config) -> anyhow::Result<(Operators, Log)> {
    migrate::require_version(&config.clickhouse).await?;
    let operators = Operators::new(&config.aggregator, &config.kafka, &config.clickhouse)?;
    let log = operators.look().await?;
    Ok((operators, log))
}

async fn resume(config: &Config, args: &ResumeArgs) -> anyhow::Result<ExitCode> {
    let (operators, log) = look(config).await?;
    let wish = Wish { partition: args.partition, to: args.to, note: &args.note };
    let decisions = match decision::decide(&log, wish) {
        Ok(decisions) => decisions,
        Err(refusals) => {
            let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            bail!("nothing was recorded\n       {}", lines.join("\n       "));
        }
    };
    let mut recorded = 0;
    let mut problem = None;
    for decision in decisions.iter().filter(|_| args.yes) {
        if let Err(error) = operators.record(&log, decision).await {
            let partition = decision.gaps.first().map_or(-1, |gap| gap.partition);
            problem = Some(anyhow!("partition {partition}: {error}"));
            break;
        }
        recorded += 1;
    }
    let shown = if args.yes { &decisions[..recorded] } else { &decisions[..] };
    print(shown.iter().flat_map(|decision| &decision.gaps), args);
    match problem {
        Some(error) => Err(error),
        None if args.yes => Ok(ExitCode::SUCCESS),
        None => {
            eprintln!("Nothing was recorded: this is what would be. Say it again with --yes to record it.");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn print<'a>(gaps: impl Iterator<Item = &'a Gap>, args: &ResumeArgs) {
    match args.json {
        true => println!("{:#}", json!({"recorded": args.yes, "gaps": gaps.collect::<Vec<_>>()})),
        false => print!("{}", show::gaps(gaps)),
    }
}
