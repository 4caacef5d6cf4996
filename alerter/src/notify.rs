//! Delivery to targets: notifications enter, one report per attempt leaves.
//!
//! Every target has a task and a bounded queue of its own, so that one that hangs delays no other.
//! Promise: a webhook-id stays the same over attempts; no redirect is followed, no proxy is used, and
//! an answer is read only up to a bound. Not promised: that a target sees a notification only once.

mod attempt;
mod email;
mod http;
mod json;
mod pagerduty;
mod slack;
mod webhook;
mod worker;

pub(crate) use slack::Posted;

use crate::{
    address::Policy,
    dispatch::Notification,
    routing::receivers::{Target, TargetName},
};
use attempt::Sender;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio::{sync::mpsc, task::JoinSet};
use worker::Worker;

/// Notifications that wait for one target; more are put off to their group's next flush.
const QUEUE: usize = 1_024;

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The target took it.
    Delivered,
    /// Another attempt follows.
    Failed,
    /// No other attempt follows.
    GaveUp,
    /// The target wants nothing any more.
    Gone,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) notification: Notification,
    /// Counted from 1.
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
    /// Status of HTTP or code of SMTP; 0 without an answer.
    pub(crate) status: u16,
    /// Why it failed; of a message that can be edited later, where it stands.
    pub(crate) detail: String,
}

/// A target with its secrets at hand, ready to be sent to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: TargetName,
    sender: Sender,
}

impl Endpoint {
    /// Reads the target's secrets and checks its address; the error says what is wrong.
    pub(crate) fn new(target: &Target, policy: &Policy, external_url: &str) -> Result<Self, String> {
        let sender = Sender::new(target, policy, external_url)?;
        Ok(Self { name: target.name.clone(), sender })
    }
}

/// The tasks of all targets.
#[derive(Debug)]
pub(crate) struct Notifier {
    queues: BTreeMap<TargetName, mpsc::Sender<Notification>>,
    tasks: JoinSet<()>,
}

impl Notifier {
    /// Starts one task per endpoint. `posted` are messages that can still be edited.
    pub(crate) fn start(
        endpoints: Vec<Endpoint>,
        posted: Vec<(String, Posted)>,
        reports: &mpsc::Sender<Report>,
    ) -> Self {
        let mut notifier = Self { queues: BTreeMap::new(), tasks: JoinSet::new() };
        for mut endpoint in endpoints {
            endpoint.sender.remember(&posted);
            let (queue, notifications) = mpsc::channel(QUEUE);
            notifier.queues.insert(endpoint.name, queue);
            notifier.tasks.spawn(Worker::new(endpoint.sender, reports.clone()).run(notifications));
        }
        notifier
    }

    /// Hands a notification to its target's task; gives it back when the queue is full.
    pub(crate) fn send(&self, notification: Notification) -> Result<(), Box<Notification>> {
        match self.queues.get(&TargetName::of(&notification)) {
            Some(queue) => queue.try_send(notification).map_err(|error| Box::new(error.into_inner())),
            None => Err(Box::new(notification)),
        }
    }

    /// Returns when a task ended before [`Notifier::close`]: only a defect ends one.
    pub(crate) async fn task_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Takes no more notifications; tasks end when all in their queues were tried, or with this value.
    /// What waits for another attempt is left: the store knows it as planned and not finished.
    pub(crate) fn close(&mut self) {
        self.queues.clear();
    }
}

#[cfg(test)]
mod tests;
