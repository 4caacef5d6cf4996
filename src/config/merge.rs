//! Merging: a file's tree and variables enter one after the other, one JSON tree and all problems leave.
//!
//! What is known is read off the defaults: their keys are the settings, and their types say how a
//! variable's text is read. Promise: an unknown name is a problem, never ignored.

use callmeter_documents::yaml::{self, Node};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const PREFIX: &str = "CALLMETER__";

/// Settings whose keys are free.
const FREE: [&str; 2] = ["kafka.client", "kafka.schemas"];

pub(super) struct Merged {
    defaults: Map<String, Value>,
    given: Map<String, Value>,
    named: BTreeSet<String>,
    problems: Vec<String>,
}

impl Merged {
    /// Nothing given yet; `defaults` holds every section with every key.
    pub(super) fn new(defaults: Value) -> Self {
        let Value::Object(defaults) = defaults else { unreachable!("a struct is an object") };
        Self { defaults, given: Map::new(), named: BTreeSet::new(), problems: Vec::new() }
    }

    /// What was given, what of it was named, and what was wrong.
    pub(super) fn finish(self) -> (Map<String, Value>, BTreeSet<String>, Vec<String>) {
        (self.given, self.named, self.problems)
    }

    /// Takes a file.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        let root = match yaml::parse(text) {
            Ok(root) => root,
            Err(error) => return self.problems.push(format!("{name}:{}: {}", error.line, error.message)),
        };
        let sections = match root.value {
            yaml::Value::Null => return,
            yaml::Value::Map(sections) => sections,
            _ => return self.problems.push(format!("{name}:{}: not a map of sections", root.line)),
        };
        for section in sections {
            let at = format!("{name}:{}", section.line);
            if !self.knows_section(&at, &section.key) {
                continue;
            }
            match section.value.value {
                yaml::Value::Map(entries) => {
                    for entry in entries {
                        let at = format!("{name}:{}", entry.line);
                        self.set(&at, &section.key, &entry.key, plain(&entry.value));
                    }
                }
                yaml::Value::Null => {}
                _ => self.problems.push(format!("{at}: {} is a section and holds settings", section.key)),
            }
        }
    }

    /// Takes a variable, if it is one of ours. `…_FILE` names a file that holds the value.
    pub(super) fn variable(&mut self, name: &str, value: &str) {
        let Some(path) = name.strip_prefix(PREFIX) else { return };
        let path = path.to_lowercase();
        let Some((section, key)) = path.split_once("__") else {
            return self.problems.push(format!("{name}: not of the form {PREFIX}SECTION__KEY"));
        };
        if !self.knows_section(name, section) {
            return;
        }
        let from_file = key.strip_suffix("_file").filter(|_| self.default_of(section, key).is_none());
        let Some(key) = from_file else { return self.typed(name, section, key, value) };
        match std::fs::read_to_string(value) {
            Ok(text) => self.typed(name, section, key, text.trim_end()),
            Err(error) => self.problems.push(format!("{name}: cannot read {value}: {error}")),
        }
    }

    fn typed(&mut self, at: &str, section: &str, key: &str, text: &str) {
        let value = match self.default_of(section, key) {
            Some(Value::Number(_)) => match text.parse::<serde_json::Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => {
                    return self
                        .problems
                        .push(format!("{at}: {section}.{key} must be a number, not {text:?}"));
                }
            },
            Some(Value::Bool(_)) => match text {
                "true" | "1" => Value::Bool(true),
                "false" | "0" => Value::Bool(false),
                _ => {
                    return self
                        .problems
                        .push(format!("{at}: {section}.{key} must be true or false, not {text:?}"));
                }
            },
            Some(Value::Array(_)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            _ => Value::String(text.to_owned()),
        };
        self.set(at, section, key, value);
    }

    fn set(&mut self, at: &str, section: &str, key: &str, value: Value) {
        let free = FREE.iter().any(|free| *free == format!("{section}.{key}"));
        if self.default_of(section, key).is_none() && !free {
            let known = self.defaults[section].as_object().into_iter().flat_map(Map::keys);
            let known: Vec<&str> = known.map(String::as_str).collect();
            let hint = callmeter_documents::closest(key, &known);
            let hint = hint.map(|hint| format!("; did you mean {hint}?")).unwrap_or_default();
            return self.problems.push(format!("{at}: {section}.{key} is not a setting{hint}"));
        }
        self.named.insert(format!("{section}.{key}"));
        let settings = self.given.entry(section).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(settings) = settings {
            settings.insert(key.to_owned(), value);
        }
    }

    fn default_of(&self, section: &str, key: &str) -> Option<&Value> {
        self.defaults.get(section)?.get(key)
    }

    fn knows_section(&mut self, at: &str, section: &str) -> bool {
        let known = self.defaults.contains_key(section);
        if !known {
            let sections = [
                "kafka",
                "clickhouse",
                "ingest",
                "aggregator",
                "alerter",
                "metrics",
                "board",
                "log",
                "engines",
            ];
            self.problems
                .push(format!("{at}: {section} is not a section; there are {}", sections.join(", ")));
        }
        known
    }
}

fn plain(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::Bool(*value),
        yaml::Value::Number(text) => text.parse().map_or_else(|_| Value::String(text.clone()), Value::Number),
        yaml::Value::Text(text) => Value::String(text.clone()),
        yaml::Value::List(items) => Value::Array(items.iter().map(plain).collect()),
        yaml::Value::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect())
        }
    }
}
