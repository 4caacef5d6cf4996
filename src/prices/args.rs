//! The words of `callmeter prices`: a command line enters, what is asked for leaves.

use crate::cli::ConfigArgs;
use callmeter_prices::month::{Month, instant};
use callmeter_schemas::ErrorClass;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with a price book.
#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Check a price book: every mistake with file and line
    Check(CheckArgs),
    /// Why one call, or one month, costs what it costs
    #[command(after_help = EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Print the JSON Schema of price books, for editors
    Schema,
}

const EXAMPLES: &str = "Examples:
  callmeter prices explain --integration openai --endpoint 'POST /v1/responses' \\
      --attribute gen_ai.request.model=gpt-4o --attribute gen_ai.usage.input_tokens=1200
  callmeter prices explain --month 2026-11 --customer acme";

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Price book; else the configuration's aggregator.prices, else prices.yaml
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Price book; else the configuration's aggregator.prices, else prices.yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Integration, such as openai
    #[arg(long, value_name = "NAME", required_unless_present = "month")]
    pub(crate) integration: Option<String>,
    #[command(flatten)]
    pub(crate) call: CallArgs,
    /// A month (UTC), such as 2026-11: its usage is read from ClickHouse
    #[arg(long, value_name = "YYYY-MM", value_parser = month, conflicts_with_all = CALL, help_heading = MONTH)]
    pub(crate) month: Option<Month>,
    /// This customer's part of the month
    #[arg(long, value_name = "NAME", requires = "month", help_heading = MONTH)]
    pub(crate) customer: Option<String>,
    /// This workspace's month
    #[arg(long, value_name = "NAME", requires = "month", help_heading = MONTH)]
    pub(crate) workspace: Option<String>,
}

const MONTH: &str = "One month";

/// What describes a call and has no meaning for a month.
const CALL: [&str; 13] = [
    "endpoint",
    "tier",
    "status",
    "error_class",
    "billable",
    "attempt",
    "time",
    "items",
    "records",
    "bytes_in",
    "bytes_out",
    "attributes",
    "no_response",
];

#[derive(Debug, Args)]
#[command(next_help_heading = "One call")]
pub(crate) struct CallArgs {
    /// Endpoint, such as 'POST /v1/responses'
    #[arg(long, value_name = "NAME", required_unless_present = "month")]
    pub(crate) endpoint: Option<String>,
    /// Tier of the customer's plan
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) tier: String,
    /// HTTP status [default: 200]
    #[arg(long, value_name = "CODE")]
    pub(crate) status: Option<u16>,
    /// There was no answer, so that there is no status
    #[arg(long, conflicts_with = "status")]
    pub(crate) no_response: bool,
    /// Class of the outcome, such as ok or rate_limited [default: that of the status]
    #[arg(long, value_name = "CLASS", value_parser = error_class)]
    pub(crate) error_class: Option<ErrorClass>,
    /// Whether the vendor's profile counts the attempt [default: unknown]
    #[arg(long, value_name = "BOOL")]
    pub(crate) billable: Option<bool>,
    /// Number of the attempt; 1 is the first
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) attempt: u32,
    /// A date, or a time such as 2026-11-21T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<i64>,
    /// Items that the call was about
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) items: u64,
    /// Records that the call was about
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) records: u64,
    /// Bytes received
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) bytes_in: u64,
    /// Bytes sent
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) bytes_out: u64,
    /// An attribute of the event; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attributes: Vec<(String, String)>,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "not a month such as 2026-11".to_owned())
}

fn time(text: &str) -> Result<i64, String> {
    instant(text)
        .ok_or_else(|| "neither a date such as 2026-11-21 nor a time such as 2026-11-21T12:00:00Z".to_owned())
}

fn error_class(text: &str) -> Result<ErrorClass, String> {
    let words: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
    ErrorClass::parse(text).ok_or_else(|| format!("none of: {}", words.join(", ")))
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
