//! The words of `callmeter rules`: a command line enters, what is asked for leaves.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with rule files.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check rule files: every mistake with file and line
    Check(CheckArgs),
    /// Play rules over the series of test files, and compare what fires with what is expected; no network
    #[command(after_help = TEST_NOTES)]
    Test(TestArgs),
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

Series: calls, errors, retried, latency_ms, bytes_in, bytes_out, cost. A sample is what happened in its step, not a
counter that grows. Labels and annotations are compared whole; the workspace is `default` where none is named.

Exit status: 0 everything as expected; 1 something is not, or a file has mistakes.";
