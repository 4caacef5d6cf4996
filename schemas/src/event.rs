//! The call event: one attempt of one call, as every crate sees it.
//!
//! What enters is what admission accepted; what leaves is the same facts in one type. Promise: an
//! event holds no query string and no workspace that a request body chose.

use crate::{Amount, ErrorClass};
use std::collections::BTreeMap;

/// One attempt of one call to a third-party API. Field meanings stand in `avro/call-event.avsc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are documented once, in the Avro schema")]
pub struct CallEvent {
    pub workspace: String,
    pub id: String,
    /// Microseconds since 1970 UTC.
    pub time_us: i64,
    pub customer: String,
    pub integration: String,
    pub endpoint: String,
    pub tier: String,
    pub environment: String,
    pub error_class: Option<ErrorClass>,
    pub status: Option<u16>,
    pub latency_us: Option<u64>,
    pub queue_us: Option<u64>,
    /// 1 is the first try.
    pub attempt: u32,
    pub items: Option<u64>,
    pub records: Option<u64>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub cost: Option<Cost>,
    pub host: Option<String>,
    pub method: Option<String>,
    pub path: Option<String>,
    pub retry_of: Option<String>,
    pub run_id: Option<String>,
    pub data_type: Option<String>,
    pub operation: Option<String>,
    pub error: Option<String>,
    pub trace_id: Option<String>,
    pub quota: Vec<QuotaObservation>,
    pub headers: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
    pub extra: BTreeMap<String, String>,
    pub billable: Option<bool>,
    /// Microseconds since 1970 UTC.
    pub retry_at_us: Option<i64>,
    pub batch_size: Option<u32>,
}

/// What one attempt cost, exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Exact amount; may be negative (a credit note).
    pub amount: Amount,
    /// ISO 4217, three capital letters.
    pub currency: String,
}

/// What one answer said of one quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuotaObservation {
    /// Name of the limit, such as `daily`.
    pub policy: String,
    /// Whose limit it is, such as an app key; empty when the vendor has one for all.
    pub scope: String,
    /// Allowed calls or units per period.
    pub limit: Option<i64>,
    /// What is left of it.
    pub remaining: Option<i64>,
    /// When it is filled again, microseconds since 1970 UTC.
    pub reset_us: Option<i64>,
}

impl CallEvent {
    /// Key of the Kafka record: all events of one customer and integration share a partition, and a
    /// repeated event always lands where its first copy went.
    pub fn record_key(&self) -> String {
        format!("{}/{}/{}", self.workspace, self.customer, self.integration)
    }
}
