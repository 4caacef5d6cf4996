//! The command line: words enter, a [`Command`] leaves. The names are those that scripts rely on.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Meters every call that a platform makes to third-party APIs.
#[derive(Debug, Parser)]
#[command(name = "callmeter", version, about, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything on this machine: Kafka, ClickHouse, all roles, demo traffic
    Up(UpArgs),
    /// Take call events over HTTP and publish them to Kafka
    Ingest(ConfigArgs),
    /// Fold call events from Kafka into rollups in ClickHouse
    Aggregate(ConfigArgs),
    /// Evaluate alert rules over the rollups and notify receivers
    Alert(ConfigArgs),
    /// Kafka and ClickHouse alone
    #[command(subcommand)]
    Engines(EnginesCommand),
    /// Create or bring up to date the Kafka topics and ClickHouse tables; safe to repeat
    Migrate(ConfigArgs),
    /// API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Alert rules
    #[command(subcommand)]
    Rules(crate::rules::args::RulesCommand),
    /// Alerts that are open, and whom they reach
    #[command(subcommand)]
    Alerts(crate::alerts::args::AlertsCommand),
    /// Silences: alerts that nobody is told of for some time
    #[command(subcommand)]
    Silences(crate::silences::args::SilencesCommand),
    /// Vendor profiles: what calls mean
    #[command(subcommand)]
    Profiles(crate::profiles::args::ProfilesCommand),
    /// Price books: what calls cost
    #[command(subcommand)]
    Prices(crate::prices::args::PricesCommand),
    /// Partitions: how far each is counted, and how those go on that stopped
    #[command(subcommand)]
    Partitions(crate::partitions::args::PartitionsCommand),
    /// Count the log anew beside the live rollups, compare, and replace them on request
    Rebuild(crate::rebuild::args::RebuildArgs),
    /// What this machine or configuration lacks, each with its cure
    Doctor(DoctorArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file; else ./callmeter.yaml if there is one; CALLMETER__SECTION__KEY variables win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Of every command that lists what the configuration leads to.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where data, logs and secrets are kept
    #[arg(long, value_name = "DIR", default_value = "callmeter-data")]
    pub(crate) data: PathBuf,
    /// No demo traffic
    #[arg(long)]
    pub(crate) no_demo: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnginesCommand {
    /// Start Kafka and ClickHouse and keep them running until stopped
    Start(EnginesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EnginesArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where data, logs and secrets are kept
    #[arg(long, value_name = "DIR", default_value = "callmeter-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: prints it once, and the entry for ingest.keys that admits it
    Create(KeysCreateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct KeysCreateArgs {
    /// Workspace whose events the key may send
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Data folder that `up` would use
    #[arg(long, value_name = "DIR", default_value = "callmeter-data")]
    pub(crate) data: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
