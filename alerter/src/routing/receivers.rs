//! Receivers of the routing file: a node of YAML enters, whom to notify and how leaves.
//!
//! Promise: pure; files with secrets are only named here, and ways to notify that are not acted on
//! yet are refused.

use callmeter_documents::{
    problem::{Fields, Problems, scalar},
    yaml::{Node, Value},
};
use callmeter_schemas::config::Secret;

/// Ways to notify that are not supported yet.
const LATER_RECEIVER: &[&str] = &[
    "slack_configs",
    "pagerduty_configs",
    "email_configs",
    "opsgenie_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "telegram_configs",
    "discord_configs",
    "sns_configs",
    "victorops_configs",
    "wechat_configs",
    "webex_configs",
    "pushover_configs",
    "jira_configs",
    "rocketchat_configs",
];
/// Keys of a webhook that are not acted on yet.
const LATER_WEBHOOK: &[&str] = &["http_config", "max_alerts", "timeout"];

/// Somebody who is notified.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Its webhooks.
    pub webhooks: Vec<Webhook>,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Line of the file.
    pub line: u64,
    /// Where to post; may hold a token.
    pub url: Source,
    /// Whether resolved alerts are sent.
    pub send_resolved: bool,
    /// Signing secrets, each `whsec_…`; several while one is being replaced.
    pub secrets: Vec<Source>,
}

/// A text that must not be shown, or the file that holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The text itself.
    Inline(Secret),
    /// A file's name.
    File(String),
}

/// Reads one entry of `receivers`.
pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Receiver> {
    let mut fields = Fields::open(node, path, problems)?;
    fields.require("name", problems);
    let name = fields.text("name", problems);
    let items = fields.list("webhook_configs", problems);
    let webhooks = items.into_iter().filter_map(|(path, node)| webhook(node, &path, problems)).collect();
    fields.later(LATER_RECEIVER, problems);
    fields.close(problems);
    Some(Receiver { name: name?, webhooks })
}

fn webhook(node: &Node, path: &str, problems: &mut Problems) -> Option<Webhook> {
    let mut fields = Fields::open(node, path, problems)?;
    let url = fields.text("url", problems).map(|text| Source::Inline(Secret::new(text)));
    let url_file = fields.text("url_file", problems).map(Source::File);
    if url.is_some() == url_file.is_some() {
        problems.add(node.line, path, "exactly one of url and url_file is needed", None);
    }
    let send_resolved = fields.flag("send_resolved", problems).unwrap_or(true);
    let mut secrets =
        texts(&mut fields, "signing_secret", |text| Source::Inline(Secret::new(text)), problems);
    secrets.extend(texts(&mut fields, "signing_secret_file", Source::File, problems));
    fields.later(LATER_WEBHOOK, problems);
    fields.close(problems);
    Some(Webhook { line: node.line, url: url.or(url_file)?, send_resolved, secrets })
}

/// One text or a list of texts. Anything else is a mistake: skipped, it would mean an unsigned webhook.
fn texts<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: fn(String) -> T,
    problems: &mut Problems,
) -> Vec<T> {
    let Some(node) = fields.take(key) else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() || items.iter().any(|item| scalar(item).is_none()) {
        problems.add(node.line, &fields.path(key), "a text or a list of texts is expected here", None);
    }
    items.iter().filter_map(scalar).map(read).collect()
}
