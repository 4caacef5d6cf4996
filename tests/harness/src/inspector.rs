//! The invariants: an installation enters, what is violated leaves.
//!
//! I1 the ledger's ranges tile the log from genesis to marker, each committed once · I2 consumed = counted +
//! duplicates + dead-lettered, in each batch, as the oracle judges its records · I3 the data rows sum up to the ledger ·
//! I4 every cell equals the recompute · I5 each acknowledged id is counted once · I6 no other id is counted twice · I7
//! markers never decrease · I8 the raw calls are the log's events, each flagged as the ledger counts it · I9 the dead
//! letters are the planted poison · I13 everything is counted within the bound. Promise: a question that is not answered is a
//! violation of what it asked for.

mod ledger;
mod letters;
mod rollups;

use crate::{oracle::Oracle, stack::Stack, topic::Topic};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

/// How many differences of one kind are told.
const TOLD: usize = 3;
/// How much of each, characters.
const LONGEST: usize = 600;

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1` and so on.
    pub invariant: &'static str,
    /// What was found and what was due.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.invariant, self.detail)
    }
}

/// What producers know of what they sent to the workspace of the tests.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Ids whose event was acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// Values that are no events; `None`: whatever the oracle takes for poison was planted.
    pub poison: Option<BTreeSet<Vec<u8>>>,
}

/// Looks at one installation again and again; the log is judged once.
pub struct Inspector {
    oracle: Oracle,
    letters: Topic,
    /// Letters by place: their values.
    found_letters: BTreeMap<(i32, i64), BTreeSet<Vec<u8>>>,
    /// Offsets below were compared batch by batch.
    compared: BTreeMap<i32, i64>,
    /// Highest marker seen, by source and partition.
    markers: BTreeMap<(String, i32), i64>,
}

impl Inspector {
    /// Nothing is looked at yet.
    pub fn new(stack: &Stack) -> Self {
        Self {
            oracle: Oracle::new(&stack.kafka, stack.horizon),
            letters: Topic::new(&stack.kafka, "callmeter.dead-letters.v1"),
            found_letters: BTreeMap::new(),
            compared: BTreeMap::new(),
            markers: BTreeMap::new(),
        }
    }

    /// The oracle, as of the last inspection.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Checks every invariant of all that is in the log; counting has so long to end.
    pub async fn inspect(&mut self, stack: &Stack, sent: &Sent, bound: Duration) -> Vec<Violation> {
        let records = self.oracle.catch_up().records();
        let mut violations = self.markers(stack).await;
        violations.extend(ledger::drained(stack, records, bound).await.err());
        let truth = self.oracle.truth();
        violations.extend(ids(truth, sent));
        violations.extend(ledger::check(stack, truth, &mut self.compared).await);
        violations.extend(rollups::check(stack, truth).await);
        violations.extend(rollups::raw_calls(stack, truth, bound).await);
        violations.extend(letters::check(&mut self.letters, &mut self.found_letters, truth, sent));
        violations.extend(self.markers(stack).await);
        violations
    }

    /// Looks whether a marker went back since it was seen last.
    pub async fn markers(&mut self, stack: &Stack) -> Vec<Violation> {
        match stack.try_rows("SELECT source, partition, next_offset FROM markers").await {
            Ok(rows) => self.compare(rows),
            Err(error) => vec![unanswered("I7", &error)],
        }
    }

    /// The same while ClickHouse may be away: no answer says nothing then.
    pub async fn glance(&mut self, stack: &Stack) -> Vec<Violation> {
        let rows = stack.try_rows("SELECT source, partition, next_offset FROM markers").await;
        rows.map(|rows| self.compare(rows)).unwrap_or_default()
    }

    fn compare(&mut self, rows: Vec<serde_json::Value>) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut gone = self.markers.clone();
        for row in rows {
            let source = row["source"].as_str().unwrap_or_default().to_owned();
            let (partition, marker) = (integer(&row["partition"]) as i32, integer(&row["next_offset"]));
            let place = (source, partition);
            gone.remove(&place);
            let highest = self.markers.entry(place).or_insert(marker);
            if marker < *highest {
                let detail =
                    format!("partition {partition}: the marker went back from {highest} to {marker}");
                violations.push(Violation { invariant: "I7", detail });
            }
            *highest = marker.max(*highest);
        }
        violations.extend(gone.into_iter().map(|((_, partition), highest)| {
            let detail = format!("partition {partition}: the marker at {highest} is gone");
            Violation { invariant: "I7", detail }
        }));
        violations
    }
}

fn ids(truth: &crate::oracle::Truth, sent: &Sent) -> Vec<Violation> {
    let counted = |id: &String| truth.counted_ids.get(&("test".to_owned(), id.clone())).copied().unwrap_or(0);
    let lost = sent.acknowledged.iter().filter(|id| counted(id) != 1);
    let lost = lost.map(|id| format!("acknowledged {id} is counted {} times", counted(id)));
    let twice =
        truth.counted_ids.iter().filter(|(id, count)| **count > 1 && !sent.acknowledged.contains(&id.1));
    let twice = twice.map(|(id, count)| format!("{} is counted {count} times", id.1));
    let mut violations = some("I5", lost.collect());
    violations.extend(some("I6", twice.collect()));
    violations
}

/// The first of some differences and how many there are.
fn some(invariant: &'static str, details: Vec<String>) -> Vec<Violation> {
    let first: Vec<String> =
        details.iter().take(TOLD).map(|detail| detail.chars().take(LONGEST).collect()).collect();
    let more = details.len().saturating_sub(TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    if details.is_empty() {
        return Vec::new();
    }
    vec![Violation { invariant, detail: first.join("; ") + &rest }]
}

fn unanswered(invariant: &'static str, error: &str) -> Violation {
    Violation { invariant, detail: format!("could not be checked: {error}") }
}

fn integer(value: &serde_json::Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no integer"))
}
