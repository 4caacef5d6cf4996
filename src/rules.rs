//! `callmeter rules`: rule files and a question enter, mistakes, verdicts or a history of alerts leave.
//!
//! Data goes to standard output; mistakes, and tests that do not hold, are status 1.

pub(crate) mod args;
mod backtest;

use crate::commands;
use anyhow::Context;
use args::{CheckArgs, RulesCommand, TestArgs};
use callmeter_alerter::ruletest::{self, Tested, junit, render};
use std::{
    io::{IsTerminal, stdout},
    process::ExitCode,
};

/// Does what the command line asks for.
pub(crate) fn rules(command: RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::Check(args) => Ok(check(&args)),
        RulesCommand::Test(args) => test(&args),
        RulesCommand::Backtest(args) => backtest::backtest(&args),
    }
}

fn check(args: &CheckArgs) -> ExitCode {
    match callmeter_alerter::check_rules(&args.files) {
        Ok(rules) => {
            println!("{} rules in {} groups, no mistakes", rules.rules(), rules.groups.len());
            ExitCode::SUCCESS
        }
        Err(problems) => commands::refused(&problems),
    }
}

fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let files = match ruletest::test(&args.files) {
        Ok(files) => files,
        Err(problems) => return Ok(commands::refused(&problems)),
    };
    if let Some(path) = &args.junit {
        let written = junit::xml(&files).and_then(|xml| std::fs::write(path, xml));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let holds = files.iter().all(Tested::holds);
    match args.json {
        true => println!(
            "{}",
            serde_json::to_string_pretty(&serde_json::json!({"holds": holds, "files": files}))?
        ),
        false => print!("{}", render::text(&files, stdout().is_terminal())),
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
