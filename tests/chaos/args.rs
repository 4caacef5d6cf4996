//! The command line: words enter, the parts to run leave.
//!
//! `cargo test` hands every test program the same words: a filter, or switches of the usual test harness. A word that
//! names no part here runs nothing, and the harness's switches change nothing.

use crate::faults;
use std::{collections::BTreeMap, time::Duration};

/// What can be asked for.
pub(crate) const HELP: &str = "\
cargo test --test chaos -- [PART…] [--seed N] [--rounds N] …

parts; without one, a short run of each but overload:
  simulate   histories of the state machine of recovery      --histories N --seed N --replay N --without GUARD
  faults     rounds of real faults on genuine engines        --seed N --rounds N --faults-per-round N --bound SECONDS --only NAME
  controls   bugs on purpose, each of which must be caught   --seed N --rounds N [BUG…]
  overload   ten times what the machine sustains             --seconds N
  recovery   how long counting stands still after a kill     --kills N";

/// Seconds after the last fault of a round in which everything must be counted.
const BOUND_SECONDS: u64 = 60;

/// Numbers that parts take.
const NUMBERS: [&str; 6] = ["seed", "rounds", "faults-per-round", "bound", "seconds", "kills"];

/// One part of the proof.
pub(crate) enum Part {
    /// Histories of the state machine of recovery; with options it is a command of its own.
    Simulation,
    /// Rounds of real faults.
    Faults(faults::Options),
    /// Rounds with each seeded bug, or with some of them.
    Controls { seed: u64, rounds: usize, only: Vec<String> },
    /// Far more than can be counted.
    Overload { seconds: u64 },
    /// Kills, with a watch in hand.
    Recovery { kills: usize },
}

/// Reads the words.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Vec<Part>, String> {
    let mut named = Vec::new();
    let mut numbers = BTreeMap::new();
    let mut only = String::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            None => named.push(word),
            Some(name) if NUMBERS.contains(&name) => {
                let value = words.next().ok_or_else(|| format!("--{name} needs a number"))?;
                let number: u64 = value.parse().map_err(|_| format!("--{name} {value}: not a number"))?;
                numbers.insert(name.to_owned(), number);
            }
            Some("only") => only = words.next().ok_or("--only needs a part of a fault's name")?,
            Some("test-threads" | "format" | "color" | "skip") => drop(words.next()),
            Some(_) => {}
        }
    }
    let number = |name: &str, default: u64| numbers.get(name).copied().unwrap_or(default);
    let asked = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let mut parts = Vec::new();
    if named.is_empty() {
        parts.push(Part::Simulation);
    }
    if asked("faults") {
        parts.push(Part::Faults(faults::Options {
            seed: number("seed", 1),
            rounds: number("rounds", 2) as usize,
            faults_per_round: number("faults-per-round", 8) as usize,
            bug: None,
            bound: Duration::from_secs(number("bound", BOUND_SECONDS)),
            full_disk: !named.is_empty(),
            only: only.clone(),
        }));
    }
    if asked("controls") {
        let only = named.iter().filter(|name| name.starts_with(char::is_uppercase)).cloned().collect();
        parts.push(Part::Controls { seed: number("seed", 1), rounds: number("rounds", 8) as usize, only });
    }
    // By name only: what a machine sustains while others use it says nothing.
    if named.iter().any(|name| name == "overload") {
        parts.push(Part::Overload { seconds: number("seconds", 5) });
    }
    if asked("recovery") {
        parts.push(Part::Recovery { kills: number("kills", 2) as usize });
    }
    Ok(parts)
}
