//! Avro bytes of a call event: a [`CallEvent`] enters, a framed Kafka record leaves.
//!
//! The frame is Confluent's: `0x00`, the schema id as 4 big-endian bytes, the Avro binary
//! (Apache Avro 1.11 specification, "Binary Encoding"). Schema ids without a registry: the first four
//! bytes of the SHA-256 of the schema's Parsing Canonical Form, with the top bit set. A registry hands
//! out positive 32-bit numbers, so that both kinds may stand in one topic. Promise: what is written
//! here reads back the same through any Avro library.

use crate::{CallEvent, Cost, QuotaObservation};
use apache_avro::Schema;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::LazyLock};

/// The schema of [`CallEvent`], the writer's schema of everything this build publishes.
pub const CALL_EVENT_SCHEMA: &str = include_str!("../avro/call-event.avsc");

/// Schemas of earlier builds whose records may still stand in a log, or come from services that were not rebuilt.
pub const EARLIER_SCHEMAS: &[&str] = &[include_str!("../avro/call-event.1.avsc")];

/// Bytes before the Avro payload.
pub const FRAME_BYTES: usize = 5;

/// Id of [`CALL_EVENT_SCHEMA`]; a test derives it by the rule above.
pub const SCHEMA_ID: u32 = 0xc393_b326;

static CALL_EVENT: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(CALL_EVENT_SCHEMA).expect("the embedded schema is parsed by a test"));

/// The parsed schema of [`CallEvent`].
pub fn call_event_schema() -> &'static Schema {
    &CALL_EVENT
}

/// The id of a schema without a registry.
pub fn schema_id(schema: &Schema) -> u32 {
    let digest = Sha256::digest(schema.canonical_form().as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) | 1 << 31
}

/// Splits a record into schema id and payload; `None` without a frame.
pub fn unframe(record: &[u8]) -> Option<(u32, &[u8])> {
    match record {
        [0, a, b, c, d, payload @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), payload)),
        _ => None,
    }
}

/// Appends the framed record of an event.
pub fn encode(event: &CallEvent, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&SCHEMA_ID.to_be_bytes());
    text(&event.workspace, out);
    text(&event.id, out);
    long(event.time_us, out);
    for dimension in [&event.customer, &event.integration, &event.endpoint, &event.tier, &event.environment] {
        text(dimension, out);
    }
    optional(event.error_class, out, |class, out| text(class.as_str(), out));
    optional(event.status, out, |status, out| long(i64::from(status), out));
    optional(event.latency_us, out, count);
    optional(event.queue_us, out, count);
    long(i64::from(event.attempt), out);
    for number in [event.items, event.records, event.bytes_in, event.bytes_out] {
        optional(number, out, count);
    }
    optional(event.cost.as_ref(), out, cost);
    for field in [
        &event.host,
        &event.method,
        &event.path,
        &event.retry_of,
        &event.run_id,
        &event.data_type,
        &event.operation,
        &event.error,
        &event.trace_id,
    ] {
        optional(field.as_deref(), out, text);
    }
    optional(event.billable, out, |billable, out| out.push(u8::from(billable)));
    optional(event.retry_at_us, out, long);
    optional(event.batch_size, out, |size, out| long(i64::from(size), out));
    block(&event.quota, out, quota);
    for map in [&event.headers, &event.attributes, &event.extra] {
        entries(map, out);
    }
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn count(value: u64, out: &mut Vec<u8>) {
    long(value as i64, out);
}

fn text(value: &str, out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value.as_bytes());
}

/// A union of null (branch 0) and one other type (branch 1).
fn optional<T>(value: Option<T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            write(value, out);
        }
    }
}

/// An array or map: one block when there is anything, then the empty block.
fn block<T>(
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    let items = items.into_iter();
    if items.len() > 0 {
        long(items.len() as i64, out);
        items.for_each(|item| write(item, out));
    }
    out.push(0);
}

fn entries(map: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    block(map, out, |(name, value), out| {
        text(name, out);
        text(value, out);
    });
}

fn cost(cost: &Cost, out: &mut Vec<u8>) {
    let bytes = cost.amount.units().to_be_bytes();
    // The shortest two's complement form: leading bytes that only repeat the sign go.
    let sign = if bytes[0] & 0x80 == 0 { 0x00 } else { 0xff };
    let start = bytes.windows(2).take_while(|pair| pair[0] == sign && (pair[1] ^ sign) & 0x80 == 0).count();
    long((bytes.len() - start) as i64, out);
    out.extend_from_slice(&bytes[start..]);
    text(&cost.currency, out);
}

fn quota(observation: &QuotaObservation, out: &mut Vec<u8>) {
    text(&observation.policy, out);
    text(&observation.scope, out);
    for number in [observation.limit, observation.remaining, observation.reset_us] {
        optional(number, out, long);
    }
}

#[cfg(test)]
mod tests;
