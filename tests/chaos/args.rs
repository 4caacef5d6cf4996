//! The command line: words enter, the parts to run leave.
//!
//! `cargo test` hands every test program the same words: a filter, or switches of the usual test harness. A word that
//! names no part here runs nothing, and the harness's switches change nothing.

use crate::faults::{self, BOUND};

/// What can be asked for.
pub(crate) const HELP: &str = "\
cargo test --test chaos -- [PART…] [--seed N] [--rounds N] …

parts; without one, a short run of each:
  faults     rounds of real faults on genuine engines        --seed N --rounds N --faults-per-round N";

/// One part of the proof.
pub(crate) enum Part {
    /// Rounds of real faults.
    Faults(faults::Options),
}

/// Reads the words.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Vec<Part>, String> {
    let mut named = Vec::new();
    let mut numbers = std::collections::BTreeMap::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            None => named.push(word),
            Some(name @ ("seed" | "rounds" | "faults-per-round")) => {
                let value = words.next().ok_or_else(|| format!("--{name} needs a number"))?;
                let number: u64 = value.parse().map_err(|_| format!("--{name} {value}: not a number"))?;
                numbers.insert(name.to_owned(), number);
            }
            Some("test-threads" | "format" | "color" | "skip") => drop(words.next()),
            Some(_) => {}
        }
    }
    let number = |name: &str, default: u64| numbers.get(name).copied().unwrap_or(default);
    let asked = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let mut parts = Vec::new();
    if asked("faults") {
        parts.push(Part::Faults(faults::Options {
            seed: number("seed", 1),
            rounds: number("rounds", 2) as usize,
            faults_per_round: number("faults-per-round", 8) as usize,
            bug: None,
            bound: BOUND,
            full_disk: !named.is_empty(),
        }));
    }
    Ok(parts)
}
