//! Differences between alerts: those expected and those that fire enter, line by line what differs leaves.
//!
//! Promise: pure. An alert that is missing is held against the most similar one that fires unexpectedly, so that
//! one wrong label shows as one line.

use crate::ruletest::document::{Expectation, Expected};
use serde::Serialize;
use std::collections::BTreeMap;

/// One alert that is not as expected.
#[derive(Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Line of the expected alert; that of the expectation when none is expected.
    pub line: u64,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Labels and annotations.
    pub fields: Vec<Field>,
}

/// One label or annotation.
#[derive(Debug, PartialEq, Serialize)]
pub struct Field {
    /// Such as `severity` or `annotations.summary`.
    pub name: String,
    /// `None` when it is not to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// `None` when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What differs; `firing` and `pending` are the alerts of the rule.
pub(crate) fn differences(
    expectation: &Expectation,
    firing: Vec<Expected>,
    pending: &[Expected],
) -> Vec<Difference> {
    let mut unexpected = firing;
    let mut missing = Vec::new();
    for wanted in &expectation.alerts {
        match unexpected.iter().position(|alert| is_same(alert, wanted)) {
            Some(place) => drop(unexpected.swap_remove(place)),
            None => missing.push(wanted),
        }
    }
    let mut found = Vec::new();
    for wanted in missing {
        let nearest = (0..unexpected.len()).max_by_key(|place| likeness(unexpected.get(*place), wanted));
        let nearest = nearest.filter(|place| likeness(unexpected.get(*place), wanted) > 0);
        let other = nearest.map(|place| unexpected.swap_remove(place));
        let is_pending = pending.iter().any(|alert| alert.labels == wanted.labels);
        let message = match (&other, is_pending) {
            (_, true) => "is pending and does not fire yet",
            (Some(_), _) => "fires with other labels or annotations",
            (None, _) => "does not fire",
        };
        let fields = fields(Some(wanted), other.as_ref());
        found.push(Difference { line: wanted.line, message: message.to_owned(), fields });
    }
    unexpected.sort_by(|left, right| left.labels.cmp(&right.labels));
    found.extend(unexpected.iter().map(|alert| Difference {
        line: expectation.line,
        message: "fires and is not expected".to_owned(),
        fields: fields(None, Some(alert)),
    }));
    found
}

fn is_same(one: &Expected, other: &Expected) -> bool {
    one.labels == other.labels && one.annotations == other.annotations
}

/// How many labels agree, beside the workspace, which nearly all share.
fn likeness(one: Option<&Expected>, other: &Expected) -> usize {
    let Some(one) = one else { return 0 };
    let agrees =
        |(name, value): &(&String, &String)| *name != "workspace" && other.labels.get(*name) == Some(value);
    one.labels.iter().filter(agrees).count()
}

fn fields(expected: Option<&Expected>, found: Option<&Expected>) -> Vec<Field> {
    let (expected, found) = (named(expected), named(found));
    let mut names: Vec<&String> = expected.keys().chain(found.keys()).collect();
    names.sort_by_key(|name| (name.starts_with("annotations."), *name));
    names.dedup();
    let field = |name: &String| Field {
        name: name.clone(),
        expected: expected.get(name).map(|value| (*value).clone()),
        found: found.get(name).map(|value| (*value).clone()),
    };
    names.into_iter().map(field).collect()
}

fn named(alert: Option<&Expected>) -> BTreeMap<String, &String> {
    let Some(alert) = alert else { return BTreeMap::new() };
    let labels = alert.labels.iter().map(|(name, value)| (name.clone(), value));
    let annotations = alert.annotations.iter().map(|(name, value)| (format!("annotations.{name}"), value));
    labels.chain(annotations).collect()
}
