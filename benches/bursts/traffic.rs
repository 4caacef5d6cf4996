//! The load: a rate enters, requests of a hundred events leave at their times, answers are counted.
//!
//! Promise: a request is begun when it is due whatever became of the others; at most [`OPEN`] wait for their answers, and those that
//! were not begun for that reason are counted.

use callmeter_harness::{shared::lock, spread::quantile};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Events of one request.
const EVENTS: u64 = 100;
/// Requests that wait for an answer; more would be a load on the sender's own machine.
const OPEN: u64 = 1_000;
/// How often it is looked for requests that are due.
const TICK: Duration = Duration::from_millis(5);
const INTEGRATIONS: [&str; 5] = ["hubspot", "stripe", "github", "openai", "salesforce"];

/// A sender.
pub(crate) struct Traffic {
    url: String,
    key: String,
    http: reqwest::Client,
    customers: u64,
    seed: u64,
    next: AtomicU64,
    open: AtomicU64,
    answered: Mutex<Answered>,
}

/// What became of requests, events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered {
    pub(crate) accepted: u64,
    /// Answered 429 or 503.
    pub(crate) refused: u64,
    /// No answer, or another.
    pub(crate) failed: u64,
    /// Not begun: too many were open.
    pub(crate) held: u64,
    /// From the beginning of a request until its 202.
    acks: Vec<Duration>,
}

impl Answered {
    /// What came after an earlier state.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        self.accepted -= earlier.accepted;
        self.refused -= earlier.refused;
        self.failed -= earlier.failed;
        self.held -= earlier.held;
        self.acks.drain(..earlier.acks.len());
        self
    }

    /// The time within which a share of the accepted requests was answered.
    pub(crate) fn ack(&self, share: f64) -> Option<Duration> {
        quantile(&self.acks, share)
    }
}

impl Traffic {
    pub(crate) fn new(url: &str, key: &str, customers: u64, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            url: format!("{url}/v1/events"),
            key: key.to_owned(),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
            customers,
            seed,
            next: AtomicU64::new(0),
            open: AtomicU64::new(0),
            answered: Mutex::default(),
        })
    }

    pub(crate) fn answered(&self) -> Answered {
        lock(&self.answered).clone()
    }

    /// Sends so many events per second for so long, and waits for the last answers.
    pub(crate) async fn pour(self: &Arc<Self>, per_second: u64, time: Duration) {
        let (began, mut begun) = (Instant::now(), 0);
        while began.elapsed() < time {
            let due = (began.elapsed().as_secs_f64() * per_second as f64 / EVENTS as f64) as u64;
            for _ in begun..due {
                if self.open.load(Ordering::Relaxed) < OPEN {
                    self.open.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(Arc::clone(self).send());
                } else {
                    lock(&self.answered).held += EVENTS;
                }
            }
            begun = due;
            tokio::time::sleep(TICK).await;
        }
        while self.open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(TICK).await;
        }
    }

    async fn send(self: Arc<Self>) {
        let first = self.next.fetch_add(EVENTS, Ordering::Relaxed);
        let body = self.body(first);
        let request =
            self.http.post(&self.url).bearer_auth(&self.key).header("content-type", "application/json");
        let began = Instant::now();
        let status = request.body(body).send().await.map(|answer| answer.status().as_u16());
        let took = began.elapsed();
        let mut answered = lock(&self.answered);
        match status {
            Ok(202) => {
                answered.accepted += EVENTS;
                answered.acks.push(took);
            }
            Ok(429 | 503) => answered.refused += EVENTS,
            _ => answered.failed += EVENTS,
        }
        drop(answered);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn body(&self, first: u64) -> String {
        let event = |number: u64| {
            let dice = (number ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let (customer, integration) = (dice % self.customers, INTEGRATIONS[(dice / 7 % 5) as usize]);
            let (status, latency) = (if dice.is_multiple_of(20) { 503 } else { 200 }, 5 + dice % 400);
            format!(
                r#"{{"id":"burst-{}-{number}","customer":"customer-{customer}","integration":"{integration}","endpoint":"GET /v1/x","status":{status},"latency_ms":{latency}}}"#,
                self.seed
            )
        };
        let events: Vec<String> = (first..first + EVENTS).map(event).collect();
        format!("[{}]", events.join(","))
    }
}
