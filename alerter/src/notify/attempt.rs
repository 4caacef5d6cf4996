//! One attempt at one target of any kind: a notification enters, what became of it leaves.

use super::{
    email::EmailSender, json::JsonSender, pagerduty::PagerDutySender, slack::Posted, slack::SlackSender,
    webhook::WebhookSender,
};
use crate::{
    address::Policy,
    dispatch::Notification,
    routing::receivers::{Destination, Target},
};
use std::time::Duration;

/// Longest time of one attempt, unless the target's `timeout` says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The target took it.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) status: u16,
    /// Where the message stands, if it can be edited.
    pub(super) posted: Option<Posted>,
}

/// Why an attempt failed, and what follows from it.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// Another attempt may succeed.
    #[error("{detail}")]
    Retry { status: u16, detail: String, asked: Option<Duration> },
    /// Another attempt would fail the same way.
    #[error("{detail}")]
    GiveUp { status: u16, detail: String },
    /// 410.
    #[error("the receiver answered 410 and is off until a restart")]
    Gone,
}

/// How one target is sent to.
#[derive(Clone)]
pub(super) enum Sender {
    Webhook(WebhookSender),
    Slack(Box<SlackSender>),
    PagerDuty(Box<PagerDutySender>),
    Email(Box<EmailSender>),
    Json(JsonSender),
}

impl Sender {
    pub(super) fn new(target: &Target, policy: &Policy, external_url: &str) -> Result<Self, String> {
        Ok(match &target.destination {
            Destination::Webhook(webhook) => {
                Self::Webhook(WebhookSender::new(webhook, policy, external_url)?)
            }
            Destination::Slack(slack) => {
                Self::Slack(Box::new(SlackSender::new(slack, &target.name, policy, external_url)?))
            }
            Destination::PagerDuty(service) => {
                Self::PagerDuty(Box::new(PagerDutySender::new(service, policy, external_url)?))
            }
            Destination::Email(email) => {
                Self::Email(Box::new(EmailSender::new(email, policy, external_url)?))
            }
            Destination::Json(json) => Self::Json(JsonSender::new(json, policy, external_url)?),
        })
    }

    /// Takes note of messages that can still be edited, each with its group.
    pub(super) fn remember(&mut self, posted: &[(String, Posted)]) {
        if let Self::Slack(slack) = self {
            slack.remember(posted);
        }
    }

    /// Makes one attempt, bounded in time.
    pub(super) async fn attempt(&mut self, notification: &Notification) -> Result<Delivered, DeliveryError> {
        let taken = |status| Delivered { status, posted: None };
        match self {
            Self::Webhook(webhook) => webhook.attempt(notification).await.map(taken),
            Self::Slack(slack) => slack.attempt(notification).await,
            Self::PagerDuty(service) => service.attempt(notification).await.map(taken),
            Self::Email(email) => email.attempt(notification).await.map(taken),
            Self::Json(json) => json.attempt(notification).await.map(taken),
        }
    }
}
