//! The contracts of Callmeter: what enters is names and bytes, what leaves is types and bytes.
//!
//! Everything that two crates must agree on is decided here once: the [`CallEvent`] and its Avro
//! bytes, the JSON Schema of what services send, the Kafka topics and record keys, the numbered SQL of
//! tables and views, the latency buckets, the money form, the bounds, and the names of the
//! connection settings. Promise: pure; no clock, no input or output, no runtime.

pub mod avro;
pub mod config;
pub mod dead_letter;
pub mod error_class;
pub mod event;
pub mod histogram;
pub mod limits;
pub mod money;
pub mod sql;
pub mod topics;

#[cfg(test)]
mod tidy;

pub use dead_letter::{DeadLetter, PoisonReason};
pub use error_class::ErrorClass;
pub use event::{CallEvent, Cost, QuotaObservation};
pub use money::Amount;

/// JSON Schema (draft 2020-12) of one event as `POST /v1/events` takes it.
pub const EVENT_JSON_SCHEMA: &str = include_str!("../json/call-event.schema.json");
