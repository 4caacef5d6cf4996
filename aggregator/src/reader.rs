//! The reader of one partition: offsets to begin at enter, judged records leave in log order.
//!
//! It fills its memories (ids, waits) from the records before `count_from` and then judges every record:
//! event, duplicate or poison. Both the rollups and the raw calls read through it, each with memories of
//! its own, which is why their verdicts agree. Promise: the verdict on a record is a pure function of
//! the log and the known schemas.

use crate::{
    dedup::{Identity, Memory},
    facts::Facts,
    fetch::{CHUNK, FetchError, Fetcher, Record, Tap},
    plan::Fields,
    schema::Schemas,
    waits::Waits,
};
use callmeter_schemas::PoisonReason;
use std::{sync::Arc, time::Duration};

/// A record and what it is.
pub(crate) struct Judged<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) verdict: Verdict<'a>,
}

/// What a record is.
#[allow(clippy::large_enum_variant, reason = "nearly every record is an event")]
pub(crate) enum Verdict<'a> {
    /// An event, seen for the first time or not.
    Event {
        /// Every field of it.
        fields: &'a Fields<'a>,
        /// Its checked facts.
        facts: Facts<'a>,
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
    /// What the general path rewrites, for each record of a chunk.
    scratch: Vec<Vec<u8>>,
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
            scratch: vec![Vec::new(); CHUNK],
            count_from,
        })
    }

    /// Offset after the last record that was read.
    pub(crate) fn position(&self) -> i64 {
        self.tap.position()
    }

    /// Whether the log has more than was last read.
    pub(crate) fn is_behind(&self) -> bool {
        self.tap.is_behind()
    }

    /// Judges what has arrived, waiting at most `timeout` for the first record; `until` as in [`Tap::take`].
    pub(crate) fn read(
        &mut self,
        timeout: Duration,
        until: i64,
        mut each: impl FnMut(&[Judged<'_>]),
    ) -> Result<(), FetchError> {
        let Self { tap, memory, waits, schemas, scratch, count_from } = self;
        tap.take(timeout, until, |records| {
            let mut fields = vec![Fields::default(); records.len()];
            let read = records.iter().zip(scratch.iter_mut()).zip(&mut fields);
            let read: Vec<_> =
                read.map(|((record, scratch), fields)| schemas.read(record.value, scratch, fields)).collect();
            let mut judged: Vec<Judged<'_>> = records
                .iter()
                .zip(read)
                .zip(&fields)
                .map(|((record, read), fields)| Judged { record: *record, verdict: understand(read, fields) })
                .collect();
            remember(&mut judged, memory, waits);
            let first = judged.partition_point(|judged| judged.record.offset < *count_from);
            if first < judged.len() {
                each(&judged[first..]);
            }
        })
    }
}

/// What a record is on its own, whatever came before it.
fn understand<'a>(read: Result<(), (PoisonReason, String)>, fields: &'a Fields<'a>) -> Verdict<'a> {
    if let Err((reason, detail)) = read {
        return Verdict::Poison(reason, detail);
    }
    match Facts::check(fields) {
        Ok(facts) => Verdict::Event { fields, facts, duplicate: false, wait_ignored: false },
        Err(invalid) => Verdict::Poison(PoisonReason::Invalid, invalid.to_string()),
    }
}

/// Judges events by what came before them.
fn remember(judged: &mut [Judged<'_>], memory: &mut Memory, waits: &mut Waits) {
    let mut identities = [None; CHUNK];
    for (Judged { record, verdict }, identity) in judged.iter().zip(&mut identities) {
        if let Verdict::Event { facts, .. } = verdict {
            let known = Identity::of(facts.workspace, facts.id);
            memory.look_ahead(record.offset, known);
            *identity = Some(known);
        }
    }
    for (Judged { record, verdict }, identity) in judged.iter_mut().zip(identities) {
        if let (Verdict::Event { facts, duplicate, wait_ignored, .. }, Some(identity)) = (verdict, identity) {
            *duplicate = memory.is_duplicate(record.offset, identity);
            *wait_ignored = waits.ignored(record.offset, facts);
        }
    }
}
