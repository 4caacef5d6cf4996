//! Messages for Slack: a notification enters, text and blocks leave.
//!
//! Promise: pure; within Slack's limits for any number of alerts of any length. What alerts bring
//! along is escaped, so that it is never a link, a mention or a ping; what the operator writes into
//! `text` may be.

use super::{
    facts::{Facts, common_labels, firing},
    template::{Place, Template},
    words::{self, Line},
};
use crate::dispatch::Notification;
use serde_json::{Value, json};

/// Blocks in one message are at most 50; some stay free for what is not an alert.
const MAX_ALERTS: usize = 40;
/// Characters in the text of one block.
const MAX_TEXT: usize = 3_000;
/// Characters of all alerts together: longer messages are refused as `msg_blocks_too_long`.
const MAX_ALERTS_TEXT: usize = 8_000;
/// Characters in what one alert shows of its rule's summary.
const MAX_SUMMARY: usize = 500;
/// Fields in one block.
const MAX_FIELDS: usize = 10;
/// Characters of a label's value that are shown; a field may have 2,000.
const MAX_FIELD: usize = 200;
/// Characters in the first line.
const MAX_HEADLINE: usize = 300;
/// Characters in the query: markup around it must fit too.
const MAX_QUERY: usize = 2_500;

/// What an operator may say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wording<'a> {
    /// First line.
    pub title: Option<&'a Template>,
    /// Where it leads.
    pub title_link: Option<&'a Template>,
    /// What stands under it, instead of the alerts.
    pub text: Option<&'a Template>,
}

/// Renders `text`, for notifications on screens, and `blocks`.
pub fn message(notification: &Notification, external_url: &str, wording: Wording<'_>) -> Value {
    let facts = Facts::of(notification, external_url);
    let render = |template: &Template| template.render(&facts, Place::Slack);
    let title = match wording.title {
        Some(template) => cut_markup(&render(template), MAX_HEADLINE),
        None => escaped(&words::headline(notification), MAX_HEADLINE),
    };
    let link = wording.title_link.map(|template| template.render(&facts, Place::Plain));
    let mut blocks = vec![headline(notification, &title, link.as_deref().unwrap_or(external_url))];
    match wording.text.map(render).filter(|text| !text.trim().is_empty()) {
        Some(text) => blocks.push(section(&cut_markup(&text, MAX_TEXT))),
        None => blocks.extend(alerts(notification)),
    }
    blocks.extend(fields(notification));
    blocks.extend(query(notification));
    blocks.extend(footer(notification));
    json!({"text": title, "blocks": blocks})
}

/// What is said in the thread of a message that was edited, which by itself calls nobody.
pub fn news(notification: &Notification) -> String {
    escaped(&words::headline(notification), MAX_HEADLINE)
}

fn headline(notification: &Notification, title: &str, link: &str) -> Value {
    let sign = if firing(notification) > 0 { ":red_circle:" } else { ":large_green_circle:" };
    let title = match words::is_link(link.trim()) && !title.contains('<') {
        true => linked(link.trim(), title),
        false => title.to_owned(),
    };
    section(&format!("{sign} *{title}*"))
}

/// A title, which is markup already, with its link if that fits.
fn linked(link: &str, title: &str) -> String {
    let link = link.replace('|', "%7C").replace('>', "%3E").replace('<', "%3C");
    let linked = format!("<{}|{title}>", escape(&link));
    if linked.chars().count() > MAX_TEXT / 2 { title.to_owned() } else { linked }
}

/// One block per alert, as many as a message holds, and how many are left out.
fn alerts(notification: &Notification) -> Vec<Value> {
    let (mut blocks, mut room) = (Vec::new(), MAX_ALERTS_TEXT);
    let lines = words::lines(notification);
    for line in lines.iter().take(MAX_ALERTS) {
        let text = alert(line);
        let length = text.chars().count();
        if length > room {
            break;
        }
        room -= length;
        blocks.push(section(&text));
    }
    let left = lines.len() - blocks.len();
    if left > 0 {
        blocks.push(context(&format!("… and {left} more alerts")));
    }
    blocks
}

fn alert(line: &Line) -> String {
    let sign = if line.firing { "" } else { ":white_check_mark: " };
    let who =
        if line.who.is_empty() { String::new() } else { format!("*{}* ", escaped(&line.who, MAX_FIELD)) };
    format!("{sign}{who}{}\n{}", escaped(&line.what, MAX_SUMMARY), escaped(&line.how, MAX_FIELD))
}

/// What all alerts have in common.
fn fields(notification: &Notification) -> Option<Value> {
    let common = common_labels(notification);
    let field = |(name, value): (&String, &String)| {
        let text = format!("*{}*\n{}", escaped(name, MAX_FIELD), escaped(value, MAX_FIELD));
        json!({"type": "mrkdwn", "text": text, "verbatim": true})
    };
    let named = common.iter().filter(|(name, value)| *name != "alertname" && !value.is_empty());
    let fields: Vec<Value> = named.take(MAX_FIELDS).map(field).collect();
    (!fields.is_empty()).then(|| json!({"type": "section", "fields": fields}))
}

fn query(notification: &Notification) -> Option<Value> {
    let query = escape(&words::query(notification)?);
    (query.chars().count() <= MAX_QUERY).then(|| section(&format!("```{query}```")))
}

fn footer(notification: &Notification) -> Option<Value> {
    let links: Vec<String> =
        words::links(notification).into_iter().map(|(title, url)| linked(&url, title)).collect();
    (!links.is_empty()).then(|| context(&links.join("   ")))
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": true}]})
}

/// What Slack's markup gives a meaning to, without it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A plain text as markup that is no longer than `limit` characters.
fn escaped(text: &str, limit: usize) -> String {
    cut_markup(&escape(text), limit)
}

/// Cuts markup without leaving half an entity or half a link behind.
fn cut_markup(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    for (opens, closes) in [('&', ';'), ('<', '>')] {
        if let Some(open) = kept.rfind(opens)
            && !kept.get(open..).is_some_and(|rest| rest.contains(closes))
        {
            kept.truncate(open);
        }
    }
    kept.push('…');
    kept
}
