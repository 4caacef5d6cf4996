//! Rounds of faults on genuine engines: a seed enters, tables of what was done and checked leave.
//!
//! Promise: after each round everything is checked against a recompute from the log; the first violation ends the run and is
//! told with the seed, the round and what was done in it.

use crate::{
    disk,
    fault::{self, Fault, Targets},
    round,
    site::Site,
    tally::Tally,
    traffic::{Past, Traffic},
};
use callmeter_harness::{
    inspector::{Inspector, Violation},
    oracle::Outcome,
};
use rand::{SeedableRng, rngs::StdRng};
use std::time::Duration;

/// Time in which the faults of a round begin.
const SPAN: Duration = Duration::from_secs(8);

/// What to run.
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) faults_per_round: usize,
    /// A bug that test builds know by name.
    pub(crate) bug: Option<&'static str>,
    /// Part of the names of the faults to draw from; empty: all.
    pub(crate) only: String,
    /// Whether a disk that can be filled is worth a namespace for its mount.
    pub(crate) full_disk: bool,
    /// How long counting may take after the last fault.
    pub(crate) bound: Duration,
}

/// A site with its traffic and its inspector, over several rounds.
pub(crate) struct Run {
    site: Site,
    inspector: Inspector,
    past: Past,
    options: Options,
    among: Vec<Fault>,
    pub(crate) tally: Tally,
}

impl Run {
    /// Starts the site.
    pub(crate) async fn start(options: Options) -> Self {
        let site = Site::start(disk::is_possible(), options.bug).await;
        let inspector = Inspector::new(&site.stack);
        let among: Vec<Fault> = fault::ALL
            .iter()
            .filter(|(fault, name)| {
                name.contains(&options.only) && (*fault != Fault::FullDisk || disk::is_possible())
            })
            .map(|(fault, _)| *fault)
            .collect();
        assert!(!among.is_empty(), "no fault that is possible here is called {:?}", options.only);
        Self { site, inspector, past: Past::default(), options, among, tally: Tally::default() }
    }

    /// One round: traffic and faults, calm, inspection. What is violated leaves.
    pub(crate) async fn round(&mut self) -> Vec<Violation> {
        let seed = self.options.seed.wrapping_mul(1_000_003).wrapping_add(self.tally.rounds as u64);
        let mut random = StdRng::seed_from_u64(seed);
        let targets = Targets { aggregators: self.site.aggregators.len(), ingests: self.site.ingests.len() };
        let (faults, steps) =
            fault::draw(&mut random, &self.among, self.options.faults_per_round, SPAN, targets);
        let doors: Vec<u16> = self.site.doors.iter().map(|door| door.port()).collect();
        let stack = &self.site.stack;
        let traffic = Traffic::start(&stack.kafka, &stack.key, &doors, &self.past, seed);
        let (took, mut violations) =
            round::play(&mut self.site, faults.len(), &steps, &mut self.inspector).await;
        self.tally.rounds += 1;
        self.tally.injected(&faults, &took);
        if let Err(problem) = self.site.calm().await {
            violations
                .push(Violation { invariant: "I13", detail: format!("the engines are not back: {problem}") });
        }
        traffic.end(&mut self.past).await;
        let found = self.inspector.inspect(&self.site.stack, &self.past.sent, self.options.bound);
        violations.extend(found.await);
        self.account();
        // A bug on purpose is meant to be caught.
        if !violations.is_empty() && self.options.bug.is_none() {
            let done =
                faults.iter().zip(&took).map(|(fault, took)| format!("{} ({took})", fault::name(*fault)));
            eprintln!(
                "round {} of seed {}: {}",
                self.tally.rounds,
                self.options.seed,
                done.collect::<Vec<_>>().join("; ")
            );
        }
        self.tally.inspected(violations.clone());
        violations
    }

    fn account(&mut self) {
        let truth = self.inspector.oracle().truth();
        self.tally.records = truth.records();
        self.tally.duplicates = truth.count(Outcome::Duplicate);
        self.tally.poison = truth.count(Outcome::DeadLettered);
        self.tally.acknowledged = self.past.sent.acknowledged.len();
        self.tally.refused = self.past.refused;
    }

    /// The last lines of all logs.
    pub(crate) fn tails(&self) -> String {
        self.site.stack.tails()
    }

    /// Ends everything.
    pub(crate) async fn stop(self) {
        self.site.stack.stop().await;
    }
}

/// Runs all rounds; true when nothing was violated.
pub(crate) async fn run(options: Options) -> bool {
    let (seed, rounds) = (options.seed, options.rounds);
    println!("faults: seed {seed}, {rounds} rounds of {} faults", options.faults_per_round);
    let mut run = Run::start(options).await;
    let mut clean = true;
    while clean && run.tally.rounds < rounds {
        let violations = run.round().await;
        let Tally { rounds: played, records, duplicates, poison, .. } = run.tally;
        let effective = run.tally.effective();
        println!(
            "round {played:>4} of {rounds}: {effective} faults took effect, {records} records, {duplicates} duplicates, \
             {poison} poison, {} violations",
            violations.len()
        );
        clean = violations.is_empty();
    }
    print!("\n{}", run.tally);
    if !clean {
        run.tally.violations.iter().for_each(|violation| println!("VIOLATED {violation}"));
        println!(
            "{}\nto see it again: cargo test --test chaos -- faults --seed {seed} --rounds {}",
            run.tails(),
            run.tally.rounds
        );
    }
    run.stop().await;
    clean
}
