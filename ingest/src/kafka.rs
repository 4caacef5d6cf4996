//! Publishing: the records of one request enter, one answer for all of them leaves.
//!
//! Promise: `Ok` means that every record was acknowledged by all in-sync replicas. Anything else means
//! that some may have been stored; the same ids may be sent again. A request is counted down by one
//! shared counter, without a future per record, and its bytes stay reserved until librdkafka let go of
//! the last of them.

use crate::{
    budget::{Budget, Reservation},
    config::IngestConfig,
    encode::Batch,
};
use callmeter_schemas::{config::KafkaConfig, topics};
use prometheus_client::metrics::counter::Counter;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// What librdkafka keeps of a record beside its key and value: `rd_kafka_msg_t` and its allocation, bytes.
pub(crate) const RECORD_BYTES: usize = 200;
/// How long one look at the topic's metadata may take.
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between two looks while Kafka answers.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two looks while it does not.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Second names of the settings that carry the promise: librdkafka takes the last of both, and the order
/// in which they are set is not ours.
const ALIASES: [&str; 3] = ["metadata.broker.list", "request.required.acks", "delivery.timeout.ms"];

/// Why the records of a request were not all acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublishError {
    /// Nothing was handed over: retry later.
    #[error("the producer's memory is full")]
    Full,
    /// Some may have been stored: retry with the same ids.
    #[error("not acknowledged")]
    NotAcknowledged,
}

/// A producer for one topic with a byte budget.
pub(crate) struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    health: Arc<Health>,
    budget: Budget,
    ack_timeout: Duration,
}

#[derive(Default)]
struct Health {
    /// Whether the topic's partitions could be read, or a record was acknowledged, lately.
    reachable: AtomicBool,
    /// Whether a record was acknowledged since the last look.
    acknowledged: AtomicBool,
}

/// The records of one request on their way.
struct Delivery {
    left: AtomicUsize,
    failed: AtomicUsize,
    done: Notify,
    _bytes: Reservation,
}

impl Delivery {
    fn finish(&self, records: usize, failed: usize) {
        self.failed.fetch_add(failed, Ordering::Relaxed);
        if self.left.fetch_sub(records, Ordering::AcqRel) == records {
            self.done.notify_one();
        }
    }

    async fn wait(&self) -> Result<(), PublishError> {
        while self.left.load(Ordering::Acquire) > 0 {
            self.done.notified().await;
        }
        match self.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(PublishError::NotAcknowledged),
        }
    }
}

struct Deliveries {
    health: Arc<Health>,
    stored: Counter,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info => tracing::debug!(facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
            _ => tracing::error!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        if let Err((error, record)) = result {
            tracing::debug!(%error, partition = record.partition(), "a record was not acknowledged");
        } else {
            self.health.acknowledged.store(true, Ordering::Relaxed);
            self.stored.inc();
        }
        delivery.finish(1, usize::from(result.is_err()));
    }
}

impl Publisher {
    /// `stored` counts acknowledged records, also those whose sender no longer waits.
    pub(crate) fn new(
        config: &IngestConfig,
        kafka: &KafkaConfig,
        stored: Counter,
    ) -> Result<Self, KafkaError> {
        let health = Arc::new(Health::default());
        let context = Deliveries { health: health.clone(), stored };
        let producer = settings(config, kafka).create_with_context(context)?;
        let budget = Budget::new(config.producer_memory_bytes);
        Ok(Self { producer, health, budget, ack_timeout: Duration::from_millis(config.ack_timeout_ms) })
    }

    /// Hands all records over and waits for the last acknowledgement.
    pub(crate) async fn publish(&self, batch: Batch) -> Result<(), PublishError> {
        if batch.is_empty() {
            return Ok(());
        }
        let bytes = batch.bytes() + batch.len() * RECORD_BYTES;
        let delivery = Arc::new(Delivery {
            left: AtomicUsize::new(batch.len()),
            failed: AtomicUsize::new(0),
            done: Notify::new(),
            _bytes: self.budget.reserve(bytes).ok_or(PublishError::Full)?,
        });
        self.hand_over(&batch, &delivery)?;
        drop(batch);
        match tokio::time::timeout(self.ack_timeout, delivery.wait()).await {
            Ok(result) => result,
            Err(_) => Err(PublishError::NotAcknowledged),
        }
    }

    fn hand_over(&self, batch: &Batch, delivery: &Arc<Delivery>) -> Result<(), PublishError> {
        for (sent, (key, value)) in batch.records().enumerate() {
            let record = BaseRecord::with_opaque_to(topics::CALLS, delivery.clone()).key(key).payload(value);
            if let Err((error, _)) = self.producer.send(record) {
                let left = batch.len() - sent;
                delivery.finish(left, left);
                let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                tracing::debug!(%error, sent, left, "records were not handed over");
                return Err(if full && sent == 0 {
                    PublishError::Full
                } else {
                    PublishError::NotAcknowledged
                });
            }
        }
        Ok(())
    }

    /// Whether Kafka could be reached lately.
    pub(crate) fn is_reachable(&self) -> bool {
        self.health.reachable.load(Ordering::Relaxed)
    }

    /// Bytes that wait for acknowledgement.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.budget.used()
    }

    /// Looks after Kafka until the producer can do nothing more; returns why.
    pub(crate) async fn watch(self: Arc<Self>) -> String {
        loop {
            let looking = self.clone();
            let seen = tokio::task::spawn_blocking(move || looking.look()).await;
            let acknowledged = self.health.acknowledged.swap(false, Ordering::Relaxed);
            let reachable = acknowledged || matches!(seen, Ok(Ok(())));
            if self.health.reachable.swap(reachable, Ordering::Relaxed) != reachable {
                tracing::info!(reachable, "kafka");
            }
            if let Some((code, reason)) = self.producer.client().fatal_error() {
                self.health.reachable.store(false, Ordering::Relaxed);
                return format!("{code}: {reason}");
            }
            tokio::time::sleep(if reachable { LOOK_PAUSE } else { RETRY_PAUSE }).await;
        }
    }

    fn look(&self) -> Result<(), String> {
        let metadata = self.producer.client().fetch_metadata(Some(topics::CALLS), METADATA_TIMEOUT);
        let metadata = metadata.map_err(|error| error.to_string())?;
        let found =
            metadata.topics().iter().any(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        found.then_some(()).ok_or_else(|| format!("the topic {} has no partitions", topics::CALLS))
    }

    /// Waits until every record was acknowledged or given up, at most so long.
    pub(crate) fn flush(&self, most: Duration) -> Result<(), KafkaError> {
        self.producer.flush(most)
    }
}

/// The producer's settings. Those that carry the promise come last and cannot be overruled.
fn settings(config: &IngestConfig, kafka: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    let memory = config.producer_memory_bytes;
    settings
        .set("client.id", "callmeter-ingest")
        .set("compression.type", "lz4")
        .set("linger.ms", config.linger_ms.to_string())
        // With idempotence librdkafka has one request per partition in flight, and while the next of that partition is due it
        // spins, unless another partition's request waits for the connection; with the usual 5 few do.
        .set("max.in.flight.requests.per.connection", "2")
        .set("queue.buffering.max.kbytes", (memory / 1024).to_string())
        .set("queue.buffering.max.messages", (memory / RECORD_BYTES).min(10_000_000).to_string())
        .set("topic.metadata.refresh.interval.ms", "30000");
    for (name, value) in kafka.client.iter().filter(|(name, _)| !ALIASES.contains(&name.as_str())) {
        settings.set(name, value.reveal());
    }
    settings
        .set("bootstrap.servers", &kafka.brokers)
        .set("message.timeout.ms", config.ack_timeout_ms.to_string())
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random");
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_schemas::config::Secret;

    #[test]
    fn no_setting_of_the_operator_weakens_the_promise_by_any_name() {
        let client =
            [("acks", "1"), ("request.required.acks", "0"), ("delivery.timeout.ms", "0"), ("linger.ms", "7")];
        let client = client.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
        let kafka = KafkaConfig { client, ..KafkaConfig::default() };
        let settings = settings(&IngestConfig::default(), &kafka);
        assert_eq!(settings.get("acks"), Some("all"));
        assert_eq!(settings.get("message.timeout.ms"), Some("10000"));
        assert_eq!(settings.get("linger.ms"), Some("7"));
        assert!(ALIASES.iter().all(|alias| settings.get(alias).is_none()));
    }
}
