//! Notifications on their way: what the dispatcher decides and what became of attempts enters, rows and messages leave.
//!
//! Promise: a notification is planned in the store before it is handed to its target, and each attempt is a row; while the
//! store is away rows wait, and people are told all the same.

use super::{MAX_UNWRITTEN, Pipeline};
use crate::{
    dispatch::{Notification, Settled},
    leadership::Role,
    metrics::{OutcomeLabel, ReasonLabel},
    notify::{Outcome, Report},
    rows::DeliveryRow,
};
use jiff::Timestamp;
use tracing::{info, warn};

impl Pipeline {
    /// Plans and sends what is due. What was planned while another alerter began to act is left to that one.
    pub(super) async fn dispatch(&mut self, now: Timestamp) {
        let Some(dispatcher) = &mut self.dispatcher else { return };
        if dispatcher.due().is_none_or(|due| due > now) || self.lease.role().await == Role::Standby {
            return;
        }
        dispatcher.doubt(!self.docket.as_ref().is_some_and(|docket| docket.is_fresh(now)));
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
    pub(super) async fn settle(&mut self, report: Report) {
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
    pub(super) async fn note(&mut self, rows: Vec<DeliveryRow>) {
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
