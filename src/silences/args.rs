//! The arguments of `callmeter silences`.

use crate::cli::{ConfigArgs, ListArgs};
use anyhow::bail;
use callmeter_alerter::{Until, Wish};
use callmeter_documents::duration;
use clap::{ArgGroup, Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Subcommand)]
pub(crate) enum SilencesCommand {
    /// Tell nobody of alerts that all matchers hold for, for some time; prints the silence's id
    #[command(after_help = EXAMPLES)]
    Add(AddArgs),
    /// Silences that have not ended
    List(SilencesListArgs),
    /// End silences now
    Expire(ExpireArgs),
}

const EXAMPLES: &str = "Examples:
  callmeter silences add customer=acme integration=hubspot --duration 2h --reason 'migration' --author ann
  callmeter silences add 'severity=~\"page|ticket\"' --start 2026-12-24T18:00:00Z --end 2026-12-27T06:00:00Z --reason 'holidays' --author ann";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("until").required(true).args(["end", "duration"]))]
pub(crate) struct AddArgs {
    /// Conditions on labels: name=value, name!=value, name=~expression or name!~expression
    #[arg(required = true, value_name = "MATCHER")]
    pub(crate) matchers: Vec<String>,
    /// Who asks for it
    #[arg(long, value_name = "NAME", env = "USER")]
    pub(crate) author: String,
    /// Why, for those who wonder about the quiet
    #[arg(long, visible_alias = "comment", value_name = "TEXT")]
    pub(crate) reason: String,
    /// From when on, RFC 3339; else from now on
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<Timestamp>,
    /// Until when, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) end: Option<Timestamp>,
    /// For how long, such as 90m, 2h or 1d
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(crate) duration: Option<SignedDuration>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SilencesListArgs {
    /// Also those that ended in the last 30 days
    #[arg(long)]
    pub(crate) expired: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExpireArgs {
    /// Ids of silences
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let length = duration::parse(text).map_err(|error| error.to_string())?;
    SignedDuration::try_from(length).map_err(|error| error.to_string())
}

impl SilencesCommand {
    fn list(&self) -> &ListArgs {
        match self {
            Self::Add(args) => &args.list,
            Self::List(args) => &args.list,
            Self::Expire(args) => &args.list,
        }
    }

    /// Where the configuration is.
    pub(crate) fn config(&self) -> &ConfigArgs {
        &self.list().config
    }

    /// Whether JSON is asked for.
    pub(crate) fn json(&self) -> bool {
        self.list().json
    }
}

impl AddArgs {
    /// What is asked for.
    pub(crate) fn wish(self) -> anyhow::Result<Wish> {
        let until = match (self.end, self.duration) {
            (Some(end), _) => Until::Moment(end),
            (None, Some(length)) => Until::After(length),
            (None, None) => bail!("--end or --duration is needed"),
        };
        let Self { matchers, author, reason, start, .. } = self;
        Ok(Wish { matchers, author, reason, starts_at: start, until })
    }
}
