//! Delivery to webhooks: notifications enter, one report per attempt leaves.
//!
//! Every target has a task and a bounded queue of its own, so that one that hangs delays no other.
//! Promise: a webhook-id stays the same over attempts; no redirect is followed, no proxy is used, and
//! an answer is read only up to a bound. Not promised: that a target sees a notification only once.

use crate::{
    address::Policy,
    clock::now,
    config::Endpoint,
    dispatch::Notification,
    message,
    resolve::{self, TargetError},
    retry::{self, Verdict},
    signing::{self, SigningKey},
};
use jiff::Timestamp;
use reqwest::{Client, Response, Url, header};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet};

/// Longest time of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Notifications that wait for one target; more are put off to their group's next flush.
const QUEUE: usize = 1_024;
/// Bytes of an unhappy answer that are read and kept.
const DETAIL_BYTES: usize = 200;

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
    /// HTTP status; 0 without an answer.
    pub(crate) status: u16,
    pub(crate) detail: String,
}

/// Why an attempt failed, and what follows from it.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("{detail}")]
    Retry { status: u16, detail: String, asked: Option<Duration> },
    #[error("{detail}")]
    GiveUp { status: u16, detail: String },
    #[error("the receiver answered 410 and is off until a restart")]
    Gone,
}

/// The tasks of all targets.
#[derive(Debug)]
pub(crate) struct Notifier {
    queues: Vec<mpsc::Sender<Notification>>,
    tasks: JoinSet<()>,
}

struct Worker {
    client: Client,
    url: Url,
    keys: Vec<SigningKey>,
    external_url: String,
    reports: mpsc::Sender<Report>,
    /// The target answered 410: what still waits for it is not sent.
    gone: bool,
}

impl Notifier {
    /// Starts one task per endpoint; mistakes of all endpoints are reported together.
    pub(crate) fn start(
        endpoints: Vec<Endpoint>,
        policy: &Policy,
        external_url: &str,
        reports: &mpsc::Sender<Report>,
    ) -> Result<Self, TargetError> {
        let mut notifier = Self { queues: Vec::new(), tasks: JoinSet::new() };
        for endpoint in endpoints {
            let worker = Worker::new(endpoint, policy, external_url, reports.clone())?;
            let (queue, notifications) = mpsc::channel(QUEUE);
            notifier.queues.push(queue);
            notifier.tasks.spawn(worker.run(notifications));
        }
        Ok(notifier)
    }

    /// Hands a notification to its target's task; gives it back when the queue is full.
    pub(crate) fn send(&self, notification: Notification) -> Result<(), Box<Notification>> {
        match self.queues.get(notification.target) {
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

    /// Takes no more notifications; tasks end when their queues are empty, or with this value.
    pub(crate) fn close(&mut self) {
        self.queues.clear();
    }
}

impl Worker {
    fn new(
        endpoint: Endpoint,
        policy: &Policy,
        external_url: &str,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, TargetError> {
        let (url, policy) = resolve::target(endpoint.url.reveal(), policy)?;
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT)
            .dns_resolver(Arc::new(resolve::Guarded(policy)))
            .user_agent(concat!("callmeter/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TargetError::Client(resolve::chain(&error)))?;
        Ok(Self {
            client,
            url,
            keys: endpoint.keys,
            external_url: external_url.to_owned(),
            reports,
            gone: false,
        })
    }

    async fn run(mut self, mut notifications: mpsc::Receiver<Notification>) {
        while let Some(notification) = notifications.recv().await {
            if !self.deliver(notification).await {
                return;
            }
        }
    }

    /// Tries until it is delivered or given up; false when nobody listens any more.
    async fn deliver(&mut self, notification: Notification) -> bool {
        let body = message::body(&notification, &self.external_url);
        for attempt in 1.. {
            let result = match self.gone {
                true => Err(DeliveryError::Gone),
                false => self.attempt(&notification.id, &body).await,
            };
            self.gone = matches!(result, Err(DeliveryError::Gone));
            let wait = match &result {
                Err(DeliveryError::Retry { asked, .. }) => retry::wait_after(attempt, *asked, rand::random()),
                _ => None,
            };
            let report = report(&notification, attempt, result, wait.is_some());
            if self.reports.send(report).await.is_err() {
                return false;
            }
            let Some(wait) = wait else { return true };
            tokio::time::sleep(wait).await;
        }
        true
    }

    async fn attempt(&self, id: &str, body: &str) -> Result<u16, DeliveryError> {
        let timestamp = now().as_second();
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if let Some(signature) = signing::signature(&self.keys, id, timestamp, body) {
            request = request.header("webhook-signature", signature);
        }
        match request.body(body.to_owned()).send().await {
            Ok(answer) => judge(answer).await,
            Err(error) => Err(DeliveryError::Retry {
                status: 0,
                detail: resolve::chain(&error.without_url()),
                asked: None,
            }),
        }
    }
}

async fn judge(answer: Response) -> Result<u16, DeliveryError> {
    let status = answer.status().as_u16();
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|value| retry::retry_after(value, now()));
    match retry::judge(status) {
        Verdict::Delivered => Ok(status),
        Verdict::Retry => Err(DeliveryError::Retry { status, detail: excerpt(answer).await, asked }),
        Verdict::GiveUp => Err(DeliveryError::GiveUp { status, detail: excerpt(answer).await }),
        Verdict::Gone => Err(DeliveryError::Gone),
    }
}

/// The beginning of an answer, printable.
async fn excerpt(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < DETAIL_BYTES {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(DETAIL_BYTES - bytes.len())]);
    }
    let text = String::from_utf8_lossy(&bytes);
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect::<String>()
        .trim()
        .to_owned()
}

fn report(
    notification: &Notification,
    attempt: u32,
    result: Result<u16, DeliveryError>,
    again: bool,
) -> Report {
    let detail = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let (outcome, status) = match result {
        Ok(status) => (Outcome::Delivered, status),
        Err(DeliveryError::Gone) => (Outcome::Gone, 410),
        Err(DeliveryError::Retry { status, .. }) if again => (Outcome::Failed, status),
        Err(DeliveryError::Retry { status, .. } | DeliveryError::GiveUp { status, .. }) => {
            (Outcome::GaveUp, status)
        }
    };
    let at = now();
    Report { notification: notification.clone(), attempt, at, outcome, status, detail }
}

#[cfg(test)]
mod tests;
