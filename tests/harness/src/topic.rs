//! A topic read to its end, again and again: a name enters, records that were not read before leave.

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_secs(10);
/// Longest time without a record before the log is taken for unreadable: a broker that was killed is away for seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Kafka partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its key; empty when it has none.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// A topic and how far it has been read.
pub struct Topic {
    consumer: BaseConsumer,
    name: String,
    next: BTreeMap<i32, i64>,
}

impl Topic {
    /// Reads nothing yet.
    pub fn new(brokers: &str, name: &str) -> Self {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("reconnect.backoff.max.ms", "500")
            .create();
        Self { consumer: consumer.expect("a consumer"), name: name.to_owned(), next: BTreeMap::new() }
    }

    /// First offset and end of each partition.
    pub fn bounds(&self) -> BTreeMap<i32, (i64, i64)> {
        let metadata = patiently(&self.name, || self.consumer.fetch_metadata(Some(&self.name), WAIT));
        let ids = metadata.topics()[0].partitions().iter().map(|partition| partition.id());
        let bounds = |id| patiently(&self.name, || self.consumer.fetch_watermarks(&self.name, id, WAIT));
        ids.map(|id| (id, bounds(id))).collect()
    }

    /// Offsets that its partitions hold.
    pub fn records(&self) -> i64 {
        self.bounds().values().map(|(low, high)| high - low).sum()
    }

    /// Every record up to the end that was not handed out before, by partition and offset.
    pub fn rest(&mut self) -> Vec<Record> {
        let (mut list, mut left) = (TopicPartitionList::new(), 0);
        for (partition, (low, high)) in self.bounds() {
            let from = self.next.get(&partition).copied().unwrap_or(low);
            left += high - from;
            list.add_partition_offset(&self.name, partition, Offset::Offset(from)).expect("a partition");
            self.next.insert(partition, high);
        }
        self.consumer.assign(&list).expect("assigned");
        let (mut records, mut read) = (Vec::new(), Instant::now());
        while left > 0 {
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(200)) else {
                assert!(read.elapsed() < PATIENCE, "{left} records of {} cannot be read", self.name);
                continue;
            };
            read = Instant::now();
            let (partition, offset) = (message.partition(), message.offset());
            if offset >= self.next[&partition] {
                continue;
            }
            left -= 1;
            records.push(Record {
                partition,
                offset,
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().unwrap_or_default().to_vec(),
            });
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

/// Asks again while a broker is away, or was just started and does not lead its partitions yet.
fn patiently<T>(topic: &str, ask: impl Fn() -> KafkaResult<T>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{topic}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
