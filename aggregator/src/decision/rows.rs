//! Rows of a decision: they enter, the one block that records it leaves.
//!
//! Promise: the columns are those of [`STRUCTURE`], which the insert names; what they leave out is empty.

use super::{Decision, Gap};
use crate::native::Block;

/// Columns, for the insert.
pub const COLUMNS: &str = "kind, src, part, batch_first, next_offset, lost, note";

/// Structure of the block, for `input('…')`.
pub const STRUCTURE: &str = "kind Int8, src String, part Int32, batch_first Int64, next_offset Int64, \
    lost UInt64, note String";

/// What a row is; the numbers are those of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Genesis = 1,
    Mark = 2,
    Gap = 6,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) source: String,
    pub(super) partition: i32,
    pub(super) first_offset: i64,
    pub(super) next_offset: i64,
    pub(super) lost: u64,
    /// Of a gap: why. Of a genesis: how many partitions of the log wait for an operator until each has one; empty: none.
    pub(super) note: String,
}

impl Decision {
    /// The block that records it.
    pub fn block(&self) -> Vec<u8> {
        let rows = &self.rows;
        let mut block = Block::new(rows.len());
        block.fixed("kind", "Int8", rows.iter().map(|row| (row.kind as i8).to_le_bytes()));
        block.texts("src", rows.iter().map(|row| row.source.as_bytes()));
        block.i32("part", rows.iter().map(|row| row.partition));
        block.i64("batch_first", rows.iter().map(|row| row.first_offset));
        block.i64("next_offset", rows.iter().map(|row| row.next_offset));
        block.u64("lost", rows.iter().map(|row| row.lost));
        block.texts("note", rows.iter().map(|row| row.note.as_bytes()));
        block.finish()
    }
}

impl Gap {
    /// Where counting of its source begins.
    pub(super) fn genesis(&self) -> Row {
        Row { kind: Kind::Genesis, first_offset: self.next_offset, ..self.mark() }
    }

    /// Where counting goes on.
    pub(super) fn mark(&self) -> Row {
        Row {
            kind: Kind::Mark,
            source: self.source.clone(),
            partition: self.partition,
            first_offset: 0,
            next_offset: self.next_offset,
            lost: 0,
            note: String::new(),
        }
    }

    /// What stands in the ledger.
    pub(super) fn row(&self) -> Row {
        Row {
            kind: Kind::Gap,
            first_offset: self.first_offset,
            lost: self.lost.unwrap_or_default(),
            note: self.note.clone(),
            ..self.mark()
        }
    }
}
