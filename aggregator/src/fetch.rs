//! Batch fetch from Kafka: partition and offset enter, borrowed records leave.
//!
//! Most of the unsafe code of the crate: `rd_kafka_consume_batch_queue`, which the rdkafka crate does not
//! offer and which costs half of its one-message calls, on librdkafka's simple consumer, which begins at
//! the offset that it is told and belongs to no group. Promise: records of one [`Tap`] come in offset
//! order; a record's bytes are borrowed only while librdkafka's message lives.
#![allow(unsafe_code, reason = "the batch calls of librdkafka exist in C only")]

use callmeter_schemas::config::KafkaConfig;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use rdkafka_sys as sys;
use std::{
    ffi::{CStr, CString},
    sync::Arc,
    time::Duration,
};

/// Messages taken by one call; enough to make the call's own cost vanish.
const BATCH: usize = 1024;
/// Records handed over together: few enough to stay in the cache, enough that waits for memory overlap.
pub const CHUNK: usize = 64;

/// One record, borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// Kafka offset.
    pub offset: i64,
    /// The broker's append time, ms since 1970 UTC.
    pub appended_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; empty when it has none.
    pub value: &'a [u8],
}

/// Why fetching failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The offset is not, or no longer, in the log.
    #[error("the log does not hold the next offset")]
    OutOfRange,
    /// librdkafka could not start.
    #[error("cannot fetch partition {0}: librdkafka says {1}")]
    Start(i32, String),
    /// The client could not be made, or a question was not answered.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The topic's name has a zero byte.
    #[error("the topic's name is not valid")]
    Name(#[from] std::ffi::NulError),
}

/// A client that fetches partitions of one topic. Each partition may have one [`Tap`] at a time.
pub struct Fetcher {
    // Dropped before the client: librdkafka wants its topic handles gone first.
    topic: Topic,
    consumer: BaseConsumer,
    name: String,
}

struct Topic(*mut sys::rd_kafka_topic_t);

// SAFETY: librdkafka's topic handles are reference-counted and may be used from any thread.
unsafe impl Send for Topic {}
// SAFETY: as above; every function used on it takes librdkafka's own locks.
unsafe impl Sync for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle was made by rd_kafka_topic_new and is destroyed once.
        unsafe { sys::rd_kafka_topic_destroy(self.0) };
    }
}

impl Fetcher {
    /// A client for one topic. `ahead_bytes` bounds what is fetched ahead, per partition.
    pub fn new(kafka: &KafkaConfig, topic: &str, ahead_bytes: u64) -> Result<Arc<Self>, FetchError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", "callmeter-aggregator")
            // Without this an idle fetcher that filled its queue once stalls for a second.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", (ahead_bytes / 1024).max(64).to_string())
            .set("queued.min.messages", "1000000")
            // Answers that fit the cache are read 1.5 times as fast as those of the default of 1 MiB.
            .set("max.partition.fetch.bytes", "131072")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "10000");
        for (name, value) in &kafka.client {
            config.set(name, value.reveal());
        }
        // Last, so that no setting for every client makes a lost record look like one that never was.
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create()?;
        let c_name = CString::new(topic)?;
        // SAFETY: the client lives, the name ends with zero, and a null configuration means the default.
        let handle = unsafe {
            sys::rd_kafka_topic_new(consumer.client().native_ptr(), c_name.as_ptr(), std::ptr::null_mut())
        };
        if handle.is_null() {
            return Err(FetchError::Start(-1, last_error()));
        }
        Ok(Arc::new(Self { topic: Topic(handle), consumer, name: topic.to_owned() }))
    }

    /// First offset and end of a partition's log, asked from the broker.
    pub fn bounds(&self, partition: i32) -> Result<(i64, i64), FetchError> {
        Ok(self.consumer.fetch_watermarks(&self.name, partition, Duration::from_secs(5))?)
    }

    /// First offset of a partition whose record was appended at this time or later, ms since 1970 UTC; `None` when
    /// there is none yet.
    pub fn offset_at(&self, partition: i32, appended_ms: i64) -> Result<Option<i64>, FetchError> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&self.name, partition, Offset::Offset(appended_ms))?;
        let found = self.consumer.offsets_for_times(asked, Duration::from_secs(10))?;
        Ok(found
            .elements()
            .first()
            .and_then(|element| element.offset().to_raw())
            .filter(|offset| *offset >= 0))
    }

    /// The partitions of the topic.
    pub fn partitions(&self) -> Result<Vec<i32>, FetchError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.name), Duration::from_secs(5))?;
        let topic = metadata.topics().iter().filter(|topic| topic.name() == self.name);
        Ok(topic.flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect())
    }

    /// The id of the Kafka cluster; `None` when no broker answers in time.
    pub fn cluster_id(&self) -> Option<String> {
        self.consumer.client().fetch_cluster_id(Duration::from_secs(5))
    }

    /// The client, for questions that the rdkafka crate does not ask.
    pub(crate) fn native(&self) -> *mut sys::rd_kafka_t {
        self.consumer.client().native_ptr()
    }

    /// Starts to fetch a partition at an offset.
    pub fn tap(self: &Arc<Self>, partition: i32, offset: i64) -> Result<Tap, FetchError> {
        // SAFETY: the client lives at least as long as the tap, which holds it.
        let queue = unsafe { sys::rd_kafka_queue_new(self.native()) };
        // SAFETY: topic and queue belong to the same living client.
        let failed = unsafe { sys::rd_kafka_consume_start_queue(self.topic.0, partition, offset, queue) };
        if failed != 0 {
            let problem = last_error();
            // SAFETY: nothing else knows the queue.
            unsafe { sys::rd_kafka_queue_destroy(queue) };
            return Err(FetchError::Start(partition, problem));
        }
        let messages = vec![std::ptr::null_mut(); BATCH];
        Ok(Tap { fetcher: Arc::clone(self), partition, queue, messages, next: offset })
    }
}

fn last_error() -> String {
    // SAFETY: rd_kafka_last_error reads a thread-local, rd_kafka_err2str returns a static text.
    unsafe { CStr::from_ptr(sys::rd_kafka_err2str(sys::rd_kafka_last_error())) }
        .to_string_lossy()
        .into_owned()
}

/// A running fetch of one partition; dropping it stops the fetch.
pub struct Tap {
    fetcher: Arc<Fetcher>,
    partition: i32,
    queue: *mut sys::rd_kafka_queue_t,
    messages: Vec<*mut sys::rd_kafka_message_t>,
    next: i64,
}

// SAFETY: a librdkafka queue may be used from any thread; the message buffer is empty between calls.
unsafe impl Send for Tap {}

impl Tap {
    /// Offset after the last record that was handed over.
    pub fn position(&self) -> i64 {
        self.next
    }

    /// Whether the log, as the last answer of the broker told its end, has more than is handed over at once.
    pub fn is_behind(&self) -> bool {
        let (mut first, mut end) = (0, 0);
        // SAFETY: client and topic live, the topic's name with it, and both places take an offset. The question does not leave the process.
        let known = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.fetcher.native(),
                sys::rd_kafka_topic_name(self.fetcher.topic.0),
                self.partition,
                &mut first,
                &mut end,
            )
        };
        known == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && end - self.next > BATCH as i64
    }

    /// Hands over what arrives within `timeout`, or sooner when a batch is full, at most [`CHUNK`] records at once: at most as
    /// many records as there are offsets below `until`. In a log with unused offsets the last of them may lie beyond it.
    pub fn take(
        &mut self,
        timeout: Duration,
        until: i64,
        mut each: impl FnMut(&[Record<'_>]),
    ) -> Result<(), FetchError> {
        let most = usize::try_from(until.saturating_sub(self.next)).unwrap_or(0).min(self.messages.len());
        if most == 0 {
            return Ok(());
        }
        let wait_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue lives, and the buffer has room for as many pointers as are asked for.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue, wait_ms, self.messages.as_mut_ptr(), most)
        };
        let taken = usize::try_from(taken).unwrap_or(0);
        let mut result = Ok(());
        for begin in (0..taken).step_by(CHUNK) {
            let (mut records, mut count) = ([Record::default(); CHUNK], 0);
            for at in begin..taken.min(begin + CHUNK) {
                // SAFETY: librdkafka handed the message to us, and it lives until all are destroyed below.
                match unsafe { self.record(self.messages[at]) } {
                    Ok(Some(record)) => {
                        records[count] = record;
                        count += 1;
                    }
                    Ok(None) => {}
                    Err(error) => result = Err(error),
                }
            }
            each(&records[..count]);
        }
        // In one go: freeing takes the lock under which librdkafka's thread allocates, and both wait for each other less often
        // than if some were freed after every chunk.
        for message in &self.messages[..taken] {
            // SAFETY: the message is ours and no borrow of it is left.
            unsafe { sys::rd_kafka_message_destroy(*message) };
        }
        result
    }

    /// The record of a message; `None` when it tells of something else, or of a record that was handed over before.
    ///
    /// # Safety
    /// The message must live as long as the record is used.
    unsafe fn record<'a>(
        &mut self,
        message: *mut sys::rd_kafka_message_t,
    ) -> Result<Option<Record<'a>>, FetchError> {
        // SAFETY: the caller says that the message is alive.
        let raw = unsafe { &*message };
        use sys::rd_kafka_resp_err_t as code;
        match raw.err {
            code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => {
                return Err(FetchError::OutOfRange);
            }
            // Everything else is a broker away or a topic not yet known, which librdkafka retries.
            _ => {
                tracing::debug!(partition = self.partition, code = ?raw.err, "fetch is interrupted");
                return Ok(None);
            }
        }
        // A record below the next one was fetched before a fetch was started again.
        if raw.offset < self.next {
            return Ok(None);
        }
        self.next = raw.offset + 1;
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let appended_ms = unsafe { sys::rd_kafka_message_timestamp(message, &mut kind) }.max(0);
        // SAFETY: librdkafka says how long key and payload are; both live as long as the message.
        let key = (!raw.key.is_null()).then(|| unsafe { slice(raw.key, raw.key_len) });
        // SAFETY: as above.
        let value = if raw.payload.is_null() { &[][..] } else { unsafe { slice(raw.payload, raw.len) } };
        Ok(Some(Record { offset: raw.offset, appended_ms, key, value }))
    }
}

/// # Safety
/// `start` must point to `length` bytes that live as long as the result is used.
unsafe fn slice<'a>(start: *mut std::ffi::c_void, length: usize) -> &'a [u8] {
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // SAFETY: the fetch was started on this topic and partition; the queue is destroyed once.
        unsafe {
            sys::rd_kafka_consume_stop(self.fetcher.topic.0, self.partition);
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_schemas::config::Secret;

    #[test]
    fn a_fetcher_is_made_before_kafka_is_there_whatever_the_settings_for_every_client_are() {
        let mut kafka = KafkaConfig::default();
        kafka.client.insert("auto.offset.reset".into(), Secret::new("earliest"));
        assert!(Fetcher::new(&kafka, "calls", 1 << 20).is_ok());
        assert!(matches!(Fetcher::new(&kafka, "ca\0lls", 1 << 20), Err(FetchError::Name(_))));
    }
}
