//! One contender's turn: a site and a fresh database enter, what it used leaves.
//!
//! Promise: ClickHouse's time is taken until its merges end, less what it uses when idle, so that no contender pays for
//! another's rows. Tables and views are made before it begins: the product has many and a rival one, and no event needs them anew.

use crate::{
    PLAY, callmeter, clickhouse_kafka, idiomatic, null,
    site::{self, Site},
};
use anyhow::{Context, ensure};
use callmeter_harness::usage::{Usage, forget_peak};
use clap::ValueEnum;
use nix::unistd::Pid;
use serde::Serialize;
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Contender {
    /// Reads and counts records.
    Null,
    /// The product with default settings: rollups and every single call.
    Callmeter,
    /// The product without the table of single calls: what the rivals below write.
    CallmeterRollups,
    /// What a good engineer writes without tricks.
    Idiomatic,
    /// ClickHouse's own Kafka engine.
    ClickhouseKafka,
}

/// What one turn used.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    /// Of the contender's own process; nothing when ClickHouse does all of it.
    pub(crate) process: Usage,
    /// Of ClickHouse meanwhile, less its idling.
    pub(crate) clickhouse: Usage,
    /// From the start until the contender had read everything; merges apart.
    pub(crate) wall: Duration,
    /// Rows that inserts wrote, before merges.
    pub(crate) rows: u64,
}

impl Figures {
    /// CPU of the process and of ClickHouse together.
    pub(crate) fn total(&self) -> Duration {
        self.process.cpu + self.clickhouse.cpu
    }

    /// CPU of the program that aggregates, which may be ClickHouse.
    pub(crate) fn aggregating(&self) -> Duration {
        if self.process.cpu.is_zero() { self.clickhouse.cpu } else { self.process.cpu }
    }
}

impl Contender {
    /// Its name on the command line and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => null::WORD,
            Self::Callmeter => "callmeter",
            Self::CallmeterRollups => "callmeter-rollups",
            Self::Idiomatic => idiomatic::WORD,
            Self::ClickhouseKafka => "clickhouse-kafka",
        }
    }

    /// The query of its answer; the null contender has none.
    pub(crate) fn answer(self, database: &str) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Callmeter | Self::CallmeterRollups => Some(callmeter::answer(database)),
            Self::Idiomatic => Some(idiomatic::answer(database)),
            Self::ClickhouseKafka => Some(clickhouse_kafka::answer(database)),
        }
    }

    /// Whether repetitions count as calls: ClickHouse's Kafka engine cannot know them.
    pub(crate) fn counts_repetitions(self) -> bool {
        self == Self::ClickhouseKafka
    }
}

/// Lets one contender read the log.
pub(crate) async fn play(site: &Site, contender: Contender, database: &str) -> anyhow::Result<Figures> {
    site.stack.execute(&format!("CREATE DATABASE {database}")).await;
    make_tables(site, contender, database).await?;
    let clickhouse = site::clickhouse(&site.stack)?;
    forget_peak(clickhouse)?;
    let (before, began) = (Usage::of(clickhouse)?.cpu, Instant::now());
    let process = match contender {
        Contender::Null => worker(site, null::WORD, database).await?,
        Contender::Callmeter => callmeter::run(site, database, true).await?,
        Contender::CallmeterRollups => callmeter::run(site, database, false).await?,
        Contender::Idiomatic => worker(site, idiomatic::WORD, database).await?,
        Contender::ClickhouseKafka => {
            clickhouse_kafka::run(site, database).await?;
            Usage::default()
        }
    };
    let wall = began.elapsed();
    site::merged(&site.stack, database).await?;
    let after = Usage::of(clickhouse)?;
    let idle = began.elapsed().mul_f64(site.idle);
    let cpu = (after.cpu - before).saturating_sub(idle);
    Ok(Figures { process, clickhouse: Usage { cpu, ..after }, wall, rows: rows(site, database).await })
}

/// Makes the tables that a contender writes.
async fn make_tables(site: &Site, contender: Contender, database: &str) -> anyhow::Result<()> {
    match contender {
        Contender::Null => {}
        Contender::Callmeter | Contender::CallmeterRollups => callmeter::migrate(&site.stack, database)?,
        Contender::Idiomatic => site.stack.execute(&idiomatic::table(database)).await,
        Contender::ClickhouseKafka => site.stack.execute(&clickhouse_kafka::table(database)).await,
    }
    Ok(())
}

/// Runs a contender in a process of this very program, which says itself what it used.
async fn worker(site: &Site, word: &str, database: &str) -> anyhow::Result<Usage> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([PLAY, word]).env("RECORDS", site.log.shape.events.to_string());
    let access = site.stack.command("aggregate");
    let envs = access.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command
        .envs(envs)
        .env("CALLMETER__CLICKHOUSE__DATABASE", database)
        .stderr(std::process::Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "{word} ended with {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{word} says nothing"))
}

/// Tells the parent what this process used.
pub(crate) fn report_usage() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&Usage::of(Pid::this())?)?);
    Ok(())
}

/// A setting from the environment of a contender's process.
pub(crate) fn told(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| name.to_owned())
}

/// Rows that inserts wrote into a database, by ClickHouse's log of parts.
async fn rows(site: &Site, database: &str) -> u64 {
    site.stack.execute("SYSTEM FLUSH LOGS").await;
    let query = format!(
        "SELECT toInt64(sum(rows)) FROM system.part_log WHERE event_type = 'NewPart' AND database = '{database}'"
    );
    site.stack.number(&query).await.unsigned_abs()
}
