//! What Kafka alone takes: the same records, each published by itself with acks=all, at a given pace.
//!
//! Records enter as ingest makes them, by its own pure core; the time until each was acknowledged leaves. Nothing is
//! gathered (linger 0), so that the linger of ingest stands beside this figure and not inside it.

use crate::bodies::Request;
use anyhow::Context;
use callmeter_harness::shared::lock;
use callmeter_ingest::{
    admit::Context as Admission,
    cardinality::{Bounds, Cardinality},
    encode::Batch,
    intake::{Form, take_in},
    json::Layout,
};
use callmeter_schemas::topics;
use callmeter_vendors::Catalogue;
use rdkafka::{
    ClientConfig, ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Noon of 2026-11-21 UTC, µs: after every event of the traffic.
const NOW_US: i64 = 1_795_262_400_000_000;
/// How long the last acknowledgements may take.
const FLUSH: Duration = Duration::from_secs(30);

/// The times of a run until records were acknowledged; `None` for one that was not.
#[derive(Clone, Default)]
struct Acks(Arc<Mutex<Vec<Option<Duration>>>>);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        let took = result.is_ok().then(|| sent.elapsed());
        lock(&self.0).push(took);
    }
}

/// A producer and what it publishes.
pub(crate) struct Bare {
    producer: ThreadedProducer<Acks>,
    acks: Acks,
    batches: Vec<Batch>,
}

impl Bare {
    /// `requests` hold one event each.
    pub(crate) fn new(brokers: &str, requests: &[Request]) -> anyhow::Result<Self> {
        let acks = Acks::default();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .create_with_context(acks.clone())
            .context("no producer")?;
        Ok(Self { producer, acks, batches: batches(requests)? })
    }

    /// Publishes for so long at so many records per second; the time until each was acknowledged.
    pub(crate) fn run(&self, most: Duration, per_second: f64) -> anyhow::Result<Vec<Duration>> {
        let began = Instant::now();
        for (number, batch) in self.batches.iter().cycle().enumerate() {
            let due = Duration::from_secs_f64(number as f64 / per_second);
            if due >= most {
                break;
            }
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            for (key, value) in batch.records() {
                let sent = Box::new(Instant::now());
                let record = BaseRecord::with_opaque_to(topics::CALLS, sent).key(key).payload(value);
                self.producer.send(record).map_err(|(error, _)| error).context("cannot publish")?;
            }
        }
        self.producer.flush(FLUSH).context("not acknowledged")?;
        let acks = std::mem::take(&mut *lock(&self.acks.0));
        acks.into_iter().collect::<Option<_>>().context("a record was not acknowledged")
    }
}

/// The records of each request, as ingest makes them.
fn batches(requests: &[Request]) -> anyhow::Result<Vec<Batch>> {
    let catalogue = Catalogue::built_in();
    let cardinality = Cardinality::new(Bounds { integrations: 500, endpoints: 2_000, quotas: 200 });
    let batch = |request: &Request| {
        let context = Admission {
            workspace: "test",
            now_us: NOW_US,
            new_id: &mut String::new,
            catalogue: &catalogue,
            cardinality: &cardinality,
        };
        anyhow::Ok(take_in(request.body(), Form::Events(Layout::Single), 1, context)?.batch)
    };
    requests.iter().map(batch).collect()
}
