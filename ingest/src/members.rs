//! The members of one JSON event: a deserializer enters, a [`Draft`] leaves, in one pass.
//!
//! Promise: whatever is syntactically JSON is read to its end. A wrong type, a duplicate or a number out
//! of range is remembered (the first one) as the item's [`Rejection`] and never ends the parse, so that
//! a bad item does not cost its neighbours. Texts are borrowed from the body unless they hold escapes.

use crate::{
    draft::{Code, Draft, Entries, Rejection},
    parts::{CostReader, EntryReader, QuotaList},
    read::{Read, Reader, Text},
    values::{Mistake, count, duration, note, status, text, time},
};
use callmeter_schemas::{Cost, QuotaObservation, limits};
use serde::{Deserialize, Deserializer, de::MapAccess};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Most response headers that are looked at; the kept ones are bounded by `limits::MAP_ENTRIES`.
const HEADERS_READ: usize = 128;

/// One item as read: its draft, or the first mistake in it.
#[derive(Debug, Default)]
pub struct Item<'a> {
    /// What was read, also beside a mistake.
    pub draft: Draft<'a>,
    /// The first mistake.
    pub mistake: Option<Rejection>,
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let mut item = Item::default();
        source.deserialize_any(Read(Event(&mut item)))?;
        Ok(item)
    }
}

/// Where the value of a known member goes.
enum Slot<'s, 'a> {
    Text(&'s mut Option<Cow<'a, str>>),
    Time(&'s mut Option<i64>),
    Status(&'s mut Option<u16>),
    Count(&'s mut Option<u64>),
    Duration(&'s mut Option<u64>),
    Cost(&'s mut Option<Cost>),
    Quota(&'s mut Vec<QuotaObservation>),
    Entries(&'s mut Entries<'a>, usize),
    Headers(&'s mut Entries<'a>, &'s mut u64),
}

/// The number and the slot of a known member.
fn slot<'s, 'a>(draft: &'s mut Draft<'a>, name: &str) -> Option<(u32, Slot<'s, 'a>)> {
    Some(match name {
        "id" => (0, Slot::Text(&mut draft.id)),
        "time" => (1, Slot::Time(&mut draft.time_us)),
        "customer" => (2, Slot::Text(&mut draft.customer)),
        "integration" => (3, Slot::Text(&mut draft.integration)),
        "endpoint" => (4, Slot::Text(&mut draft.endpoint)),
        "host" => (5, Slot::Text(&mut draft.host)),
        "method" => (6, Slot::Text(&mut draft.method)),
        "path" => (7, Slot::Text(&mut draft.path)),
        "url" => (8, Slot::Text(&mut draft.url)),
        "status" => (9, Slot::Status(&mut draft.status)),
        "latency_ms" => (10, Slot::Duration(&mut draft.latency_us)),
        "queue_ms" => (11, Slot::Duration(&mut draft.queue_us)),
        "attempt" => (12, Slot::Count(&mut draft.attempt)),
        "retry_of" => (13, Slot::Text(&mut draft.retry_of)),
        "run_id" => (14, Slot::Text(&mut draft.run_id)),
        "data_type" => (15, Slot::Text(&mut draft.data_type)),
        "operation" => (16, Slot::Text(&mut draft.operation)),
        "items" => (17, Slot::Count(&mut draft.items)),
        "records" => (18, Slot::Count(&mut draft.records)),
        "bytes_in" => (19, Slot::Count(&mut draft.bytes_in)),
        "bytes_out" => (20, Slot::Count(&mut draft.bytes_out)),
        "tier" => (21, Slot::Text(&mut draft.tier)),
        "environment" => (22, Slot::Text(&mut draft.environment)),
        "error_class" => (23, Slot::Text(&mut draft.error_class)),
        "error" => (24, Slot::Text(&mut draft.error)),
        "cost" => (25, Slot::Cost(&mut draft.cost)),
        "quota" => (26, Slot::Quota(&mut draft.quota)),
        "headers" => (27, Slot::Headers(&mut draft.headers, &mut draft.unread_headers)),
        "trace_id" => (28, Slot::Text(&mut draft.trace_id)),
        "attributes" => (29, Slot::Entries(&mut draft.attributes, limits::MAP_ENTRIES)),
        _ => return None,
    })
}

struct Event<'s, 'a>(&'s mut Item<'a>);

impl<'de> Reader<'de> for Event<'_, 'de> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Item { draft, mistake } = self.0;
        let mut seen = 0_u32;
        while let Some(Text(name)) = map.next_key()? {
            match slot(draft, &name) {
                Some((bit, slot)) => {
                    if seen & (1 << bit) != 0 {
                        note(mistake, Code::DuplicateMember, &name, "stands twice");
                    }
                    seen |= 1 << bit;
                    fill(slot, &name, &mut map, mistake)?;
                }
                None => unknown(draft, name, map.next_value()?, mistake),
            }
        }
        Ok(())
    }

    fn mismatch(self) {
        note(&mut self.0.mistake, Code::NotAnObject, "", "an event is a JSON object");
    }

    fn null(self) {
        self.mismatch();
    }
}

fn unknown<'a>(draft: &mut Draft<'a>, name: Cow<'a, str>, value: &'a RawValue, mistake: &mut Mistake) {
    if draft.extra.len() == limits::MAP_ENTRIES {
        draft.unkept += 1;
    } else if draft.extra.iter().any(|(known, _)| *known == name) {
        note(mistake, Code::DuplicateMember, "", "an unknown member stands twice");
    } else {
        draft.extra.push((name, value.get()));
    }
}

fn fill<'de, A: MapAccess<'de>>(
    slot: Slot<'_, 'de>,
    name: &str,
    map: &mut A,
    mistake: &mut Mistake,
) -> Result<(), A::Error> {
    match slot {
        Slot::Text(target) => *target = text(map.next_value()?, name, mistake),
        Slot::Time(target) => *target = time(map.next_value()?, name, mistake),
        Slot::Count(target) => *target = count(map.next_value()?, name, mistake),
        Slot::Status(target) => *target = status(map.next_value()?, name, mistake),
        Slot::Duration(target) => *target = duration(map.next_value()?, name, mistake),
        Slot::Cost(cost) => map.next_value_seed(Read(CostReader { cost, mistake }))?,
        Slot::Quota(quota) => map.next_value_seed(Read(QuotaList { quota, mistake }))?,
        Slot::Entries(entries, most) => {
            map.next_value_seed(Read(EntryReader { name, entries, most, over: None, mistake }))?;
        }
        Slot::Headers(entries, over) => {
            let (most, over) = (HEADERS_READ, Some(over));
            map.next_value_seed(Read(EntryReader { name, entries, most, over, mistake }))?;
        }
    }
    Ok(())
}
