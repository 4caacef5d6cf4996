//! What many kinds of receivers have in common: keys of a map enter, secrets, templates and bounded
//! numbers leave.
//!
//! Promise: pure; a secret is taken from exactly one place, and its text never prints.

use crate::message::Template;
use callmeter_documents::{
    Fields, Problems, scalar,
    yaml::{Node, Value},
};
use callmeter_schemas::config::Secret;
use std::time::Duration;

/// Longest time that one attempt may take.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A text that must not be shown, or where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The text itself.
    Inline(Secret),
    /// A file's name.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

/// The three keys of one secret: itself, its file and its variable.
pub(super) type Keys = [&'static str; 3];

macro_rules! keys {
    ($name:literal) => {
        [$name, concat!($name, "_file"), concat!($name, "_env")]
    };
}
pub(super) use keys;

fn inline(text: String) -> Source {
    Source::Inline(Secret::new(text))
}

/// Takes a secret from whichever of its keys is there; two of them are a mistake.
pub(super) fn source(fields: &mut Fields<'_>, keys: Keys, problems: &mut Problems) -> Option<Source> {
    let [text, file, variable] = keys;
    let found = [
        fields.text(text, problems).map(inline),
        fields.text(file, problems).map(Source::File),
        fields.text(variable, problems).map(Source::Variable),
    ];
    let mut found = found.into_iter().flatten();
    let first = found.next();
    if found.next().is_some() {
        let message = format!("only one of {text}, {file} and {variable} can hold");
        problems.add(fields.line(), &fields.path(text), message, None);
    }
    first
}

/// Takes a secret that must be there.
pub(super) fn need_source(fields: &mut Fields<'_>, keys: Keys, problems: &mut Problems) -> Option<Source> {
    let found = source(fields, keys, problems);
    if found.is_none() {
        let [text, file, variable] = keys;
        let message = format!("missing: one of {text}, {file} and {variable}");
        problems.add(fields.line(), &fields.path(text), message, None);
    }
    found
}

/// Takes secrets of which there may be many, such as two while one is being replaced.
pub(super) fn sources(fields: &mut Fields<'_>, keys: Keys, problems: &mut Problems) -> Vec<Source> {
    let [text, file, variable] = keys;
    let mut found = texts(fields, text, inline, problems);
    found.extend(texts(fields, file, Source::File, problems));
    found.extend(texts(fields, variable, Source::Variable, problems));
    found
}

/// One text or a list of texts. Anything else is a mistake: skipped, it would mean an unsigned webhook.
fn texts<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: fn(String) -> T,
    problems: &mut Problems,
) -> Vec<T> {
    let Some(node) = fields.take(key) else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() || items.iter().any(|item| scalar(item).is_none()) {
        problems.add(node.line, &fields.path(key), "a text or a list of texts is expected here", None);
    }
    items.iter().filter_map(scalar).map(read).collect()
}

/// Takes a text into which facts of the notification are written.
pub(super) fn template(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Template> {
    let node = fields.take(key)?;
    template_of(node, &fields.path(key), problems)
}

fn template_of(node: &Node, path: &str, problems: &mut Problems) -> Option<Template> {
    let Some(text) = scalar(node) else {
        problems.add_kind(node, path, "a text");
        return None;
    };
    Template::parse(&text).map_err(|mistake| problems.add(node.line, path, mistake, None)).ok()
}

/// Takes a map of names and templates.
pub(super) fn templates(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<(String, Template)> {
    let entries = fields.entries(key, problems).into_iter();
    entries
        .filter_map(|(path, entry)| Some((entry.key.clone(), template_of(&entry.value, &path, problems)?)))
        .collect()
}

/// Takes the longest time of one attempt; `0s` and nothing mean the default, as they do in Alertmanager.
pub(super) fn timeout(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Duration> {
    let timeout = fields.duration("timeout", problems).filter(|timeout| !timeout.is_zero())?;
    if timeout > LONGEST_TIMEOUT {
        let message = format!("must be at most {} s", LONGEST_TIMEOUT.as_secs());
        problems.add(fields.line(), &fields.path("timeout"), message, None);
    }
    Some(timeout)
}

/// Refuses keys of Alertmanager that are not acted on, each with the reason.
pub(super) fn refuse(fields: &mut Fields<'_>, keys: &[(&str, &str)], problems: &mut Problems) {
    for (key, reason) in keys {
        fields.refuse(key, reason, problems);
    }
}
