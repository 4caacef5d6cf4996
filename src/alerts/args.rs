//! The arguments of `callmeter alerts`.

use crate::cli::ListArgs;
use callmeter_alerter::status::{Wanted, WantedError};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Alerts that are pending or firing, and what keeps them quiet
    List(AlertsListArgs),
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

#[derive(Debug, Args)]
pub(crate) struct AlertsListArgs {
    /// Only alerts that all of these hold for, such as customer=acme or 'severity=~"page|ticket"'
    #[arg(value_name = "MATCHER")]
    pub(crate) matchers: Vec<String>,
    /// Only alerts in this state
    #[arg(long, value_parser = ["pending", "firing"])]
    pub(crate) state: Option<String>,
    /// Only alerts that are silenced, or only those that are not
    #[arg(long, value_name = "true|false", value_parser = ["true", "false"])]
    pub(crate) silenced: Option<String>,
    /// Only alerts that are inhibited, or only those that are not
    #[arg(long, value_name = "true|false", value_parser = ["true", "false"])]
    pub(crate) inhibited: Option<String>,
    /// Only alerts that a route leads to this receiver
    #[arg(long, value_name = "NAME")]
    pub(crate) receiver: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

impl AlertsListArgs {
    /// The same words as in the query of `GET /v1/alerts`.
    pub(crate) fn wanted(&self) -> Result<Wanted, WantedError> {
        let filters = self.matchers.iter().map(|matcher| ("filter", matcher));
        let options = [
            ("state", &self.state),
            ("silenced", &self.silenced),
            ("inhibited", &self.inhibited),
            ("receiver", &self.receiver),
        ];
        let options = options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Wanted::read(filters.chain(options).map(|(name, text)| (name, text.as_str())))
    }
}
