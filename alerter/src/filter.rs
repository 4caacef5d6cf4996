//! Filters of rules: the values of a dimension enter, whether a rule looks at them leaves.
//!
//! A pattern means the same to RE2 in ClickHouse and to the `regex` crate here: what the two understand
//! differently is refused. Patterns match the whole value, `.` also a line break, and take linear time.
//!
//! Promise: pure. A pattern has a bound on its length and on its compiled size.

use crate::vocabulary::Dimension;
use callmeter_schemas::ErrorClass;
use regex::{Regex, RegexBuilder};
use std::{cmp::Ordering, collections::BTreeMap};

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 512;
/// Largest compiled pattern, in bytes.
const MAX_COMPILED_BYTES: usize = 256 * 1024;
/// What the two engines understand differently, or what only one of them has.
const FOREIGN: [(&str, &str); 12] = [
    ("\\d", "write [0-9]"),
    ("\\D", "write [^0-9]"),
    ("\\w", "write [0-9A-Za-z_]"),
    ("\\W", "write [^0-9A-Za-z_]"),
    ("\\s", "write a blank or [[:space:]]"),
    ("\\S", "write [^[:space:]]"),
    ("\\b", "patterns match the whole value"),
    ("\\p", "list the characters"),
    ("&&", "classes cannot be intersected"),
    ("--", "classes cannot be subtracted; escape a - as \\-"),
    ("~~", "classes cannot be combined"),
    ("\\x", "write the character"),
];

/// Which calls a rule looks at: every dimension named must match.
pub type Filter = BTreeMap<Dimension, Condition>;
/// Which errors a rule counts.
pub type Classes = Choice<ErrorClass>;

/// Some values, or all but some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice<T> {
    /// Whether `values` are the ones left out.
    pub not: bool,
    /// The values named.
    pub values: Vec<T>,
}

/// Which values of one dimension match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Values named, or left out.
    Values(Choice<String>),
    /// Values of a form, or all others.
    Form {
        /// Whether values of the form are the ones left out.
        not: bool,
        /// The form.
        pattern: Pattern,
    },
}

/// A regular expression that matches whole values.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl<T: PartialEq> Choice<T> {
    /// Whether a value is chosen.
    pub fn contains(&self, value: &T) -> bool {
        self.values.contains(value) != self.not
    }
}

impl Condition {
    /// Whether a value matches.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Values(choice) => choice.values.iter().any(|named| named == value) != choice.not,
            Self::Form { not, pattern } => pattern.regex.is_match(value) != *not,
        }
    }

    /// The one value that can match, if there is only one.
    pub fn single(&self) -> Option<&str> {
        match self.named() {
            Some([value]) => Some(value),
            _ => None,
        }
    }

    /// The only values that can match, if they are named.
    pub fn named(&self) -> Option<&[String]> {
        match self {
            Self::Values(Choice { not: false, values }) => Some(values),
            _ => None,
        }
    }
}

impl Pattern {
    /// Compiles a pattern, or says why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("a pattern may have {MAX_PATTERN_BYTES} bytes"));
        }
        if let Some(message) = foreign(text) {
            return Err(message);
        }
        let regex = RegexBuilder::new(&anchored(text)).size_limit(MAX_COMPILED_BYTES).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
            // The last line is the reason, those before it draw an arrow at the place.
            error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
        })?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// As ClickHouse gets it.
    pub fn anchored(&self) -> String {
        anchored(&self.text)
    }
}

fn anchored(text: &str) -> String {
    format!("^(?s:{text})$")
}

/// Why a pattern would not mean the same everywhere.
fn foreign(text: &str) -> Option<String> {
    // An escaped backslash escapes nothing after it.
    let plain = text.replace("\\\\", "");
    if let Some((word, instead)) = FOREIGN.iter().find(|(word, _)| plain.contains(word)) {
        return Some(format!("`{word}` does not mean the same everywhere: {instead}"));
    }
    let mut groups = plain.replace("\\(", "");
    groups = groups.replace("(?:", "").replace("(?i)", "").replace("(?i:", "");
    groups.contains("(?").then(|| "of the groups with `(?` there are (?: ), (?i) and (?i: ) only".to_owned())
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, value: &str, wanted: bool) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        assert_eq!(Condition::Form { not: false, pattern: pattern.clone() }.matches(value), wanted);
        assert_eq!(Condition::Form { not: true, pattern }.matches(value), !wanted);
    }

    #[test]
    fn a_pattern_matches_whole_values() {
        check("hub.*", "hubspot", true);
        check("hub.*", "github", false);
        check("hub", "hubspot", false);
        check("a|b", "ab", false);
        check("a|b", "b", true);
        check("(?i)eu-[0-9]{1,2}", "EU-12", true);
        check("a.b", "a\nb", true);
        check("", "", true);
        check("", "x", false);
        check("a\\\\d", "a\\d", true);
    }

    #[test]
    fn what_would_mean_something_else_in_clickhouse_is_refused() {
        let refused = |pattern: &str| Pattern::parse(pattern).expect_err("refused");
        insta::assert_snapshot!(refused("\\d+"), @"`\\d` does not mean the same everywhere: write [0-9]");
        insta::assert_snapshot!(refused("(?<a>b)"), @"of the groups with `(?` there are (?: ), (?i) and (?i: ) only");
        insta::assert_snapshot!(refused("a("), @"error: unclosed group");
        insta::assert_snapshot!(refused("(a{500}){500}"), @"the pattern is too large");
        insta::assert_snapshot!(refused(&"a".repeat(600)), @"a pattern may have 512 bytes");
    }
}
