//! Judgement: records of one partition enter in log order, events, duplicates and poison leave.
//!
//! Records come in chunks, and each step is done for a whole chunk before the next: steps wait for memory, and their waits
//! overlap. Promise: the verdict on a record is a pure function of the records before it within the horizon, and of the
//! known schemas; a chunk of known shape allocates one vector.

use crate::{
    dedup::{Identity, Memory},
    facts::Facts,
    fetch::{CHUNK, Record},
    plan::Fields,
    schema::Schemas,
    waits::Waits,
};
use callmeter_schemas::PoisonReason;
use std::{hint::black_box, sync::Arc};

/// Bytes that memory is fetched in.
const CACHE_LINE: usize = 64;

/// A record and what it is.
pub struct Judged<'a> {
    /// The record.
    pub record: &'a Record<'a>,
    /// What it is.
    pub verdict: Verdict<'a>,
}

/// What a record is.
#[allow(clippy::large_enum_variant, reason = "nearly every record is an event")]
pub enum Verdict<'a> {
    /// An event, seen for the first time or not.
    Event {
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

/// The judge of one partition, with memories of what came before.
pub struct Judge {
    memory: Memory,
    waits: Waits,
    schemas: Arc<Schemas>,
    /// What the general path rewrites, for each record of a chunk.
    scratch: Vec<Vec<u8>>,
}

impl Judge {
    /// A judge that remembers `horizon` offsets.
    pub fn new(schemas: Arc<Schemas>, horizon: u32) -> Self {
        Self {
            memory: Memory::new(horizon),
            waits: Waits::new(horizon),
            schemas,
            scratch: vec![Vec::new(); CHUNK],
        }
    }

    /// Judges the next records, at most [`CHUNK`].
    pub fn judge(&mut self, records: &[Record<'_>], each: impl FnOnce(&[Judged<'_>])) {
        let Self { memory, waits, schemas, scratch } = self;
        // Payloads were written by another thread: their waits overlap too.
        records.iter().flat_map(|record| record.value.chunks(CACHE_LINE)).for_each(|line| {
            black_box(line[0]);
        });
        let read = records.iter().zip(scratch.iter_mut());
        let mut judged: Vec<_> = read
            .map(|(record, scratch)| Judged { record, verdict: understand(schemas, record, scratch) })
            .collect();
        remember(&mut judged, memory, waits);
        each(&judged);
    }
}

/// What a record is on its own, whatever came before it.
#[inline(always)]
fn understand<'a>(schemas: &Schemas, record: &Record<'a>, scratch: &'a mut Vec<u8>) -> Verdict<'a> {
    let mut fields = Fields::default();
    if let Err((reason, detail)) = schemas.read(record.value, scratch, &mut fields) {
        return Verdict::Poison(reason, detail);
    }
    match Facts::check(&fields) {
        Ok(facts) => Verdict::Event { facts, duplicate: false, wait_ignored: false },
        Err(invalid) => Verdict::Poison(PoisonReason::Invalid, invalid.to_string()),
    }
}

/// Judges events by what came before them.
fn remember(judged: &mut [Judged<'_>], memory: &mut Memory, waits: &mut Waits) {
    let mut identities = [None; CHUNK];
    for (Judged { verdict, .. }, identity) in judged.iter().zip(&mut identities) {
        if let Verdict::Event { facts, .. } = verdict {
            *identity = Some(Identity::of(facts.workspace, facts.id));
        }
    }
    // A loop of its own: the fewer steps between two waits, the more of them overlap.
    for identity in identities.iter().flatten() {
        memory.look_ahead(*identity);
    }
    for (Judged { record, verdict }, identity) in judged.iter_mut().zip(&identities) {
        if let (Verdict::Event { facts, duplicate, wait_ignored }, Some(identity)) = (verdict, identity) {
            *duplicate = memory.is_duplicate(record.offset, *identity);
            *wait_ignored = waits.ignored(record.offset, facts);
        }
    }
}

#[cfg(test)]
mod tests;
