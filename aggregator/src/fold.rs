//! The fold: facts enter in log order, what they add to each key of each window leaves.
//!
//! Promise: the result depends on the facts and their order alone, and not on any clock or
//! hash order; every number is an integer or an exact decimal, so that sums over batches are the
//! sum over the log. A batch is bounded by its keys; its owner seals it when [`Batch::is_full`].

use crate::{facts::Facts, intern::Interner};
use callmeter_schemas::{ErrorClass, PoisonReason, histogram::bucket_of};
use hashbrown::HashTable;

/// What one batch adds to one key of one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct Cell {
    pub series: u32,
    /// Seconds since 1970 UTC.
    pub window_start: u32,
    pub calls: u64,
    pub attempts_retried: u64,
    pub latency_us_sum: u64,
    pub queue_us_sum: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub items: u64,
    pub records: u64,
    /// Units of 10^-12.
    pub cost: i128,
    /// Calls by class, without `ok`, sorted by class.
    pub errors: Vec<(u8, u32)>,
    /// Calls by latency bucket, sorted by bucket.
    pub latency: Vec<(u16, u32)>,
}

impl Cell {
    fn add(&mut self, facts: &Facts<'_>) {
        self.calls += 1;
        self.attempts_retried += u64::from(facts.retried);
        self.queue_us_sum += facts.queue_us;
        self.bytes_in += facts.bytes_in;
        self.bytes_out += facts.bytes_out;
        self.items += facts.items;
        self.records += facts.records;
        self.cost += facts.cost.units();
        if facts.error_class != ErrorClass::Ok {
            count(&mut self.errors, facts.error_class as u8);
        }
        if let Some(latency_us) = facts.latency_us {
            self.latency_us_sum += latency_us;
            count(&mut self.latency, bucket_of(latency_us));
        }
    }

    /// Calls whose class is not `ok`.
    pub fn errors(&self) -> u64 {
        self.errors.iter().map(|(_, calls)| u64::from(*calls)).sum()
    }
}

fn count<T: Ord + Copy>(counts: &mut Vec<(T, u32)>, key: T) {
    match counts.binary_search_by_key(&key, |(known, _)| *known) {
        Ok(at) => counts[at].1 += 1,
        Err(at) => counts.insert(at, (key, 1)),
    }
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the dead letter")]
pub struct Poison {
    pub offset: i64,
    pub appended_ms: i64,
    pub reason: PoisonReason,
    pub detail: String,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

/// When a batch is full. Far below the 1,048,449 rows at which ClickHouse would split an insert.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Keys × windows.
    pub cells: usize,
    /// Records.
    pub records: u64,
    /// Bytes of poison kept for the dead letters.
    pub poison_bytes: usize,
}

/// What a range of offsets of one partition adds.
#[derive(Debug, Default)]
pub struct Batch {
    /// First offset.
    pub first: i64,
    /// Offset after the last record taken.
    pub next: i64,
    /// Records taken, whatever became of them.
    pub consumed: u64,
    /// Records that were duplicates.
    pub duplicates: u64,
    /// Sums by key and window, in order of first appearance.
    pub cells: Vec<Cell>,
    /// Records for the dead-letter topic.
    pub poison: Vec<Poison>,
    /// The broker's append time of the last record, ms since 1970 UTC.
    pub appended_ms: i64,
    poison_bytes: usize,
    table: HashTable<u32>,
}

impl Batch {
    /// An empty batch that begins at an offset.
    pub fn new(first: i64) -> Self {
        Self { first, next: first, ..Self::default() }
    }

    /// Counts one event.
    pub fn count(&mut self, facts: &Facts<'_>, window_s: u32, interner: &mut Interner) {
        let (series, window_start) = (interner.number(facts), facts.window_start(window_s));
        let hash = cell_hash(series, window_start);
        let cells = &mut self.cells;
        let found = self.table.find(hash, |at| {
            let cell = &cells[*at as usize];
            cell.series == series && cell.window_start == window_start
        });
        let at = match found {
            Some(at) => *at,
            None => {
                let at = cells.len() as u32;
                cells.push(Cell { series, window_start, ..Cell::default() });
                self.table.insert_unique(hash, at, |at| {
                    let cell = &cells[*at as usize];
                    cell_hash(cell.series, cell.window_start)
                });
                at
            }
        };
        cells[at as usize].add(facts);
    }

    /// Sets one record aside.
    pub fn set_aside(&mut self, poison: Poison) {
        self.poison_bytes += poison.value.len() + poison.key.as_ref().map_or(0, Vec::len);
        self.poison.push(poison);
    }

    /// Notes that the record at an offset was taken, whatever became of it.
    pub fn took(&mut self, offset: i64, appended_ms: i64) {
        self.consumed += 1;
        self.next = offset + 1;
        self.appended_ms = appended_ms;
    }

    /// Records that were counted.
    pub fn counted(&self) -> u64 {
        self.consumed - self.duplicates - self.poison.len() as u64
    }

    /// Whether the batch must be stored before it takes more.
    pub fn is_full(&self, bounds: &Bounds) -> bool {
        self.cells.len() >= bounds.cells
            || self.consumed >= bounds.records
            || self.poison_bytes >= bounds.poison_bytes
    }

    /// Whether no record was taken.
    pub fn is_empty(&self) -> bool {
        self.consumed == 0
    }
}

fn cell_hash(series: u32, window_start: u32) -> u64 {
    // Fibonacci hashing; hashbrown takes its tag from the top bits and the slot from the low ones.
    let mixed = (u64::from(window_start) << 32 | u64::from(series)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests;
