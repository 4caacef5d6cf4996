//! The routing file in Alertmanager's own form: YAML text enters, one route and its receivers leave.
//!
//! Promise: pure; files with secrets are only named here. Parts of the form that are not acted on
//! yet are refused one by one, so that nobody waits for a page that was never going to be sent.

use crate::{
    problem::{Fields, Problem, Problems, closest, scalar},
    rules::Texts,
    yaml::{self, Node, Value},
};
use callmeter_schemas::config::Secret;
use std::time::Duration;

/// Sections of the form that are not acted on yet.
const LATER: &[&str] = &["global", "templates", "inhibit_rules", "time_intervals", "mute_time_intervals"];
/// Keys of the root route that are not acted on yet.
const LATER_ROUTE: &[&str] =
    &["routes", "matchers", "match", "match_re", "continue", "mute_time_intervals", "active_time_intervals"];
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

/// What the file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The one route.
    pub route: Route,
    /// Every receiver.
    pub receivers: Vec<Receiver>,
}

/// How alerts are grouped and when groups are notified.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Whom to notify.
    pub receiver: String,
    /// One group per combination of these labels.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long a group waits before it speaks of changes.
    pub group_interval: Duration,
    /// How long a group waits before it says the same again.
    pub repeat_interval: Duration,
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Every label, written `'...'`: each alert is a group.
    All,
    /// The ones named; none makes one group of all alerts.
    Labels(Vec<String>),
}

impl GroupBy {
    /// The labels of an alert that make its group.
    pub fn labels_of(&self, labels: &Texts) -> Texts {
        let chosen = |name: &String| match self {
            Self::All => true,
            Self::Labels(names) => names.contains(name),
        };
        labels.clone().into_iter().filter(|(name, _)| chosen(name)).collect()
    }
}

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

impl Routing {
    /// Judges one file, given by name and text.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let routing = read(text, &mut problems);
        match routing {
            Some(routing) if problems.count() == 0 => Ok(routing),
            _ => Err(problems.into_vec()),
        }
    }

    /// The receiver that the route names.
    pub fn receiver(&self) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == self.route.receiver)
    }
}

fn read(text: &str, problems: &mut Problems) -> Option<Routing> {
    let root = yaml::parse(text).map_err(|error| problems.add(error.line, "", error.message, None)).ok()?;
    let mut fields = Fields::open(&root, "", problems)?;
    let route_node = fields.need("route", problems);
    let route = route_node.and_then(|node| route(node, problems));
    let items = fields.list("receivers", problems);
    let receivers: Vec<Receiver> =
        items.into_iter().filter_map(|(path, node)| receiver(node, &path, problems)).collect();
    fields.later(LATER, problems);
    fields.close(problems);
    let routing = Routing { route: route?, receivers };
    if routing.receiver().is_none() {
        let names: Vec<&str> = routing.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        let message = format!("there is no receiver `{}`", routing.route.receiver);
        let line = route_node.map_or(1, |node| node.line);
        problems.add(line, "route.receiver", message, closest(&routing.route.receiver, &names));
    }
    Some(routing)
}

fn route(node: &Node, problems: &mut Problems) -> Option<Route> {
    let mut fields = Fields::open(node, "route", problems)?;
    fields.require("receiver", problems);
    let receiver = fields.text("receiver", problems);
    let labels: Vec<String> = fields
        .list("group_by", problems)
        .into_iter()
        .filter_map(|(path, node)| {
            let label = scalar(node);
            if label.is_none() {
                problems.add(node.line, &path, "the name of a label is expected here", None);
            }
            label
        })
        .collect();
    let group_wait = fields.duration("group_wait", problems).unwrap_or(Duration::from_secs(30));
    let group_interval = fields.span("group_interval", problems).unwrap_or(Duration::from_secs(300));
    let repeat_interval = fields.span("repeat_interval", problems).unwrap_or(Duration::from_secs(4 * 3_600));
    fields.later(LATER_ROUTE, problems);
    fields.close(problems);
    let group_by =
        if labels.iter().any(|label| label == "...") { GroupBy::All } else { GroupBy::Labels(labels) };
    Some(Route { receiver: receiver?, group_by, group_wait, group_interval, repeat_interval })
}

fn receiver(node: &Node, path: &str, problems: &mut Problems) -> Option<Receiver> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alertmanagers_defaults_hold_and_secrets_do_not_print() {
        let text = "
route: {receiver: ops, group_by: [alertname, customer], group_wait: 1s}
receivers:
- name: ops
  webhook_configs:
  - {url: 'https://hooks.example.com/canary', signing_secret: [whsec_one, whsec_two], signing_secret_file: /run/three}
";
        let routing = Routing::parse("routing.yaml", text).expect("valid");
        assert_eq!(routing.route.group_wait, Duration::from_secs(1));
        assert_eq!(routing.route.group_interval, Duration::from_secs(300));
        assert_eq!(routing.route.repeat_interval, Duration::from_secs(14_400));
        let webhook = &routing.receiver().expect("named").webhooks[0];
        assert!(webhook.send_resolved);
        assert_eq!(webhook.secrets.len(), 3);
        let printed = format!("{routing:?}");
        assert!(!printed.contains("canary") && !printed.contains("whsec_"), "{printed}");
    }

    #[test]
    fn a_secret_or_label_that_is_no_text_is_refused_and_never_skipped() {
        let text = "
route: {receiver: ops, group_by: [alertname, [customer]]}
receivers:
- name: ops
  webhook_configs:
  - {url: 'https://a.example', signing_secret: {file: /run/one}, signing_secret_file: [/run/two, ~]}
  - {url: 'https://a.example', signing_secret: []}
";
        let problems = Routing::parse("routing.yaml", text).expect_err("mistakes");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
routing.yaml:2: route.group_by[1]: the name of a label is expected here
routing.yaml:6: receivers[0].webhook_configs[0].signing_secret: a text or a list of texts is expected here
routing.yaml:6: receivers[0].webhook_configs[0].signing_secret_file: a text or a list of texts is expected here
routing.yaml:7: receivers[0].webhook_configs[1].signing_secret: a text or a list of texts is expected here
");
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_what_was_meant() {
        let text = "
route:
  receiver: opps
  group_wiat: 1s
  routes: []
receivers:
- name: ops
  slack_configs: []
  webhook_configs:
  - url: https://a.example
    url_file: /x
    http_config: {}
inhibit_rules: []
";
        let problems = Routing::parse("routing.yaml", text).expect_err("mistakes");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
routing.yaml:3: route.receiver: there is no receiver `opps` (did you mean `ops`?)
routing.yaml:4: route.group_wiat: unknown key (did you mean `group_wait`?)
routing.yaml:5: route.routes: not supported yet
routing.yaml:8: receivers[0].slack_configs: not supported yet
routing.yaml:10: receivers[0].webhook_configs[0]: exactly one of url and url_file is needed
routing.yaml:12: receivers[0].webhook_configs[0].http_config: not supported yet
routing.yaml:13: inhibit_rules: not supported yet
");
    }
}
