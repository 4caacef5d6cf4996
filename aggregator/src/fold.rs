//! The fold: facts enter in log order, what they add to each key of each window leaves.
//!
//! Promise: the result depends on the facts and their order alone, and not on any clock or
//! hash order; every number is an integer or an exact decimal, so that sums over batches are the
//! sum over the log. A batch is bounded by its keys; its owner seals it when [`Batch::is_full`].

use crate::{
    cell::Cell,
    cells::Cells,
    facts::Facts,
    fetch::{CHUNK, Record},
    judge::{Judged, Verdict},
    pricing::{Pricing, SeriesNames, dimensions},
    quotas::{QuotaNames, Quotas},
    tally::Tally,
};
use callmeter_schemas::{ErrorClass, PoisonReason, histogram::bucket_of};

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

impl Poison {
    /// A record and why it could not be counted.
    fn of(record: &Record<'_>, reason: PoisonReason, detail: &str) -> Self {
        Self {
            offset: record.offset,
            appended_ms: record.appended_ms,
            reason,
            detail: detail.to_owned(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.to_vec(),
        }
    }
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
    /// Calls of each cell by class, without `ok`.
    pub errors: Tally,
    /// Calls of each cell by latency bucket.
    pub latency: Tally,
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

    /// Takes judged records in log order: events are counted, duplicates and poison noted.
    pub fn take<'j, 'r: 'j>(&mut self, judged: impl Iterator<Item = &'j Judged<'r>>, desk: &mut Desk) {
        let mut calls = Vec::with_capacity(CHUNK);
        for Judged { record, verdict } in judged {
            self.took(record.offset, record.appended_ms);
            match verdict {
                Verdict::Event { facts, duplicate: false, wait_ignored, .. } => {
                    calls.push(Call { offset: record.offset, facts, wait_ignored: *wait_ignored });
                }
                Verdict::Event { .. } => self.duplicates += 1,
                Verdict::Poison(reason, detail) => self.set_aside(Poison::of(record, *reason, detail)),
            }
        }
        self.count(&calls, desk);
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
            if call.facts.error_class != ErrorClass::Ok {
                self.errors.add(*place, call.facts.error_class as u16);
            }
            if let Some(latency_us) = call.facts.latency_us {
                self.latency.add(*place, bucket_of(latency_us));
            }
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
        for (next, this) in [(&mut next.errors, &mut self.errors), (&mut next.latency, &mut self.latency)] {
            std::mem::swap(next, this);
            next.clear();
        }
        *self = next;
    }

    /// Whether no record was taken.
    pub fn is_empty(&self) -> bool {
        self.consumed == 0
    }
}

#[cfg(test)]
mod tests;
