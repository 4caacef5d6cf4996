//! The proof that every event is counted exactly once, whatever dies: `cargo test` runs a short one, the README says how to
//! run a long one.
//!
//! What enters is which parts to run, from which seed; what leaves is tables of what was done and what was checked, and an
//! exit status that is not zero when anything was violated or could not be checked.

mod args;
mod disk;
mod fault;
mod faults;
mod round;
mod site;
mod tally;
mod traffic;

use args::Part;
use callmeter_harness::stack::RUNTIME;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = match args::parse(std::env::args().skip(1)) {
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
            Part::Faults(options) => RUNTIME.block_on(faults::run(options)),
        };
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
