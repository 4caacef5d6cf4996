//! The command line: words enter, what to measure leaves.

use crate::{
    contender::Contender,
    log::{Shape, Skew},
};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Whole-process CPU of the aggregator and its rivals on one log.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// `aggregate` measures at full size; without it a short run of a few minutes is made.
    what: Option<What>,
    /// Records in the log [default: 2000000; short: 500000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    events: Option<u64>,
    /// Distinct keys, one log each [default: 1000,100000; short: 100000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    keys: Vec<u64>,
    /// Kafka partitions
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// How keys are drawn
    #[arg(long, value_enum, default_value_t = Skew::Uniform)]
    skew: Skew,
    /// How often every contender plays [default: 5; short: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Makes another log
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where ratios.json and ratios.svg go
    #[arg(long, default_value = "target/contenders")]
    pub(crate) out: PathBuf,
    /// Contenders, all unless named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Aggregate,
}

impl Args {
    fn is_full(&self) -> bool {
        self.what.is_some()
    }

    /// The logs to play on.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = Shape> {
        let events = self.events.unwrap_or(if self.is_full() { 2_000_000 } else { 500_000 });
        let keys = match (self.keys.as_slice(), self.is_full()) {
            ([], true) => vec![1_000, 100_000],
            ([], false) => vec![100_000],
            (keys, _) => keys.to_vec(),
        };
        let (partitions, skew, seed) = (self.partitions, self.skew, self.seed);
        keys.into_iter().map(move |keys| Shape { events, keys, partitions, skew, seed })
    }

    /// How often every contender plays.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.is_full() { 5 } else { 3 })
    }

    /// Who plays, each once, in the order of the first round.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let all = Contender::value_variants().iter();
        all.filter(|contender| self.only.is_empty() || self.only.contains(contender)).copied().collect()
    }
}
