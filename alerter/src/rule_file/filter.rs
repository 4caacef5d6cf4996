//! Filters as people write them: `value`, `[value, value]`, `{not: …}` or `{regex: …}` enters, conditions leave.
//!
//! Promise: pure. Dimensions are known words, classes too; patterns are compiled here or refused.

use super::{
    keys,
    reader::{Reader, known, text_value},
};
use crate::{
    filter::{Choice, Classes, Condition, Filter, Pattern},
    vocabulary::Dimension,
};
use callmeter_documents::{
    Fields, Problems,
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
        let chosen = fields.take(key).and_then(|node| condition(node, &fields.path(key), problems));
        filter.extend(Dimension::parse(key).zip(chosen));
    }
    if with_classes && let Some(node) = fields.take("error_class") {
        let path = fields.path("error_class");
        classes = error_classes(node, &path, problems);
    }
    fields.close(problems);
    (filter, classes)
}

fn condition(node: &Node, path: &str, problems: &mut Problems) -> Option<Condition> {
    let (key, given) = written_out(node, path, keys::CONDITION, problems)?;
    let path = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
    let not = key == "not";
    if key == "regex" {
        return Some(Condition::Form { not, pattern: pattern(given, &path, problems)? });
    }
    if not && matches!(given.value, Value::Map(_)) {
        let (key, given) = written_out(given, &path, keys::NOT, problems)?;
        return Some(Condition::Form { not, pattern: pattern(given, &format!("{path}.{key}"), problems)? });
    }
    Some(Condition::Values(Choice { not, values: values(given, &path, text_value, problems) }))
}

/// Which errors count.
fn error_classes(node: &Node, path: &str, problems: &mut Problems) -> Option<Classes> {
    let (key, given) = written_out(node, path, keys::CLASS_CONDITION, problems)?;
    Some(Choice { not: key == "not", values: values(given, path, error_class, problems) })
}

/// The one key of `{key: …}` and what it says; what is not a map is said without a key.
fn written_out<'n>(
    node: &'n Node,
    path: &str,
    keys: &'static [&'static str],
    problems: &mut Problems,
) -> Option<(&'static str, &'n Node)> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(("", node));
    }
    let mut reader = Reader::open(node, path, keys, problems)?;
    let mut given: Vec<_> = keys.iter().filter_map(|key| Some((*key, reader.take(key)?))).collect();
    if given.len() != 1 {
        reader.problems.add(node.line, path, format!("one of {} is expected here", keys.join(", ")), None);
    }
    reader.close();
    given.pop()
}

fn pattern(node: &Node, path: &str, problems: &mut Problems) -> Option<Pattern> {
    let text = text_value(node, path, problems)?;
    Pattern::parse(&text).map_err(|message| problems.add(node.line, path, message, None)).ok()
}

/// One value or several.
fn values<T>(
    node: &Node,
    path: &str,
    value: fn(&Node, &str, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Vec<T> {
    match &node.value {
        Value::List(items) => {
            if items.is_empty() {
                problems.add(node.line, path, "names no value", None);
            }
            items.iter().filter_map(|item| value(item, path, problems)).collect()
        }
        _ => value(node, path, problems).into_iter().collect(),
    }
}

fn error_class(node: &Node, path: &str, problems: &mut Problems) -> Option<ErrorClass> {
    let words: Vec<&str> =
        ErrorClass::ALL.iter().map(|class| class.as_str()).filter(|word| *word != "ok").collect();
    let parse = |word: &str| ErrorClass::parse(word).filter(|class| *class != ErrorClass::Ok);
    known(node, path, &words, parse, problems)
}
