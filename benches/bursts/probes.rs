//! Freshness: single events of customers of their own enter ingest, the time until SQL shows each leaves.
//!
//! Promise: the time is from before the request until an answer of ClickHouse told of the event, so that it is never too short; it is too
//! long by at most [`LOOK`] and the question itself.

use callmeter_harness::{shared::lock, stack::Stack};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two probes.
const EVERY: Duration = Duration::from_millis(100);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long it is waited for the last probes.
const PATIENCE: Duration = Duration::from_secs(120);

/// One event, and when it became visible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) sent: Instant,
    /// Whether ingest accepted it, once it is known.
    pub(crate) accepted: Option<bool>,
    pub(crate) visible: Option<Instant>,
}

/// Events that are sent, and looked for.
pub(crate) struct Probes<'s> {
    stack: &'s Stack,
    url: String,
    stopping: AtomicBool,
    sent: Arc<Mutex<BTreeMap<String, Probe>>>,
}

/// What became of all of them.
pub(crate) struct Asked(Vec<Probe>);

impl<'s> Probes<'s> {
    pub(crate) fn new(stack: &'s Stack, url: &str) -> Self {
        let url = format!("{url}/v1/events");
        Self { stack, url, stopping: AtomicBool::new(false), sent: Arc::default() }
    }

    /// Sends and looks until it is told to stop, and then looks for those that are not visible yet.
    pub(crate) async fn run(&self) {
        tokio::join!(self.send(), self.look());
    }

    /// Lets it send no more.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// What became of them so far.
    pub(crate) fn asked(&self) -> Asked {
        Asked(lock(&self.sent).values().copied().collect())
    }

    async fn send(&self) {
        let mut number = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            let name = format!("probe-{number:06}");
            number += 1;
            let body =
                format!(r#"{{"id":"{name}","customer":"{name}","integration":"stripe","status":200}}"#);
            let request = self.stack.http.post(&self.url).bearer_auth(&self.stack.key).body(body);
            let sent = Arc::clone(&self.sent);
            lock(&sent).insert(name.clone(), Probe { sent: Instant::now(), accepted: None, visible: None });
            tokio::spawn(async move {
                let accepted = request.send().await.is_ok_and(|answer| answer.status() == 202);
                if let Some(probe) = lock(&sent).get_mut(&name) {
                    probe.accepted = Some(accepted);
                }
            });
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn look(&self) {
        let (mut ended, mut oldest) = (None, String::from("probe-"));
        while ended.is_none_or(|ended: Instant| ended.elapsed() < PATIENCE) {
            let query = format!(
                "SELECT customer FROM rollups \
                 WHERE workspace = 'test' AND customer >= '{oldest}' AND customer < 'probe.'"
            );
            let rows = self.stack.try_rows(&query).await.unwrap_or_default();
            let all = note(&mut lock(&self.sent), &rows, Instant::now(), &mut oldest);
            if self.stopping.load(Ordering::Relaxed) {
                ended.get_or_insert_with(Instant::now);
                if all {
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Asked {
    /// Events that ingest accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.iter().filter(|probe| probe.accepted == Some(true)).count() as u64
    }

    /// Time until each accepted event of a span was visible; one that never was counts as [`PATIENCE`].
    pub(crate) fn freshness(&self, from: Instant, until: Instant) -> Vec<Duration> {
        let of =
            self.0.iter().filter(|probe| probe.accepted == Some(true) && (from..until).contains(&probe.sent));
        of.map(|probe| probe.visible.map_or(PATIENCE, |at| at - probe.sent)).collect()
    }
}

/// Notes which probes are visible and the oldest that is not; true when none is waited for.
fn note(sent: &mut BTreeMap<String, Probe>, rows: &[Value], now: Instant, oldest: &mut String) -> bool {
    for name in rows.iter().filter_map(|row| row["customer"].as_str()) {
        if let Some(probe) = sent.get_mut(name) {
            probe.visible.get_or_insert(now);
        }
    }
    if let Some((name, _)) = sent.iter().find(|(_, probe)| probe.visible.is_none()) {
        oldest.clone_from(name);
    }
    sent.values().all(|probe| probe.visible.is_some() || probe.accepted == Some(false))
}
