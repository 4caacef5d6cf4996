//! Dead letters: why a record could not be counted, and the record itself.
//!
//! What enters is a Kafka record that is no event; what leaves is JSON for the dead-letter topic.
//! Promise: the original bytes are kept, and the same record always makes the same letter.

use serde::{Deserialize, Serialize};

/// Why a record is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoisonReason {
    /// The record has no value.
    Empty,
    /// It does not begin with the Confluent frame (0x00 and four bytes of schema id).
    BadFrame,
    /// Its schema id is neither built in nor configured.
    UnknownSchema,
    /// Its bytes do not follow its schema.
    Undecodable,
    /// A required field is empty, or a value is out of its bounds.
    Invalid,
}

/// One dead letter as it stands in the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Identity of the log: cluster, topic and topic id.
    pub source: String,
    /// Kafka partition.
    pub partition: i32,
    /// Kafka offset.
    pub offset: i64,
    /// The broker's append time, ms since 1970 UTC.
    pub appended_ms: i64,
    /// Why.
    pub reason: PoisonReason,
    /// What exactly, with the field's name where there is one.
    pub detail: String,
    /// The record's key, base64; absent when it had none.
    pub key: Option<String>,
    /// The record's value, base64.
    pub value: String,
}

impl DeadLetter {
    /// Key of its Kafka record: a letter written again after a crash has the same key.
    pub fn record_key(&self) -> String {
        format!("{}/{}/{}", self.source, self.partition, self.offset)
    }
}
