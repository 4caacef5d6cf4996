//! `callmeter alerts`: a receiver's name enters, what became of a test at each of its targets leaves.
//!
//! Data goes to standard output; a target that did not take its test is status 1.

pub(crate) mod args;

use crate::{commands, config};
use args::{AlertsCommand, SendTestArgs};
use callmeter_alerter::{Tested, send_test};
use std::process::ExitCode;

/// Does what the command line asks for.
pub(crate) fn alerts(command: AlertsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertsCommand::SendTest(args) => test(&args),
    }
}

fn test(args: &SendTestArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(args.list.config.config.as_deref())?;
    let tested = commands::runtime()?.block_on(send_test(&config.alerter, &args.receiver))?;
    match args.list.json {
        true => println!("{}", serde_json::to_string_pretty(&tested)?),
        false => tested.iter().for_each(|tested| println!("{}", line(tested))),
    }
    Ok(if tested.iter().all(|tested| tested.delivered) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(tested: &Tested) -> String {
    let Tested { target, delivered, status, detail, took_ms } = tested;
    let status = if *status == 0 { "no answer".to_owned() } else { status.to_string() };
    match delivered {
        true => format!("{target}  delivered  {status}  {took_ms} ms"),
        false => format!("{target}  FAILED  {status}  {took_ms} ms  {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_target_what_happened_and_how_long_it_took() {
        let tested = |delivered, status, detail: &str| Tested {
            target: "ops/webhook/0".into(),
            delivered,
            status,
            detail: detail.into(),
            took_ms: 12,
        };
        assert_eq!(line(&tested(true, 204, "")), "ops/webhook/0  delivered  204  12 ms");
        assert_eq!(
            line(&tested(false, 0, "connection refused")),
            "ops/webhook/0  FAILED  no answer  12 ms  connection refused"
        );
    }
}
