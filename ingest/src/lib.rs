//! Ingest: HTTP requests with call events enter, acknowledged Kafka records leave.
//!
//! The way of an event: `server` accepts a connection, `pipeline` identifies the sender and
//! receives the body, [`json`] or [`otlp`] reads it item by item into a [`draft`], [`admit`] makes it a
//! `CallEvent` or a rejection (what the sender did not say, the vendor's profile tells; [`cardinality`] bounds
//! names), [`encode`] writes its record, `kafka` publishes the records of the request
//! and waits for the brokers, `answer` tells the sender. [`intake`] is the pure middle of it in one call.
//!
//! Promise: an event that was answered as accepted is stored by all in-sync replicas; everything else was
//! answered with a reason. Not promised: that an event answered with 503 was *not* stored; its id makes
//! sending it again safe, and an event without an id is counted twice then.

// The shell, in the order in which a request passes it.
pub mod config;

pub mod metrics;

mod server;

mod pipeline;

mod receive;

mod remainder;

mod profiles;

mod kafka;

mod answer;

// The pure core: who may send, and how much.
pub mod keys;

pub mod limits;

pub mod budget;

pub mod inflate;

// The pure core: bodies become items, items become drafts.
pub mod intake;

pub mod json;

pub mod members;

mod parts;

mod values;

mod read;

pub mod number;

pub mod otlp;

mod wire;

pub mod span;

// The pure core: drafts become events, events become records.
pub mod draft;

pub mod admit;

pub mod sieve;

pub mod cardinality;

pub mod encode;

pub use config::IngestConfig;
pub use metrics::IngestMetrics;

use callmeter_schemas::config::KafkaConfig;
use kafka::Publisher;
use keys::Keys;
use pipeline::Pipeline;
use profiles::Profiles;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::Instant};

/// Why ingest could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The configuration holds these mistakes.
    #[error("{}", .0.join("; "))]
    Config(Vec<String>),
    /// The Kafka client could not be made, for instance because of a setting it does not know.
    #[error("cannot make the kafka producer: {0}")]
    Producer(#[source] rdkafka::error::KafkaError),
    /// The Kafka client cannot go on.
    #[error("the kafka producer failed for good: {0}")]
    Fatal(String),
    /// Nobody looks at the folder of profiles any more.
    #[error("the watch of the profiles ended")]
    Profiles,
    /// The listener ended although nobody stopped it.
    #[error("the http listener ended")]
    Listener,
    /// Requests or records were still open when the time for shutdown was over.
    #[error("shutdown took longer than {0} ms; unanswered events must be sent again")]
    ShutdownTimeout(u64),
}

/// Serves requests until `shutdown` completes, then drains.
///
/// Kafka need not be there at the start: requests are answered 503 until it is.
pub async fn run(
    config: IngestConfig,
    kafka: KafkaConfig,
    metrics: IngestMetrics,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), IngestError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(IngestError::Config(problems));
    }
    let keys = Keys::parse(&config.keys).map_err(|_| IngestError::Config(config.problems()))?;
    let publisher =
        Arc::new(Publisher::new(&config, &kafka, metrics.accepted.clone()).map_err(IngestError::Producer)?);
    let profiles = Profiles::load(&config.profiles, metrics.clone()).map_err(IngestError::Config)?;
    let profiles = Arc::new(profiles);
    let pipeline =
        Arc::new(Pipeline::new(config.clone(), keys, profiles.clone(), publisher.clone(), metrics));
    let (stop, stopping) = watch::channel(false);
    let mut watching = tokio::spawn(publisher.clone().watch());
    let mut reloading = tokio::spawn(profiles.watch());
    let routes = server::routes(pipeline.clone(), &config);
    let mut serving = tokio::spawn(server::serve(listener, routes, config.clone(), stopping));
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        reason = &mut watching => Err(IngestError::Fatal(reason.unwrap_or_else(|_| "its watch ended".into()))),
        _ = &mut reloading => Err(IngestError::Profiles),
        _ = &mut serving => return Err(IngestError::Listener),
    };
    pipeline.stop();
    tokio::time::sleep(Duration::from_millis(config.shutdown_notice_ms)).await;
    let deadline = Instant::now() + Duration::from_millis(config.shutdown_timeout_ms);
    // The receiver is gone only when the listener ended by itself, and then there is nothing to stop.
    let _ = stop.send(true);
    let drained = tokio::time::timeout_at(deadline, serving).await;
    watching.abort();
    reloading.abort();
    let flush = tokio::task::spawn_blocking(move || {
        publisher.flush(deadline.saturating_duration_since(Instant::now()))
    });
    let flushed = flush.await;
    ended?;
    match (drained, flushed) {
        (Ok(Ok(())), Ok(Ok(()))) => Ok(()),
        _ => Err(IngestError::ShutdownTimeout(config.shutdown_timeout_ms)),
    }
}
