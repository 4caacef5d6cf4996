//! Filters as people write them: `value`, `[value, value]`, `{not: …}` or `{regex: …}` enters, matchers leave.
//!
//! Promise: pure. Dimensions are known words, classes too; patterns are compiled here or refused.

use super::{
    keys,
    reader::{Reader, known, text_value},
};
use crate::{
    matcher::{Choice, Classes, Filter, Matcher, Pattern},
    vocabulary::Dimension,
};
use callmeter_documents::{
    problem::{Fields, Problems},
    yaml::{Node, Value},
};
use callmeter_schemas::ErrorClass;

/// Reads a filter, and with it the error classes where it may name them.
pub(super) fn filter(
    node: &Node,
    path: &str,
    with_classes: bool,
    problems: &mut Problems,
) -> (Filter, Option<Classes>) {
    let (mut filter, mut classes) = (Filter::new(), None);
    let Some(mut fields) = Fields::open(node, path, problems) else { return (filter, classes) };
    for key in Dimension::WORDS {
        let matcher = fields.take(key).and_then(|node| matcher(node, &fields.path(key), problems));
        filter.extend(Dimension::parse(key).zip(matcher));
    }
    if with_classes && let Some(node) = fields.take("error_class") {
        let path = fields.path("error_class");
        classes = choice(node, &path, error_class, problems);
    }
    fields.close(problems);
    (filter, classes)
}

fn matcher(node: &Node, path: &str, problems: &mut Problems) -> Option<Matcher> {
    if let Value::Map(entries) = &node.value
        && entries.iter().any(|entry| entry.key == "regex")
    {
        let pattern = pattern(node, path, problems)?;
        return Some(Matcher::Form { not: false, pattern });
    }
    let out = match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == "not").map(|entry| &entry.value),
        _ => None,
    };
    if let Some(out) = out
        && matches!(out.value, Value::Map(_))
    {
        let mut reader = Reader::open(node, path, keys::MATCHER, problems)?;
        reader.take("not");
        reader.close();
        let pattern = pattern(out, &format!("{path}.not"), problems)?;
        return Some(Matcher::Form { not: true, pattern });
    }
    choice(node, path, text_value, problems).map(Matcher::Values)
}

/// `{regex: pattern}`.
fn pattern(node: &Node, path: &str, problems: &mut Problems) -> Option<Pattern> {
    let mut reader = Reader::open(node, path, keys::MATCHER, problems)?;
    reader.require("regex");
    let text = reader.text("regex");
    let parsed = text.map(|text| Pattern::parse(&text));
    if let Some(Err(message)) = &parsed {
        reader.refuse("regex", message);
    }
    reader.close();
    parsed?.ok()
}

/// `value`, `[value, value]`, `{is: value}`, `{in: [value]}`, `{not: value}` or `{not: [value, value]}`.
fn choice<T>(
    node: &Node,
    path: &str,
    value: fn(&Node, &str, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Option<Choice<T>> {
    let (not, named) = match &node.value {
        Value::Map(_) => {
            let mut reader = Reader::open(node, path, keys::MATCHER, problems)?;
            let given = ["is", "in", "not"].map(|key| reader.take(key));
            let not = given.get(2).is_some_and(Option::is_some);
            let mut named = given.into_iter().flatten();
            let (first, more) = (named.next(), named.next().is_some());
            if first.is_none() || more {
                reader.refuse("not", "one of is, in, not and regex is expected here");
            }
            reader.close();
            (not, first?)
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

fn error_class(node: &Node, path: &str, problems: &mut Problems) -> Option<ErrorClass> {
    let words: Vec<&str> =
        ErrorClass::ALL.iter().map(|class| class.as_str()).filter(|word| *word != "ok").collect();
    let parse = |word: &str| ErrorClass::parse(word).filter(|class| *class != ErrorClass::Ok);
    known(node, path, &words, parse, problems)
}
