//! The words of `callmeter alerts`: a command line enters, what is asked for leaves.

use crate::cli::ListArgs;
use clap::{Args, Subcommand};

/// What to do about alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Send a message that is marked as a test to every target of a receiver
    #[command(after_help = SEND_TEST)]
    SendTest(SendTestArgs),
}

const SEND_TEST: &str = "The message goes the way of every page: the same secrets, addresses and limits. One attempt \
    is made per target. A test at PagerDuty opens an incident of severity info: resolve it there.";

#[derive(Debug, Args)]
pub(crate) struct SendTestArgs {
    /// Name of the receiver in the routing file
    #[arg(long, value_name = "NAME")]
    pub(crate) receiver: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
