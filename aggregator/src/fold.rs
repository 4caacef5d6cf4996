//! The fold: facts enter in log order, what they add to each key of each window leaves.
//!
//! Promise: the result depends on the facts and their order alone, and not on any clock or
//! hash order; every number is an integer or an exact decimal, so that sums over batches are the
//! sum over the log. A batch is bounded by its keys; its owner seals it when [`Batch::is_full`].

use crate::{
    cells::{self, Cells},
    facts::Facts,
    pricing::{Pricing, SeriesNames, dimensions},
    quotas::{QuotaNames, Quotas},
};
use callmeter_prices::Charge;
use callmeter_schemas::{ErrorClass, PoisonReason, histogram::bucket_of};
use smallvec::{Array, SmallVec};
use std::{hint::black_box, ops::AddAssign};

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
    pub billable_calls: u64,
    /// Units of 10^-12.
    pub cost: i128,
    /// What few keys have.
    pub rare: Option<Box<Rare>>,
    /// Calls by class, without `ok`, sorted by class. Most keys of a batch have few; those stand in the cell.
    pub errors: SmallVec<[(u8, u32); 2]>,
    /// Calls by latency bucket, sorted by bucket.
    pub latency: SmallVec<[(u16, u32); 4]>,
}

/// Units by line of the price book.
pub type Usage = SmallVec<[(u32, u64); 1]>;

/// What one batch adds to the few keys that have any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct Rare {
    pub unpriced: u64,
    /// Units of 10^-12.
    pub cost_failed: i128,
    /// Units of 10^-12.
    pub cost_retried: i128,
    pub batchable_calls: u64,
    pub batch_size: u32,
    pub retry_after_asked: u64,
    pub retry_after_ignored: u64,
    /// Units by line of the price book, sorted by line.
    pub usage: Usage,
    /// The part of it on attempts whose class is not `ok`.
    pub usage_failed: Usage,
    /// The part of it on successful attempts after the first.
    pub usage_retried: Usage,
}

impl cells::Cell for Cell {
    fn new(series: u32, window_start: u32) -> Self {
        Self { series, window_start, ..Self::default() }
    }

    fn key(&self) -> (u32, u32) {
        (self.series, self.window_start)
    }
}

impl Cell {
    fn add(&mut self, facts: &Facts<'_>, charge: &Charge, wait_ignored: bool) {
        self.calls += 1;
        self.billable_calls += u64::from(charge.billable);
        self.attempts_retried += u64::from(facts.is_retry());
        self.queue_us_sum += facts.queue_us;
        self.bytes_in += facts.bytes_in;
        self.bytes_out += facts.bytes_out;
        self.items += facts.items;
        self.records += facts.records;
        self.cost += charge.cost_units;
        let failed = facts.error_class != ErrorClass::Ok;
        if failed {
            add(&mut self.errors, facts.error_class as u8, 1);
        }
        if let Some(latency_us) = facts.latency_us {
            self.latency_us_sum += latency_us;
            add(&mut self.latency, bucket_of(latency_us), 1);
        }
        let wasted = charge.cost_units != 0 && (failed || facts.is_retry());
        let told = facts.batch_size > 0 || facts.retry_at_us.is_some();
        if wasted || told || wait_ignored || charge.unpriced || !charge.usage.is_empty() {
            self.rare.get_or_insert_default().add(facts, charge, wait_ignored);
        }
    }

    /// Fetches what [`Self::add`] will change; done for many cells in a row, waits for memory overlap.
    fn look_ahead(&self) {
        black_box((self.calls, self.cost, self.latency.last()));
    }

    /// Calls whose class is not `ok`.
    pub fn errors(&self) -> u64 {
        self.errors.iter().map(|(_, calls)| u64::from(*calls)).sum()
    }
}

impl Rare {
    fn add(&mut self, facts: &Facts<'_>, charge: &Charge, wait_ignored: bool) {
        self.unpriced += u64::from(charge.unpriced);
        self.retry_after_asked += u64::from(facts.retry_at_us.is_some());
        self.retry_after_ignored += u64::from(wait_ignored);
        self.batchable_calls += u64::from(facts.batch_size > 0);
        self.batch_size = self.batch_size.max(facts.batch_size);
        let failed = facts.error_class != ErrorClass::Ok;
        for (line, quantity) in &charge.usage {
            add(&mut self.usage, *line, *quantity);
            if failed {
                add(&mut self.usage_failed, *line, *quantity);
            } else if facts.is_retry() {
                add(&mut self.usage_retried, *line, *quantity);
            }
        }
        match (failed, facts.is_retry()) {
            (true, _) => self.cost_failed += charge.cost_units,
            (false, true) => self.cost_retried += charge.cost_units,
            (false, false) => {}
        }
    }
}

/// Adds to the sum of a key; the sums stay sorted by key.
fn add<K: Ord + Copy, N: AddAssign, S: Array<Item = (K, N)>>(sums: &mut SmallVec<S>, key: K, number: N) {
    match sums.binary_search_by_key(&key, |(known, _)| *known) {
        Ok(at) => sums[at].1 += number,
        Err(at) => sums.insert(at, (key, number)),
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

/// An event to count.
#[derive(Clone, Copy, Debug)]
pub struct Call<'f> {
    /// Its offset.
    pub offset: i64,
    /// Its facts.
    pub facts: &'f Facts<'f>,
    /// Whether it was made although its vendor had asked to wait.
    pub wait_ignored: bool,
}

/// What the fold keeps from batch to batch: numbers of series, and prices. It decides nothing: the same
/// facts make the same batch whether it is new or old.
#[derive(Debug)]
pub struct Desk {
    /// Length of a window, seconds.
    pub window_s: u32,
    /// Series of the rollups.
    pub names: SeriesNames,
    /// Series of the quotas.
    pub quota_names: QuotaNames,
    /// Prices.
    pub pricing: Pricing,
    /// Of the calls that are being counted: the series that each names, and the place of its cell.
    named: Vec<u32>,
    places: Vec<u32>,
}

impl Desk {
    /// A desk that knows no series yet.
    pub fn new(window_s: u32, pricing: Pricing) -> Self {
        Self {
            window_s,
            names: SeriesNames::default(),
            quota_names: QuotaNames::default(),
            pricing,
            named: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Bytes held by the series, near enough for a bound.
    pub fn bytes(&self) -> usize {
        self.names.bytes() + self.quota_names.bytes() + self.pricing.bytes()
    }

    /// Forgets every series; only between two batches.
    pub fn forget(&mut self) {
        self.names.clear();
        self.quota_names.clear();
        self.pricing.forget();
    }
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
    pub cells: Cells<Cell>,
    /// What answers said of quotas.
    pub quotas: Quotas,
    /// Records for the dead-letter topic.
    pub poison: Vec<Poison>,
    /// The broker's append time of the last record, ms since 1970 UTC.
    pub appended_ms: i64,
    poison_bytes: usize,
}

impl Batch {
    /// An empty batch that begins at an offset.
    pub fn new(first: i64) -> Self {
        Self { first, next: first, ..Self::default() }
    }

    /// Counts events in log order. It goes step by step, each step for all of them, so that waits for memory overlap.
    pub fn count(&mut self, calls: &[Call<'_>], desk: &mut Desk) {
        let Desk { window_s, names, quota_names, pricing, named, places } = desk;
        names.numbers(calls.iter().map(|call| dimensions(call.facts, call.facts.currency)), named);
        places.clear();
        places
            .extend(calls.iter().zip(&*named).map(|(call, named)| pricing.series(call.facts, *named, names)));
        for (call, place) in calls.iter().zip(&mut *places) {
            let window_start = call.facts.window_start(*window_s);
            self.quotas.add(call.offset, call.facts, window_start, quota_names);
            *place = self.cells.place(*place, window_start);
        }
        for place in &*places {
            self.cells.at(*place).look_ahead();
        }
        for ((call, named), place) in calls.iter().zip(named).zip(places) {
            let charge = pricing.charge(call.facts, *named);
            self.cells.at(*place).add(call.facts, charge, call.wait_ignored);
        }
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
        self.cells.len() + self.quotas.cells.len() >= bounds.cells
            || self.consumed >= bounds.records
            || self.poison_bytes >= bounds.poison_bytes
    }

    /// Begins anew where this batch ends, in the room that it has.
    pub fn begin_next(&mut self, bounds: &Bounds) {
        let mut next = Self::new(self.next);
        std::mem::swap(&mut next.cells, &mut self.cells);
        next.cells.clear(2 * bounds.cells);
        *self = next;
    }

    /// Whether no record was taken.
    pub fn is_empty(&self) -> bool {
        self.consumed == 0
    }
}

#[cfg(test)]
mod tests;
