//! What services send while faults happen: numbers enter, requests and records leave, and what was acknowledged is kept.
//!
//! Senders over HTTP repeat a request until it is acknowledged, send some events again later and some that are no events;
//! a producer writes events, duplicates and poison to Kafka itself. Promise: an id stands under `acknowledged` only after its
//! 202.

use callmeter_harness::{
    inspector::Sent,
    producer::{self, Direct},
    shared::lock,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

const SENDERS: u64 = 3;
/// Longest time that a request is repeated once nothing new is sent.
const LAST_TRIES: Duration = Duration::from_secs(30);

/// What all senders share.
struct Shared {
    urls: Vec<String>,
    key: String,
    http: reqwest::Client,
    quiet: AtomicBool,
    next: AtomicU64,
    sent: Mutex<Sent>,
    /// Answers other than 202.
    refused: AtomicU64,
}

/// Running traffic.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
    direct: Option<std::thread::JoinHandle<()>>,
}

/// What outlives one round of traffic.
#[derive(Clone, Default)]
pub(crate) struct Past {
    pub(crate) sent: Sent,
    next: u64,
    direct: u64,
    pub(crate) refused: u64,
}

impl Traffic {
    /// Starts to send, where the past ended.
    pub(crate) fn start(brokers: &str, key: &str, ports: &[u16], past: &Past, seed: u64) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(4));
        let mut sent = past.sent.clone();
        sent.poison.get_or_insert_default();
        let shared = Arc::new(Shared {
            urls: ports.iter().map(|port| format!("http://127.0.0.1:{port}/v1/events")).collect(),
            key: key.to_owned(),
            http: http.build().expect("an http client"),
            quiet: AtomicBool::new(false),
            next: AtomicU64::new(past.next),
            sent: Mutex::new(sent),
            refused: AtomicU64::new(past.refused),
        });
        let senders = (0..SENDERS).map(|number| {
            let random = StdRng::seed_from_u64(seed ^ number << 32);
            tokio::spawn(send(Arc::clone(&shared), number as usize, random))
        });
        let senders = senders.collect();
        let (producer, kept, from) = (Direct::new(brokers), Arc::clone(&shared), past.direct);
        let direct = std::thread::spawn(move || produce(&kept, &producer, from, seed));
        Self { shared, senders, direct: Some(direct) }
    }

    /// Sends nothing new, waits for what is on its way, and says what was sent.
    pub(crate) async fn end(mut self, past: &mut Past) {
        self.shared.quiet.store(true, Ordering::SeqCst);
        for sender in self.senders.drain(..) {
            sender.await.expect("a sender does not fail");
        }
        let direct = self.direct.take().expect("ended once");
        tokio::task::spawn_blocking(move || direct.join())
            .await
            .expect("joined")
            .expect("the producer does not fail");
        past.sent = lock(&self.shared.sent).clone();
        past.next = self.shared.next.load(Ordering::SeqCst);
        // The producer never sends fewer than it is behind.
        past.direct += DIRECT_SPAN;
        past.refused = self.shared.refused.load(Ordering::SeqCst);
    }
}

/// Numbers that one round of the direct producer may use.
const DIRECT_SPAN: u64 = 1 << 20;

async fn send(shared: Arc<Shared>, number: usize, mut random: StdRng) {
    let mut door = number;
    while !shared.quiet.load(Ordering::SeqCst) {
        // Now and then a burst, whose blocks are large.
        let events = if random.random_ratio(1, 12) { 1_200 } else { random.random_range(1..60) };
        let first = shared.next.fetch_add(events, Ordering::SeqCst);
        let mut ids: BTreeSet<u64> = (first..first + events).collect();
        let again = random.random_range(0..=events / 8);
        ids.extend((0..again).map(|_| random.random_range(first.saturating_sub(3_000)..first + events)));
        let mut items: Vec<Value> = ids.iter().map(|id| event(*id)).collect();
        if random.random_ratio(1, 5) {
            items.push(json!({"id": "nobody's", "integration": "hubspot"}));
        }
        deliver(&shared, &mut door, &json!(items).to_string(), &ids).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(20..120))).await;
    }
}

/// Sends one body again and again until it is acknowledged.
async fn deliver(shared: &Shared, door: &mut usize, body: &str, ids: &BTreeSet<u64>) {
    let mut gives_up = None;
    loop {
        let url = &shared.urls[*door % shared.urls.len()];
        let request =
            shared.http.post(url).bearer_auth(&shared.key).header("content-type", "application/json");
        match request.body(body.to_owned()).send().await {
            Ok(answer) if answer.status().as_u16() == 202 => {
                let mut sent = lock(&shared.sent);
                sent.acknowledged.extend(ids.iter().map(|id| format!("http-{id}")));
                return;
            }
            _ => drop(shared.refused.fetch_add(1, Ordering::SeqCst)),
        }
        *door += 1;
        if shared.quiet.load(Ordering::SeqCst)
            && gives_up.get_or_insert_with(Instant::now).elapsed() > LAST_TRIES
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// The event of a number, as a service would send it.
fn event(number: u64) -> Value {
    let event = producer::event(number);
    let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    // Three doubles cannot add up these to the last digit.
    let amount = format!("{}.{:012}", dice % 900_000, dice.wrapping_mul(7_919) % 1_000_000_000_000);
    let time = jiff::Timestamp::from_microsecond(event.time_us).expect("in range");
    json!({
        "id": format!("http-{number}"),
        "time": time.to_string(),
        "customer": event.customer,
        "integration": event.integration,
        "endpoint": event.endpoint,
        "tier": event.tier,
        "status": event.status,
        "latency_ms": event.latency_us.map(|us| us as f64 / 1000.0),
        "attempt": event.attempt,
        "records": event.records,
        "cost": dice.is_multiple_of(3).then(|| json!({"amount": amount, "currency": "USD"})),
        "attributes": event.attributes,
    })
}

/// Writes to Kafka itself: events, some of them twice, and poison.
fn produce(shared: &Shared, direct: &Direct, from: u64, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(17));
    for number in from..from + DIRECT_SPAN {
        if shared.quiet.load(Ordering::SeqCst) {
            break;
        }
        direct.event(&producer::event(number));
        if random.random_ratio(1, 15) {
            direct.event(&producer::event(
                random.random_range(number.saturating_sub(2_000).max(from)..=number),
            ));
        }
        if random.random_ratio(1, 150) {
            let poison = format!("poison {number}");
            let mut sent = lock(&shared.sent);
            sent.poison.get_or_insert_default().insert(poison.clone().into_bytes());
            drop(sent);
            direct.raw("poison", poison.as_bytes());
        }
        if number.is_multiple_of(8) {
            std::thread::sleep(Duration::from_millis(random.random_range(0..30)));
        }
    }
    direct.flush();
}
