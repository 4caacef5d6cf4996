//! The built-in webhook receiver: signed Alertmanager bodies enter, lines for a person leave.
//!
//! Promise: what it shows arrived over HTTP with a valid signature; others get 401.

use super::store::DataFolder;
use crate::admin;
use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use callmeter_alerter::signing::{self, SigningKey};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Where webhooks arrive.
pub(crate) struct Inbox {
    address: SocketAddr,
    arrived: broadcast::Sender<String>,
}

#[derive(Deserialize)]
struct Body {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    starts_at: String,
    ends_at: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone)]
struct Shared {
    key: SigningKey,
    arrived: broadcast::Sender<String>,
}

impl Inbox {
    /// Starts to listen on 127.0.0.1.
    pub(crate) async fn open(folder: &DataFolder) -> anyhow::Result<Self> {
        let address = folder.address("receiver", "127.0.0.1:0")?;
        let listener = admin::bind(&address, "receiver").await?;
        let address = listener.local_addr().context("receiver")?;
        let (arrived, _) = broadcast::channel(64);
        let key = SigningKey::parse(&folder.secrets().signing_secret)?;
        let shared = Shared { key, arrived: arrived.clone() };
        let app = Router::new().route("/", post(take)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, arrived })
    }

    /// Where to send webhooks.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Lines about webhooks from now on.
    pub(crate) fn lines(&self) -> broadcast::Receiver<String> {
        self.arrived.subscribe()
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, timestamp, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let expected = timestamp.parse().ok().zip(std::str::from_utf8(&body).ok());
    let expected =
        expected.and_then(|(at, text)| signing::signature(std::slice::from_ref(&shared.key), id, at, text));
    if expected.as_deref() != Some(signature) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(body) = serde_json::from_slice::<Body>(&body) else { return StatusCode::BAD_REQUEST };
    // Nobody may be watching.
    let _ = shared.arrived.send(line(&body, &clock()));
    StatusCode::NO_CONTENT
}

/// One line for one webhook: what it is about, how many, and the alert that changed last.
fn line(body: &Body, at: &str) -> String {
    let resolved = body.alerts.iter().filter(|alert| alert.status == "resolved").count();
    let firing = body.alerts.len() - resolved;
    let Some(latest) = body.alerts.iter().max_by_key(|alert| alert.changed_at()) else {
        return String::new();
    };
    let name = latest.labels.get("alertname").map_or("?", String::as_str);
    let summary = latest.annotations.get("summary").map_or("", String::as_str);
    format!(
        "{at}  webhook  {firing} firing, {resolved} resolved  {name}: {} {summary}",
        latest.status.to_uppercase()
    )
}

impl Alert {
    /// RFC 3339 in UTC sorts as text; an end in the future or none means that it still fires.
    fn changed_at(&self) -> &str {
        if self.status == "resolved" { &self.ends_at } else { &self.starts_at }
    }
}

#[allow(clippy::disallowed_methods, reason = "the time of day that a person reads")]
fn clock() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{:02}:{:02}:{:02}", now / 3600 % 24, now / 60 % 60, now % 60)
}
