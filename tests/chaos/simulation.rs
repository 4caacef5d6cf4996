//! Simulation of recovery: a seed and a number of histories enter, what they broke and what they covered leave.
//!
//! Each history is one Kafka partition with two or three owners, each driving the real state machine of
//! [`callmeter_aggregator::recovery`], a ClickHouse that delays, loses, refuses and restarts, logs that lose records, and
//! operators. Every history follows from one number. Promise: pure but for its threads; no clock, no file.

mod broker;
mod calm;
mod check;
mod clickhouse;
mod coverage;
mod dice;
mod group;
mod log;
mod operator;
mod owner;
mod plan;
mod reading;
mod world;

use coverage::Coverage;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use world::World;

/// What protects the rows. A simulation without one of them must find a violation, or it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The comparison of the marker inside the insert.
    Compare,
    /// One running insert per source.
    Mutex,
    /// The marker in ClickHouse is the truth: without it, the offset that was committed when the insert was sent.
    Marker,
    /// The memory of ids is rebuilt from the horizon before the marker.
    Memory,
    /// A batch says exactly the range that it counted.
    RangeEnd,
    /// Who was fenced begins again at the marker: without it, a fenced batch passes for stored.
    Reseek,
    /// After an unknown answer the marker decides: without it, the batch is sent again, and nothing compares.
    Doubt,
    /// A log that was re-created or truncated is noticed by who fetches from it.
    Identity,
    /// What was read and sealed for a source is not settled by the marker of its successor.
    Successor,
    /// A source that has a successor takes no more batches.
    Close,
    /// Operators read the marker before the log's bounds: without it, a log that grew looks truncated.
    Order,
    /// An operator's decision about a whole log excludes the inserts of its partitions.
    WholeLog,
    /// A replaced log that was accepted in another partition waits in this one for its own decision.
    InPart,
    /// An idle owner looks at the marker now and then: without it, it may stay behind for ever.
    Idle,
}

impl Guard {
    /// All of them, by the names that the command takes.
    pub(crate) const ALL: [(&str, Self); 14] = [
        ("compare", Self::Compare),
        ("mutex", Self::Mutex),
        ("marker", Self::Marker),
        ("memory", Self::Memory),
        ("range-end", Self::RangeEnd),
        ("reseek", Self::Reseek),
        ("doubt", Self::Doubt),
        ("identity", Self::Identity),
        ("successor", Self::Successor),
        ("close", Self::Close),
        ("order", Self::Order),
        ("whole-log", Self::WholeLog),
        ("in-part", Self::InPart),
        ("idle", Self::Idle),
    ];
}

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Seed of the first history; each next one has the next number.
    pub(crate) seed: u64,
    /// How many histories.
    pub(crate) histories: u64,
    /// How many threads.
    pub(crate) threads: usize,
    /// The guard that is taken away.
    pub(crate) without: Option<Guard>,
}

/// A history that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What [`replay`] needs.
    pub(crate) seed: u64,
    /// The promise.
    pub(crate) what: String,
    /// Every step.
    pub(crate) history: String,
}

/// What came of a simulation.
#[derive(Debug)]
pub(crate) struct Report {
    /// Histories that were lived to their end.
    pub(crate) histories: u64,
    /// Steps of all of them.
    pub(crate) steps: u64,
    /// How often everything happened, as text.
    pub(crate) coverage: String,
    /// What should have happened and did not.
    pub(crate) missing: Vec<String>,
    /// Of the histories that failed, the one with the lowest seed.
    pub(crate) failure: Option<Failure>,
}

/// Histories that a thread takes at once.
const CHUNK: u64 = 64;

struct Total {
    histories: u64,
    steps: u64,
    coverage: Coverage,
    failed: Option<u64>,
}

/// Lives histories until all are done or one failed. `progress` hears how many are done.
pub(crate) fn run(options: &Options, progress: impl Fn(u64) + Sync) -> Report {
    let total = Mutex::new(Total { histories: 0, steps: 0, coverage: Coverage::new(), failed: None });
    let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut world = World::new(options.without);
        while !over.load(Ordering::Relaxed) {
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            let until = options.histories.min(first + CHUNK);
            if first >= until {
                break;
            }
            let (steps, failed) = live(&mut world, options.seed, first..until);
            let mut total = total.lock().expect("no thread panics while it adds");
            total.histories += until - first;
            total.steps += steps;
            if let Some(seed) = failed {
                over.store(true, Ordering::Relaxed);
                total.failed = Some(total.failed.map_or(seed, |other| other.min(seed)));
            }
            progress(total.histories);
        }
        total.lock().expect("no thread panics while it adds").coverage.add(&world.coverage);
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(work);
        }
    });
    let total = total.into_inner().expect("no thread panics while it adds");
    Report {
        histories: total.histories,
        steps: total.steps,
        coverage: total.coverage.table(),
        missing: total.coverage.missing(),
        failure: total.failed.map(|seed| failure(seed, options.without)),
    }
}

/// The steps of these histories, and the first that failed.
fn live(world: &mut World, seed: u64, histories: std::ops::Range<u64>) -> (u64, Option<u64>) {
    let mut steps = 0;
    for history in histories {
        let seed = seed.wrapping_add(history);
        world.live(seed);
        steps += world.moves;
        if world.broken.is_some() {
            return (steps, Some(seed));
        }
    }
    (steps, None)
}

fn failure(seed: u64, without: Option<Guard>) -> Failure {
    let (history, broken) = recorded(seed, without);
    Failure { seed, what: broken.unwrap_or_else(|| "a replay that does not fail again".to_owned()), history }
}

fn recorded(seed: u64, without: Option<Guard>) -> (String, Option<String>) {
    let mut world = World::new(without);
    world.text = Some(String::new());
    world.live(seed);
    (world.text.unwrap_or_default(), world.broken)
}

/// One history as text.
pub(crate) fn replay(seed: u64, without: Option<Guard>) -> String {
    let (history, broken) = recorded(seed, without);
    match broken {
        Some(what) => format!("{history}\nfailed: {what}\n"),
        None => format!("{history}\neverything held\n"),
    }
}
