//! Slack: a notification enters, a message is posted or edited, where it stands leaves.
//!
//! A bot's message about a group is edited in place for as long as the group has a life. An edit calls
//! nobody, so that what people must hear (new alerts, a repetition) is also said in the message's
//! thread and shown in the channel. Promise: a group that ended and begins again gets a new message.

use super::{
    attempt::{Delivered, DeliveryError},
    http::{self, Poster, secret_header},
};
use crate::{
    address::Policy,
    config::reveal,
    dispatch::{Notification, NotifyReason},
    message::slack::{self, Wording},
    routing::receivers::{Slack, SlackAccess, TargetName},
    transition::State,
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bytes of an answer of the Web API that are read.
const MAX_ANSWER: usize = 64 << 10;
/// Messages that are remembered; about further groups new ones are posted.
const MAX_POSTED: usize = 10_000;
/// Errors of the Web API that pass.
const PASSING: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];
/// Errors of an edit after which a new message is posted.
const NOT_EDITABLE: [&str; 4] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"];

/// Where the message about a group stands. Stored as the detail of its delivery.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Posted {
    /// Name of the target.
    target: String,
    /// The channel as the routing file names it.
    asked: String,
    /// The channel's id.
    channel: String,
    /// The message's id in the channel.
    ts: String,
    /// Whether everything in it has ended.
    ended: bool,
}

/// What is stored says what it is.
#[derive(Deserialize, Serialize)]
struct Detail {
    slack: Posted,
}

impl Posted {
    /// How the detail of such a delivery begins.
    pub(crate) const DETAIL_PREFIX: &str = "{\"slack\":";

    pub(super) fn to_detail(&self) -> String {
        serde_json::to_string(&Detail { slack: self.clone() }).unwrap_or_default()
    }

    /// Reads what was stored; `None` when it is something else.
    pub(crate) fn from_detail(detail: &str) -> Option<Self> {
        serde_json::from_str(detail).ok().map(|detail: Detail| detail.slack)
    }
}

#[derive(Clone, Debug)]
pub(super) struct SlackSender {
    poster: Poster,
    slack: Slack,
    bot: Option<Bot>,
    external_url: String,
}

#[derive(Clone, Debug)]
struct Bot {
    target: String,
    channel: String,
    token: HeaderValue,
    /// The message about each group.
    posted: BTreeMap<String, Posted>,
}

/// What the Web API answers.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
}

impl SlackSender {
    pub(super) fn new(
        slack: &Slack,
        name: &TargetName,
        policy: &Policy,
        external_url: &str,
    ) -> Result<Self, String> {
        let (url, bot) = match &slack.access {
            SlackAccess::Webhook { url, .. } => (url, None),
            SlackAccess::Bot { token, url, channel } => {
                let token = secret_header(&format!("Bearer {}", reveal(token)?.reveal()))?;
                let (target, channel) = (name.to_string(), channel.clone());
                (url, Some(Bot { target, channel, token, posted: BTreeMap::new() }))
            }
        };
        Ok(Self {
            poster: Poster::new(&reveal(url)?, &slack.http, slack.timeout, policy)?,
            slack: slack.clone(),
            bot,
            external_url: external_url.to_owned(),
        })
    }

    /// Takes note of this target's messages, each with its group.
    pub(super) fn remember(&mut self, posted: &[(String, Posted)]) {
        if let Some(bot) = &mut self.bot {
            for (group, posted) in posted {
                bot.learn(group, posted.clone());
            }
        }
    }

    pub(super) async fn attempt(&mut self, notification: &Notification) -> Result<Delivered, DeliveryError> {
        let message = self.message(notification);
        match &mut self.bot {
            None => {
                let request = self.poster.request(Method::POST, message.to_string());
                let answer = http::judge(http::send(request).await?).await?;
                Ok(Delivered { status: answer.status().as_u16(), posted: None })
            }
            Some(bot) => {
                let posted = bot.tell(&self.poster, notification, message).await?;
                bot.learn(&notification.group_key, posted.clone());
                Ok(Delivered { status: 200, posted: Some(posted) })
            }
        }
    }

    fn message(&self, notification: &Notification) -> Value {
        let wording = Wording {
            title: self.slack.title.as_ref(),
            title_link: self.slack.title_link.as_ref(),
            text: self.slack.text.as_ref(),
        };
        let mut message = slack::message(notification, &self.external_url, wording);
        let channel = match &self.slack.access {
            SlackAccess::Webhook { channel, .. } => channel.as_ref(),
            SlackAccess::Bot { channel, .. } => Some(channel),
        };
        let said = [
            ("channel", channel),
            ("username", self.slack.username.as_ref()),
            ("icon_emoji", self.slack.icon_emoji.as_ref()),
            ("icon_url", self.slack.icon_url.as_ref()),
        ];
        if let Value::Object(map) = &mut message {
            map.extend(
                said.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.clone().into()))),
            );
        }
        message
    }
}

impl Bot {
    fn learn(&mut self, group: &str, posted: Posted) {
        if posted.target != self.target || posted.asked != self.channel {
            return;
        }
        if posted.ended {
            self.posted.remove(group);
        } else if self.posted.len() < MAX_POSTED || self.posted.contains_key(group) {
            self.posted.insert(group.to_owned(), posted);
        }
    }

    /// Edits the group's message, or posts one.
    async fn tell(
        &self,
        poster: &Poster,
        about: &Notification,
        message: Value,
    ) -> Result<Posted, DeliveryError> {
        let fires = about.alerts.iter().any(|alert| alert.state == State::Firing);
        let ended = !fires && about.withheld.is_empty();
        if let Some(known) = self.posted.get(&about.group_key) {
            let posted = Posted { ended, ..known.clone() };
            if self.edit(poster, &posted, message.clone()).await? {
                self.call_people(poster, &posted, about).await?;
                return Ok(posted);
            }
        }
        let answer = self.call(poster, "chat.postMessage", message).await?;
        let answer = answer.checked()?;
        let (target, asked) = (self.target.clone(), self.channel.clone());
        Ok(Posted { target, asked, channel: answer.channel, ts: answer.ts, ended })
    }

    /// Whether the message could be edited; one that was deleted cannot.
    async fn edit(
        &self,
        poster: &Poster,
        posted: &Posted,
        mut message: Value,
    ) -> Result<bool, DeliveryError> {
        if let Value::Object(map) = &mut message {
            map.insert("channel".to_owned(), posted.channel.clone().into());
            map.insert("ts".to_owned(), posted.ts.clone().into());
        }
        let answer = self.call(poster, "chat.update", message).await?;
        if NOT_EDITABLE.contains(&answer.error.as_str()) {
            return Ok(false);
        }
        answer.checked().map(|_| true)
    }

    async fn call_people(
        &self,
        poster: &Poster,
        posted: &Posted,
        about: &Notification,
    ) -> Result<(), DeliveryError> {
        if about.reason == NotifyReason::Resolved {
            return Ok(());
        }
        let reply = json!({
            "channel": posted.channel,
            "thread_ts": posted.ts,
            "reply_broadcast": true,
            "text": slack::news(about),
        });
        self.call(poster, "chat.postMessage", reply).await?.checked().map(|_| ())
    }

    async fn call(&self, poster: &Poster, method: &str, body: Value) -> Result<Answer, DeliveryError> {
        let request = poster.post_under(method, body.to_string())?.header(AUTHORIZATION, self.token.clone());
        let answer = http::judge(http::send(request).await?).await?;
        let bytes = http::beginning(answer, MAX_ANSWER).await;
        serde_json::from_slice(&bytes).map_err(|_| DeliveryError::Retry {
            status: 200,
            detail: "the answer is not one of Slack's Web API".to_owned(),
            asked: None,
        })
    }
}

impl Answer {
    /// The answer if it says that all went well.
    fn checked(self) -> Result<Self, DeliveryError> {
        let detail = http::printable(self.error.get(..80).unwrap_or(&self.error));
        match self.ok {
            true => Ok(self),
            false if PASSING.contains(&detail.as_str()) => {
                Err(DeliveryError::Retry { status: 200, detail, asked: None })
            }
            false => Err(DeliveryError::GiveUp { status: 200, detail }),
        }
    }
}
