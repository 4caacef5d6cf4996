//! The words of `callmeter rules`: a command line enters, what is asked for leaves.

use crate::cli::ConfigArgs;
use callmeter_documents::duration;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::{path::PathBuf, time::Duration};

/// What to do with rule files.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check rule files: every mistake with file and line
    Check(CheckArgs),
    /// Play rules over the series of test files, and compare what fires with what is expected; no network
    #[command(after_help = TEST_NOTES)]
    Test(TestArgs),
    /// Evaluate rules over stored history: when they would have fired, for whom and for how long, against what did fire
    #[command(after_help = BACKTEST_NOTES)]
    Backtest(BacktestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Rule files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files in promtool's form; `*` in a file name stands for any characters
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Rule files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Beginning of the history: a time such as 2026-11-20T00:00:00Z, or how long ago, such as 10d
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) from: Moment,
    /// Its end; else now
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) to: Option<Moment>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A time on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// As it was named.
    Time(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    fn parse(text: &str) -> Result<Self, String> {
        let ago = || duration::parse(text).map(Self::Ago);
        let wrong =
            |_| "neither a time such as 2026-11-20T00:00:00Z nor how long ago, such as 10d".to_owned();
        text.parse().map(Self::Time).or_else(|_| ago()).map_err(wrong)
    }
}

const BACKTEST_NOTES: &str = "\
Rules are evaluated at the end of every stored window; the live alerter also looks in between, and may fire up to one
window sooner. FIRED is how often the rules given would have fired, DID FIRE how often rules of the same name did; NEW
are those of the former that did not, GONE those of the latter that would not have.

Examples:
  callmeter rules backtest rules.yaml --from 10d
  callmeter rules backtest rules.yaml --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --json";

const TEST_NOTES: &str = "\
A test file:
  rule_files: [rules.yaml]
  evaluation_interval: 1m
  tests:
  - name: an outage pages after five minutes
    interval: 1m
    input_series:
    - {series: 'calls{customer=\"acme\",integration=\"hubspot\"}', values: 60x20}
    - {series: 'errors{customer=\"acme\",integration=\"hubspot\",error_class=\"timeout\"}', values: _x5 30x15}
    alert_rule_test:
    - alertname: ErrorRateHigh
      eval_time: 12m
      exp_alerts:
      - exp_labels: {customer: acme, integration: hubspot, severity: page}
        exp_annotations: {summary: hubspot fails for acme}

Series: calls, errors, retried, latency_ms, bytes_in, bytes_out, cost; quota_remaining, quota_limit, quota_resets_in. A
sample is what happened in its step, not a counter that grows. Labels and annotations are compared whole; the
workspace is `default` where none is named.

Exit status: 0 everything as expected; 1 something is not, or a file has mistakes.";
