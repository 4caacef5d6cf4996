//! The task of one target: notifications enter, attempts are made one after the other, reports leave.
//!
//! Promise: a notification that waits for another attempt holds up no other one; how many wait is
//! bounded. After 410 nothing that waits is sent.

use super::{
    Outcome, QUEUE, Report,
    attempt::{Delivered, DeliveryError, Sender},
};
use crate::{clock::now, dispatch::Notification, retry};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc, time::Instant};

pub(super) struct Worker {
    sender: Sender,
    reports: mpsc::Sender<Report>,
    /// What waits for another attempt, by when that is due.
    waiting: BTreeMap<(Instant, u64), Delivery>,
    /// Tells apart what is due at the same time.
    ticket: u64,
    /// The target answered 410.
    gone: bool,
}

/// A notification on its way.
struct Delivery {
    notification: Notification,
    /// Attempts so far.
    attempts: u32,
    began: Instant,
}

/// The task that takes the reports is gone.
struct NobodyListens;

impl Worker {
    pub(super) fn new(sender: Sender, reports: mpsc::Sender<Report>) -> Self {
        Self { sender, reports, waiting: BTreeMap::new(), ticket: 0, gone: false }
    }

    /// Delivers until there are no more notifications, or nobody listens any more.
    pub(super) async fn run(mut self, mut notifications: mpsc::Receiver<Notification>) {
        loop {
            let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
            let delivery = tokio::select! {
                next = notifications.recv(), if self.waiting.len() < QUEUE => match next {
                    Some(notification) => Delivery { notification, attempts: 0, began: Instant::now() },
                    None => return,
                },
                Some(delivery) = self.due(due) => delivery,
            };
            if self.deliver(delivery).await.is_err() {
                return;
            }
        }
    }

    /// Waits until a delivery is due; for ever when none waits.
    async fn due(&mut self, due: Option<Instant>) -> Option<Delivery> {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.waiting.pop_first().map(|(_, delivery)| delivery)
    }

    /// Makes one attempt and reports it.
    async fn deliver(&mut self, mut delivery: Delivery) -> Result<(), NobodyListens> {
        delivery.attempts = delivery.attempts.saturating_add(1);
        let result = match self.gone {
            true => Err(DeliveryError::Gone),
            false => self.sender.attempt(&delivery.notification).await,
        };
        self.gone |= matches!(result, Err(DeliveryError::Gone));
        let wait = match &result {
            Err(DeliveryError::Retry { asked, .. }) if !self.gone => {
                retry::wait_after(delivery.attempts, delivery.began.elapsed(), *asked, rand::random())
            }
            _ => None,
        };
        let report = report(&delivery, result, wait.is_some());
        self.reports.send(report).await.map_err(|_| NobodyListens)?;
        if let Some(wait) = wait {
            self.put_off(delivery, wait);
        }
        Ok(())
    }

    fn put_off(&mut self, delivery: Delivery, wait: Duration) {
        self.ticket = self.ticket.wrapping_add(1);
        self.waiting.insert((Instant::now() + wait, self.ticket), delivery);
    }
}

fn report(delivery: &Delivery, result: Result<Delivered, DeliveryError>, again: bool) -> Report {
    let (outcome, status, detail) = match result {
        Ok(Delivered { status, posted }) => {
            (Outcome::Delivered, status, posted.map(|posted| posted.to_detail()).unwrap_or_default())
        }
        Err(error @ DeliveryError::Gone) => (Outcome::Gone, 410, error.to_string()),
        Err(DeliveryError::Retry { status, detail, .. }) if again => (Outcome::Failed, status, detail),
        Err(DeliveryError::Retry { status, detail, .. } | DeliveryError::GiveUp { status, detail }) => {
            (Outcome::GaveUp, status, detail)
        }
    };
    let notification = delivery.notification.clone();
    Report { notification, attempt: delivery.attempts, at: now(), outcome, status, detail }
}
