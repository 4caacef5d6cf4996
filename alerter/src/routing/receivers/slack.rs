//! `slack_configs`: one entry enters, which channel is told and how leaves.
//!
//! Promise: pure; what is not acted on is refused by name.

use super::{
    http::{self, Http},
    parts::{self, Source, keys},
};
use crate::{message::Template, routing::global::Global};
use callmeter_documents::{Fields, Problems};
use callmeter_schemas::config::Secret;
use std::time::Duration;

/// Slack's Web API.
const WEB_API: &str = "https://slack.com/api/";
const IN_BLOCKS: &str = "not supported: messages are made of blocks, with title and text";
const REFUSED: &[(&str, &str)] = &[
    ("app_token", "not supported under this name: use bot_token"),
    ("app_token_file", "not supported under this name: use bot_token_file"),
    ("app_url", "not supported under this name: with bot_token, api_url is the address of the Web API"),
    ("actions", IN_BLOCKS),
    ("callback_id", IN_BLOCKS),
    ("color", IN_BLOCKS),
    ("fallback", IN_BLOCKS),
    ("fields", IN_BLOCKS),
    ("footer", IN_BLOCKS),
    ("image_url", IN_BLOCKS),
    ("mrkdwn_in", IN_BLOCKS),
    ("pretext", IN_BLOCKS),
    ("short_fields", IN_BLOCKS),
    ("thumb_url", IN_BLOCKS),
    ("link_names", "not supported: names in alerts never call anybody; write <!here> or <@U…> into text"),
    ("update_message", "not supported: with bot_token messages are always edited in place"),
];

/// One Slack channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Slack {
    /// By which way.
    pub access: SlackAccess,
    /// First line, instead of the usual one.
    pub title: Option<Template>,
    /// Where the first line leads, instead of Callmeter's own address.
    pub title_link: Option<Template>,
    /// Text under the first line, instead of the list of alerts.
    pub text: Option<Template>,
    /// Shown as the sender.
    pub username: Option<String>,
    /// Shown as the sender's picture, such as `:bell:`.
    pub icon_emoji: Option<String>,
    /// Shown as the sender's picture.
    pub icon_url: Option<String>,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// How it is spoken to.
    pub http: Http,
}

/// How a message gets into a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum SlackAccess {
    /// An incoming webhook, which can post and not edit.
    Webhook {
        /// Its address, a secret.
        url: Source,
        /// Another channel than its own; old webhooks only.
        channel: Option<String>,
    },
    /// A bot, whose messages are edited in place.
    Bot {
        /// Its token.
        token: Source,
        /// Address of the Web API.
        url: Source,
        /// Name or id of the channel.
        channel: String,
    },
}

pub(super) fn read(fields: &mut Fields<'_>, global: &Global, problems: &mut Problems) -> Option<Slack> {
    let access = access(fields, global, problems);
    let title = parts::template(fields, "title", problems);
    let title_link = parts::template(fields, "title_link", problems);
    let text = parts::template(fields, "text", problems);
    let username = fields.text("username", problems);
    let icon_emoji = fields.text("icon_emoji", problems);
    let icon_url = fields.text("icon_url", problems);
    let timeout = parts::timeout(fields, problems);
    let http = http::take(fields, problems);
    parts::refuse(fields, REFUSED, problems);
    Some(Slack { access: access?, title, title_link, text, username, icon_emoji, icon_url, timeout, http })
}

fn access(fields: &mut Fields<'_>, global: &Global, problems: &mut Problems) -> Option<SlackAccess> {
    let url = parts::source(fields, keys!("api_url"), problems);
    let token = parts::source(fields, keys!("bot_token"), problems);
    let channel = fields.text("channel", problems);
    let common = global.slack_api_url.clone().filter(|_| token.is_none());
    match (token, url.or(common), channel) {
        (None, Some(url), channel) => Some(SlackAccess::Webhook { url, channel }),
        (Some(token), url, Some(channel)) => {
            let url = url.unwrap_or_else(|| Source::Inline(Secret::new(WEB_API)));
            Some(SlackAccess::Bot { token, url, channel })
        }
        (Some(_), _, None) => {
            problems.add(
                fields.line(),
                &fields.path("channel"),
                "missing: a bot must know where to post",
                None,
            );
            None
        }
        (None, None, _) => {
            let message = "missing: api_url of an incoming webhook, or bot_token and channel";
            problems.add(fields.line(), &fields.path("api_url"), message, None);
            None
        }
    }
}
