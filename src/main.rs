//! The one binary: a command line enters, an exit status leaves: 0 done, 1 failed, 2 wrong usage.
//!
//! Data goes to standard output, everything else to standard error. Each command is a module; the
//! roles live in their own crates.

mod admin;
mod alerts;
mod cli;
mod commands;
mod config;
mod doctor;
mod migrate;
mod partitions;
mod prices;
mod profiles;
mod rebuild;
mod roles;
mod rules;
mod silences;
mod table;
mod telemetry;
mod up;

use clap::Parser;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Memory is taken by one thread and given back by another, request by request: ingest then spends a sixth less than with
/// the system's allocator.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The allocator's settings. By its defaults memory of 8 MiB and more goes back to the system at once, and a block of many rows
/// is that large: each would be made of new pages, which the system must clear first. So it is kept ten seconds, like the rest.
#[allow(unsafe_code, reason = "the allocator looks for a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 21] = b"oversize_threshold:0\0";

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    // ClickHouse's library takes over the whole process, before any thread exists.
    if args.nth(1).is_some_and(|command| command == callmeter_engines::CLICKHOUSE_CHILD_COMMAND) {
        callmeter_engines::clickhouse_child_main(args);
    }
    let cli = cli::Cli::parse();
    match commands::dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
