//! What one batch adds to one key of one window: facts and charges enter one by one, sums leave.
//!
//! Promise: every number is an integer or an exact decimal; the order of the facts does not matter. Calls by class and by
//! latency stand in the batch's tallies.

use crate::{cells, facts::Facts};
use callmeter_prices::Charge;
use callmeter_schemas::ErrorClass;
use smallvec::SmallVec;
use std::hint::black_box;

/// What one batch adds to one key of one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct Cell {
    pub series: u32,
    /// Seconds since 1970 UTC.
    pub window_start: u32,
    /// A batch is bounded far below 2^32 records.
    pub calls: u32,
    pub attempts_retried: u32,
    pub billable_calls: u32,
    pub latency_us_sum: u64,
    pub queue_us_sum: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub items: u64,
    pub records: u64,
    /// Units of 10^-12.
    pub cost: i128,
    /// What few keys have.
    pub rare: Option<Box<Rare>>,
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
}

impl Cell {
    /// The columns that [`Self::sums`] tells, calls first.
    pub const SUMS: [&str; 9] = [
        "calls",
        "attempts_retried",
        "latency_us_sum",
        "queue_us_sum",
        "bytes_in",
        "bytes_out",
        "items",
        "records",
        "billable_calls",
    ];

    /// Its whole numbers, in the order of [`Self::SUMS`].
    pub fn sums(&self) -> [u64; 9] {
        [
            self.calls.into(),
            self.attempts_retried.into(),
            self.latency_us_sum,
            self.queue_us_sum,
            self.bytes_in,
            self.bytes_out,
            self.items,
            self.records,
            self.billable_calls.into(),
        ]
    }

    /// Adds one attempt; `wait_ignored` says that it was made although its vendor had asked to wait.
    pub fn add(&mut self, facts: &Facts<'_>, charge: &Charge, wait_ignored: bool) {
        self.calls += 1;
        self.billable_calls += u32::from(charge.billable);
        self.attempts_retried += u32::from(facts.is_retry());
        self.latency_us_sum += facts.latency_us.unwrap_or(0);
        self.queue_us_sum += facts.queue_us;
        self.bytes_in += facts.bytes_in;
        self.bytes_out += facts.bytes_out;
        self.items += facts.items;
        self.records += facts.records;
        self.cost += charge.cost_units;
        let failed = facts.error_class != ErrorClass::Ok;
        let wasted = charge.cost_units != 0 && (failed || facts.is_retry());
        let told = facts.batch_size > 0 || facts.retry_at_us.is_some();
        if wasted || told || wait_ignored || charge.unpriced || !charge.usage.is_empty() {
            self.rare.get_or_insert_default().add(facts, charge, wait_ignored);
        }
    }

    /// Fetches what [`Self::add`] will change; done for many cells in a row, waits for memory overlap.
    pub fn look_ahead(&self) {
        black_box((self.calls, self.cost));
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

/// Adds to the units of a line; they stay sorted by line.
fn add(usage: &mut Usage, line: u32, quantity: u64) {
    match usage.binary_search_by_key(&line, |(known, _)| *known) {
        Ok(at) => usage[at].1 += quantity,
        Err(at) => usage.insert(at, (line, quantity)),
    }
}
