//! The keys of a map in a file: a located tree enters, values of the wanted kinds leave.
//!
//! Promise: whatever is of another kind, missing or unknown becomes a problem with its line and field, and reading goes on.

use crate::{
    duration,
    problem::{Problems, closest},
    yaml::{Entry, Node, Value},
};
use std::time::Duration;

/// The keys of one map, taken one by one; whatever is left at the end is unknown.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    line: u64,
    entries: Vec<&'a Entry>,
    known: Vec<&'static str>,
    /// All keys that may be taken, where the reader has declared them.
    declared: Option<&'static [&'static str]>,
}

impl<'a> Fields<'a> {
    /// Opens a map; anything else is a problem.
    pub fn open(node: &'a Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.add_kind(node, path, "a map");
            return None;
        };
        Some(Self {
            path: path.to_owned(),
            line: node.line,
            entries: entries.iter().collect(),
            known: Vec::new(),
            declared: None,
        })
    }

    /// Declares all keys of the map, so that a published schema can be held against the reader.
    #[must_use]
    pub fn only(mut self, keys: &'static [&'static str]) -> Self {
        self.declared = Some(keys);
        self
    }

    /// Line where the map begins.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Full name of a key of this map.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a key; `null` counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        debug_assert!(self.declared.is_none_or(|keys| keys.contains(&key)), "{key} is not declared");
        self.known.push(key);
        let place = self.entries.iter().position(|entry| entry.key == key)?;
        let node = &self.entries.remove(place).value;
        (node.value != Value::Null).then_some(node)
    }

    /// Takes a key that must be there.
    pub fn need(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'a Node> {
        self.require(key, problems);
        self.take(key)
    }

    /// Says that a key must be there, without taking it.
    pub fn require(&mut self, key: &'static str, problems: &mut Problems) {
        if !self.entries.iter().any(|entry| entry.key == key && entry.value.value != Value::Null) {
            problems.add(self.line, &self.path(key), "missing", None);
        }
    }

    /// Takes a duration.
    pub fn duration(&mut self, key: &'static str, problems: &mut Problems) -> Option<Duration> {
        let node = self.take(key)?;
        let text = scalar(node).unwrap_or_default();
        duration::parse(&text)
            .map_err(|error| problems.add(node.line, &self.path(key), error.to_string(), None))
            .ok()
    }

    /// Takes a duration longer than nothing.
    pub fn span(&mut self, key: &'static str, problems: &mut Problems) -> Option<Duration> {
        let duration = self.duration(key, problems)?;
        if duration.is_zero() {
            problems.add(self.line, &self.path(key), "must be longer than 0s", None);
        }
        Some(duration)
    }

    /// Takes a text.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let node = self.take(key)?;
        let text = scalar(node);
        if text.is_none() {
            problems.add_kind(node, &self.path(key), "a text");
        }
        text
    }

    /// Takes `true` or `false`.
    pub fn flag(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.take(key)?;
        let Value::Bool(flag) = node.value else {
            problems.add_kind(node, &self.path(key), "true or false");
            return None;
        };
        Some(flag)
    }

    /// Takes a list; its items leave with their full names.
    pub fn list(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(String, &'a Node)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let path = self.path(key);
        let Value::List(items) = &node.value else {
            problems.add_kind(node, &path, "a list");
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
    }

    /// Takes a map whose keys are anybody's; its entries leave with their full names.
    pub fn entries(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(String, &'a Entry)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let path = self.path(key);
        let Value::Map(entries) = &node.value else {
            problems.add_kind(node, &path, "a map");
            return Vec::new();
        };
        entries.iter().map(|entry| (format!("{path}.{}", entry.key), entry)).collect()
    }

    /// Refuses keys that exist elsewhere but not here yet.
    pub fn later(&mut self, keys: &'static [&'static str], problems: &mut Problems) {
        for key in keys {
            self.refuse(key, "not supported yet", problems);
        }
    }

    /// Refuses a key that exists elsewhere, for a reason.
    pub fn refuse(&mut self, key: &str, reason: &str, problems: &mut Problems) {
        if let Some(place) = self.entries.iter().position(|entry| entry.key == key) {
            let entry = self.entries.remove(place);
            problems.add(entry.line, &self.path(key), reason, None);
        }
    }

    /// Ends the map: whatever was not taken is unknown.
    pub fn close(self, problems: &mut Problems) {
        for entry in &self.entries {
            problems.add(entry.line, &self.path(&entry.key), "unknown key", closest(&entry.key, &self.known));
        }
    }
}

/// A scalar as text; `None` for lists, maps and nothing.
pub fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
