//! What ingest counts: facts of the pipeline enter, Prometheus metrics leave.
//!
//! Promise: names begin with `callmeter_ingest_`; no label ever holds a customer. The label `key` holds
//! ids of configured keys only, so that its values are bounded.

use crate::{
    draft::{Code, Rejection},
    intake::Intake,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Capped {
    field: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    key: String,
    reason: &'static str,
}

/// The metrics of one ingest role; clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    events: Family<Outcome, Counter>,
    /// Records that Kafka acknowledged.
    pub(crate) accepted: Counter,
    requests: Family<Request, Counter>,
    refusals: Family<Refusal, Counter>,
    body_bytes: Counter,
    ignored_spans: Counter,
    unknown_members: Counter,
    dropped_members: Counter,
    dropped_headers: Counter,
    dropped_attributes: Counter,
    capped_integrations: Counter,
    capped_endpoints: Counter,
    capped_quotas: Counter,
    capped: Family<Capped, Counter>,
    /// Vendor profiles in use.
    pub(crate) profiles: Gauge,
    /// 1 while the folder of profiles holds mistakes and older ones are in use.
    pub(crate) profiles_stale: Gauge,
    /// Sets of profiles that were not taken over.
    pub(crate) reload_failures: Counter,
    /// Requests that are being worked on.
    pub(crate) in_flight: Gauge,
    /// Bytes of request bodies in memory.
    pub(crate) body_memory: Gauge,
    /// Bytes of records that Kafka has not acknowledged.
    pub(crate) producer_memory: Gauge,
    /// Time from handing over a request's records to the last acknowledgement.
    pub(crate) ack: Histogram,
}

impl IngestMetrics {
    /// Registers every metric.
    pub fn register(registry: &mut Registry) -> Self {
        let events = Family::<Outcome, Counter>::default();
        let capped = Family::<Capped, Counter>::default();
        let accepted = events.get_or_create_owned(&Outcome { outcome: "accepted" });
        let metrics = Self {
            events,
            accepted,
            requests: Family::default(),
            refusals: Family::default(),
            body_bytes: Counter::default(),
            ignored_spans: Counter::default(),
            unknown_members: Counter::default(),
            dropped_members: Counter::default(),
            dropped_headers: Counter::default(),
            dropped_attributes: Counter::default(),
            capped_integrations: capped.get_or_create_owned(&Capped { field: "integration" }),
            capped_endpoints: capped.get_or_create_owned(&Capped { field: "endpoint" }),
            capped_quotas: capped.get_or_create_owned(&Capped { field: "quota" }),
            capped,
            profiles: Gauge::default(),
            profiles_stale: Gauge::default(),
            reload_failures: Counter::default(),
            in_flight: Gauge::default(),
            body_memory: Gauge::default(),
            producer_memory: Gauge::default(),
            ack: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
        };
        metrics.register_all(registry.sub_registry_with_prefix("callmeter_ingest"));
        metrics
    }

    fn register_all(&self, registry: &mut Registry) {
        registry.register(
            "events",
            "Events by outcome: accepted (acknowledged by Kafka), or why they were rejected",
            self.events.clone(),
        );
        registry.register("requests", "Requests by route and answered status", self.requests.clone());
        registry.register("refused_requests", "Refused requests by key id and reason", self.refusals.clone());
        for (name, help, counter) in [
            ("ignored_spans", "Spans that are no calls", &self.ignored_spans),
            ("unknown_members", "Event members that this version does not know", &self.unknown_members),
            ("dropped_members", "Unknown members that were too large or held secrets", &self.dropped_members),
            (
                "dropped_headers",
                "Response headers that are not on the allow-list, too long or too many",
                &self.dropped_headers,
            ),
            ("dropped_attributes", "Attributes whose name looks like a secret", &self.dropped_attributes),
            ("profile_reload_failures", "Sets of profiles that were not taken over", &self.reload_failures),
        ] {
            registry.register(name, help, counter.clone());
        }
        let capped =
            "Events whose names became `other`, because their customer has too many, by the field that had";
        registry.register("capped_events", capped, self.capped.clone());
        registry.register("profiles_loaded", "Vendor profiles in use", self.profiles.clone());
        registry.register(
            "profiles_stale",
            "1 while the folder of profiles holds mistakes and older ones are in use",
            self.profiles_stale.clone(),
        );
        let bytes = || Unit::Bytes;
        registry.register_with_unit(
            "body",
            "Body bytes after decompression",
            bytes(),
            self.body_bytes.clone(),
        );
        registry.register("in_flight_requests", "Requests being worked on", self.in_flight.clone());
        registry.register_with_unit("body_memory", "Bodies in memory", bytes(), self.body_memory.clone());
        registry.register_with_unit(
            "producer_memory",
            "Records that wait for acknowledgement",
            bytes(),
            self.producer_memory.clone(),
        );
        registry.register_with_unit(
            "ack",
            "Time until Kafka acknowledged a request",
            Unit::Seconds,
            self.ack.clone(),
        );
    }

    pub(crate) fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&Request { route, status }).inc();
    }

    pub(crate) fn refused(&self, key: Option<&str>, reason: &'static str) {
        let key = key.unwrap_or("none").to_owned();
        self.refusals.get_or_create(&Refusal { key, reason }).inc();
    }

    pub(crate) fn body(&self, bytes: usize) {
        self.body_bytes.inc_by(bytes as u64);
    }

    /// Counts what admission found. Accepted events are counted when Kafka acknowledged them.
    pub(crate) fn taken_in(&self, intake: &Intake) {
        let notes = &intake.notes;
        for (counter, seen) in [
            (&self.ignored_spans, intake.ignored),
            (&self.unknown_members, notes.unknown_members),
            (&self.dropped_members, notes.dropped_members),
            (&self.dropped_headers, notes.dropped_headers),
            (&self.dropped_attributes, notes.dropped_attributes),
            (&self.capped_integrations, notes.capped_integrations),
            (&self.capped_endpoints, notes.capped_endpoints),
            (&self.capped_quotas, notes.capped_quotas),
        ] {
            if seen > 0 {
                counter.inc_by(seen);
            }
        }
        intake.rejected.iter().for_each(|rejected| self.rejected(&rejected.why));
    }

    fn rejected(&self, why: &Rejection) {
        let Rejection { code, .. } = why;
        self.events.get_or_create(&Outcome { outcome: Code::as_str(*code) }).inc();
    }
}
