//! Defaults of a group: a rule and what its group says for all enter, the whole rule leaves.
//!
//! What a rule says itself wins; labels, annotations and filters are merged name by name. A default that says nothing
//! to the rule's metric is left out. Promise: pure, and every part keeps its place in the file.

use super::keys;
use crate::vocabulary::{Metric, Period, Source};
use callmeter_documents::{
    Fields, Problems,
    yaml::{Entry, Node, Value},
};

/// What of the defaults is merged name by name.
const MERGED: [&str; 3] = ["labels", "annotations", "filter"];

/// The entries of `defaults`, after unknown keys were refused.
pub(super) fn open(node: &Node, path: &str, problems: &mut Problems) -> Option<Vec<Entry>> {
    let mut fields = Fields::open(node, path, problems)?.only(keys::DEFAULTS);
    for key in keys::DEFAULTS {
        fields.take(key);
    }
    fields.close(problems);
    let Value::Map(entries) = &node.value else { return None };
    Some(entries.iter().filter(|entry| keys::DEFAULTS.contains(&entry.key.as_str())).cloned().collect())
}

/// A rule with the defaults of its group.
pub(super) fn applied(rule: &Node, defaults: &[Entry]) -> Node {
    let Value::Map(own) = &rule.value else { return rule.clone() };
    let metric = own.iter().find(|entry| entry.key == "metric").and_then(|entry| match &entry.value.value {
        Value::Text(word) => Metric::parse(word),
        _ => None,
    });
    let mut entries = own.clone();
    for default in
        defaults.iter().filter(|default| metric.is_none_or(|metric| concerns(&default.key, metric)))
    {
        match entries.iter_mut().find(|entry| entry.key == default.key) {
            None => entries.push(default.clone()),
            Some(own) if MERGED.contains(&own.key.as_str()) => merge(&mut own.value, &default.value),
            Some(_) => {}
        }
    }
    Node { value: Value::Map(entries), ..rule.clone() }
}

fn merge(own: &mut Node, default: &Node) {
    if let (Value::Map(own), Value::Map(default)) = (&mut own.value, &default.value) {
        let more = default.iter().filter(|entry| own.iter().all(|known| known.key != entry.key));
        let more: Vec<Entry> = more.cloned().collect();
        own.extend(more);
    }
}

/// Whether a key says anything to a metric.
fn concerns(key: &str, metric: Metric) -> bool {
    let source = metric.source(Some(Period::Month));
    match key {
        "window" => source.slides() || source == Source::Quota,
        "look_back" => source.slides() && metric != Metric::NoTrafficFor,
        "new_group_delay" => source.slides(),
        "min_samples" => metric.has_samples(),
        "filter" | "group_by" => source != Source::Pipeline,
        _ => true,
    }
}
