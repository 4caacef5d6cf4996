//! Negative controls: bugs on purpose enter, the invariants that caught each leave.
//!
//! Promise: a bug that no round catches is a failure: what cannot be seen to fail proves nothing.

use crate::faults::{Options, Run};
use std::{collections::BTreeSet, time::Duration};

/// Bugs by their names in test builds, and what they are.
const BUGS: [(&str, &str); 10] = [
    ("NoCompare", "no compare-and-set inside the insert"),
    ("NoMutex", "two inserts of one partition at once"),
    ("TokenOnly", "a deduplication token instead of both"),
    ("CommitFirst", "position committed before the insert"),
    ("MarkerApart", "marker in an insert of its own"),
    ("AsyncInsert", "async_insert=1 without waiting"),
    ("FloatCost", "cost as a double"),
    ("LettersAfterInsert", "dead letters after the insert"),
    ("RangeEnd", "range ends one offset early"),
    ("MemoryNotRebuilt", "duplicate memory not rebuilt"),
];

/// Counting that stands still is no more than one of the ways to be caught.
const BOUND: Duration = Duration::from_secs(20);

/// Breaks the aggregators in every way, one after the other; true when every bug was caught.
pub(crate) async fn run(seed: u64, rounds: usize, only: &[String]) -> bool {
    println!("controls: seed {seed}, at most {rounds} rounds for each bug");
    let mut caught_all = true;
    println!("{:<40} {:>6}  CAUGHT BY", "BUG", "ROUNDS");
    for (bug, meaning) in BUGS {
        if !only.is_empty() && !only.iter().any(|name| name == bug) {
            continue;
        }
        let (played, caught) = control(bug, seed, rounds).await;
        caught_all &= !caught.is_empty();
        let by = if caught.is_empty() { "NOT CAUGHT".to_owned() } else { caught.join(", ") };
        println!("{meaning:<40} {played:>6}  {by}");
    }
    caught_all
}

/// Plays rounds until something is violated: how many, and what.
async fn control(bug: &'static str, seed: u64, rounds: usize) -> (usize, Vec<String>) {
    let options =
        Options { seed, rounds, faults_per_round: 10, bug: Some(bug), full_disk: false, bound: BOUND };
    let mut run = Run::start(options).await;
    let mut caught = BTreeSet::new();
    while caught.is_empty() && run.tally.rounds < rounds {
        caught = run.round().await.into_iter().map(|violation| violation.invariant).collect();
    }
    let played = run.tally.rounds;
    run.stop().await;
    (played, caught.into_iter().map(str::to_owned).collect())
}
