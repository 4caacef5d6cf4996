//! Shapes: a document and the JSON Schema of its type enter, the typed document or every mistake leaves.
//!
//! The schema is the one that is published for editors, so that what an editor accepts and what is accepted
//! here cannot drift apart. Promise: pure; each mistake has its line, its field, what is allowed there and,
//! where one is near, the word that was probably meant.

use crate::{
    problem::{Problems, closest},
    yaml::{Node, Value},
};
use jsonschema::{
    Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// A compiled JSON Schema.
#[derive(Debug)]
pub struct Shape {
    schema: Json,
    validator: Validator,
}

/// Where something stands in a document: keys and indices from the root.
pub type Place = Vec<String>;

impl Shape {
    /// Compiles a schema; the error is a mistake in the schema and not in any document.
    pub fn new(schema: Json) -> Result<Self, String> {
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        Ok(Self { schema, validator })
    }

    /// The JSON Schema.
    pub fn schema(&self) -> &Json {
        &self.schema
    }

    /// Reads a document as its type, or says everything that is wrong with its form.
    pub fn read<T: DeserializeOwned>(&self, root: &Node, problems: &mut Problems) -> Option<T> {
        let before = problems.count();
        let document = json(root);
        for error in self.validator.iter_errors(&document) {
            let place: Place = error
                .instance_path()
                .as_str()
                .split('/')
                .skip(1)
                .map(|part| part.replace("~1", "/"))
                .collect();
            self.tell(root, &place, &error, problems);
        }
        if problems.count() > before {
            return None;
        }
        let read = serde_json::from_value(document);
        read.map_err(|error| problems.add(root.line, "", error.to_string(), None)).ok()
    }

    fn tell(
        &self,
        root: &Node,
        place: &[String],
        error: &jsonschema::ValidationError<'_>,
        problems: &mut Problems,
    ) {
        let (line, field) = (line_of(root, place), name_of(place));
        let below = |key: &str| {
            let place: Place = place.iter().cloned().chain([key.to_owned()]).collect();
            (line_of(root, &place), name_of(&place))
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.keys_beside(error.schema_path().as_str());
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                for key in unexpected {
                    let (line, field) = below(key);
                    let meant = closest(key, &known);
                    let message = match meant {
                        Some(_) => "unknown key".to_owned(),
                        None => format!("unknown key; allowed here: {}", known.join(", ")),
                    };
                    problems.add(line, &field, message, meant);
                }
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                problems.add(line, &below(key).1, "missing", None);
            }
            ValidationErrorKind::Enum { options } => {
                let words: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                let written = error.instance().as_str().unwrap_or_default();
                let message = format!("`{written}` is none of: {}", words.join(", "));
                problems.add(line, &field, message, closest(written, &words));
            }
            ValidationErrorKind::Type { kind } => {
                let wanted: Vec<String> = match kind {
                    TypeKind::Single(kind) => vec![article(&kind.to_string())],
                    TypeKind::Multiple(kinds) => kinds
                        .iter()
                        .map(|kind| article(&kind.to_string()))
                        .filter(|kind| kind != "a null")
                        .collect(),
                };
                let kind = node_at(root, place).map_or("nothing", |node| node.value.kind());
                let wanted = wanted.join(" or ");
                problems.add(line, &field, format!("{wanted} is expected here, not {kind}"), None);
            }
            _ => problems.add(line, &field, error.to_string(), None),
        }
    }

    /// The keys that the schema allows where `additionalProperties` refused one.
    fn keys_beside(&self, schema_path: &str) -> Vec<String> {
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut here = &self.schema;
        for part in parent.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            here = resolved(&self.schema, here);
            here = match part.as_str() {
                "$ref" => here,
                _ => match here.get(&part).or_else(|| here.get(part.parse::<usize>().ok()?)) {
                    Some(next) => next,
                    None => return Vec::new(),
                },
            };
        }
        let here = resolved(&self.schema, here);
        here["properties"].as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    }
}

fn resolved<'s>(schema: &'s Json, here: &'s Json) -> &'s Json {
    let target = here.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| schema.pointer(path)).unwrap_or(here)
}

fn article(kind: &str) -> String {
    match kind {
        "object" => "a map".into(),
        "array" => "a list".into(),
        "string" => "a text (in quotes)".into(),
        "boolean" => "true or false".into(),
        "integer" => "a whole number".into(),
        other => format!("a {other}"),
    }
}

/// The line of what stands at a place, or of the nearest thing around it.
pub fn line_of(root: &Node, place: &[String]) -> u64 {
    let (mut node, mut line) = (root, root.line);
    for part in place {
        match step(node, part) {
            Some((at, next)) => (node, line) = (next, at),
            None => break,
        }
    }
    line
}

/// The written name of a place, such as `errors[2].class`.
pub fn name_of(place: &[String]) -> String {
    let mut name = String::new();
    for part in place {
        match part.parse::<usize>() {
            Ok(index) => name.push_str(&format!("[{index}]")),
            Err(_) if name.is_empty() => name.push_str(part),
            Err(_) => name.push_str(&format!(".{part}")),
        }
    }
    name
}

fn node_at<'n>(root: &'n Node, place: &[String]) -> Option<&'n Node> {
    place.iter().try_fold(root, |node, part| step(node, part).map(|(_, next)| next))
}

/// The child of a node and the line where its key (or it) begins.
fn step<'n>(node: &'n Node, part: &str) -> Option<(u64, &'n Node)> {
    match &node.value {
        Value::List(items) => items.get(part.parse::<usize>().ok()?).map(|item| (item.line, item)),
        Value::Map(entries) => {
            entries.iter().find(|entry| entry.key == part).map(|entry| (entry.line, &entry.value))
        }
        _ => None,
    }
}

/// The document as JSON; keys without a value are left out, as if they were not there.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(text) => text.parse().map_or_else(|_| Json::String(text.clone()), Json::Number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(entries) => {
            let filled = entries.iter().filter(|entry| entry.value.value != Value::Null);
            Json::Object(filled.map(|entry| (entry.key.clone(), json(&entry.value))).collect())
        }
    }
}

#[cfg(test)]
mod tests;
