//! The simulation as a command: words enter, what was found leaves as text and as an exit status.
//!
//! Without arguments 5,000 histories must hold and meet everything, and each guard that is taken away must be noticed.

use crate::simulation::{self, Failure, Guard, Options, Report};
use std::process::ExitCode;

/// Histories of a run without arguments.
const HISTORIES: u64 = 5_000;
/// Within so many histories each missing guard must be noticed.
const CONTROLS: u64 = 100_000;

/// `simulate [--histories N] [--seed S] [--replay SEED] [--without GUARD]`
pub(crate) fn command(words: &[String]) -> ExitCode {
    match simulate(words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(mistake) => {
            eprintln!("error: {mistake}");
            ExitCode::from(2)
        }
    }
}

/// What `cargo test` asks for.
pub(crate) fn everything() -> bool {
    let report = simulation::run(&options(HISTORIES), |_| {});
    println!("simulation: {} histories, {} steps", report.histories, report.steps);
    let covered = report.missing.is_empty();
    if !covered {
        println!("never happened: {}", report.missing.join("; "));
    }
    let held = report.failure.is_none_or(|failure| tell(&failure, None));
    let found = Guard::ALL.into_iter().filter(|(name, guard)| is_needed(name, *guard)).count();
    covered && held && found == Guard::ALL.len()
}

fn is_needed(name: &str, guard: Guard) -> bool {
    let report = simulation::run(&Options { without: Some(guard), ..options(CONTROLS) }, |_| {});
    match report.failure {
        Some(failure) => println!("without {name}: found in history {}: {}", failure.seed, failure.what),
        None => {
            println!(
                "without {name}: NOT NOTICED in {} histories: the simulation proves nothing",
                report.histories
            );
            return false;
        }
    }
    true
}

fn options(histories: u64) -> Options {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Options { seed: 0, histories, threads, without: None }
}

fn simulate(args: &[String]) -> Result<bool, String> {
    let mut options = options(HISTORIES);
    let mut replay = None;
    let mut args = args.iter().filter(|arg| *arg != "simulate");
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--histories" => options.histories = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--replay" => replay = Some(number(value()?)?),
            "--without" => options.without = Some(guard(value()?)?),
            other => return Err(format!("simulate does not know {other}")),
        }
    }
    if let Some(seed) = replay {
        print!("{}", simulation::replay(seed, options.without));
        return Ok(true);
    }
    let Report { histories, steps, coverage, missing, failure } = simulation::run(&options, |done| {
        if done % 8192 == 0 {
            println!("{done} histories")
        }
    });
    println!("{coverage}\n{histories} histories, {steps} steps");
    let held = failure.is_none_or(|failure| tell(&failure, options.without));
    // Few histories cannot meet everything.
    let covered = missing.is_empty() || histories < HISTORIES || !held;
    if !covered {
        println!("never happened: {}", missing.join("; "));
    }
    Ok(held && covered)
}

/// Prints a failure and the command that replays it; false, since it is one.
fn tell(failure: &Failure, without: Option<Guard>) -> bool {
    let Failure { seed, what, history } = failure;
    println!("{history}\nhistory {seed} failed: {what}");
    let name = Guard::ALL.iter().find(|(_, guard)| Some(*guard) == without);
    let name = name.map(|(name, _)| format!(" --without {name}")).unwrap_or_default();
    println!("replay: cargo test --test chaos -- simulate --replay {seed}{name}");
    false
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn guard(name: &str) -> Result<Guard, String> {
    let found = Guard::ALL.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, guard)| guard).ok_or_else(|| {
        format!("{name} is no guard; there are {}", Guard::ALL.map(|(known, _)| known).join(", "))
    })
}
