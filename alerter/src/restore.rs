//! The start, and every takeover: settings and what ClickHouse remembers enter, a running pipeline leaves.
//!
//! Promise: of several alerters one acts at a time; alerts go on where they were, and notifications that were
//! planned and not finished are sent again under the same webhook-id. While ClickHouse is away, the start waits.

use crate::{
    AlerterConfig, AlerterError, AlerterMetrics,
    clickhouse::{Remembered, Store, StoreError},
    clock::now,
    dispatch::{Dispatcher, NotifyReason, Planned, Told},
    evaluate::Evaluator,
    fault::{
        Inhibition,
        alerts::{self, Docket},
    },
    health,
    leadership::Role,
    lease::Lease,
    notify::Notifier,
    pipeline::{Ended, Kept, Pipeline},
    routing_file::RoutingFile,
    rule_files::RuleFiles,
    schedule::Schedule,
};
use callmeter_schemas::config::ClickHouseConfig;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{info, warn};

/// Alerts that resolved within this time are still told to those who were not.
const RESOLVED_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Pause between attempts to read what ClickHouse remembers.
const RETRY: Duration = Duration::from_secs(2);
/// Reports that wait for the loop.
const REPORTS: usize = 256;

/// The files in use.
pub(crate) struct Files {
    pub(crate) rules: RuleFiles,
    pub(crate) routing: RoutingFile,
}

/// What every term of this alerter begins with.
struct Loaded {
    config: AlerterConfig,
    files: Files,
    store: Store,
    metrics: AlerterMetrics,
}

/// Loads, then restores and runs whenever this alerter is the one that acts.
pub(crate) async fn start(
    config: AlerterConfig,
    clickhouse: &ClickHouseConfig,
    metrics: AlerterMetrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AlerterError> {
    let rules = RuleFiles::load(&config.rules, metrics.clone(), now()).map_err(AlerterError::Files)?;
    let routing = RoutingFile::load(&config, metrics.clone()).map_err(AlerterError::Files)?;
    info!(rules = rules.rules().rules(), targets = routing.endpoints().len(), "alerter starts");
    let store = Store::new(clickhouse);
    let mut loaded = Loaded { config, files: Files { rules, routing }, store, metrics };
    let name = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
    let lease = Arc::new(Lease::new(loaded.store.clone(), name));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = lease.until_active() => {}
        }
        loaded.metrics.active.set(1);
        let mut ended = loaded.act(&lease, None, shutdown.as_mut()).await?;
        while let Ended::Rerouted(kept) = ended {
            ended = loaded.act(&lease, Some(*kept), shutdown.as_mut()).await?;
        }
        loaded.metrics.active.set(0);
        if matches!(ended, Ended::Stopped) {
            lease.release().await;
            return Ok(());
        }
    }
}

impl Loaded {
    /// Takes up what the store remembers, and what outlived a change of routes as it is, and goes on from there.
    async fn act(
        &mut self,
        lease: &Arc<Lease>,
        kept: Option<Kept>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Ended, AlerterError> {
        let mut tasks = JoinSet::new();
        let deposed = lease.keep(&mut tasks);
        let remembered = tokio::select! {
            () = &mut shutdown => return Ok(Ended::Stopped),
            remembered = remember(&self.store) => remembered,
        };
        if lease.role().await != Role::Active {
            return Ok(Ended::Deposed);
        }
        let now = now();
        // While another one acted, nobody looked.
        if kept.is_none() {
            self.files.rules.look(now).await;
            self.files.routing.look(false).await;
        }
        let rules = self.files.rules.rules().clone();
        let docket = self.config.judge_faults.then(|| Docket::restore(&remembered.last, now));
        let verdicts = docket.iter().flat_map(|_| alerts::keys()).map(|key| (key, alerts::DIMENSIONS));
        let own: Vec<_> = health::keys().into_iter().map(|key| (key, &[][..])).chain(verdicts).collect();
        let (evaluator, unwritten, orphans) = match kept {
            Some(Kept { evaluator, unwritten }) => (evaluator, unwritten, Vec::new()),
            None => {
                let (evaluator, orphans) = Evaluator::restore(&rules, &own, &remembered.last, now);
                (evaluator, Vec::new(), orphans)
            }
        };
        let mut unfinished = Vec::new();
        let dispatcher = self.files.routing.routing().cloned().map(|routing| {
            let mut dispatcher = Dispatcher::new(routing);
            dispatcher.hush(remembered.silences.clone());
            dispatcher.heed(Inhibition::new(&rules));
            unfinished = dispatcher.restore(&remembered.last, told(&remembered), planned(&remembered));
            dispatcher
        });
        let (sender, reports) = mpsc::channel(REPORTS);
        let notifier = Notifier::start(self.files.routing.endpoints().to_vec(), remembered.posted(), &sender);
        drop(sender);
        let mut pipeline = Pipeline {
            schedule: Schedule::of(&rules, self.config.interval(), now),
            rules,
            interval: self.config.interval(),
            store: self.store.clone(),
            lease: Arc::clone(lease),
            evaluator: evaluator.with_interval(self.config.interval()),
            dispatcher,
            notifier,
            metrics: self.metrics.clone(),
            max_lag: self.config.max_lag.unsigned_abs(),
            rollup_window: self.config.rollup_window.unsigned_abs(),
            unstored: orphans,
            unwritten,
            failures: 0,
            refused: BTreeMap::new(),
            docket,
        };
        unfinished.into_iter().for_each(|notification| pipeline.send(notification, now));
        pipeline.run(&mut self.files, reports, deposed, shutdown).await
    }
}

/// What the store remembers of alerts and notifications.
pub(crate) async fn recall(store: &Store, now: Timestamp) -> Result<Remembered, StoreError> {
    let since = now.saturating_sub(RESOLVED_KEPT).unwrap_or(Timestamp::MIN);
    store.remember(since, now).await
}

async fn remember(store: &Store) -> Remembered {
    loop {
        match recall(store, now()).await {
            Ok(remembered) => return remembered,
            Err(error) => warn!(%error, "what alerts were open cannot be read yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
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
