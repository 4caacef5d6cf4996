//! What an operator decides about partitions that do not go on by themselves: what is seen and the wish enter,
//! decisions leave, each with the rows that record it and what must still be so when they land.
//!
//! Promise: pure; counting only ever goes forwards, and what is passed over stands in the ledger as a gap.

mod rows;

use rows::Row;
pub use rows::{COLUMNS, STRUCTURE};

use crate::recovery::StopReason;
use std::fmt::{self, Display, Formatter};

/// One partition as marker, log and aggregator tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Kafka partition.
    pub partition: i32,
    /// The source that counts.
    pub source: String,
    /// Next offset to count.
    pub marker: Option<i64>,
    /// First offset that the log still holds.
    pub low: i64,
    /// Offset after the log's last record.
    pub high: i64,
    /// Nothing of it was ever counted, and its log took another's place.
    pub replaced: bool,
    /// Why its aggregator said last that it waits for an operator; empty when it does not.
    pub told: String,
}

/// How a partition fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was counted yet, and nothing stands against it.
    New,
    /// It is counted.
    Counted,
    /// It waits for an operator.
    Stopped(Why),
}

/// Why a partition waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Marker and log show it.
    Log(StopReason),
    /// Its aggregator said so.
    Told(String),
}

impl Display for Why {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(reason) => reason.fmt(out),
            Self::Told(reason) => out.write_str(reason),
        }
    }
}

impl Seen {
    /// Records not counted yet.
    pub fn lag(&self) -> i64 {
        (self.high - self.marker.unwrap_or(self.low)).max(0)
    }

    /// How it fares.
    pub fn state(&self) -> State {
        let (low, high) = (self.low, self.high);
        match self.marker {
            None if self.replaced => State::Stopped(Why::Log(StopReason::LogReplaced)),
            None => State::New,
            Some(marker) if marker < low => {
                State::Stopped(Why::Log(StopReason::MarkerBelowLog { marker, low }))
            }
            Some(marker) if marker > high => {
                State::Stopped(Why::Log(StopReason::MarkerAboveLog { marker, high }))
            }
            Some(_) if !self.told.is_empty() => State::Stopped(Why::Told(self.told.clone())),
            Some(_) => State::Counted,
        }
    }
}

/// A log and its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its identity.
    pub name: String,
    /// The log that was counted before this one replaced it; empty when none was.
    pub before: String,
    /// Its partitions.
    pub partitions: Vec<Seen>,
}

/// What an operator wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// This partition; `None`: all that are stopped.
    pub partition: Option<i32>,
    /// Where counting is to go on.
    pub to: Option<i64>,
    /// Why.
    pub note: &'a str,
}

/// One decision: it is recorded as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What must still be so when it lands.
    pub guard: Guard,
    /// What will stand in the ledger.
    pub gaps: Vec<Gap>,
    rows: Vec<Row>,
}

/// What must still be so when a decision lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The marker of this source's partition stands here.
    Marker {
        /// The source.
        source: String,
        /// Kafka partition.
        partition: i32,
        /// Its marker.
        marker: i64,
    },
    /// Nothing was counted or decided of this source's partition.
    Nothing {
        /// The source.
        source: String,
        /// Kafka partition.
        partition: i32,
    },
}

/// One row of the ledger to be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// Kafka partition.
    pub partition: i32,
    /// Under which it stands.
    pub source: String,
    /// First offset that will not be counted.
    pub first_offset: i64,
    /// Where counting goes on.
    pub next_offset: i64,
    /// Records that will never be counted; `None`: there may be some, and how many is not known.
    pub lost: Option<u64>,
    /// Why.
    pub note: String,
}

/// Why there is nothing to record, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says it in its text")]
pub enum Refusal {
    #[error("no partition is stopped: there is nothing to decide")]
    NothingStopped,
    #[error("partition {0}: the topic has no such partition; see `callmeter partitions list`")]
    Unknown(i32),
    #[error(
        "partition {0} is counted: there is nothing to decide; --to OFFSET passes records over nevertheless"
    )]
    Counted(i32),
    #[error("partition {0}: nothing of it was counted yet; an aggregator begins by itself")]
    New(i32),
    #[error("partition {0}: {1}; say with --partition {0} --to OFFSET where counting goes on")]
    WhereTo(i32, String),
    #[error("partition {0}: {1}; that is decided for the whole log: use --all")]
    WholeLog(i32, String),
    #[error("partition {0}: {1}; counting goes on at its end: leave out --to")]
    NotThere(i32, String),
    #[error(
        "partition {partition}: --to {to} is not possible: counting goes on between {lowest} and the log's end {high}"
    )]
    OutOfRange { partition: i32, to: i64, lowest: i64, high: i64 },
}

/// What a wish comes to; every reason against it when it cannot be.
pub fn decide(log: &Log, wish: Wish<'_>) -> Result<Vec<Decision>, Vec<Refusal>> {
    let chosen: Vec<&Seen> = match wish.partition {
        Some(partition) => log.partitions.iter().filter(|seen| seen.partition == partition).collect(),
        None => log.partitions.iter().filter(|seen| matches!(seen.state(), State::Stopped(_))).collect(),
    };
    if chosen.is_empty() {
        return Err(vec![wish.partition.map_or(Refusal::NothingStopped, Refusal::Unknown)]);
    }
    // Also when this finishes what was begun: partitions that the topic got since begin by themselves.
    let replaced = chosen.iter().filter(|seen| seen.is_replaced()).map(|seen| seen.partition + 1).max();
    let (mut decisions, mut refusals) = (Vec::new(), Vec::new());
    for seen in chosen {
        match decide_one(log, seen, wish, replaced.unwrap_or_default()) {
            Ok(decision) => decisions.push(decision),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(decisions) } else { Err(refusals) }
}

fn decide_one(log: &Log, seen: &Seen, wish: Wish<'_>, replaced: i32) -> Result<Decision, Refusal> {
    let Seen { partition, low, .. } = *seen;
    match (seen.state(), seen.marker) {
        (State::Stopped(_), None) if wish.partition.is_none() => Ok(accept(log, seen, wish.note, replaced)),
        (State::Stopped(why), None) => Err(Refusal::WholeLog(partition, why.to_string())),
        (_, None) => Err(Refusal::New(partition)),
        (State::Stopped(Why::Log(why @ StopReason::MarkerAboveLog { .. })), Some(marker)) => match wish.to {
            Some(_) => Err(Refusal::NotThere(partition, why.to_string())),
            None => Ok(succeed(log, seen, marker, &remark(wish.note, &why.to_string()))),
        },
        (State::Stopped(Why::Log(why)), Some(marker)) => {
            pass_over(seen, marker, wish.to.unwrap_or(low), &remark(wish.note, &why.to_string()))
        }
        (State::Stopped(Why::Told(why)), Some(marker)) => match wish.to {
            None => Err(Refusal::WhereTo(partition, why)),
            Some(to) => pass_over(seen, marker, to, &remark(wish.note, &why)),
        },
        (_, Some(marker)) => match wish.to {
            None => Err(Refusal::Counted(partition)),
            Some(to) => pass_over(seen, marker, to, &remark(wish.note, "passed over by an operator")),
        },
    }
}

impl Seen {
    fn is_replaced(&self) -> bool {
        self.state() == State::Stopped(Why::Log(StopReason::LogReplaced))
    }
}

/// Counting goes on at a later record of the same log.
fn pass_over(seen: &Seen, marker: i64, to: i64, note: &str) -> Result<Decision, Refusal> {
    let Seen { partition, low, high, .. } = *seen;
    let lowest = low.max(marker + 1);
    if to < lowest || to > high {
        return Err(Refusal::OutOfRange { partition, to, lowest, high });
    }
    let gap = Gap {
        partition,
        source: seen.source.clone(),
        first_offset: marker,
        next_offset: to,
        lost: Some((to - marker).unsigned_abs()),
        note: note.to_owned(),
    };
    Ok(Decision { guard: guard(seen, marker), rows: vec![gap.mark(), gap.row()], gaps: vec![gap] })
}

/// Counting goes on at the end of a truncated log, under its next source. The marker of the source before moves by one,
/// so that an aggregator which knows nothing of this is fenced when it tries to count on under it.
fn succeed(log: &Log, seen: &Seen, marker: i64, note: &str) -> Decision {
    let Seen { partition, high, .. } = *seen;
    let next = successor(&log.name, &seen.source);
    let seal = Gap {
        source: seen.source.clone(),
        first_offset: marker,
        next_offset: marker + 1,
        ..beginning(partition, String::new(), high, &format!("{note}; goes on as {next} at {high}"))
    };
    let unknown = format!(
        "{note}; records below {high} that were written after it was truncated are not counted, and how many is not known"
    );
    let gap = Gap { lost: None, ..beginning(partition, next, high, &unknown) };
    let rows = vec![gap.genesis(), gap.mark(), gap.row(), seal.mark(), seal.row()];
    Decision { guard: guard(seen, marker), rows, gaps: vec![gap] }
}

/// Counting begins at the first record of a log that took another's place. Its first `replaced` partitions wait for their
/// decisions until each has its own; the topic's later ones begin by themselves.
fn accept(log: &Log, seen: &Seen, note: &str, replaced: i32) -> Decision {
    let note = remark(note, &format!("took the place of {}", log.before));
    let gap = beginning(seen.partition, log.name.clone(), seen.low, &note);
    let genesis = Row { note: replaced.to_string(), ..gap.genesis() };
    let guard = Guard::Nothing { source: log.name.clone(), partition: seen.partition };
    Decision { guard, rows: vec![genesis, gap.mark(), gap.row()], gaps: vec![gap] }
}

fn beginning(partition: i32, source: String, offset: i64, note: &str) -> Gap {
    Gap { partition, source, first_offset: offset, next_offset: offset, lost: Some(0), note: note.to_owned() }
}

fn guard(seen: &Seen, marker: i64) -> Guard {
    Guard::Marker { source: seen.source.clone(), partition: seen.partition, marker }
}

/// What the operator says, and what it was.
fn remark(note: &str, what: &str) -> String {
    format!("{note} ({what})")
}

/// The source that follows: `log`, `log#2`, `log#3`.
fn successor(log: &str, source: &str) -> String {
    let number = source.strip_prefix(log).and_then(|rest| rest.strip_prefix('#')?.parse().ok());
    format!("{log}#{}", number.unwrap_or(1_u32) + 1)
}

#[cfg(test)]
mod tests;
