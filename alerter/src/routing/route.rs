//! Routes of the routing file: a node of YAML enters, the tree of routes leaves.
//!
//! A child inherits receiver, grouping and times; matchers, `continue` and time intervals are its own.
//! Promise: pure; every receiver and time interval that is named exists.

use super::{
    labels::matchers,
    tree::{GroupBy, Route, Routes},
    unknown,
};
use crate::matchers::Matchers;
use callmeter_documents::{
    Fields, Problems, scalar,
    yaml::{Node, Value},
};
use std::time::Duration;

/// Most routes of a file: each alert is compared with those of every level that it reaches.
const MAX_ROUTES: usize = 10_000;
/// What only a child may have: the root takes every alert at any time.
const NOT_OF_ROOT: &[&str] =
    &["matchers", "match", "match_re", "continue", "mute_time_intervals", "active_time_intervals"];

/// Names that a route may refer to.
pub(super) struct Known<'a> {
    pub(super) receivers: Vec<&'a str>,
    pub(super) intervals: Vec<&'a str>,
}

/// Reads the root and all below it.
pub(super) fn read(node: &Node, known: &Known<'_>, problems: &mut Problems) -> Option<Routes> {
    let mut fields = Fields::open(node, "route", problems)?;
    fields.require("receiver", problems);
    for key in NOT_OF_ROOT {
        if let Some(node) = fields.take(key) {
            problems.add(
                node.line,
                &fields.path(key),
                "the root route takes every alert; give it to a route below",
                None,
            );
        }
    }
    let defaults = Route {
        key: "{}".to_owned(),
        receiver: String::new(),
        group_by: GroupBy::Labels(Vec::new()),
        group_wait: Duration::from_secs(30),
        group_interval: Duration::from_secs(5 * 60),
        repeat_interval: Duration::from_secs(4 * 3_600),
        matchers: Matchers::default(),
        goes_on: false,
        mute_time_intervals: Vec::new(),
        active_time_intervals: Vec::new(),
        children: Vec::new(),
    };
    let mut routes = Routes(Vec::new());
    common(fields, defaults, known, &mut routes, problems);
    Some(routes)
}

/// Reads what every route may have, and its children; returns its place.
fn common(
    mut fields: Fields<'_>,
    inherited: Route,
    known: &Known<'_>,
    routes: &mut Routes,
    problems: &mut Problems,
) -> usize {
    let receiver = fields.take("receiver").map(|node| {
        let name = scalar(node).unwrap_or_default();
        if !known.receivers.contains(&name.as_str()) {
            unknown(node.line, &fields.path("receiver"), "receiver", &name, &known.receivers, problems);
        }
        name
    });
    let route = Route {
        receiver: receiver.unwrap_or(inherited.receiver),
        group_by: group_by(&mut fields, problems).unwrap_or(inherited.group_by),
        group_wait: fields.duration("group_wait", problems).unwrap_or(inherited.group_wait),
        group_interval: fields.span("group_interval", problems).unwrap_or(inherited.group_interval),
        repeat_interval: fields.span("repeat_interval", problems).unwrap_or(inherited.repeat_interval),
        ..inherited
    };
    let place = routes.0.len();
    routes.0.push(route.clone());
    let mut children = Vec::new();
    for (path, node) in fields.list("routes", problems) {
        if routes.0.len() >= MAX_ROUTES {
            problems.add(node.line, &path, format!("a file may have {MAX_ROUTES} routes"), None);
            break;
        }
        children.extend(child(node, &path, &route, known, routes, problems));
    }
    fields.close(problems);
    if let Some(route) = routes.0.get_mut(place) {
        route.children = children;
    }
    place
}

fn child(
    node: &Node,
    path: &str,
    parent: &Route,
    known: &Known<'_>,
    routes: &mut Routes,
    problems: &mut Problems,
) -> Option<usize> {
    let mut fields = Fields::open(node, path, problems)?;
    let matchers = matchers(&mut fields, ["matchers", "match", "match_re"], problems);
    let goes_on = fields.flag("continue", problems).unwrap_or(false);
    let mute_time_intervals = intervals(&mut fields, "mute_time_intervals", known, problems);
    let active_time_intervals = intervals(&mut fields, "active_time_intervals", known, problems);
    let key = key(&format!("{}/{matchers}", parent.key), routes);
    let inherited =
        Route { key, matchers, goes_on, mute_time_intervals, active_time_intervals, ..parent.clone() };
    Some(common(fields, inherited, known, routes, problems))
}

/// A key that no other route has: siblings with the same matchers are numbered.
fn key(key: &str, routes: &Routes) -> String {
    let taken = |key: &str| routes.iter().any(|route| route.key == key);
    let numbered = (2_usize..).map(|number| format!("{key}#{number}"));
    std::iter::once(key.to_owned()).chain(numbered).find(|key| !taken(key)).unwrap_or_default()
}

fn group_by(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<GroupBy> {
    let node = fields.take("group_by")?;
    let path = fields.path("group_by");
    let Value::List(items) = &node.value else {
        problems.add_kind(node, &path, "a list");
        return None;
    };
    let mut labels: Vec<String> = Vec::new();
    for (place, node) in items.iter().enumerate() {
        let mistake = match scalar(node) {
            None => "the name of a label is expected here".to_owned(),
            Some(label) if labels.contains(&label) => format!("the label `{label}` stands twice"),
            Some(label) => {
                labels.push(label);
                continue;
            }
        };
        problems.add(node.line, &format!("{path}[{place}]"), mistake, None);
    }
    if !labels.iter().any(|label| label == "...") {
        return Some(GroupBy::Labels(labels));
    }
    if labels.len() > 1 {
        problems.add(node.line, &path, "`...` stands for every label, so it stands alone", None);
    }
    Some(GroupBy::All)
}

fn intervals(
    fields: &mut Fields<'_>,
    key: &'static str,
    known: &Known<'_>,
    problems: &mut Problems,
) -> Vec<String> {
    let mut names = Vec::new();
    for (path, node) in fields.list(key, problems) {
        let name = scalar(node).unwrap_or_default();
        if !known.intervals.contains(&name.as_str()) {
            unknown(node.line, &path, "time interval", &name, &known.intervals, problems);
        }
        names.push(name);
    }
    names
}
