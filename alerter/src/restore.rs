//! The start: settings and what ClickHouse remembers enter, a running pipeline leaves.
//!
//! Promise: alerts go on where they were, and notifications that were planned and not finished are
//! sent again under the same webhook-id. While ClickHouse is away, the start waits.

use crate::{
    AlerterConfig, AlerterError, AlerterMetrics, RuleSet,
    clickhouse::{Remembered, Store},
    clock::now,
    config::{self, check_routing, check_rules},
    dispatch::{Dispatcher, NotifyReason, Planned, Told},
    evaluate::Evaluator,
    health,
    notify::{Endpoint, Notifier},
    pipeline::Pipeline,
    routing::Routing,
    schedule::Schedule,
};
use callmeter_schemas::config::ClickHouseConfig;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Alerts that resolved within this time are still told to those who were not.
const RESOLVED_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Pause between attempts to read what ClickHouse remembers.
const RETRY: Duration = Duration::from_secs(2);
/// Reports that wait for the loop.
const REPORTS: usize = 256;

/// Loads, restores and runs.
pub(crate) async fn start(
    config: AlerterConfig,
    clickhouse: &ClickHouseConfig,
    metrics: AlerterMetrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AlerterError> {
    let rules = check_rules(&config.rules).map_err(AlerterError::Files)?;
    let (routing, endpoints) = routing(&config)?;
    let targets = endpoints.len();
    metrics.rules.set(rules.rules() as i64);
    info!(rules = rules.rules(), targets, "alerter starts");

    tokio::pin!(shutdown);
    let store = Store::new(clickhouse);
    let remembered = tokio::select! {
        () = &mut shutdown => return Ok(()),
        remembered = remember(&store) => remembered,
    };
    let now = now();
    let (evaluator, orphans) = Evaluator::restore(&rules, &health::keys(), &remembered.last, now);
    let mut unfinished = Vec::new();
    let dispatcher = routing.map(|routing| {
        let mut dispatcher = Dispatcher::new(routing);
        unfinished = dispatcher.restore(&remembered.last, told(&remembered), planned(&remembered));
        dispatcher
    });
    let (sender, reports) = mpsc::channel(REPORTS);
    let notifier = Notifier::start(endpoints, remembered.posted(), &sender);
    drop(sender);
    let mut pipeline = Pipeline {
        schedule: schedule(&rules, &config, now),
        rules,
        store,
        evaluator,
        dispatcher,
        notifier,
        metrics,
        max_lag: config.max_lag.unsigned_abs(),
        rollup_window: config.rollup_window.unsigned_abs(),
        unstored: orphans,
        unwritten: Vec::new(),
        failures: 0,
    };
    unfinished.into_iter().for_each(|notification| pipeline.send(notification, now));
    pipeline.run(reports, shutdown).await
}

fn routing(config: &AlerterConfig) -> Result<(Option<Routing>, Vec<Endpoint>), AlerterError> {
    let Some(path) = &config.routing else {
        warn!("alerter.routing is not set: alerts are stored and nobody is notified");
        return Ok((None, Vec::new()));
    };
    let routing = check_routing(path).map_err(AlerterError::Files)?;
    let endpoints = config::endpoints(path, &routing.receivers, config).map_err(AlerterError::Files)?;
    Ok((Some(routing), endpoints))
}

async fn remember(store: &Store) -> Remembered {
    loop {
        let now = now();
        let since = now.saturating_sub(RESOLVED_KEPT).unwrap_or(Timestamp::MIN);
        match store.remember(since, now).await {
            Ok(remembered) => return remembered,
            Err(error) => warn!(%error, "what alerts were open cannot be read yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn schedule(rules: &RuleSet, config: &AlerterConfig, now: Timestamp) -> Schedule {
    let intervals = rules.groups.iter().map(|group| group.interval.unwrap_or(config.interval()));
    Schedule::new(intervals.collect(), config.interval(), now)
}

fn told(remembered: &Remembered) -> Vec<Told> {
    let told = remembered.told.iter().map(|row| Told {
        group_key: row.group_key.clone(),
        receiver: row.receiver.clone(),
        integration: row.integration(),
        at: row.at(),
        alerts: remembered.named(&row.transition_ids),
        withheld: remembered.named(&row.withheld_ids),
    });
    told.collect()
}

fn planned(remembered: &Remembered) -> Vec<Planned> {
    let planned = remembered.open.iter().filter_map(|row| {
        Some(Planned {
            id: row.notification_id.clone(),
            group_key: row.group_key.clone(),
            receiver: row.receiver.clone(),
            integration: row.integration(),
            reason: NotifyReason::parse(&row.reason)?,
            alerts: remembered.named(&row.transition_ids),
            withheld: remembered.named(&row.withheld_ids),
        })
    });
    planned.collect()
}
