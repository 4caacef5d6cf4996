//! Dead letters: poison of a sealed batch enters, acknowledged records in the dead-letter topic leave.
//!
//! Promise: success means that the broker acknowledged every letter with `acks=all`. A batch whose
//! insert is tried again may write its letters again, under the same keys.

use crate::fold::Poison;
use base64::{Engine, engine::general_purpose::STANDARD};
use callmeter_schemas::{DeadLetter, config::KafkaConfig, topics};
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{FutureProducer, FutureRecord},
};
use std::time::Duration;

/// Longest letter: a record of Kafka's default bound, 1 MiB, in base64 and with its reason. The topic must
/// take as much (`max.message.bytes`), or one such record stops its partition.
const MAX_LETTER_BYTES: usize = 4 << 20;

/// Writes dead letters.
#[derive(Clone)]
pub(crate) struct DeadLetters(FutureProducer);

impl DeadLetters {
    /// A writer with the settings of the configuration; nothing is contacted yet.
    pub(crate) fn new(kafka: &KafkaConfig) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", "callmeter-aggregator")
            .set("message.timeout.ms", "10000")
            .set("queue.buffering.max.kbytes", "65536");
        for (name, value) in &kafka.client {
            config.set(name, value.reveal());
        }
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.max.bytes", MAX_LETTER_BYTES.to_string());
        config.create().map(Self)
    }

    /// Writes letters and waits until all are acknowledged.
    pub(crate) async fn write(&self, letters: &[DeadLetter]) -> Result<(), KafkaError> {
        let mut sent = Vec::with_capacity(letters.len());
        for letter in letters {
            let value =
                serde_json::to_vec(letter).map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
            let key = letter.record_key();
            sent.push(async move {
                let record = FutureRecord::to(topics::DEAD_LETTERS).key(&key).payload(&value);
                self.0.send(record, Duration::from_secs(5)).await.map_err(|(error, _)| error)
            });
        }
        futures_util::future::try_join_all(sent).await.map(drop)
    }
}

/// The letter of one poisonous record.
pub(crate) fn letter(source: &str, partition: i32, poison: Poison) -> DeadLetter {
    DeadLetter {
        source: source.to_owned(),
        partition,
        offset: poison.offset,
        appended_ms: poison.appended_ms,
        reason: poison.reason,
        detail: poison.detail,
        key: poison.key.map(|key| STANDARD.encode(key)),
        value: STANDARD.encode(poison.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_schemas::PoisonReason;
    use callmeter_schemas::config::Secret;

    #[test]
    fn the_same_poison_makes_the_same_letter_and_keeps_its_bytes() {
        let poison = || Poison {
            offset: 7,
            appended_ms: 5,
            reason: PoisonReason::BadFrame,
            detail: "no frame".into(),
            key: None,
            value: vec![0xff, 0x00],
        };
        let letter = letter("cluster:calls:id", 3, poison());
        assert_eq!(letter, super::letter("cluster:calls:id", 3, poison()));
        assert_eq!(letter.record_key(), "cluster:calls:id/3/7");
        assert_eq!(STANDARD.decode(&letter.value).expect("base64"), [0xff, 0x00]);
        assert_eq!(letter.key, None);
    }

    #[test]
    fn the_largest_record_that_kafka_takes_by_default_fits_into_a_letter() {
        let value = vec![0xff; 1_048_588];
        let key = Some(vec![0xff; 4096]);
        let detail = "x".repeat(1024);
        let poison =
            Poison { offset: 0, appended_ms: 0, reason: PoisonReason::Undecodable, detail, key, value };
        let letter = serde_json::to_vec(&letter("cluster:calls:id", 0, poison)).expect("json");
        assert!(letter.len() < MAX_LETTER_BYTES);
    }

    #[test]
    fn a_writer_is_made_before_kafka_is_there_and_keeps_its_guarantees() {
        let mut kafka = KafkaConfig::default();
        kafka.client.insert("acks".into(), Secret::new("1"));
        assert!(DeadLetters::new(&kafka).is_ok());
    }
}
