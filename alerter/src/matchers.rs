//! Matchers of labels: a text such as `severity=~"page|ticket"` enters, whether labels match leaves.
//!
//! Alertmanager's semantics: a label that is missing counts as empty, and a regular expression must match the
//! whole value. Promise: pure; matching takes time linear in the value.

mod parse;

use crate::rules::Texts;
use regex::{Regex, RegexBuilder};
use std::fmt;

pub use parse::parse;

/// Largest compiled regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    /// Of the two operators that need one.
    pattern: Option<Regex>,
}

/// A text that is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(pub(crate) String);

/// Conditions that must all hold; none hold for every alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matchers(Vec<Matcher>);

impl MatchOp {
    const ALL: [Self; 4] = [Self::Matches, Self::MatchesNot, Self::Unequal, Self::Equal];

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

impl Matcher {
    /// Builds one; a regular expression is compiled.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        if name.is_empty() {
            return Err(MatcherError("the name of a label is missing".to_owned()));
        }
        let pattern = match op {
            MatchOp::Equal | MatchOp::Unequal => None,
            MatchOp::Matches | MatchOp::MatchesNot => Some(compile(value)?),
        };
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), pattern })
    }

    /// Whether it holds for labels.
    pub fn matches(&self, labels: &Texts) -> bool {
        self.accepts(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Whether it holds for a value of its label.
    pub fn accepts(&self, value: &str) -> bool {
        let found = self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::Unequal => value != self.value,
            MatchOp::Matches => found,
            MatchOp::MatchesNot => !found,
        }
    }
}

fn compile(value: &str) -> Result<Regex, MatcherError> {
    let anchored = RegexBuilder::new(&format!("^(?:{value})$")).size_limit(MAX_PATTERN_BYTES).build();
    anchored.map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().to_owned();
        MatcherError(format!("`{value}` is not a regular expression: {}", last.trim_start_matches("error: ")))
    })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
        match self.name.chars().all(plain) {
            true => out.write_str(&self.name)?,
            false => quoted(&self.name, out)?,
        }
        out.write_str(self.op.sign())?;
        quoted(&self.value, out)
    }
}

/// In the escapes that [`parse`] reads.
fn quoted(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    write!(out, "\"{text}\"")
}

impl Matchers {
    /// Adds conditions.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Matcher>) {
        self.0.extend(more);
    }

    /// Whether all of them hold.
    pub fn matches(&self, labels: &Texts) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they would hold for an alert without any label.
    pub fn accept_nothing_in_particular(&self) -> bool {
        self.0.iter().all(|matcher| matcher.accepts(""))
    }

    /// Each as text, in a form that [`parse`] reads.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl FromIterator<Matcher> for Matchers {
    fn from_iter<I: IntoIterator<Item = Matcher>>(matchers: I) -> Self {
        Self(matchers.into_iter().collect())
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{{{}}}", self.texts().join(","))
    }
}

#[cfg(test)]
mod tests;
