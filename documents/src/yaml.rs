//! YAML with places: a text enters, a tree whose every key and value knows its line and column leaves.
//!
//! Promise: pure. Only the syntax is judged here; what keys mean is judged by the readers of the
//! tree. Numbers keep up to 17 significant digits; quote a longer decimal.

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::fmt;

/// One value of a file and the place where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line, counted from 1.
    pub line: u64,
    /// Column, counted from 1.
    pub column: u64,
    /// What stands there.
    pub value: Value,
}

/// What may stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as text.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Line of the key.
    pub line: u64,
    /// Column of the key.
    pub column: u64,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Node,
}

/// A text that is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: u64,
    /// Column, counted from 1; 0 when only the line is known.
    pub column: u64,
    /// What is wrong there.
    pub message: String,
}

/// Parses one document.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    match serde_saphyr::from_str::<Spanned<Value>>(text) {
        Ok(spanned) => Ok(spanned.into()),
        Err(error) => Err(SyntaxError {
            line: error.location().map_or(1, |location| location.line()),
            column: error.location().map_or(0, |location| location.column()),
            message: plain(&error.without_snippet().to_string()),
        }),
    }
}

/// The parser's words without its advice to programmers and without the place, which is said apart.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or_default().to_owned()
}

impl Value {
    /// What a reader would call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let place = &spanned.referenced;
        Self { line: place.line(), column: place.column(), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value::<Spanned<Value>>()?.into();
            let place = &key.referenced;
            map.push(Entry { line: place.line(), column: place.column(), key: key.value, value });
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_line() {
        let tree = parse("a:\n  - x: 0.05\n    y: [1, \"2\", true, ~]\n").expect("valid");
        insta::assert_compact_debug_snapshot!(tree, @r#"Node { line: 1, column: 1, value: Map([Entry { line: 1, column: 1, key: "a", value: Node { line: 2, column: 3, value: List([Node { line: 2, column: 5, value: Map([Entry { line: 2, column: 5, key: "x", value: Node { line: 2, column: 8, value: Number("0.05") } }, Entry { line: 3, column: 5, key: "y", value: Node { line: 3, column: 8, value: List([Node { line: 3, column: 9, value: Number("1") }, Node { line: 3, column: 12, value: Text("2") }, Node { line: 3, column: 17, value: Bool(true) }, Node { line: 3, column: 23, value: Null }]) } }]) }]) } }]) }"#);
    }

    #[test]
    fn a_broken_text_and_a_repeated_key_are_refused_with_their_line() {
        insta::assert_snapshot!(parse("a: 1\nb: [1, 2\n").expect_err("broken"), @"line 2: unclosed bracket '['");
        insta::assert_snapshot!(parse("a: 1\nb: 2\na: 3\n").expect_err("repeated"), @"line 3: duplicate mapping key: a");
    }
}
