//! The routing file in Alertmanager's own form: YAML text enters, a tree of routes, receivers, time intervals
//! and rules of inhibition leave.
//!
//! Promise: pure; files with secrets are only named here. Parts of the form that are not acted on are refused
//! one by one, so that nobody waits for a page that was never going to be sent.

pub mod global;
mod labels;
pub mod receivers;
mod route;
pub mod tree;

use crate::{
    dispatch::Target,
    inhibition::InhibitRule,
    time_interval::{self, TimeInterval},
};
use callmeter_documents::{
    Fields, Problem, Problems, closest,
    yaml::{self, Node},
};
use global::Global;
use receivers::Receiver;
use tree::Routes;

pub use tree::{GroupBy, Route};

/// Sections of the form that are not acted on.
const LATER: &[&str] = &["templates", "tracing"];

/// What the file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// What receivers have in common.
    pub global: Global,
    /// Which alerts go where.
    pub routes: Routes,
    /// Every receiver.
    pub receivers: Vec<Receiver>,
    /// Times that routes name.
    pub time_intervals: Vec<TimeInterval>,
    /// Which alerts make others go without saying.
    pub inhibit_rules: Vec<InhibitRule>,
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

    /// Everything that can be notified, in the order of the file.
    pub fn targets(&self) -> Vec<Target> {
        let targets = self.receivers.iter().flat_map(|receiver| &receiver.targets);
        let target = |target: &receivers::Target| Target {
            receiver: target.name.receiver.clone(),
            integration: target.name.integration.clone(),
            send_resolved: target.send_resolved,
        };
        targets.map(target).collect()
    }

    /// The time interval of a name.
    pub fn time_interval(&self, name: &str) -> Option<&TimeInterval> {
        self.time_intervals.iter().find(|interval| interval.name == name)
    }
}

fn read(text: &str, problems: &mut Problems) -> Option<Routing> {
    let root = yaml::parse(text)
        .map_err(|error| problems.add_at((error.line, error.column), "", error.message, None))
        .ok()?;
    let routing = sections(&root, problems);
    problems.locate(&root);
    routing
}

fn sections(root: &Node, problems: &mut Problems) -> Option<Routing> {
    let mut fields = Fields::open(root, "", problems)?;
    let global = fields.take("global").and_then(|node| global::read(node, problems)).unwrap_or_default();
    let mut time_intervals = named(&mut fields, "time_intervals", time_interval::read, problems);
    // Alertmanager's older name of the same section.
    time_intervals.extend(named(&mut fields, "mute_time_intervals", time_interval::read, problems));
    unique(
        time_intervals.iter().map(|(line, interval)| (*line, &*interval.name)),
        "time_intervals",
        "time interval",
        problems,
    );
    let read =
        |node: &Node, path: &str, problems: &mut Problems| receivers::read(node, path, &global, problems);
    let receivers = named(&mut fields, "receivers", read, problems);
    unique(
        receivers.iter().map(|(line, receiver)| (*line, &*receiver.name)),
        "receivers",
        "receiver",
        problems,
    );
    let known = route::Known {
        receivers: receivers.iter().map(|(_, receiver)| &*receiver.name).collect(),
        intervals: time_intervals.iter().map(|(_, interval)| &*interval.name).collect(),
    };
    let routes = fields.need("route", problems).and_then(|node| route::read(node, &known, problems));
    let inhibit_rules = named(&mut fields, "inhibit_rules", labels::inhibit_rule, problems);
    fields.later(LATER, problems);
    fields.close(problems);
    Some(Routing {
        global,
        routes: routes?,
        receivers: without_lines(receivers),
        time_intervals: without_lines(time_intervals),
        inhibit_rules: without_lines(inhibit_rules),
    })
}

/// The items of a list, each with its line.
fn named<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl Fn(&Node, &str, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Vec<(u64, T)> {
    let items = fields.list(key, problems).into_iter();
    items.filter_map(|(path, node)| Some((node.line, read(node, &path, problems)?))).collect()
}

fn without_lines<T>(items: Vec<(u64, T)>) -> Vec<T> {
    items.into_iter().map(|(_, item)| item).collect()
}

/// Refuses names that stand twice.
fn unique<'a>(
    names: impl Iterator<Item = (u64, &'a str)>,
    section: &str,
    what: &str,
    problems: &mut Problems,
) {
    let mut seen = Vec::new();
    for (line, name) in names {
        if seen.contains(&name) {
            problems.add(line, section, format!("the {what} `{name}` stands twice"), None);
        }
        seen.push(name);
    }
}

/// Says that a name is not among those known.
fn unknown(line: u64, path: &str, what: &str, name: &str, known: &[&str], problems: &mut Problems) {
    problems.add(line, path, format!("there is no {what} `{name}`"), closest(name, known));
}

#[cfg(test)]
mod tests;
