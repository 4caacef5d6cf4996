//! Section `ingest` of the configuration: parsed values enter, every mistake in them leaves at once.
//!
//! Promise: every bound of the role is a field here, with its unit in its name; the defaults are valid.

use crate::{kafka::RECORD_BYTES, keys::Keys};
use serde::{Deserialize, Serialize};

/// Section `ingest`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct IngestConfig {
    /// `host:port` of the HTTP listener; port 0 picks a free one.
    pub listen: String,
    /// API keys, each as `workspace:id:sha256`.
    pub keys: Vec<String>,
    /// Largest body, before and after decompression, bytes.
    pub max_body_bytes: usize,
    /// Most events or spans in one request.
    pub max_events: usize,
    /// Bodies in memory over all requests, bytes; beyond that requests are answered 503.
    pub body_memory_bytes: usize,
    /// Records that wait for Kafka's acknowledgement, with 200 bytes for each beside its own, bytes; beyond that requests are answered 503.
    pub producer_memory_bytes: usize,
    /// Most open connections; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// Largest request line and headers together, bytes; at least 8192.
    pub max_header_bytes: usize,
    /// Most headers of one request.
    pub max_headers: usize,
    /// Longest time until a connection has sent its next request's headers, ms; also ends idle ones.
    pub header_timeout_ms: u64,
    /// Longest time until a request's body is complete, ms.
    pub body_timeout_ms: u64,
    /// Longest time that a whole body waits for its turn to be read, ms; beyond that the request is answered 503, so that
    /// senders hear of an overload while they still listen.
    pub queue_timeout_ms: u64,
    /// Longest time until Kafka acknowledged all of a request, ms.
    pub ack_timeout_ms: u64,
    /// How long records are gathered before they are sent to Kafka, ms.
    pub linger_ms: u64,
    /// Events per second that one key may send in the long run; 0 sets no limit.
    pub events_per_second: u32,
    /// Events that one key may send at once after a quiet time.
    pub events_burst: u32,
    /// Folder of own vendor profiles, each a `*.yaml` file, beside the built-in ones; empty: none. Changes are taken
    /// over within seconds.
    pub profiles: String,
    /// Most integrations of one customer in a UTC day, by process; further ones become `other`.
    pub integrations_per_customer: usize,
    /// Most combinations of integration, endpoint, tier and environment of one customer in a UTC day, by process;
    /// endpoint, tier and environment of further ones become `other`.
    pub endpoints_per_customer: usize,
    /// Most combinations of integration, quota policy and scope of one customer in a UTC day, by process; further ones
    /// become `other`.
    pub quotas_per_customer: usize,
    /// Time between failing readiness and closing the listener at shutdown, ms.
    pub shutdown_notice_ms: u64,
    /// Longest time for open requests and Kafka's acknowledgements at shutdown, ms.
    pub shutdown_timeout_ms: u64,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            keys: Vec::new(),
            max_body_bytes: 8 * 1024 * 1024,
            max_events: 10_000,
            body_memory_bytes: 128 * 1024 * 1024,
            producer_memory_bytes: 64 * 1024 * 1024,
            max_connections: 4_096,
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            header_timeout_ms: 30_000,
            body_timeout_ms: 30_000,
            queue_timeout_ms: 1_000,
            ack_timeout_ms: 10_000,
            linger_ms: 5,
            events_per_second: 1_000_000,
            events_burst: 2_000_000,
            profiles: String::new(),
            integrations_per_customer: 500,
            endpoints_per_customer: 2_000,
            quotas_per_customer: 200,
            shutdown_notice_ms: 0,
            shutdown_timeout_ms: 30_000,
        }
    }
}

impl IngestConfig {
    /// Every invalid value, each with the name of its field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let port = self.listen.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            problems.push("ingest.listen: not of the form host:port".to_owned());
        }
        for (place, mistake) in Keys::parse(&self.keys).err().unwrap_or_default() {
            problems.push(format!("ingest.keys[{place}]: {mistake}"));
        }
        for (name, value, least, most) in self.bounds() {
            if !(least..=most).contains(&value) {
                problems.push(format!("ingest.{name}: {value} is not between {least} and {most}"));
            }
        }
        if self.events_per_second > 0 && self.events_burst == 0 {
            problems.push("ingest.events_burst: 0 would let no event pass".to_owned());
        }
        problems
    }

    /// Name, value, least and most of every number.
    fn bounds(&self) -> [(&'static str, u64, u64, u64); 17] {
        const GIB: u64 = 1024 * 1024 * 1024;
        const HOUR_MS: u64 = 3_600_000;
        let two_bodies = (self.max_body_bytes as u64).saturating_mul(2);
        let largest_batch = two_bodies.saturating_add(self.max_events.saturating_mul(RECORD_BYTES) as u64);
        [
            ("max_body_bytes", self.max_body_bytes as u64, 1_024, GIB),
            ("max_events", self.max_events as u64, 1, 1_000_000),
            ("body_memory_bytes", self.body_memory_bytes as u64, two_bodies, 1_024 * GIB),
            ("producer_memory_bytes", self.producer_memory_bytes as u64, largest_batch, 2_047 * GIB),
            ("max_connections", self.max_connections as u64, 1, 1_000_000),
            ("max_header_bytes", self.max_header_bytes as u64, 8_192, 16 * 1024 * 1024),
            ("max_headers", self.max_headers as u64, 8, 10_000),
            ("header_timeout_ms", self.header_timeout_ms, 1, HOUR_MS),
            ("body_timeout_ms", self.body_timeout_ms, 1, HOUR_MS),
            ("queue_timeout_ms", self.queue_timeout_ms, 1, HOUR_MS),
            ("ack_timeout_ms", self.ack_timeout_ms, 100, HOUR_MS),
            ("linger_ms", self.linger_ms, 0, 1_000.min(self.ack_timeout_ms)),
            ("integrations_per_customer", self.integrations_per_customer as u64, 1, 100_000),
            ("endpoints_per_customer", self.endpoints_per_customer as u64, 1, 1_000_000),
            ("quotas_per_customer", self.quotas_per_customer as u64, 1, 100_000),
            ("shutdown_notice_ms", self.shutdown_notice_ms, 0, HOUR_MS),
            ("shutdown_timeout_ms", self.shutdown_timeout_ms, 1, HOUR_MS),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        assert_eq!(IngestConfig::default().problems(), Vec::<String>::new());
        let config = IngestConfig {
            listen: "8080".into(),
            keys: vec!["acme".into()],
            max_events: 0,
            producer_memory_bytes: 1,
            events_burst: 0,
            ..IngestConfig::default()
        };
        insta::assert_snapshot!(config.problems().join("\n"), @"
        ingest.listen: not of the form host:port
        ingest.keys[0]: not of the form workspace:id:sha256
        ingest.max_events: 0 is not between 1 and 1000000
        ingest.producer_memory_bytes: 1 is not between 16777216 and 2197949513728
        ingest.events_burst: 0 would let no event pass
        ");
    }
}
