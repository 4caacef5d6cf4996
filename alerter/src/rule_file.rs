//! One rule file: YAML text enters, rule groups leave, mistakes are collected.
//!
//! Promise: pure. A key that is unknown, or says nothing to the rule's metric, is a mistake
//! and never skipped: a rule that watches something else than its author meant is worse than none. The keys are those
//! of `schemas/json/rules.schema.json`; a test holds the two together.

mod defaults;
mod filter;
pub(crate) mod keys;
mod quantity;
mod reader;
mod rule;

use crate::rules::{Rule, RuleGroup};
use callmeter_documents::{
    Fields, Problems,
    yaml::{self, Node},
};

/// Reads the groups of one file.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Vec<RuleGroup> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => {
            problems.add_at((error.line, error.column), "", error.message, None);
            return Vec::new();
        }
    };
    let groups = groups(&root, problems);
    problems.locate(&root);
    groups
}

fn groups(root: &Node, problems: &mut Problems) -> Vec<RuleGroup> {
    let Some(fields) = Fields::open(root, "", problems) else { return Vec::new() };
    let mut fields = fields.only(keys::FILE);
    fields.require("groups", problems);
    let groups = fields.list("groups", problems);
    fields.close(problems);
    groups.into_iter().filter_map(|(path, node)| group(node, &path, problems)).collect()
}

fn group(node: &Node, path: &str, problems: &mut Problems) -> Option<RuleGroup> {
    let mut fields = Fields::open(node, path, problems)?.only(keys::GROUP);
    fields.require("name", problems);
    let name = fields.text("name", problems);
    let interval = fields.span("interval", problems);
    let defaults = fields.take("defaults");
    let items = fields.list("rules", problems);
    let place = fields.path("defaults");
    fields.close(problems);
    let defaults = defaults.and_then(|node| defaults::open(node, &place, problems)).unwrap_or_default();
    let group = name.clone().unwrap_or_default();
    let read = |(path, node): (String, &Node)| -> Option<Rule> {
        let whole = defaults::applied(node, &defaults);
        let rule = rule::read(&whole, &path, problems)?;
        Some(Rule { group: group.clone(), interval, ..rule })
    };
    let rules = items.into_iter().filter_map(read).collect();
    Some(RuleGroup { place: (node.line, node.column), name: name?, interval, rules })
}

#[cfg(test)]
mod tests;
