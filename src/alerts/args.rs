//! The arguments of `callmeter alerts`.

use crate::cli::ListArgs;
use callmeter_alerter::status::{Wanted, WantedError};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Alerts that are pending or firing, and what keeps them quiet
    List(AlertsListArgs),
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
