//! Negative controls: bugs on purpose enter, the invariants that caught each leave.
//!
//! Promise: a bug that no round catches is a failure: what cannot be seen to fail proves nothing.

use crate::faults::{Options, Run};
use std::{collections::BTreeSet, time::Duration};

/// A bug by its name in test builds, what it is, and part of the name of the faults that it is about; empty: of any.
struct Control {
    bug: &'static str,
    meaning: &'static str,
    faults: &'static str,
    faults_per_round: usize,
}

const CONTROLS: [Control; 10] = [
    Control {
        bug: "NoCompare",
        meaning: "no compare-and-set inside the insert",
        faults: "aggregator frozen past",
        faults_per_round: 10,
    },
    Control {
        bug: "NoMutex",
        meaning: "two inserts of one partition at once",
        faults: "slow inside ClickHouse",
        faults_per_round: 1,
    },
    Control {
        bug: "TokenOnly",
        meaning: "a deduplication token instead of both",
        faults: "slow inside ClickHouse",
        faults_per_round: 1,
    },
    Control {
        bug: "CommitFirst",
        meaning: "position committed before the insert",
        faults: "SIGKILL of an aggregator",
        faults_per_round: 10,
    },
    Control {
        bug: "MarkerApart",
        meaning: "marker in an insert of its own",
        faults: "answer",
        faults_per_round: 10,
    },
    Control {
        bug: "AsyncInsert",
        meaning: "async_insert=1 without waiting",
        faults: "answer lost",
        faults_per_round: 10,
    },
    Control { bug: "FloatCost", meaning: "cost as a double", faults: "", faults_per_round: 10 },
    Control {
        bug: "LettersAfterInsert",
        meaning: "dead letters after the insert",
        faults: "at the answer",
        faults_per_round: 20,
    },
    Control { bug: "RangeEnd", meaning: "range ends one offset early", faults: "", faults_per_round: 10 },
    Control {
        bug: "MemoryNotRebuilt",
        meaning: "duplicate memory not rebuilt",
        faults: "SIGKILL of an aggregator",
        faults_per_round: 10,
    },
];

/// Counting that stands still is no more than one of the ways to be caught.
const BOUND: Duration = Duration::from_secs(20);

/// Breaks the aggregators in every way, one after the other; true when every bug was caught.
pub(crate) async fn run(seed: u64, rounds: usize, only: &[String]) -> bool {
    println!("controls: seed {seed}, at most {rounds} rounds for each bug");
    let mut caught_all = true;
    println!("{:<40} {:<26} {:>6}  CAUGHT BY", "BUG", "FAULTS", "ROUNDS");
    for control in CONTROLS {
        let Control { bug, meaning, faults, .. } = control;
        if !only.is_empty() && !only.iter().any(|name| name == bug) {
            continue;
        }
        let (played, caught) = break_by(&control, seed, rounds).await;
        caught_all &= !caught.is_empty();
        let by = if caught.is_empty() { "NOT CAUGHT".to_owned() } else { caught.join(", ") };
        let faults = if faults.is_empty() { "any" } else { faults };
        println!("{meaning:<40} {faults:<26} {played:>6}  {by}");
    }
    caught_all
}

/// Plays rounds until something is violated: how many, and what.
async fn break_by(control: &Control, seed: u64, rounds: usize) -> (usize, Vec<String>) {
    let options = Options {
        seed,
        rounds,
        faults_per_round: control.faults_per_round,
        bug: Some(control.bug),
        full_disk: false,
        only: control.faults.to_owned(),
        bound: BOUND,
    };
    let mut run = Run::start(options).await;
    let mut caught = BTreeSet::new();
    while caught.is_empty() && run.tally.rounds < rounds {
        caught = run.round().await.into_iter().map(|violation| violation.invariant).collect();
    }
    let played = run.tally.rounds;
    run.stop().await;
    (played, caught.into_iter().map(str::to_owned).collect())
}
