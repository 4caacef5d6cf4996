//! Rows of the `deltas` table: a batch enters, the one block that stores it leaves.
//!
//! The block holds the batch's data rows, its quota rows, its `mark` row and its `batch` row, so that deltas,
//! marker and ledger land together or not at all. Promise: the columns are those of [`STRUCTURE`],
//! which the insert names.

use crate::{
    cell::{Cell, Rare, Usage},
    fold::{Batch, Desk},
    native::{self, Block},
    pricing::Pricing,
    quotas::QuotaCell,
    seeded::{self, Bug},
    tally::Counts,
};
use callmeter_prices::Book;
use callmeter_schemas::ErrorClass;
use std::sync::Arc;

/// Structure of the block, for `input('…')`; types as sent, which ClickHouse casts to the table's.
pub const STRUCTURE: &str = "kind Int8, src String, part Int32, batch_first Int64, window_start UInt32, \
    workspace String, customer String, integration String, endpoint String, tier String, environment String, \
    currency String, next_offset Int64, commits UInt64, consumed UInt64, duplicates UInt64, dead_lettered UInt64, \
    calls UInt64, errors UInt64, errors_by_class Map(String, UInt64), attempts_retried UInt64, \
    latency_us_sum UInt64, latency Map(UInt16, UInt64), queue_us_sum UInt64, bytes_in UInt64, bytes_out UInt64, \
    items UInt64, records UInt64, cost Decimal(38, 12), billable_calls UInt64, unpriced UInt64, \
    cost_failed Decimal(38, 12), cost_retried Decimal(38, 12), usage Map(String, UInt64), \
    usage_failed Map(String, UInt64), usage_retried Map(String, UInt64), batchable_calls UInt64, batch_size UInt32, \
    retry_after_asked UInt64, retry_after_ignored UInt64, price_book String, policy String, scope String, \
    quota_latest Tuple(observed_us Int64, offset Int64, limit Int64, remaining Int64, reset_us Int64)";

/// Columns, for the insert.
pub const COLUMNS: &str = "kind, src, part, batch_first, window_start, workspace, customer, integration, \
    endpoint, tier, environment, currency, next_offset, commits, consumed, duplicates, dead_lettered, calls, \
    errors, errors_by_class, attempts_retried, latency_us_sum, latency, queue_us_sum, bytes_in, bytes_out, \
    items, records, cost, billable_calls, unpriced, cost_failed, cost_retried, usage, usage_failed, usage_retried, \
    batchable_calls, batch_size, retry_after_asked, retry_after_ignored, price_book, policy, scope, quota_latest";

const KIND_GENESIS: i8 = 1;
const KIND_MARK: i8 = 2;
const KIND_BATCH: i8 = 3;
const KIND_DATA: i8 = 4;
const KIND_QUOTA: i8 = 5;

const DIMENSION_NAMES: [&str; 7] =
    ["workspace", "customer", "integration", "endpoint", "tier", "environment", "currency"];

/// One of the two rows that stand beside the data.
#[derive(Default)]
struct Note<'a> {
    kind: i8,
    batch_first: i64,
    next_offset: i64,
    commits: u64,
    consumed: u64,
    duplicates: u64,
    dead_lettered: u64,
    calls: u64,
    price_book: &'a str,
}

/// Whose rows these are.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Identity of the log: cluster, topic and topic id.
    pub src: &'a str,
    /// Kafka partition.
    pub part: i32,
}

/// The block of one batch.
pub fn of_batch(owner: Owner<'_>, batch: &Batch, desk: &Desk) -> Vec<u8> {
    let next_offset = batch.next - i64::from(seeded::is(Bug::RangeEnd) && batch.consumed > 1);
    let mark = Note { kind: KIND_MARK, next_offset, ..Note::default() };
    let ledger = Note {
        kind: KIND_BATCH,
        batch_first: batch.first,
        next_offset,
        commits: 1,
        consumed: batch.consumed,
        duplicates: batch.duplicates,
        dead_lettered: batch.poison.len() as u64,
        calls: batch.counted(),
        price_book: desk.pricing.book().id(),
    };
    let apart = [Bug::MarkerApart, Bug::CommitFirst].into_iter().any(seeded::is);
    let notes = [mark, ledger];
    let notes = if apart { &notes[1..] } else { &notes };
    let cells = &batch.cells;
    let (errors, latency) = (batch.errors.counts(cells.len()), batch.latency.counts(cells.len()));
    Rows { cells, errors, latency, quotas: &batch.quotas.cells, notes, desk }.block(owner)
}

/// The block that begins a log: its genesis and its first marker.
pub fn of_genesis(owner: Owner<'_>, offset: i64) -> Vec<u8> {
    let genesis = Note { kind: KIND_GENESIS, batch_first: offset, next_offset: offset, ..Note::default() };
    let mark = Note { kind: KIND_MARK, next_offset: offset, ..Note::default() };
    let desk = Desk::new(1, Pricing::new(Arc::new(Book::empty())));
    let (errors, latency) = (Counts::default(), Counts::default());
    Rows { cells: &[], errors, latency, quotas: &[], notes: &[genesis, mark], desk: &desk }.block(owner)
}

/// The rows of one block, in this order.
struct Rows<'a> {
    cells: &'a [Cell],
    errors: Counts,
    latency: Counts,
    quotas: &'a [QuotaCell],
    notes: &'a [Note<'a>],
    desk: &'a Desk,
}

impl<'a> Rows<'a> {
    fn block(&self, owner: Owner<'_>) -> Vec<u8> {
        let mut block = Block::new(self.cells.len() + self.quotas.len() + self.notes.len());
        self.key(&mut block, owner);
        self.ledger(&mut block);
        self.calls(&mut block);
        self.meaning(&mut block);
        self.quota(&mut block);
        block.finish()
    }

    /// A column with a value in every kind of row.
    fn all<T>(
        &self,
        of_cell: impl Fn(&'a Cell) -> T,
        of_quota: impl Fn(&'a QuotaCell) -> T,
        of_note: impl Fn(&'a Note<'a>) -> T,
    ) -> impl Iterator<Item = T> {
        let data = self.cells.iter().map(of_cell);
        data.chain(self.quotas.iter().map(of_quota)).chain(self.notes.iter().map(of_note))
    }

    /// A column of the data rows; nothing in the others.
    fn data<T: Default>(&self, of_cell: impl Fn(&'a Cell) -> T) -> impl Iterator<Item = T> {
        self.all(of_cell, |_| T::default(), |_| T::default())
    }

    /// A column of the data rows that few of them have.
    fn rare<T: Default>(&self, of_rare: impl Fn(&'a Rare) -> T) -> impl Iterator<Item = T> {
        self.data(move |cell| cell.rare.as_deref().map_or_else(T::default, &of_rare))
    }

    /// A column of the two rows beside the data; nothing in the others.
    fn note<T: Default>(&self, of_note: impl Fn(&'a Note<'a>) -> T) -> impl Iterator<Item = T> {
        self.all(|_| T::default(), |_| T::default(), of_note)
    }

    fn key(&self, block: &mut Block, owner: Owner<'_>) {
        let kind = self.all(|_| KIND_DATA, |_| KIND_QUOTA, |note| note.kind);
        block.fixed("kind", "Int8", kind.map(i8::to_le_bytes));
        block.texts("src", self.all(|_| &b""[..], |_| &b""[..], |_| owner.src.as_bytes()));
        block.i32("part", self.note(|_| owner.part));
        block.i64("batch_first", self.note(|note| note.batch_first));
        let window = self.all(|cell| cell.window_start, |quota| quota.window_start, |_| 0);
        block.fixed("window_start", "UInt32", window.map(u32::to_le_bytes));
        for (name, values) in DIMENSION_NAMES.into_iter().zip(self.dimensions()) {
            block.raw(name, "String", &values);
        }
    }

    /// Columns of the dimensions, all at once: a series is looked up in memory that is rarely in the cache.
    fn dimensions(&self) -> [Vec<u8>; 7] {
        let (names, quota_names) = (&self.desk.names, &self.desk.quota_names);
        let mut columns = DIMENSION_NAMES.map(|_| Vec::with_capacity(16 * self.cells.len()));
        for cell in self.cells {
            columns
                .iter_mut()
                .zip(names.texts(cell.series))
                .for_each(|(column, name)| native::text(name, column));
        }
        for quota in self.quotas {
            // The first three dimensions are those of quotas too.
            let texts = quota_names.texts(quota.series).into_iter().take(3).chain([&b""[..]; 4]);
            columns.iter_mut().zip(texts).for_each(|(column, name)| native::text(name, column));
        }
        for column in &mut columns {
            self.notes.iter().for_each(|_| native::text(b"", column));
        }
        columns
    }

    fn ledger(&self, block: &mut Block) {
        block.i64("next_offset", self.note(|note| note.next_offset));
        block.u64("commits", self.note(|note| note.commits));
        block.u64("consumed", self.note(|note| note.consumed));
        block.u64("duplicates", self.note(|note| note.duplicates));
        block.u64("dead_lettered", self.note(|note| note.dead_lettered));
    }

    fn calls(&self, block: &mut Block) {
        block.u64("calls", self.all(|cell| cell.calls.into(), |quota| quota.calls, |note| note.calls));
        let errors = (0..self.cells.len()).map(|place| self.errors.of(place).map(|(_, calls)| calls).sum());
        let refused = self.quotas.iter().map(|quota| quota.refused);
        block.u64("errors", errors.chain(refused).chain(self.notes.iter().map(|_| 0)));
        self.errors_by_class(block);
        block.u64("attempts_retried", self.data(|cell| cell.attempts_retried.into()));
        block.u64("latency_us_sum", self.data(|cell| cell.latency_us_sum));
        self.latency(block);
        block.u64("queue_us_sum", self.data(|cell| cell.queue_us_sum));
        block.u64("bytes_in", self.data(|cell| cell.bytes_in));
        block.u64("bytes_out", self.data(|cell| cell.bytes_out));
        block.u64("items", self.data(|cell| cell.items));
        block.u64("records", self.data(|cell| cell.records));
    }

    fn meaning(&self, block: &mut Block) {
        money(block, "cost", self.data(|cell| cell.cost));
        block.u64("billable_calls", self.data(|cell| cell.billable_calls.into()));
        block.u64("unpriced", self.rare(|rare| rare.unpriced));
        money(block, "cost_failed", self.rare(|rare| rare.cost_failed));
        money(block, "cost_retried", self.rare(|rare| rare.cost_retried));
        self.usage(block, "usage", |rare| &rare.usage);
        self.usage(block, "usage_failed", |rare| &rare.usage_failed);
        self.usage(block, "usage_retried", |rare| &rare.usage_retried);
        block.u64("batchable_calls", self.rare(|rare| rare.batchable_calls));
        block.fixed("batch_size", "UInt32", self.rare(|rare| rare.batch_size).map(u32::to_le_bytes));
        block.u64("retry_after_asked", self.rare(|rare| rare.retry_after_asked));
        block.u64("retry_after_ignored", self.rare(|rare| rare.retry_after_ignored));
        block.texts("price_book", self.note(|note| note.price_book.as_bytes()));
    }

    fn quota(&self, block: &mut Block) {
        let names = &self.desk.quota_names;
        for (dimension, name) in [(3, "policy"), (4, "scope")] {
            let value = |quota: &QuotaCell| names.texts(quota.series)[dimension];
            block.texts(name, self.all(|_| &b""[..], value, |_| &b""[..]));
        }
        let latest: Vec<[i64; 5]> = self
            .all(
                |_| [0; 5],
                |quota| {
                    let latest = quota.latest;
                    [latest.observed_us, latest.offset, latest.limit, latest.remaining, latest.reset_us]
                },
                |_| [0; 5],
            )
            .collect();
        block.tuple(
            "quota_latest",
            "Tuple(observed_us Int64, offset Int64, limit Int64, remaining Int64, reset_us Int64)",
            &latest,
        );
    }

    fn errors_by_class(&self, block: &mut Block) {
        let Counts { keys, calls, .. } = &self.errors;
        block.map("errors_by_class", "Map(String, UInt64)", self.sizes(&self.errors), |out| {
            let names = keys.iter().map(|class| ErrorClass::ALL[usize::from(*class)].as_str());
            names.for_each(|name| native::text(name.as_bytes(), out));
            calls.iter().for_each(|calls| out.extend_from_slice(&calls.to_le_bytes()));
        });
    }

    fn latency(&self, block: &mut Block) {
        let Counts { keys, calls, .. } = &self.latency;
        block.map("latency", "Map(UInt16, UInt64)", self.sizes(&self.latency), |out| {
            keys.iter().for_each(|bucket| out.extend_from_slice(&bucket.to_le_bytes()));
            calls.iter().for_each(|calls| out.extend_from_slice(&calls.to_le_bytes()));
        });
    }

    /// How many counts each row has.
    fn sizes(&self, counts: &Counts) -> impl Iterator<Item = usize> {
        counts.sizes().chain(std::iter::repeat_n(0, self.quotas.len() + self.notes.len()))
    }

    fn usage(&self, block: &mut Block, name: &str, of: fn(&Rare) -> &Usage) {
        let book = self.desk.pricing.book();
        block.map(name, "Map(String, UInt64)", self.rare(|rare| of(rare).len()), |out| {
            let entries = || self.cells.iter().filter_map(|cell| cell.rare.as_deref()).flat_map(of);
            entries().for_each(|(line, _)| native::text(book.line_name(*line).as_bytes(), out));
            entries().for_each(|(_, quantity)| out.extend_from_slice(&quantity.to_le_bytes()));
        });
    }
}

fn money(block: &mut Block, name: &str, units: impl Iterator<Item = i128>) {
    let float = seeded::is(Bug::FloatCost);
    let units = units.map(|units| if float { units as f64 as i128 } else { units });
    block.fixed(name, "Decimal(38, 12)", units.map(i128::to_le_bytes));
}

#[cfg(test)]
mod tests;
