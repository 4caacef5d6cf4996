//! Conditions on labels in the routing file: keys such as `matchers`, `match` and `match_re` enter, matchers leave.
//!
//! Promise: pure; the older keys mean what they meant.

use crate::{
    inhibition::InhibitRule,
    matchers::{self, MatchOp, Matcher, MatcherError, Matchers},
};
use callmeter_documents::{Fields, Problems, scalar, yaml::Node};

/// Reads the three ways to write conditions: a list of texts, equalities, and regular expressions.
pub(super) fn matchers(
    fields: &mut Fields<'_>,
    [list, equal, expressions]: [&'static str; 3],
    problems: &mut Problems,
) -> Matchers {
    let mut found = Matchers::default();
    for (path, node) in fields.list(list, problems) {
        match matchers::parse(&scalar(node).unwrap_or_default()) {
            Ok(matchers) => found.extend(matchers),
            Err(error) => problems.add(node.line, &path, error.to_string(), None),
        }
    }
    for (key, op) in [(equal, MatchOp::Equal), (expressions, MatchOp::Matches)] {
        for (path, entry) in fields.entries(key, problems) {
            let text = scalar(&entry.value).ok_or_else(|| MatcherError("a text is expected here".to_owned()));
            match text.and_then(|text| Matcher::new(&entry.key, op, &text)) {
                Ok(matcher) => found.extend([matcher]),
                Err(error) => problems.add(entry.line, &path, error.to_string(), None),
            }
        }
    }
    found
}

/// Reads one entry of `inhibit_rules`.
pub(super) fn inhibit_rule(node: &Node, path: &str, problems: &mut Problems) -> Option<InhibitRule> {
    let mut fields = Fields::open(node, path, problems)?;
    let source = matchers(&mut fields, ["source_matchers", "source_match", "source_match_re"], problems);
    let target = matchers(&mut fields, ["target_matchers", "target_match", "target_match_re"], problems);
    let mut equal = Vec::new();
    for (path, node) in fields.list("equal", problems) {
        match scalar(node) {
            Some(label) => equal.push(label),
            None => problems.add(node.line, &path, "the name of a label is expected here", None),
        }
    }
    fields.close(problems);
    Some(InhibitRule { source, target, equal })
}
