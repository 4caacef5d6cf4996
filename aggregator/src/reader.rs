//! The reader of one partition: offsets to begin at enter, judged records leave in log order.
//!
//! It fills its memories (ids, waits) from the records before `count_from` and then judges every record:
//! event, duplicate or poison. Both the rollups and the raw calls read through it, each with memories of
//! its own, which is why their verdicts agree. Promise: the verdict on a record is a pure function of
//! the log and the known schemas.

use crate::{
    dedup::{Identity, Memory},
    facts::Facts,
    fetch::{FetchError, Fetcher, Record, Tap},
    plan::Fields,
    schema::Schemas,
    waits::Waits,
};
use callmeter_schemas::PoisonReason;
use std::{sync::Arc, time::Duration};

/// What a record is.
pub(crate) enum Verdict<'a> {
    /// An event, seen for the first time or not.
    Event {
        /// Every field of it.
        fields: &'a Fields<'a>,
        /// Its checked facts.
        facts: &'a Facts<'a>,
        /// Whether its id occurred within the horizon.
        duplicate: bool,
        /// Whether it was made although its vendor had asked to wait.
        wait_ignored: bool,
    },
    /// No event.
    Poison(PoisonReason, String),
}

/// A running read of one partition.
pub(crate) struct Reader {
    tap: Tap,
    memory: Memory,
    waits: Waits,
    schemas: Arc<Schemas>,
    scratch: Vec<u8>,
    count_from: i64,
}

impl Reader {
    /// Begins to read: ids from `remember_from` on, verdicts from `count_from` on.
    pub(crate) fn start(
        fetcher: &Arc<Fetcher>,
        schemas: &Arc<Schemas>,
        partition: i32,
        remember_from: i64,
        count_from: i64,
        horizon: u32,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            tap: fetcher.tap(partition, remember_from)?,
            memory: Memory::new(horizon),
            waits: Waits::new(horizon),
            schemas: Arc::clone(schemas),
            scratch: Vec::new(),
            count_from,
        })
    }

    /// Offset after the last record that was read.
    pub(crate) fn position(&self) -> i64 {
        self.tap.position()
    }

    /// Judges what has arrived, waiting at most `timeout` for the first record; `until` as in [`Tap::take`].
    pub(crate) fn read(
        &mut self,
        timeout: Duration,
        until: i64,
        mut each: impl FnMut(Record<'_>, Verdict<'_>),
    ) -> Result<(), FetchError> {
        let Self { tap, memory, waits, schemas, scratch, count_from } = self;
        tap.take(timeout, until, |record| {
            judge(record, schemas, (memory, waits), scratch, |verdict| {
                if record.offset >= *count_from {
                    each(record, verdict);
                }
            });
        })
    }
}

fn judge(
    record: Record<'_>,
    schemas: &Schemas,
    (memory, waits): (&mut Memory, &mut Waits),
    scratch: &mut Vec<u8>,
    each: impl FnOnce(Verdict<'_>),
) {
    let fields = match schemas.read(record.value, scratch) {
        Ok(fields) => fields,
        Err((reason, detail)) => return each(Verdict::Poison(reason, detail)),
    };
    match Facts::check(&fields) {
        Ok(facts) => {
            let duplicate = memory.is_duplicate(record.offset, Identity::of(facts.workspace, facts.id));
            let wait_ignored = waits.ignored(record.offset, &facts);
            each(Verdict::Event { fields: &fields, facts: &facts, duplicate, wait_ignored });
        }
        Err(invalid) => each(Verdict::Poison(PoisonReason::Invalid, invalid.to_string())),
    }
}
