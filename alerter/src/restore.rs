//! The start: settings and what ClickHouse remembers enter, a running pipeline leaves.
//!
//! Promise: alerts go on where they were, and notifications that were planned and not finished are
//! sent again under the same webhook-id. While ClickHouse is away, the start waits.

use crate::{
    AlerterConfig, AlerterError, AlerterMetrics,
    address::Policy,
    clickhouse::{Remembered, Store},
    clock::now,
    config::{self, check_routing},
    dispatch::{Dispatcher, Notification, NotifyReason, Target, Told},
    evaluate::Evaluator,
    fault::alerts::{self, Docket},
    health,
    notify::Notifier,
    pipeline::Pipeline,
    routing::{Route, Routing},
    rule_files::RuleFiles,
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
    let (rule_files, rules) =
        RuleFiles::load(&config.rules, metrics.clone(), now()).map_err(AlerterError::Files)?;
    let (routing, endpoints) = routing(&config)?;
    let targets: Vec<Target> = endpoints
        .iter()
        .enumerate()
        .map(|(index, endpoint)| Target { index, send_resolved: endpoint.send_resolved })
        .collect();
    let policy = Policy { private: config.networks(), encrypted: true };
    let (sender, reports) = mpsc::channel(REPORTS);
    let notifier = Notifier::start(endpoints, &policy, &config.external_url, &sender)?;
    drop(sender);
    info!(rules = rules.rules(), webhooks = targets.len(), "alerter starts");

    tokio::pin!(shutdown);
    let store = Store::new(clickhouse);
    let receiver = routing.as_ref().map_or("", |routing| routing.route.receiver.as_str());
    let remembered = tokio::select! {
        () = &mut shutdown => return Ok(()),
        remembered = remember(&store, receiver) => remembered,
    };
    let now = now();
    let docket = config.judge_faults.then(|| Docket::restore(&remembered.last, now));
    let verdicts = docket.iter().flat_map(|_| alerts::keys()).map(|key| (key, alerts::DIMENSIONS));
    let own: Vec<_> = health::keys().into_iter().map(|key| (key, &[][..])).chain(verdicts).collect();
    let (evaluator, orphans) = Evaluator::restore(&rules, &own, &remembered.last, now);
    let mut unfinished = Vec::new();
    let dispatcher = routing.map(|routing| {
        unfinished = reopen(&remembered, &routing.route);
        restore(routing.route, targets, &remembered, &unfinished)
    });
    let mut pipeline = Pipeline {
        schedule: Schedule::of(&rules, config.interval(), now),
        rules,
        rule_files,
        interval: config.interval(),
        store,
        evaluator: evaluator.with_interval(config.interval()),
        dispatcher,
        notifier,
        metrics,
        max_lag: config.max_lag.unsigned_abs(),
        rollup_window: config.rollup_window.unsigned_abs(),
        unstored: orphans,
        unwritten: Vec::new(),
        failures: 0,
        docket,
    };
    unfinished.into_iter().for_each(|notification| pipeline.send(notification, now));
    pipeline.run(reports, shutdown).await
}

fn routing(config: &AlerterConfig) -> Result<(Option<Routing>, Vec<config::Endpoint>), AlerterError> {
    let Some(path) = &config.routing else {
        warn!("alerter.routing is not set: alerts are stored and nobody is notified");
        return Ok((None, Vec::new()));
    };
    let routing = check_routing(path).map_err(AlerterError::Files)?;
    let endpoints = config::endpoints(path, &routing).map_err(AlerterError::Files)?;
    Ok((Some(routing), endpoints))
}

async fn remember(store: &Store, receiver: &str) -> Remembered {
    loop {
        let now = now();
        let since = now.saturating_sub(RESOLVED_KEPT).unwrap_or(Timestamp::MIN);
        match store.remember(receiver, since, now).await {
            Ok(remembered) => return remembered,
            Err(error) => warn!(%error, "what alerts were open cannot be read yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn restore(
    route: Route,
    targets: Vec<Target>,
    remembered: &Remembered,
    unfinished: &[Notification],
) -> Dispatcher {
    let told = remembered.told.iter().map(|row| Told {
        group_key: row.group_key.clone(),
        target: usize::from(row.target),
        at: row.at(),
        alerts: remembered.named(&row.transition_ids),
    });
    let told = told.collect();
    let mut dispatcher = Dispatcher::new(route, targets);
    dispatcher.restore(&remembered.last, told, unfinished);
    dispatcher
}

/// Notifications to send again, as they were.
fn reopen(remembered: &Remembered, route: &Route) -> Vec<Notification> {
    let notification = |row: &crate::rows::OpenRow| {
        let alerts = remembered.named(&row.transition_ids);
        let first = alerts.first()?;
        let group_labels = route.group_by.labels_of(&first.labels);
        Some(Notification {
            id: row.notification_id.clone(),
            group_key: row.group_key.clone(),
            group_labels,
            receiver: route.receiver.clone(),
            target: usize::from(row.target),
            reason: NotifyReason::parse(&row.reason)?,
            alerts,
        })
    };
    remembered.open.iter().filter_map(notification).collect()
}
