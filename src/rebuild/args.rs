//! The words of `callmeter rebuild`: a command line enters, what is asked for leaves.

use crate::cli::ConfigArgs;
use callmeter_aggregator::rebuild::plan::From;
use clap::Args;
use jiff::SignedDuration;

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// earliest, a time such as 2026-11-20T00:00:00Z, an offset of all partitions, or of each: 0:1200,1:1180
    #[arg(long, value_name = "BEGINNING", value_parser = From::parse, required_unless_present_any = ["compare_only", "abort"])]
    pub(crate) from: Option<From>,
    /// Table for what is counted anew; one that an earlier rebuild left is dropped first
    #[arg(long, value_name = "TABLE", default_value = "deltas_rebuilt")]
    pub(crate) into: String,
    /// How far an event's time may lie ahead of the moment at which Kafka took its record
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = ahead)]
    pub(crate) ahead: SignedDuration,
    /// Compare the table that an earlier rebuild left, brought up to now, instead of beginning again
    #[arg(long, conflicts_with_all = ["from", "swap"])]
    pub(crate) compare_only: bool,
    /// Put what was counted anew in the place of the live rollups, whatever differs
    #[arg(long)]
    pub(crate) swap: bool,
    /// Why: kept in the view `rebuilds`
    #[arg(long, value_name = "TEXT", default_value = "", requires = "swap", hide_default_value = true)]
    pub(crate) note: String,
    /// Let counting go on that a killed rebuild left held
    #[arg(long, conflicts_with_all = ["from", "swap", "compare_only"])]
    pub(crate) abort: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const NOTES: &str = "\
From a time on: windows that begin at the next full hour or later; the log is read from --ahead before that. From an
offset on: windows that begin --ahead after its record or later, at a full hour. No older window is touched.

Aggregators go on meanwhile. For a moment at the end their inserts are held, so that both tables end at the same
records; with --swap also while the rows are put together. What was counted waits and is not lost.

Exit status: 0 equal, or replaced; 1 different, nothing to compare, or failed.

Examples:
  callmeter rebuild --from earliest
  callmeter rebuild --from 2026-11-20T00:00:00Z --swap --note 'price of packages corrected'
  callmeter rebuild --abort";

fn ahead(text: &str) -> Result<SignedDuration, String> {
    let ahead: SignedDuration = text.parse().map_err(|_| "not a duration such as 24h or 5m".to_owned())?;
    let sound = (SignedDuration::ZERO..=SignedDuration::from_hours(24 * 365)).contains(&ahead);
    sound.then_some(ahead).ok_or_else(|| "neither negative nor above a year".to_owned())
}
