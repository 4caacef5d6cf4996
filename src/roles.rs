//! The roles as processes: a configuration enters, a role runs until it is told to stop.
//!
//! Promise: SIGINT or SIGTERM stops cleanly within a bound, a second one at once; a role that dies makes the process
//! exit non-zero; every role refuses a schema that is newer than itself.

use crate::{
    admin::{self, Readiness},
    alerts,
    config::{self, Config},
    migrate,
};
use anyhow::Context;
use axum::Router;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Longest time from the first signal to the end.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(40);

/// Takes events until told to stop.
pub(crate) async fn ingest(config: Config) -> anyhow::Result<()> {
    config::require_keys(&config)?;
    let listener = admin::bind(&config.ingest.listen, "ingest.listen").await?;
    tracing::info!(address = %listener.local_addr()?, "ingest listens");
    let mut registry = Registry::default();
    let metrics = callmeter_ingest::IngestMetrics::register(&mut registry);
    let readiness = start_admin(&config, 9464, registry, Router::new()).await?;
    readiness.set(true);
    let stop = Stop::on_signals(readiness, SHUTDOWN_BOUND)?;
    callmeter_ingest::run(config.ingest, config.kafka, metrics, listener, stop.wait()).await.context("ingest")
}

/// Counts until told to stop.
pub(crate) async fn aggregate(config: Config) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = callmeter_aggregator::AggregatorMetrics::register(&mut registry);
    let readiness = start_admin(&config, 9465, registry, Router::new()).await?;
    let stop = Stop::on_signals(readiness.clone(), SHUTDOWN_BOUND)?;
    if await_schema(&config, &stop).await? {
        readiness.set(true);
        let Config { aggregator, kafka, clickhouse, .. } = config;
        callmeter_aggregator::run(aggregator, kafka, clickhouse, metrics, stop.wait())
            .await
            .context("aggregator")?;
    }
    Ok(())
}

/// Evaluates rules until told to stop.
pub(crate) async fn alert(config: Config) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = callmeter_alerter::AlerterMetrics::register(&mut registry);
    let readiness = start_admin(&config, 9466, registry, alerts::routes(&config)).await?;
    let stop = Stop::on_signals(readiness.clone(), SHUTDOWN_BOUND)?;
    if await_schema(&config, &stop).await? {
        readiness.set(true);
        let Config { mut alerter, clickhouse, .. } = config;
        // One setting decides the length of a window.
        alerter.rollup_window = config.aggregator.window;
        callmeter_alerter::run(alerter, clickhouse, metrics, stop.wait()).await.context("alerter")?;
    }
    Ok(())
}

async fn start_admin(
    config: &Config,
    port: u16,
    registry: Registry,
    more: Router,
) -> anyhow::Result<Readiness> {
    let address = match config.metrics.listen.as_str() {
        "" => format!("127.0.0.1:{port}"),
        address => address.to_owned(),
    };
    let listener = admin::bind(&address, "metrics.listen").await?;
    let readiness = Readiness::default();
    tokio::spawn(admin::serve(listener, registry, readiness.clone(), more));
    Ok(readiness)
}

/// Waits until ClickHouse answers with a schema that this build can use; false when told to stop meanwhile.
async fn await_schema(config: &Config, stop: &Stop) -> anyhow::Result<bool> {
    loop {
        match migrate::check_version(&config.clickhouse).await {
            Ok(version) if version == callmeter_schemas::sql::VERSION => return Ok(true),
            Ok(version) => {
                tracing::warn!(version, "the schema is older than this build; run `callmeter migrate`")
            }
            Err(error) if error.is::<migrate::TooNew>() => return Err(error),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "waiting for clickhouse"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.wait() => return Ok(false),
        }
    }
}

/// Whether this process was told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for SIGINT and SIGTERM: the first makes the role unready and stops it, the second ends the process, and
    /// so does the bound.
    pub(crate) fn on_signals(readiness: Readiness, bound: Duration) -> anyhow::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            readiness.set(false);
            let _ = stop.send(true);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = tokio::time::sleep(bound) => {}
            }
            eprintln!("error: stopped before everything was put away");
            end_now();
        });
        Ok(Self(stopped))
    }

    /// Returns once it was.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.0.clone();
        async move {
            // The sender lives as long as the process.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "what should be put away did not end within its bound")]
fn end_now() -> ! {
    std::process::exit(1)
}
