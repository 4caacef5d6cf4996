//! One rule file: YAML text enters, rule groups leave, mistakes are collected.
//!
//! Promise: pure. A key that is unknown, or known to the format but not supported yet, is a mistake
//! and never skipped: a rule that watches something else than its author meant is worse than none.

use crate::{
    rules::{Choice, Classes, Filter, Rule, RuleGroup, Texts},
    template,
    vocabulary::{Dimension, Metric, Op, Quantity},
};
use callmeter_documents::{
    problem::{Fields, Problems, closest, scalar},
    yaml::{self, Node, Value},
};
use callmeter_schemas::{Amount, ErrorClass};

/// Keys of the format that this version does not act on.
const LATER: &[&str] = &["keep_firing_for", "no_data", "new_group_delay"];

/// Reads the groups of one file.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Vec<RuleGroup> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => {
            problems.add(error.line, "", error.message, None);
            return Vec::new();
        }
    };
    let Some(mut fields) = Fields::open(&root, "", problems) else { return Vec::new() };
    fields.require("groups", problems);
    let groups = fields.list("groups", problems);
    fields.close(problems);
    groups.into_iter().filter_map(|(path, node)| group(node, &path, problems)).collect()
}

fn group(node: &Node, path: &str, problems: &mut Problems) -> Option<RuleGroup> {
    let mut fields = Fields::open(node, path, problems)?;
    fields.require("name", problems);
    let name = fields.text("name", problems);
    let interval = fields.span("interval", problems);
    let items = fields.list("rules", problems);
    fields.close(problems);
    let group = name.clone().unwrap_or_default();
    let rules = items.into_iter().filter_map(|(path, node)| rule(node, &path, &group, problems)).collect();
    Some(RuleGroup { line: node.line, name: name?, interval, rules })
}

fn rule(node: &Node, path: &str, group: &str, problems: &mut Problems) -> Option<Rule> {
    let before = problems.count();
    let mut fields = Fields::open(node, path, problems)?;
    for key in ["alert", "window", "threshold"] {
        fields.require(key, problems);
    }
    let name = fields.text("alert", problems);
    let metric = word(&mut fields, "metric", Metric::WORDS, Metric::parse, problems);
    let window = fields.span("window", problems);
    let (filter, error_classes) = filter(&mut fields, metric, problems);
    let group_by = group_by(&mut fields, metric, problems);
    let op = word(&mut fields, "op", Op::WORDS, Op::parse, problems);
    let threshold = quantity(&mut fields, "threshold", metric, problems);
    let clear_threshold = quantity(&mut fields, "clear_threshold", metric, problems);
    let min_samples = count(&mut fields, "min_samples", problems).unwrap_or(0);
    let pending_for = fields.duration("for", problems).unwrap_or_default();
    let labels = texts(&mut fields, "labels", problems);
    let annotations = texts(&mut fields, "annotations", problems);
    judge_labels(&fields, &labels, &group_by, problems);
    for (name, template) in &annotations {
        if let Some(mistake) = template::mistake(template) {
            problems.add(fields.line(), &fields.path(&format!("annotations.{name}")), mistake, None);
        }
    }
    judge_hysteresis(&fields, (op, threshold, clear_threshold), problems);
    fields.later(LATER, problems);
    fields.close(problems);
    if problems.count() > before {
        return None;
    }
    Some(Rule {
        group: group.to_owned(),
        line: node.line,
        name: name?,
        metric: metric?,
        window: window?,
        filter,
        error_classes,
        group_by,
        op: op?,
        threshold: threshold?,
        clear_threshold,
        min_samples,
        pending_for,
        labels,
        annotations,
    })
}

/// Takes one word of a closed set.
fn word<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    words: &'static [&'static str],
    parse: fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Option<T> {
    let node = fields.need(key, problems)?;
    known(node, &fields.path(key), words, parse, problems)
}

fn known<T>(
    node: &Node,
    path: &str,
    words: &[&str],
    parse: fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Option<T> {
    let text = scalar(node).unwrap_or_else(|| node.value.kind().to_owned());
    let value = parse(&text);
    if value.is_none() {
        let message = format!("`{text}` is not one of {}", words.join(", "));
        problems.add(node.line, path, message, closest(&text, words));
    }
    value
}

fn filter(
    fields: &mut Fields<'_>,
    metric: Option<Metric>,
    problems: &mut Problems,
) -> (Filter, Option<Classes>) {
    let (mut filter, mut classes) = (Filter::new(), None);
    let Some(node) = fields.take("filter") else { return (filter, classes) };
    let Some(mut keys) = Fields::open(node, &fields.path("filter"), problems) else {
        return (filter, classes);
    };
    for key in Dimension::WORDS {
        let choice = keys.take(key).and_then(|node| choice(node, &keys.path(key), text_value, problems));
        filter.extend(Dimension::parse(key).zip(choice));
    }
    if let Some(node) = keys.take("error_class") {
        let path = keys.path("error_class");
        classes = choice(node, &path, error_class, problems);
        if !matches!(metric, None | Some(Metric::Errors | Metric::ErrorRate)) {
            let message =
                "restricts which errors count, so it goes with the metrics errors and error_rate only";
            problems.add(node.line, &path, message, None);
        }
    }
    keys.close(problems);
    (filter, classes)
}

/// `value`, `[value, value]`, `{not: value}` or `{not: [value, value]}`.
fn choice<T>(
    node: &Node,
    path: &str,
    value: fn(&Node, &str, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Option<Choice<T>> {
    let (not, named) = match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::open(node, path, problems)?;
            let named = fields.need("not", problems);
            fields.close(problems);
            (true, named?)
        }
        _ => (false, node),
    };
    let values: Vec<T> = match &named.value {
        Value::List(items) => items.iter().filter_map(|item| value(item, path, problems)).collect(),
        _ => value(named, path, problems).into_iter().collect(),
    };
    if matches!(&named.value, Value::List(items) if items.is_empty()) {
        problems.add(named.line, path, "names no value", None);
    }
    Some(Choice { not, values })
}

fn text_value(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let text = scalar(node);
    if text.is_none() {
        problems.add(node.line, path, format!("a text is expected here, not {}", node.value.kind()), None);
    }
    text
}

fn error_class(node: &Node, path: &str, problems: &mut Problems) -> Option<ErrorClass> {
    let words: Vec<&str> =
        ErrorClass::ALL.iter().map(|class| class.as_str()).filter(|word| *word != "ok").collect();
    known(
        node,
        path,
        &words,
        |word| ErrorClass::parse(word).filter(|class| *class != ErrorClass::Ok),
        problems,
    )
}

/// The dimensions named, with the workspace always and the currency wherever money is added up.
fn group_by(fields: &mut Fields<'_>, metric: Option<Metric>, problems: &mut Problems) -> Vec<Dimension> {
    let mut dimensions = vec![Dimension::Workspace];
    dimensions.extend((metric == Some(Metric::Cost)).then_some(Dimension::Currency));
    for (path, node) in fields.list("group_by", problems) {
        dimensions.extend(known(node, &path, Dimension::WORDS, Dimension::parse, problems));
    }
    dimensions.sort_unstable();
    dimensions.dedup();
    dimensions
}

fn quantity(
    fields: &mut Fields<'_>,
    key: &'static str,
    metric: Option<Metric>,
    problems: &mut Problems,
) -> Option<Quantity> {
    let node = fields.take(key)?;
    let text = scalar(node).unwrap_or_default();
    let parsed = if metric == Some(Metric::Cost) {
        Amount::parse(&text).map(|amount| Quantity::Money(amount.units())).map_err(|error| error.to_string())
    } else {
        text.parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .map(Quantity::Real)
            .ok_or("not a number".to_owned())
    };
    parsed.map_err(|message| problems.add(node.line, &fields.path(key), message, None)).ok()
}

fn count(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<u64> {
    let node = fields.take(key)?;
    let count = scalar(node).and_then(|text| text.parse().ok());
    if count.is_none() {
        problems.add(node.line, &fields.path(key), "a whole number of calls is expected here", None);
    }
    count
}

fn texts(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Texts {
    let mut texts = Texts::new();
    let Some(node) = fields.take(key) else { return texts };
    let path = fields.path(key);
    let Value::Map(entries) = &node.value else {
        problems.add(node.line, &path, format!("a map is expected here, not {}", node.value.kind()), None);
        return texts;
    };
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        if !is_label_name(&entry.key) {
            problems.add(entry.line, &path, "names have letters, digits and _ and begin with no digit", None);
        }
        if let Some(text) = text_value(&entry.value, &path, problems) {
            texts.insert(entry.key.clone(), text);
        }
    }
    texts
}

fn is_label_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// A rule's own labels must leave the identity of its alerts alone.
fn judge_labels(fields: &Fields<'_>, labels: &Texts, group_by: &[Dimension], problems: &mut Problems) {
    for (name, text) in labels {
        let path = fields.path(&format!("labels.{name}"));
        if name == "alertname" || group_by.iter().any(|dimension| dimension.word() == name) {
            problems.add(fields.line(), &path, "is set by Callmeter", None);
        }
        if text.contains("{{") {
            problems.add(fields.line(), &path, "labels are plain texts; templates go into annotations", None);
        }
    }
}

fn judge_hysteresis(
    fields: &Fields<'_>,
    (op, threshold, clear): (Option<Op>, Option<Quantity>, Option<Quantity>),
    problems: &mut Problems,
) {
    let (Some(op), Some(threshold), Some(clear)) = (op, threshold, clear) else { return };
    let sensible = match op {
        Op::Above | Op::AtLeast => Op::AtMost.holds(clear, threshold),
        Op::Below | Op::AtMost => Op::AtLeast.holds(clear, threshold),
        Op::Equal | Op::Unequal => false,
    };
    if !sensible {
        let message = "must lie on the clear side of threshold, and goes with >, >=, < and <= only";
        problems.add(fields.line(), &fields.path("clear_threshold"), message, None);
    }
}
