//! Rows of the `deltas` table: a batch enters, the one block that stores it leaves.
//!
//! The block holds the batch's data rows, its quota rows, its `mark` row and its `batch` row, so that deltas,
//! marker and ledger land together or not at all. Promise: the columns are those of [`STRUCTURE`],
//! which the insert names.

use crate::{
    cell::{Cell, Rare, Usage},
    fetch::CHUNK,
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

mod structure;

pub use structure::{COLUMNS, STRUCTURE};

const KIND_GENESIS: i8 = 1;
const KIND_MARK: i8 = 2;
const KIND_BATCH: i8 = 3;
const KIND_DATA: i8 = 4;
const KIND_QUOTA: i8 = 5;

/// The type of money.
const DECIMAL: &str = "Decimal(38, 12)";

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
    let rare =
        cells.iter().enumerate().filter_map(|(row, cell)| Some((row, cell.rare.as_deref()?))).collect();
    Rows { cells, rare, errors, latency, quotas: &batch.quotas.cells, notes, desk }.block(owner)
}

/// The block that begins a log: its genesis and its first marker.
pub fn of_genesis(owner: Owner<'_>, offset: i64) -> Vec<u8> {
    let genesis = Note { kind: KIND_GENESIS, batch_first: offset, next_offset: offset, ..Note::default() };
    let mark = Note { kind: KIND_MARK, next_offset: offset, ..Note::default() };
    let desk = Desk::new(1, Pricing::new(Arc::new(Book::empty())));
    let (errors, latency) = (Counts::default(), Counts::default());
    Rows { cells: &[], rare: Vec::new(), errors, latency, quotas: &[], notes: &[genesis, mark], desk: &desk }
        .block(owner)
}

/// The rows of one block, in this order.
struct Rows<'a> {
    cells: &'a [Cell],
    /// What few cells have, each with its row.
    rare: Vec<(usize, &'a Rare)>,
    errors: Counts,
    latency: Counts,
    quotas: &'a [QuotaCell],
    notes: &'a [Note<'a>],
    desk: &'a Desk,
}

impl<'a> Rows<'a> {
    fn block(&self, owner: Owner<'_>) -> Vec<u8> {
        let mut block = Block::new(self.rows());
        self.key(&mut block, owner);
        self.ledger(&mut block);
        self.calls(&mut block);
        self.meaning(&mut block);
        self.quota(&mut block);
        block.finish()
    }

    fn rows(&self) -> usize {
        self.cells.len() + self.quotas.len() + self.notes.len()
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

    /// A column that few of the data rows have.
    fn rare<const N: usize>(
        &self,
        block: &mut Block,
        name: &str,
        kind: &str,
        of_rare: impl Fn(&Rare) -> [u8; N],
    ) {
        block.sparse(name, kind, self.rare.iter().map(|(row, rare)| (*row, of_rare(rare))));
    }

    /// A column of the two rows beside the data; nothing in the others.
    fn note<const N: usize>(
        &self,
        block: &mut Block,
        name: &str,
        kind: &str,
        of_note: impl Fn(&Note<'_>) -> [u8; N],
    ) {
        let first = self.cells.len() + self.quotas.len();
        block.sparse(name, kind, (first..).zip(self.notes.iter().map(of_note)));
    }

    fn key(&self, block: &mut Block, owner: Owner<'_>) {
        let kind = self.all(|_| KIND_DATA, |_| KIND_QUOTA, |note| note.kind);
        block.fixed("kind", "Int8", kind.map(i8::to_le_bytes));
        block.texts("src", self.all(|_| &b""[..], |_| b"", |_| owner.src.as_bytes()));
        self.note(block, "part", "Int32", |_| owner.part.to_le_bytes());
        self.note(block, "batch_first", "Int64", |note| note.batch_first.to_le_bytes());
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
        for cells in self.cells.chunks(CHUNK) {
            cells.iter().for_each(|cell| names.look_ahead(cell.series));
            for cell in cells {
                columns
                    .iter_mut()
                    .zip(names.texts(cell.series))
                    .for_each(|(column, name)| native::text(name, column));
            }
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
        self.note(block, "next_offset", "Int64", |note| note.next_offset.to_le_bytes());
        self.note(block, "commits", "UInt64", |note| note.commits.to_le_bytes());
        self.note(block, "consumed", "UInt64", |note| note.consumed.to_le_bytes());
        self.note(block, "duplicates", "UInt64", |note| note.duplicates.to_le_bytes());
        self.note(block, "dead_lettered", "UInt64", |note| note.dead_lettered.to_le_bytes());
    }

    fn calls(&self, block: &mut Block) {
        let alone = |calls| std::array::from_fn(|at| if at == 0 { calls } else { 0 });
        block.u64s(Cell::SUMS, self.all(Cell::sums, |quota| alone(quota.calls), |note| alone(note.calls)));
        let errors = (0..self.cells.len()).map(|place| self.errors.of(place).map(|(_, calls)| calls).sum());
        let refused = self.quotas.iter().map(|quota| quota.refused);
        block.u64("errors", errors.chain(refused).chain(self.notes.iter().map(|_| 0)));
        self.errors_by_class(block);
        self.latency(block);
    }

    fn meaning(&self, block: &mut Block) {
        let float = seeded::is(Bug::FloatCost);
        let money = |units: i128| (if float { units as f64 as i128 } else { units }).to_le_bytes();
        block.fixed("cost", DECIMAL, self.all(|cell| money(cell.cost), |_| money(0), |_| money(0)));
        self.rare(block, "unpriced", "UInt64", |rare| rare.unpriced.to_le_bytes());
        self.rare(block, "cost_failed", DECIMAL, |rare| money(rare.cost_failed));
        self.rare(block, "cost_retried", DECIMAL, |rare| money(rare.cost_retried));
        self.usage(block, "usage", |rare| &rare.usage);
        self.usage(block, "usage_failed", |rare| &rare.usage_failed);
        self.usage(block, "usage_retried", |rare| &rare.usage_retried);
        self.rare(block, "batchable_calls", "UInt64", |rare| rare.batchable_calls.to_le_bytes());
        self.rare(block, "batch_size", "UInt32", |rare| rare.batch_size.to_le_bytes());
        self.rare(block, "retry_after_asked", "UInt64", |rare| rare.retry_after_asked.to_le_bytes());
        self.rare(block, "retry_after_ignored", "UInt64", |rare| rare.retry_after_ignored.to_le_bytes());
        block.texts("price_book", self.all(|_| &b""[..], |_| b"", |note| note.price_book.as_bytes()));
    }

    fn quota(&self, block: &mut Block) {
        let names = &self.desk.quota_names;
        for (dimension, name) in [(3, "policy"), (4, "scope")] {
            let value = |quota: &QuotaCell| names.texts(quota.series)[dimension];
            block.texts(name, self.all(|_| &b""[..], value, |_| &b""[..]));
        }
        let latest = self.quotas.iter().map(|quota| {
            let latest = quota.latest;
            [latest.observed_us, latest.offset, latest.limit, latest.remaining, latest.reset_us]
        });
        block.tuple(
            "quota_latest",
            "Tuple(observed_us Int64, offset Int64, limit Int64, remaining Int64, reset_us Int64)",
            self.cells.len(),
            latest,
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
        let entries = || self.rare.iter().flat_map(|(_, rare)| of(rare));
        if entries().next().is_none() {
            return;
        }
        let mut sizes = vec![0; self.rows()];
        self.rare.iter().for_each(|(row, rare)| sizes[*row] = of(rare).len());
        let book = self.desk.pricing.book();
        block.map(name, "Map(String, UInt64)", sizes.into_iter(), |out| {
            entries().for_each(|(line, _)| native::text(book.line_name(*line).as_bytes(), out));
            entries().for_each(|(_, quantity)| out.extend_from_slice(&quantity.to_le_bytes()));
        });
    }
}

#[cfg(test)]
mod tests;
