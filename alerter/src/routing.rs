//! The routing file in Alertmanager's own form: YAML text enters, one route and its receivers leave.
//!
//! Promise: pure; files with secrets are only named here. Parts of the form that are not acted on
//! yet are refused one by one, so that nobody waits for a page that was never going to be sent.

pub mod receivers;

use crate::rules::Texts;
use callmeter_documents::{
    problem::{Fields, Problem, Problems, closest, scalar},
    yaml::{self, Node},
};
use receivers::Receiver;
use std::time::Duration;

/// Sections of the form that are not acted on yet.
const LATER: &[&str] = &["global", "templates", "inhibit_rules", "time_intervals", "mute_time_intervals"];
/// Keys of the root route that are not acted on yet.
const LATER_ROUTE: &[&str] =
    &["routes", "matchers", "match", "match_re", "continue", "mute_time_intervals", "active_time_intervals"];
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
        items.into_iter().filter_map(|(path, node)| receivers::read(node, &path, problems)).collect();
    fields.later(LATER, problems);
    fields.close(problems);
    for (place, receiver) in receivers.iter().enumerate() {
        if receivers[..place].iter().any(|before| before.name == receiver.name) {
            let message = format!("the receiver `{}` stands twice", receiver.name);
            problems.add(root.line, "receivers", message, None);
        }
    }
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

#[cfg(test)]
mod tests;
