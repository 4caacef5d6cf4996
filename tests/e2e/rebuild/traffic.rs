//! Services that go on sending while a test looks at something else: what one round sends enters, a thread leaves.

use callmeter_harness::producer::event;
use callmeter_schemas::{avro, topics};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Longest wait for the broker.
const WAIT: Duration = Duration::from_secs(30);
/// Pause between two rounds.
const PACE: Duration = Duration::from_millis(30);

/// Services that send round after round until they are told to end.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Traffic {
    pub(super) fn start(mut send: impl FnMut(u64) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for round in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                send(round);
                std::thread::sleep(PACE);
            }
        });
        Self { stop, thread }
    }

    pub(super) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the services sent");
    }
}

/// A service that sends within transactions: their ends take offsets that hold no record.
pub(super) struct Transactions(BaseProducer);

impl Transactions {
    pub(super) fn new(brokers: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", "service")
            .set("partitioner", "murmur2_random")
            .create()
            .expect("a producer");
        producer.init_transactions(WAIT).expect("the broker knows transactions");
        Self(producer)
    }

    /// Three events in one transaction.
    pub(super) fn send(&mut self, round: u64) {
        self.0.begin_transaction().expect("none is open");
        for number in 0..3 {
            let event = event(round * 3 + number);
            let mut value = Vec::new();
            avro::encode(&event, &mut value);
            let key = event.record_key();
            self.0.send(BaseRecord::to(topics::CALLS).key(&key).payload(&value)).expect("the queue has room");
        }
        self.0.commit_transaction(WAIT).expect("the broker commits");
    }
}
