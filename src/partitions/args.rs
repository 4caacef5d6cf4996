//! The arguments of `callmeter partitions`.

use crate::cli::{ConfigArgs, ListArgs};
use clap::{ArgGroup, Args, Subcommand};

/// Longest note, in characters.
const MAX_NOTE: usize = 500;

#[derive(Debug, Subcommand)]
pub(crate) enum PartitionsCommand {
    /// How far each partition is counted, and which ones wait for a decision
    List(ListArgs),
    /// Let stopped partitions go on: records that cannot be counted become a gap in the ledger
    #[command(after_help = EXAMPLES)]
    Resume(ResumeArgs),
}

const EXAMPLES: &str = "Examples:
  callmeter partitions resume --all --note 'outage of 2026-11-20'         # shows what it would record
  callmeter partitions resume --all --note 'outage of 2026-11-20' --yes   # records it
  callmeter partitions resume --partition 3 --to 1200 --note 'a broken producer' --yes";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["partition", "all"]))]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// This partition
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,
    /// Every partition that is stopped
    #[arg(long)]
    pub(crate) all: bool,
    /// Where counting goes on; only forwards. Needed where only the records tell what is wrong
    #[arg(long, value_name = "OFFSET", conflicts_with = "all", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to: Option<i64>,
    /// Why, for those who read the ledger later
    #[arg(long, value_name = "TEXT", value_parser = note)]
    pub(crate) note: String,
    /// Record it; else it is only shown
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn note(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.chars().count() > MAX_NOTE => Err(format!("it is longer than {MAX_NOTE} characters")),
        text if text.chars().any(char::is_control) => Err("write it in one line".to_owned()),
        text => Ok(text.to_owned()),
    }
}
