//! The demo sender: an address and a key enter, demo events go out over HTTP as any service would send them.
//!
//! Promise: an event that is not acknowledged is sent again under its id, so that it counts once.

use super::traffic;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Events in one request.
const BATCH: u64 = 20;
/// Pause between requests: 200 events a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends until dropped.
pub(crate) async fn send(ingest_url: &str, key: &str) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build() else {
        return;
    };
    let url = format!("{ingest_url}/v1/events");
    let start = now();
    let mut tick = tokio::time::interval(PAUSE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for batch in 0_u64.. {
        tick.tick().await;
        let now = now();
        let events =
            (batch * BATCH..(batch + 1) * BATCH).map(|number| traffic::event(number, start, now)).collect();
        deliver(&client, &url, key, &Value::Array(events)).await;
    }
}

async fn deliver(client: &reqwest::Client, url: &str, key: &str, events: &Value) {
    loop {
        let problem = match client.post(url).bearer_auth(key).json(events).send().await {
            Ok(answer) if answer.status() == 202 => return,
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        tracing::debug!(problem, "demo events not acknowledged; sending them again");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock of the pretended services")]
fn now() -> Timestamp {
    Timestamp::now()
}
