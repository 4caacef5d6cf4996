//! The log of the partition: records enter at its end and leave at its start; what a record counts as leaves.
//!
//! A log that is truncated or re-created becomes a new [`Log`] beside the old one, so that what was once counted can
//! still be recomputed. Promise: [`Log::is_duplicate`] is the definition, looked up and not remembered.

/// One record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// The event's id; of poison it means nothing.
    pub(super) id: u16,
    /// Offset of the record before with this id, -1 when there is none.
    earlier: i32,
    pub(super) poison: bool,
}

/// One version of one log; offsets are indices.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// Id of its topic.
    pub(super) identity: u8,
    /// First offset that it still holds.
    pub(super) low: i64,
    /// Where the version before was cut off; 0 for a topic's first.
    pub(super) cut: i64,
    pub(super) records: Vec<Record>,
}

impl Log {
    pub(super) fn new(identity: u8) -> Self {
        Self { identity, low: 0, cut: 0, records: Vec::with_capacity(128) }
    }

    /// Offset after the last record.
    pub(super) fn high(&self) -> i64 {
        self.records.len() as i64
    }

    pub(super) fn append(&mut self, id: u16, poison: bool) {
        let earlier =
            if poison { None } else { self.records.iter().rposition(|one| !one.poison && one.id == id) };
        self.records.push(Record { id, earlier: earlier.map_or(-1, |at| at as i32), poison });
    }

    /// Like [`Log::append`], of an id that no record has.
    pub(super) fn append_new(&mut self, id: u16) {
        self.records.push(Record { id, earlier: -1, poison: false });
    }

    /// Whether the same id occurred among the `horizon` offsets before, of which none below `floor` is known.
    pub(super) fn is_duplicate(&self, offset: i64, floor: i64, horizon: i64) -> bool {
        let record = &self.records[offset as usize];
        !record.poison && horizon > 0 && i64::from(record.earlier) >= floor.max(offset - horizon).max(0)
    }

    /// The log after everything from `cut` on was lost.
    pub(super) fn truncated(&self, cut: i64) -> Self {
        let mut records = Vec::with_capacity(128);
        records.extend_from_slice(&self.records[..cut as usize]);
        Self { identity: self.identity, low: self.low.min(cut), cut, records }
    }

    /// Offset after the poison that stands at `from`; `from` itself when none does.
    pub(super) fn end_of_poison(&self, from: i64) -> i64 {
        let run = self.records.iter().skip(from.max(0) as usize).take_while(|record| record.poison);
        from + run.count() as i64
    }
}
