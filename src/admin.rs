//! The admin listener of a role: /metrics, /healthz and /readyz, and what the role itself adds.
//!
//! What enters is the role's metrics and whether it is ready; what leaves is Prometheus text and status
//! codes. Promise: /healthz answers as long as the process can, /readyz fails first at shutdown.

use anyhow::Context;
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::net::TcpListener;

/// Connections that wait to be accepted, where the kernel allows so many; the usual 1,024 are fewer than a flood opens.
const BACKLOG: i32 = 4_096;

/// Whether a role is ready; shared with its listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Shared {
    registry: Arc<Registry>,
    readiness: Readiness,
}

/// Binds an address; the error names the setting to change.
pub(crate) async fn bind(address: &str, setting: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with {setting} (port 0 picks a free one)")
    })?;
    // Connections beyond the backlog are dropped without a word, and their senders try again after 1, 3, 7 .. 31 s.
    socket2::SockRef::from(&listener)
        .listen(BACKLOG)
        .with_context(|| format!("cannot listen on {address}"))?;
    Ok(listener)
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, registry: Registry, readiness: Readiness, more: Router) {
    let shared = Shared { registry: Arc::new(registry), readiness };
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(shared)
        .merge(more);
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "admin listener ended");
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &shared.registry) {
        Ok(()) => {
            Ok(([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
        }
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    match shared.readiness.0.load(Ordering::Relaxed) {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}
