//! The path of an alert: query, evaluate, store, dispatch, notify.
//!
//! What enters is time and the reports of deliveries; what leaves is rows and notifications. Promise:
//! a change of state is stored before anybody is told of it, and a notification is planned in the
//! store before it is sent, so that a restart neither forgets nor repeats one. The one exception is
//! made while the store is away: people are told first, because the store being away is the news.

mod delivery;
mod round;

use crate::{
    AlerterError,
    clickhouse::{Store, StoreError},
    clock::now,
    dispatch::Dispatcher,
    evaluate::Evaluator,
    fault::{Inhibition, alerts::Docket},
    health,
    leadership::Role,
    lease::Lease,
    metrics::{AlerterMetrics, StateLabel},
    notify::{Notifier, Report},
    restore::{self, Files},
    rows::DeliveryRow,
    rules::RuleSet,
    schedule::Schedule,
    transition::Transition,
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// Longest pause of the loop, so that a clock that jumps is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Steps of notifications that wait for the store; further ones are only logged.
const MAX_UNWRITTEN: usize = 10_000;
/// Lets a delivery end when stopping.
const GRACE: Duration = Duration::from_secs(5);

/// What outlives a change of routes.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) evaluator: Evaluator,
    /// Steps of notifications that are not written yet.
    pub(crate) unwritten: Vec<DeliveryRow>,
}

/// Why the loop ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was told to stop.
    Stopped,
    /// There are other routes: it is to go on by them, with the alerts as they are.
    Rerouted(Box<Kept>),
    /// Another alerter acts now.
    Deposed,
}

/// Everything the loop holds.
pub(crate) struct Pipeline {
    pub(crate) rules: RuleSet,
    /// How often groups without an interval of their own are evaluated.
    pub(crate) interval: Duration,
    pub(crate) store: Store,
    pub(crate) lease: Arc<Lease>,
    pub(crate) evaluator: Evaluator,
    pub(crate) dispatcher: Option<Dispatcher>,
    pub(crate) notifier: Notifier,
    pub(crate) schedule: Schedule,
    pub(crate) metrics: AlerterMetrics,
    pub(crate) max_lag: Duration,
    pub(crate) rollup_window: Duration,
    /// Changes that are not stored yet: nothing is evaluated while there are any.
    pub(crate) unstored: Vec<Transition>,
    pub(crate) unwritten: Vec<DeliveryRow>,
    /// Rounds in a row in which the store was away.
    pub(crate) failures: u32,
    /// Questions that the store refuses, by what asks: how often in a row.
    pub(crate) refused: BTreeMap<String, u32>,
    /// Whose fault it is; `None` where that is not asked for.
    pub(crate) docket: Option<Docket>,
}

impl Pipeline {
    /// Runs until told to stop, until another alerter acts, or until a target's task ended by itself: its
    /// notifications would wait for ever. Attempts of one that was deposed end with it.
    pub(crate) async fn run(
        mut self,
        files: &mut Files,
        mut reports: mpsc::Receiver<Report>,
        mut deposed: watch::Receiver<bool>,
        stop: impl Future<Output = ()>,
    ) -> Result<Ended, AlerterError> {
        tokio::pin!(stop);
        let mut rerouted = false;
        loop {
            let pause = self.pause(now());
            tokio::select! {
                biased;
                () = &mut stop => break,
                Ok(_) = deposed.wait_for(|deposed| *deposed) => return Ok(Ended::Deposed),
                () = self.notifier.task_ended() => return Err(AlerterError::NotifierEnded),
                Some(report) = reports.recv() => self.settle(report).await,
                asked = files.rules.due() => {
                    if let Some(rules) = files.rules.look(now()).await {
                        self.adopt(rules, now());
                    }
                    rerouted |= files.routing.look(asked).await;
                }
                () = tokio::time::sleep(pause) => {}
            }
            match self.lease.role().await {
                Role::Active => {}
                Role::Standby => return Ok(Ended::Deposed),
                Role::Lapsed => {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                    continue;
                }
            }
            if self.schedule.is_due(now()) {
                self.evaluate(now()).await;
            }
            self.dispatch(now()).await;
            if rerouted && self.is_stored().await {
                self.wind_up(reports).await;
                let Self { evaluator, unwritten, .. } = self;
                return Ok(Ended::Rerouted(Box::new(Kept { evaluator, unwritten })));
            }
        }
        self.wind_up(reports).await;
        Ok(Ended::Stopped)
    }

    /// Whether the store knows everything and says so, so that another pipeline can go on from there.
    async fn is_stored(&self) -> bool {
        let is_written = self.failures == 0 && self.unstored.is_empty() && self.unwritten.is_empty();
        is_written && restore::recall(&self.store, now()).await.is_ok()
    }

    /// Lets attempts that are under way end, for a bounded time; the next start takes up the rest.
    async fn wind_up(&mut self, mut reports: mpsc::Receiver<Report>) {
        self.notifier.close();
        let ended = tokio::time::timeout(GRACE, async {
            while let Some(report) = reports.recv().await {
                self.settle(report).await;
            }
        });
        if ended.await.is_err() {
            info!("notifications are left for the next start");
        }
    }

    /// Takes over other rules; alerts of rules that stay go on.
    fn adopt(&mut self, rules: &RuleSet, now: Timestamp) {
        self.unstored.extend(self.evaluator.adopt(&self.rules, rules, now));
        self.schedule = Schedule::of(rules, self.interval, now);
        if let Some(dispatcher) = &mut self.dispatcher {
            dispatcher.heed(Inhibition::new(rules));
        }
        self.refused.clear();
        self.rules = rules.clone();
    }

    fn pause(&self, now: Timestamp) -> Duration {
        let due = self.dispatcher.as_ref().and_then(Dispatcher::due).into_iter().chain(self.schedule.next());
        let wait = due.min().map_or(LONGEST_PAUSE, |due| until(due, now));
        wait.min(LONGEST_PAUSE)
    }

    /// One round over the groups that are due.
    async fn evaluate(&mut self, now: Timestamp) {
        let began = Instant::now();
        self.metrics.evaluation_delay.observe(self.schedule.delay(now).as_secs_f64());
        let round = self.round(now).await;
        let took = began.elapsed();
        self.metrics.evaluations_missed.inc_by(self.schedule.done(now, took));
        self.metrics.evaluations.inc();
        self.metrics.evaluation_seconds.observe(took.as_secs_f64());
        let is_away = matches!(round, Err(StoreError::Unavailable(_)));
        self.failures = if is_away { self.failures.saturating_add(1) } else { 0 };
        let (worst, often) = self.refused.iter().max_by_key(|(_, often)| **often).unzip();
        let failures = self.failures.max(often.copied().unwrap_or(0));
        let error = match round {
            Ok(()) => {
                self.metrics.last_evaluation.set(now.as_second() as f64);
                String::new()
            }
            Err(error) => {
                self.metrics.evaluation_failures.inc();
                warn!(%error, failures, "rules could not be evaluated");
                error.to_string()
            }
        };
        // Between two refusals of a question that is asked seldom, others are answered.
        let told = match worst {
            Some(who) if error.is_empty() => format!("clickhouse refuses what {who} asks; see the log"),
            _ => error.clone(),
        };
        let changes = health::store(&mut self.evaluator, failures, &told, now);
        self.tell(&changes);
        self.unstored.extend(changes);
        if error.is_empty() {
            let _ = self.store_changes().await;
            self.note(Vec::new()).await;
        }
        self.metrics.alerts_firing.set(self.evaluator.firing() as i64);
        self.metrics.alerts_pending.set(self.evaluator.pending() as i64);
    }

    /// Stores what is not stored yet, then lets the dispatcher know of it.
    async fn store_changes(&mut self) -> Result<(), StoreError> {
        if self.unstored.is_empty() {
            return Ok(());
        }
        self.store.write_transitions(&self.unstored).await?;
        let changes = std::mem::take(&mut self.unstored);
        for change in &changes {
            let state = change.state.word();
            self.metrics.transitions.get_or_create(&StateLabel { state }).inc();
            info!(rule = change.rule, fingerprint = change.fingerprint, state, value = change.value, "alert");
        }
        self.tell(&changes);
        Ok(())
    }

    fn tell(&mut self, changes: &[Transition]) {
        if let Some(dispatcher) = &mut self.dispatcher {
            dispatcher.observe(changes);
        }
    }
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    due.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs()
}

#[cfg(test)]
mod tests;
