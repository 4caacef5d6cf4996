//! `callmeter silences`: conditions or ids enter, what was written down or listed leaves.
//!
//! Data goes to standard output, everything else to standard error. The alerter follows within one round of its rules.

pub(crate) mod args;
mod show;

use crate::{
    commands::runtime,
    config::{self, Config},
    migrate,
};
use args::SilencesCommand;
use callmeter_alerter::{Operators, silence::Silence};
use jiff::Timestamp;
use std::process::ExitCode;

/// Does what the command line asks for.
pub(crate) fn silences(command: SilencesCommand) -> anyhow::Result<ExitCode> {
    let config = config::load(command.config().config.as_deref())?;
    runtime()?.block_on(run(&config, command))
}

async fn run(config: &Config, command: SilencesCommand) -> anyhow::Result<ExitCode> {
    migrate::require_version(&config.clickhouse).await?;
    let operators = Operators::new(&config.clickhouse, None, &[]);
    let json = command.json();
    match command {
        SilencesCommand::Add(args) => {
            let silence = operators.silence(args.wish()?).await?;
            match json {
                true => print(&[silence], json),
                false => println!("{}", silence.id),
            }
        }
        SilencesCommand::List(args) => print(&operators.silences(args.expired).await?, json),
        SilencesCommand::Expire(args) => {
            let mut expired = Vec::new();
            for id in &args.ids {
                expired.push(operators.expire(id).await?);
            }
            print(&expired, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a command says how silences stand at the moment it prints them"
)]
fn print(silences: &[Silence], json: bool) {
    let now = Timestamp::now();
    match json {
        true => println!("{:#}", show::json(silences, now)),
        false => print!("{}", show::table(silences, now)),
    }
}
