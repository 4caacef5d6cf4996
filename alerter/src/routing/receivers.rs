//! Receivers of the routing file: a node of YAML enters, whom to notify and how leaves.
//!
//! Promise: pure; files and variables with secrets are only named here. Every key that Alertmanager
//! knows and this alerter does not act on is refused with its line, never skipped.

mod email;
mod http;
mod json;
mod pagerduty;
mod parts;
mod slack;
mod webhook;

pub use email::{Email, Smarthost};
pub use http::{Authorization, Http};
pub use json::{Json, Method};
pub use pagerduty::PagerDuty;
pub use parts::Source;
pub use slack::{Slack, SlackAccess};
pub use webhook::Webhook;

use super::global::Global;
use crate::dispatch::{Integration, Notification};
use callmeter_documents::{Fields, Problems, yaml::Node};
use std::fmt;

/// Ways to notify that are not supported, and what to use instead.
const REFUSED: &[(&str, &str)] = &[
    ("discord_configs", VIA_JSON),
    ("incidentio_configs", VIA_JSON),
    ("jira_configs", VIA_JSON),
    ("mattermost_configs", VIA_JSON),
    ("msteams_configs", VIA_JSON),
    ("msteamsv2_configs", VIA_JSON),
    ("opsgenie_configs", VIA_JSON),
    ("pushover_configs", VIA_JSON),
    ("rocketchat_configs", VIA_JSON),
    ("sns_configs", "not supported; a webhook can publish to SNS"),
    ("telegram_configs", VIA_JSON),
    ("victorops_configs", VIA_JSON),
    ("webex_configs", VIA_JSON),
    ("wechat_configs", "not supported"),
];
/// In Alertmanager it is false for Slack and mail; here whoever was woken is told of the end.
const SEND_RESOLVED: bool = true;
const VIA_JSON: &str = "not supported; its API can be called with json_configs";

/// Somebody who is notified.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Every way to reach it, in the order of kinds and then of the file.
    pub targets: Vec<Target>,
}

/// One way to reach a receiver: one entry of one of its lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is called over restarts.
    pub name: TargetName,
    /// Line of the file.
    pub line: u64,
    /// Where it stands in the file, such as `receivers[0].webhook_configs[1]`.
    pub path: String,
    /// Whether resolved alerts are sent.
    pub send_resolved: bool,
    /// How to get there.
    pub destination: Destination,
}

/// Name of a target: stays the same over restarts while its place in the receiver stays the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetName {
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
}

/// A kind of receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `webhook_configs`.
    Webhook,
    /// `slack_configs`.
    Slack,
    /// `pagerduty_configs`.
    PagerDuty,
    /// `email_configs`.
    Email,
    /// `json_configs`.
    Json,
}

/// Where a target's messages go.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// Alertmanager's body, signed.
    Webhook(Webhook),
    /// A Slack channel.
    Slack(Slack),
    /// A PagerDuty service.
    PagerDuty(Box<PagerDuty>),
    /// Mailboxes.
    Email(Box<Email>),
    /// Any HTTP API that takes JSON.
    Json(Json),
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Self::Webhook, Self::Slack, Self::PagerDuty, Self::Email, Self::Json];

    /// Its word in names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Email => "email",
            Self::Json => "json",
        }
    }

    /// Its list in the routing file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Webhook => "webhook_configs",
            Self::Slack => "slack_configs",
            Self::PagerDuty => "pagerduty_configs",
            Self::Email => "email_configs",
            Self::Json => "json_configs",
        }
    }

    fn read(self, fields: &mut Fields<'_>, global: &Global, problems: &mut Problems) -> Option<Destination> {
        match self {
            Self::Webhook => webhook::read(fields, problems).map(Destination::Webhook),
            Self::Slack => slack::read(fields, global, problems).map(Destination::Slack),
            Self::PagerDuty => {
                pagerduty::read(fields, global, problems).map(Box::new).map(Destination::PagerDuty)
            }
            Self::Email => email::read(fields, global, problems).map(Box::new).map(Destination::Email),
            Self::Json => json::read(fields, problems).map(Destination::Json),
        }
    }
}

impl TargetName {
    /// The target of a notification.
    pub fn of(notification: &Notification) -> Self {
        Self { receiver: notification.receiver.clone(), integration: notification.integration.clone() }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.receiver, self.integration.kind, self.integration.place)
    }
}

/// Reads one entry of `receivers`.
pub(super) fn read(node: &Node, path: &str, global: &Global, problems: &mut Problems) -> Option<Receiver> {
    let mut fields = Fields::open(node, path, problems)?;
    fields.require("name", problems);
    let name = fields.text("name", problems);
    let mut targets = Vec::new();
    for kind in Kind::ALL {
        for (place, (path, node)) in (0..).zip(fields.list(kind.key(), problems)) {
            let integration = Integration { kind: kind.word().to_owned(), place };
            let name = TargetName { receiver: name.clone().unwrap_or_default(), integration };
            targets.extend(target(node, path, kind, name, global, problems));
        }
    }
    for (key, reason) in REFUSED {
        fields.refuse(key, reason, problems);
    }
    fields.close(problems);
    Some(Receiver { name: name?, targets })
}

fn target(
    node: &Node,
    path: String,
    kind: Kind,
    name: TargetName,
    global: &Global,
    problems: &mut Problems,
) -> Option<Target> {
    let mut fields = Fields::open(node, &path, problems)?;
    let send_resolved = fields.flag("send_resolved", problems).unwrap_or(SEND_RESOLVED);
    let destination = kind.read(&mut fields, global, problems);
    fields.close(problems);
    Some(Target { name, line: node.line, path, send_resolved, destination: destination? })
}

#[cfg(test)]
mod tests;
