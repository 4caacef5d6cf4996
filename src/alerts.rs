//! `callmeter alerts` and `GET /v1/alerts`: a question enters, the alerts that are open leave, or
//! what became of a test of a receiver.
//!
//! Data goes to standard output, everything else to standard error.

mod api;
pub(crate) mod args;
mod list;
mod send_test;

use crate::{
    commands::runtime,
    config::{self, Config},
    migrate,
};
use anyhow::anyhow;
use args::{AlertsCommand, AlertsListArgs};
use callmeter_alerter::{Operators, check_routing};
use std::process::ExitCode;

pub(crate) use api::routes;

/// Does what the command line asks for.
pub(crate) fn alerts(command: AlertsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertsCommand::List(args) => {
            let config = config::load(args.list.config.config.as_deref())?;
            runtime()?.block_on(print(&config, &args))
        }
        AlertsCommand::SendTest(args) => {
            let config = config::load(args.list.config.config.as_deref())?;
            runtime()?.block_on(send_test::run(&config.alerter, &args))
        }
    }
}

async fn print(config: &Config, args: &AlertsListArgs) -> anyhow::Result<ExitCode> {
    migrate::require_version(&config.clickhouse).await?;
    let routing = config.alerter.routing.as_deref();
    routing.map(check_routing).transpose().map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the file of alerter.routing has mistakes\n       {}", lines.join("\n       "))
    })?;
    let alerts =
        Operators::new(&config.clickhouse, routing, &config.alerter.rules).alerts(&args.wanted()?).await?;
    match args.list.json {
        true => println!("{}", serde_json::to_string_pretty(&alerts)?),
        false => print!("{}", list::table(&alerts)),
    }
    Ok(ExitCode::SUCCESS)
}
