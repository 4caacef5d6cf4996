//! Metrics of the aggregator: facts enter as calls, Prometheus text leaves through the registry.
//!
//! Promise: names are `callmeter_aggregator_…`; no label ever names a customer.

use crate::recovery::Answer;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are written as they stand")]
pub enum Outcome {
    /// In the rollups.
    counted,
    /// Its id occurred before.
    duplicate,
    /// In the dead-letter topic.
    dead_lettered,
}

/// Label `outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// Its value.
    pub outcome: Outcome,
}

/// Label `answer`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnswerLabel {
    /// Its value.
    pub answer: &'static str,
}

/// Label `partition`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabel {
    /// Kafka partition.
    pub partition: i32,
}

/// The aggregator's metrics.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is described where it is registered")]
pub struct AggregatorMetrics {
    pub records: Family<OutcomeLabel, Counter>,
    pub inserts: Family<AnswerLabel, Counter>,
    pub insert_seconds: Histogram,
    pub rows: Counter,
    pub lag: Family<PartitionLabel, Gauge>,
    pub assigned: Gauge,
    pub stopped: Gauge,
    pub ledger_missing: Family<PartitionLabel, Gauge>,
    pub calls_rows: Counter,
    pub calls_failures: Counter,
    pub calls_skipped: Counter,
    pub price_book_failures: Counter,
    pub price_book_stale: Gauge,
}

impl AggregatorMetrics {
    /// Registers every metric.
    pub fn register(registry: &mut Registry) -> Self {
        let buckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let metrics = Self {
            records: Family::default(),
            inserts: Family::default(),
            insert_seconds: Histogram::new(buckets),
            rows: Counter::default(),
            lag: Family::default(),
            assigned: Gauge::default(),
            stopped: Gauge::default(),
            ledger_missing: Family::default(),
            calls_rows: Counter::default(),
            calls_failures: Counter::default(),
            calls_skipped: Counter::default(),
            price_book_failures: Counter::default(),
            price_book_stale: Gauge::default(),
        };
        // Each outcome is there from the start, so that a rate over the first one is no gap.
        for outcome in [Outcome::counted, Outcome::duplicate, Outcome::dead_lettered] {
            metrics.committed(outcome, 0);
        }
        let registry = registry.sub_registry_with_prefix("callmeter_aggregator");
        registry.register("records", "Kafka records committed, by outcome", metrics.records.clone());
        registry.register("inserts", "Inserts of deltas, by answer", metrics.inserts.clone());
        registry.register("insert_seconds", "Time from insert to answer", metrics.insert_seconds.clone());
        registry.register("rows", "Rows of deltas stored", metrics.rows.clone());
        registry.register("lag_records", "Records not counted yet", metrics.lag.clone());
        registry.register(
            "assigned_partitions",
            "Partitions that this process counts",
            metrics.assigned.clone(),
        );
        registry.register(
            "stopped_partitions",
            "Partitions that wait for an operator",
            metrics.stopped.clone(),
        );
        registry.register(
            "ledger_missing_records",
            "Records below the marker that the ledger does not tell of, as last compared; negative: told of twice",
            metrics.ledger_missing.clone(),
        );
        registry.register("calls_rows", "Rows written for the view calls", metrics.calls_rows.clone());
        registry.register(
            "calls_failures",
            "Failed writes for the view calls",
            metrics.calls_failures.clone(),
        );
        registry.register(
            "calls_skipped",
            "Records lost to the view calls because retention deleted them first",
            metrics.calls_skipped.clone(),
        );
        registry.register(
            "price_book_failures",
            "Changes of the price book that were refused",
            metrics.price_book_failures.clone(),
        );
        registry.register(
            "price_book_stale",
            "1 while the file of the price book has mistakes and an older book is in force",
            metrics.price_book_stale.clone(),
        );
        metrics
    }

    pub(crate) fn answered(&self, answer: Answer) {
        let answer = match answer {
            Answer::Inserted => "inserted",
            Answer::Fenced => "fenced",
            Answer::AlreadyRunning => "already_running",
            Answer::Unknown => "unknown",
        };
        self.inserts.get_or_create(&AnswerLabel { answer }).inc();
    }

    pub(crate) fn ledger(&self, partition: i32, missing: i64) {
        self.ledger_missing.get_or_create(&PartitionLabel { partition }).set(missing);
    }

    pub(crate) fn committed(&self, outcome: Outcome, records: u64) {
        self.records.get_or_create(&OutcomeLabel { outcome }).inc_by(records);
    }
}
