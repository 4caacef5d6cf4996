//! Rows of the `deltas` table: a batch enters, the one block that stores it leaves.
//!
//! The block holds the batch's data rows, then its `mark` row, then its `batch` row, so that deltas,
//! marker and ledger land together or not at all. Promise: the columns are those of [`STRUCTURE`],
//! which the insert names.

use crate::{
    fold::{Batch, Cell},
    intern::Interner,
    native::{self, Block},
};
use callmeter_schemas::ErrorClass;

/// Structure of the block, for `input('…')`; types as sent, which ClickHouse casts to the table's.
pub const STRUCTURE: &str = "kind Int8, src String, part Int32, batch_first Int64, window_start UInt32, \
    workspace String, customer String, integration String, endpoint String, tier String, environment String, \
    currency String, next_offset Int64, commits UInt64, consumed UInt64, duplicates UInt64, dead_lettered UInt64, \
    calls UInt64, errors UInt64, errors_by_class Map(String, UInt64), attempts_retried UInt64, \
    latency_us_sum UInt64, latency Map(UInt16, UInt64), queue_us_sum UInt64, bytes_in UInt64, bytes_out UInt64, \
    items UInt64, records UInt64, cost Decimal(38, 12)";

/// Columns, for the insert.
pub const COLUMNS: &str = "kind, src, part, batch_first, window_start, workspace, customer, integration, \
    endpoint, tier, environment, currency, next_offset, commits, consumed, duplicates, dead_lettered, calls, \
    errors, errors_by_class, attempts_retried, latency_us_sum, latency, queue_us_sum, bytes_in, bytes_out, \
    items, records, cost";

const KIND_GENESIS: i8 = 1;
const KIND_MARK: i8 = 2;
const KIND_BATCH: i8 = 3;
const KIND_DATA: i8 = 4;

const DIMENSION_NAMES: [&str; 7] =
    ["workspace", "customer", "integration", "endpoint", "tier", "environment", "currency"];

/// One of the two rows that stand beside the data.
struct Note {
    kind: i8,
    batch_first: i64,
    next_offset: i64,
    commits: u64,
    consumed: u64,
    duplicates: u64,
    dead_lettered: u64,
    calls: u64,
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
pub fn of_batch(owner: Owner<'_>, batch: &Batch, interner: &Interner) -> Vec<u8> {
    let mark = Note {
        kind: KIND_MARK,
        batch_first: 0,
        next_offset: batch.next,
        commits: 0,
        consumed: 0,
        duplicates: 0,
        dead_lettered: 0,
        calls: 0,
    };
    let ledger = Note {
        kind: KIND_BATCH,
        batch_first: batch.first,
        next_offset: batch.next,
        commits: 1,
        consumed: batch.consumed,
        duplicates: batch.duplicates,
        dead_lettered: batch.poison.len() as u64,
        calls: batch.counted(),
    };
    block(owner, &batch.cells, interner, &[mark, ledger])
}

/// The block that begins a log: its genesis and its first marker.
pub fn of_genesis(owner: Owner<'_>, offset: i64) -> Vec<u8> {
    let note = |kind, batch_first, next_offset| Note {
        kind,
        batch_first,
        next_offset,
        commits: 0,
        consumed: 0,
        duplicates: 0,
        dead_lettered: 0,
        calls: 0,
    };
    block(owner, &[], &Interner::default(), &[note(KIND_GENESIS, offset, offset), note(KIND_MARK, 0, offset)])
}

fn block(owner: Owner<'_>, cells: &[Cell], interner: &Interner, notes: &[Note]) -> Vec<u8> {
    let mut block = Block::new(29, cells.len() + notes.len());
    let nothing = cells.iter().map(|_| 0_u64);
    block.fixed("kind", "Int8", chain(cells, |_| KIND_DATA, notes, |note| note.kind).map(i8::to_le_bytes));
    block.texts("src", chain(cells, |_| &b""[..], notes, |_| owner.src.as_bytes()));
    block.i32("part", chain(cells, |_| 0, notes, |_| owner.part));
    block.i64("batch_first", chain(cells, |_| 0, notes, |note| note.batch_first));
    block.fixed(
        "window_start",
        "UInt32",
        chain(cells, |cell| cell.window_start, notes, |_| 0).map(u32::to_le_bytes),
    );
    for (dimension, name) in DIMENSION_NAMES.into_iter().enumerate() {
        block.texts(name, chain(cells, |cell| interner.text(cell.series, dimension), notes, |_| &b""[..]));
    }
    block.i64("next_offset", chain(cells, |_| 0, notes, |note| note.next_offset));
    block.u64("commits", nothing.clone().chain(notes.iter().map(|note| note.commits)));
    block.u64("consumed", nothing.clone().chain(notes.iter().map(|note| note.consumed)));
    block.u64("duplicates", nothing.clone().chain(notes.iter().map(|note| note.duplicates)));
    block.u64("dead_lettered", nothing.chain(notes.iter().map(|note| note.dead_lettered)));
    block.u64("calls", chain(cells, |cell| cell.calls, notes, |note| note.calls));
    block.u64("errors", chain(cells, Cell::errors, notes, |_| 0));
    errors_by_class(&mut block, cells, notes.len());
    block.u64("attempts_retried", chain(cells, |cell| cell.attempts_retried, notes, |_| 0));
    block.u64("latency_us_sum", chain(cells, |cell| cell.latency_us_sum, notes, |_| 0));
    latency(&mut block, cells, notes.len());
    block.u64("queue_us_sum", chain(cells, |cell| cell.queue_us_sum, notes, |_| 0));
    block.u64("bytes_in", chain(cells, |cell| cell.bytes_in, notes, |_| 0));
    block.u64("bytes_out", chain(cells, |cell| cell.bytes_out, notes, |_| 0));
    block.u64("items", chain(cells, |cell| cell.items, notes, |_| 0));
    block.u64("records", chain(cells, |cell| cell.records, notes, |_| 0));
    block.fixed(
        "cost",
        "Decimal(38, 12)",
        chain(cells, |cell| cell.cost, notes, |_| 0).map(i128::to_le_bytes),
    );
    block.finish()
}

fn chain<'a, T>(
    cells: &'a [Cell],
    of_cell: impl Fn(&'a Cell) -> T + 'a,
    notes: &'a [Note],
    of_note: impl Fn(&'a Note) -> T + 'a,
) -> impl Iterator<Item = T> + 'a {
    cells.iter().map(of_cell).chain(notes.iter().map(of_note))
}

fn errors_by_class(block: &mut Block, cells: &[Cell], notes: usize) {
    let sizes = cells.iter().map(|cell| cell.errors.len()).chain(std::iter::repeat_n(0, notes));
    block.map("errors_by_class", "Map(String, UInt64)", sizes, |out| {
        let entries = || cells.iter().flat_map(|cell| &cell.errors);
        entries()
            .for_each(|(class, _)| native::text(ErrorClass::ALL[*class as usize].as_str().as_bytes(), out));
        entries().for_each(|(_, calls)| out.extend_from_slice(&u64::from(*calls).to_le_bytes()));
    });
}

fn latency(block: &mut Block, cells: &[Cell], notes: usize) {
    let sizes = cells.iter().map(|cell| cell.latency.len()).chain(std::iter::repeat_n(0, notes));
    block.map("latency", "Map(UInt16, UInt64)", sizes, |out| {
        let entries = || cells.iter().flat_map(|cell| &cell.latency);
        entries().for_each(|(bucket, _)| out.extend_from_slice(&bucket.to_le_bytes()));
        entries().for_each(|(_, calls)| out.extend_from_slice(&u64::from(*calls).to_le_bytes()));
    });
}

#[cfg(test)]
mod tests;
