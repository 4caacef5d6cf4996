//! The proof that every event is counted exactly once, whatever dies: `cargo test` runs a short one, the README says how to
//! run a long one.
//!
//! What enters is which parts to run, from which seed; what leaves is tables of what was done and what was checked, and an
//! exit status that is not zero when anything was violated or could not be checked.

mod args;
mod controls;
mod disk;
mod fault;
mod faults;
mod overload;
mod recovery;
mod round;
mod simulate;
mod simulation;
mod site;
mod tally;
mod traffic;

use args::Part;
use callmeter_harness::stack::RUNTIME;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "simulate") {
        return simulate::command(&words);
    }
    let parts = match args::parse(words.into_iter()) {
        Ok(parts) => parts,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    // Before anything runs: the process is replaced by one that may mount.
    if parts.iter().any(|part| matches!(part, Part::Faults(options) if options.full_disk))
        && !disk::is_possible()
    {
        eprintln!(
            "a full disk is not among the faults, because none can be mounted: {}",
            disk::enter_namespace()
        );
    }
    let mut clean = true;
    for part in parts {
        clean &= match part {
            Part::Simulation => simulate::everything(),
            Part::Faults(options) => RUNTIME.block_on(faults::run(options)),
            Part::Overload { seconds } => RUNTIME.block_on(overload::run(seconds)),
            Part::Recovery { kills } => RUNTIME.block_on(recovery::run(kills)),
            Part::Controls { seed, rounds, only } => RUNTIME.block_on(controls::run(seed, rounds, &only)),
        };
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
