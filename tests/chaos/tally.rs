//! What a run amounts to: rounds enter, tables leave.

use crate::fault::{self, Fault};
use callmeter_harness::inspector::Violation;
use std::{collections::BTreeMap, fmt};

/// Every invariant that an inspection checks, with its meaning.
const INVARIANTS: [(&str, &str); 10] = [
    ("I1", "ledger ranges tile each log from genesis to marker, each committed once"),
    ("I2", "consumed = counted + duplicates + dead-lettered, batch by batch, as the log says"),
    ("I3", "data rows add up to the ledger"),
    ("I4", "every cell equals the recompute: counts, classes, cost, buckets, quotas"),
    ("I5", "every acknowledged id is in the log and counted once"),
    ("I6", "no other id is counted twice"),
    ("I7", "markers never decrease"),
    ("I8", "raw calls are the log's events, flagged as the ledger counts them"),
    ("I9", "dead letters are exactly the planted poison"),
    ("I13", "after the last fault everything is counted within the bound"),
];

/// Sums over rounds.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    /// Drawn and took effect, by fault.
    faults: BTreeMap<Fault, [usize; 2]>,
    inspections: usize,
    violated: BTreeMap<&'static str, usize>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) records: i64,
    pub(crate) duplicates: i64,
    pub(crate) poison: i64,
    pub(crate) acknowledged: usize,
    pub(crate) refused: u64,
}

impl Tally {
    /// Adds the faults of a round.
    pub(crate) fn injected(&mut self, faults: &[Fault], took: &[bool]) {
        for (fault, took) in faults.iter().zip(took) {
            let [drawn, effective] = self.faults.entry(*fault).or_default();
            *drawn += 1;
            *effective += usize::from(*took);
        }
    }

    /// Adds an inspection.
    pub(crate) fn inspected(&mut self, violations: Vec<Violation>) {
        self.inspections += 1;
        for violation in &violations {
            *self.violated.entry(violation.invariant).or_default() += 1;
        }
        self.violations.extend(violations);
    }

    /// Faults that took effect.
    pub(crate) fn effective(&self) -> usize {
        self.faults.values().map(|[_, effective]| effective).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:>8} {:>8}  FAULT", "DRAWN", "TOOK")?;
        for (fault, [drawn, effective]) in &self.faults {
            writeln!(out, "{drawn:>8} {effective:>8}  {}", fault::name(*fault))?;
        }
        let drawn: usize = self.faults.values().map(|[drawn, _]| drawn).sum();
        writeln!(out, "{drawn:>8} {:>8}  all, in {} rounds\n", self.effective(), self.rounds)?;
        writeln!(out, "{:>8} {:>8}  INVARIANT", "CHECKED", "VIOLATED")?;
        for (name, meaning) in INVARIANTS {
            let violated = self.violated.get(name).copied().unwrap_or(0);
            writeln!(out, "{:>8} {violated:>8}  {name:<3} {meaning}", self.inspections)?;
        }
        writeln!(
            out,
            "\n{} records in the log, {} of them duplicates, {} poison; {} ids acknowledged over HTTP, {} requests refused or cut",
            self.records, self.duplicates, self.poison, self.acknowledged, self.refused
        )
    }
}
