//! The path of an alert: query, evaluate, store, dispatch, notify.
//!
//! What enters is time and the reports of deliveries; what leaves is rows and notifications. Promise:
//! a change of state is stored before anybody is told of it, and a notification is planned in the
//! store before it is sent, so that a restart neither forgets nor repeats one. The one exception is
//! made while the store is away: people are told first, because the store being away is the news.

use crate::{
    AlerterError,
    clickhouse::{Store, StoreError},
    clock::now,
    dispatch::{Dispatcher, Notification, Settled},
    evaluate::{Evaluator, Freshness},
    fault::{Inhibition, alerts::Docket},
    health,
    leadership::Role,
    lease::Lease,
    metrics::{AlerterMetrics, OutcomeLabel, ReasonLabel, StateLabel},
    notify::{Notifier, Outcome, Report},
    progress::{self, Completeness},
    query::{self, Answer, Group, Query},
    restore::Files,
    rows::DeliveryRow,
    rules::{Rule, RuleSet},
    schedule::Schedule,
    transition::Transition,
    vocabulary::Source,
};
use jiff::Timestamp;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

/// Longest pause of the loop, so that a clock that jumps is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Steps of notifications that wait for the store; further ones are only logged.
const MAX_UNWRITTEN: usize = 10_000;
/// Lets a delivery end when stopping.
const GRACE: Duration = Duration::from_secs(5);

/// Why the loop ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was told to stop.
    Stopped,
    /// There are other routes: it is to go on by them, with the alerts as they are.
    Rerouted(Evaluator),
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
    pub(crate) failures: u32,
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
            if rerouted && self.is_stored() {
                self.wind_up(reports).await;
                return Ok(Ended::Rerouted(self.evaluator));
            }
        }
        self.wind_up(reports).await;
        Ok(Ended::Stopped)
    }

    /// Whether the store knows everything, so that another pipeline can go on from there.
    fn is_stored(&self) -> bool {
        self.failures == 0 && self.unstored.is_empty() && self.unwritten.is_empty()
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
        let error = match round {
            Ok(()) => {
                self.failures = 0;
                self.metrics.last_evaluation.set(now.as_second() as f64);
                String::new()
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.metrics.evaluation_failures.inc();
                warn!(%error, failures = self.failures, "rules could not be evaluated");
                error.to_string()
            }
        };
        let changes = health::store(&mut self.evaluator, self.failures, &error, now);
        self.tell(&changes);
        self.unstored.extend(changes);
        if error.is_empty() {
            let _ = self.store_changes().await;
            self.note(Vec::new()).await;
        }
        self.metrics.alerts_firing.set(self.evaluator.firing() as i64);
        self.metrics.alerts_pending.set(self.evaluator.pending() as i64);
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn round(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.hush(now).await?;
        self.store_changes().await?;
        let completeness = self.completeness(now).await?;
        let freshness = completeness.freshness(now, self.max_lag);
        if freshness != Freshness::Current {
            self.metrics.evaluations_held.inc();
            debug!(?completeness, "counting is behind, evaluation holds");
        }
        let due: Vec<&Rule> =
            self.schedule.due(now).flat_map(|place| &self.rules.groups[place].rules).collect();
        let mut failure = None;
        for query in query::plan(&due, self.rollup_window) {
            match answer(&self.store, &query, completeness, now).await {
                Ok(answer) => {
                    let rules = query.rules.iter().map(|place| due[*place]);
                    self.unstored.extend(conclude(
                        &mut self.evaluator,
                        &self.metrics,
                        rules,
                        &answer,
                        freshness,
                        now,
                    ));
                }
                Err(error) => {
                    self.metrics.evaluations_missed.inc_by(query.rules.len() as u64);
                    let is_away = matches!(error, StoreError::Unavailable(_));
                    failure = Some(error);
                    if is_away {
                        break;
                    }
                }
            }
        }
        let is_away = matches!(failure, Some(StoreError::Unavailable(_)));
        if freshness == Freshness::Current && !is_away {
            failure = self.find_fault(now).await.err().or(failure);
        }
        let stored = self.store_changes().await;
        failure.map_or(stored, Err)
    }

    /// Lets the dispatcher know which silences there are; while they cannot be read, the last ones hold.
    async fn hush(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(dispatcher) = &mut self.dispatcher else { return Ok(()) };
        let silences = self.store.silences(now).await?;
        self.metrics.silences.set(silences.len() as i64);
        dispatcher.hush(silences);
        Ok(())
    }

    /// Says whose fault it is that calls fail, when that is due.
    async fn find_fault(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(docket) = &mut self.docket else { return Ok(()) };
        if !docket.begin(now) {
            return Ok(());
        }
        let cells = self.store.cells(now).await?;
        self.unstored.extend(docket.hear(&mut self.evaluator, &cells, now));
        Ok(())
    }

    /// How far counting has come; while it is behind or waits, that is an alert of its own.
    async fn completeness(&mut self, now: Timestamp) -> Result<Completeness, StoreError> {
        let partitions = self.store.progress().await?;
        let completeness = progress::completeness(&partitions);
        let lag = |until: Option<Timestamp>| until.map(|until| health::lag(until, now));
        self.metrics.pipeline_lag.set(lag(completeness.all).unwrap_or(-1.0));
        let trusted = lag(completeness.trusted());
        self.unstored.extend(health::pipeline(&mut self.evaluator, trusted, self.max_lag, now));
        self.unstored.extend(health::stopped(&mut self.evaluator, &progress::stopped(&partitions), now));
        Ok(completeness)
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

    /// Plans and sends what is due. What was planned while another alerter began to act is left to that one.
    async fn dispatch(&mut self, now: Timestamp) {
        let Some(dispatcher) = &mut self.dispatcher else { return };
        if dispatcher.due().is_none_or(|due| due > now) || self.lease.role().await == Role::Standby {
            return;
        }
        let mut notifications: Vec<Notification> = Vec::new();
        for decision in dispatcher.flush(now) {
            match decision {
                Ok(notification) => notifications.push(notification),
                Err(reason) => {
                    let reason = reason.word();
                    self.metrics.notifications_withheld.get_or_create(&ReasonLabel { reason }).inc();
                }
            }
        }
        self.note(notifications.iter().map(|notification| DeliveryRow::planned(notification, now)).collect())
            .await;
        if notifications.is_empty() || self.lease.role().await == Role::Standby {
            return;
        }
        for notification in notifications {
            self.send(notification, now);
        }
    }

    /// Hands a notification over; one that finds no room waits for its group's next flush. The store is
    /// told, or a restart would send it beside what was said since.
    pub(crate) fn send(&mut self, notification: Notification, now: Timestamp) {
        if let Err(notification) = self.notifier.send(notification) {
            warn!(target = notification.target, "too many notifications wait for a receiver");
            self.metrics.notifications_dropped.inc();
            if let Some(dispatcher) = &mut self.dispatcher {
                dispatcher.settle(&notification, Settled::GaveUp, now);
            }
            let report = Report {
                notification: *notification,
                attempt: 0,
                at: now,
                outcome: Outcome::GaveUp,
                status: 0,
                detail: "no room".to_owned(),
            };
            self.unwritten.push(DeliveryRow::from(&report));
        }
    }

    /// Takes note of one attempt.
    async fn settle(&mut self, report: Report) {
        let Report { notification, attempt, outcome, status, detail, .. } = &report;
        let (word, settled) = match outcome {
            Outcome::Delivered => ("delivered", Some(Settled::Delivered)),
            Outcome::Failed => ("failed", None),
            Outcome::GaveUp => ("gave_up", Some(Settled::GaveUp)),
            Outcome::Gone => ("gave_up", Some(Settled::Disabled)),
        };
        self.metrics.notifications.get_or_create(&OutcomeLabel { outcome: word }).inc();
        let (id, receiver) = (&notification.id, &notification.receiver);
        match outcome {
            Outcome::Delivered => info!(id, receiver, attempt, status, "notified"),
            _ => warn!(id, receiver, attempt, status, detail, outcome = word, "not notified"),
        }
        if let (Some(dispatcher), Some(settled)) = (&mut self.dispatcher, settled) {
            dispatcher.settle(notification, settled, report.at);
            self.metrics.receivers_disabled.set(dispatcher.disabled() as i64);
        }
        self.note(vec![DeliveryRow::from(&report)]).await;
    }

    /// Writes steps of notifications; what cannot be written now is tried again with the next ones.
    async fn note(&mut self, rows: Vec<DeliveryRow>) {
        self.unwritten.extend(rows);
        if self.unwritten.is_empty() {
            return;
        }
        let count = self.unwritten.len();
        match self.store.write_deliveries(self.unwritten.clone()).await {
            Ok(()) => self.unwritten.clear(),
            Err(error) => {
                warn!(%error, count, "steps of notifications could not be written yet");
                self.unwritten.truncate(MAX_UNWRITTEN);
            }
        }
    }
}

/// Asks one question; how far counting is behind is known already.
async fn answer(
    store: &Store,
    query: &Query,
    completeness: Completeness,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    if query.source() == Source::Pipeline {
        let lag = completeness.all.map(|until| health::lag(until, now));
        return Ok(query.answer(vec![Group { lag, ..Group::default() }]));
    }
    store.ask(query, now, completeness.trusted().unwrap_or(now)).await
}

/// Lets every rule of one query draw its conclusions.
fn conclude<'a>(
    evaluator: &mut Evaluator,
    metrics: &AlerterMetrics,
    rules: impl Iterator<Item = &'a Rule>,
    answer: &Answer,
    freshness: Freshness,
    now: Timestamp,
) -> Vec<Transition> {
    let mut changes = Vec::new();
    for rule in rules {
        let evaluation = evaluator.evaluate(rule, answer, freshness, now);
        if evaluation.over_limit > 0 {
            warn!(
                rule = rule.name,
                groups = evaluation.over_limit,
                "too many alerts of one rule, further groups start none"
            );
            metrics.groups_over_limit.inc_by(evaluation.over_limit);
        }
        changes.extend(evaluation.transitions);
    }
    changes
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    due.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs()
}

#[cfg(test)]
mod tests;
