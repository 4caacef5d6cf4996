//! The HTTP listener: connections enter, requests leave to the pipeline.
//!
//! Promise: so many connections and no more, each with a deadline for its headers (hyper enforces it only
//! with a timer, which `axum::serve` does not set); after the stop signal no connection is accepted and
//! open requests are finished.

use crate::{config::IngestConfig, pipeline::Pipeline, remainder};
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::map_request,
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The paths of the listener.
pub(crate) fn routes(pipeline: Arc<Pipeline>, config: &IngestConfig) -> Router {
    type Shared = State<Arc<Pipeline>>;
    let body_timeout = Duration::from_millis(config.body_timeout_ms);
    Router::new()
        .route("/v1/events", post(|State(to): Shared, request: Request| to.events(request)))
        .route("/v1/traces", post(|State(to): Shared, request: Request| to.traces(request)))
        .route("/healthz", get(|State(to): Shared| async move { to.healthz() }))
        .route("/readyz", get(|State(to): Shared| async move { to.readyz() }))
        .fallback(|State(to): Shared| async move { to.lost(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(
            |State(to): Shared| async move { to.lost(StatusCode::METHOD_NOT_ALLOWED) },
        )
        .layer(map_request(move |request: Request| async move { remainder::read_on(request, body_timeout) }))
        .with_state(pipeline)
}

/// Serves until `stopping` turns true and every open request is answered.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    config: IngestConfig,
    mut stopping: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let open = GracefulShutdown::new();
    let http = builder(&config);
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &connections) => {
                let Some((stream, permit)) = accepted else { continue };
                let service = TowerToHyperService::new(routes.clone());
                let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "connection");
                    }
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    open.shutdown().await;
}

fn builder(config: &IngestConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_headers(config.max_headers)
        .max_buf_size(config.max_header_bytes);
    http
}

/// The next connection, once one may be opened.
async fn accept(listener: &TcpListener, open: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = open.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            stream.set_nodelay(true).ok()?;
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
