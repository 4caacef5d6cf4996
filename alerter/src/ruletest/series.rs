//! The name of an input series: a text such as `errors{customer="acme",error_class="timeout"}` enters, what its samples
//! count and for whom leaves.
//!
//! Promise: pure. The form is Prometheus's; every mistake is told, not only the first.

use crate::{replay::row::Key, vocabulary::Dimension};
use callmeter_documents::closest;
use callmeter_schemas::ErrorClass;

/// The workspace of series that name none, and of expectations that name none.
pub(crate) const DEFAULT_WORKSPACE: &str = "default";

/// What the samples of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Attempts in the step.
    Calls,
    /// Those of them that failed with this class.
    Errors(ErrorClass),
    /// Those of them that were not the first.
    Retried,
    /// What each took, ms: so many of them, or all.
    LatencyMs(Option<u64>),
    /// Bytes received in the step.
    BytesIn,
    /// Bytes sent in the step.
    BytesOut,
    /// Money spent in the step.
    Cost,
    /// What is left of a limit.
    QuotaRemaining,
    /// The whole of it.
    QuotaLimit,
    /// Seconds until all of it is there again.
    QuotaResetsIn,
}

/// Names that series may have.
const NAMES: [&str; 10] = [
    "calls",
    "errors",
    "retried",
    "latency_ms",
    "bytes_in",
    "bytes_out",
    "cost",
    "quota_remaining",
    "quota_limit",
    "quota_resets_in",
];

/// Labels that calls may have: what they are counted by.
const OF_CALLS: [&str; 7] =
    ["workspace", "customer", "integration", "endpoint", "tier", "environment", "currency"];
/// Labels that limits may have.
const OF_LIMITS: [&str; 4] = ["workspace", "integration", "policy", "scope"];

/// Reads a series.
pub(crate) fn parse(text: &str) -> Result<(Measure, Key), Vec<String>> {
    let (name, labels) = split(text).ok_or_else(|| {
        vec![r#"not a series such as calls{customer="acme",integration="hubspot"}"#.to_owned()]
    })?;
    let mut mistakes = Vec::new();
    let mut key = Key::from([(Dimension::Workspace, DEFAULT_WORKSPACE.to_owned())]);
    let (mut class, mut calls) = (ErrorClass::Unknown, None);
    let dimensions: &[&str] = if name.starts_with("quota_") { &OF_LIMITS } else { &OF_CALLS };
    let mut seen: Vec<&str> = Vec::new();
    for (label, value) in &labels {
        if seen.contains(&label.as_str()) {
            mistakes.push(format!("the label `{label}` stands twice"));
        }
        seen.push(label);
        match (label.as_str(), name) {
            ("error_class", "errors") => {
                match ErrorClass::parse(value).filter(|class| *class != ErrorClass::Ok) {
                    Some(known) => class = known,
                    None => {
                        let words: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
                        mistakes.push(unknown("error class", value, &words));
                    }
                }
            }
            ("calls", "latency_ms") => match value.parse() {
                Ok(count) => calls = Some(count),
                Err(_) => {
                    mistakes.push(format!("the label `calls` is a whole number of calls, not `{value}`"));
                }
            },
            _ => match Dimension::parse(label).filter(|_| dimensions.contains(&label.as_str())) {
                Some(dimension) => {
                    key.insert(dimension, value.clone());
                }
                None => mistakes.push(unknown("label", label, dimensions)),
            },
        }
    }
    let measure = match name {
        "calls" => Some(Measure::Calls),
        "errors" => Some(Measure::Errors(class)),
        "retried" => Some(Measure::Retried),
        "latency_ms" => Some(Measure::LatencyMs(calls)),
        "bytes_in" => Some(Measure::BytesIn),
        "bytes_out" => Some(Measure::BytesOut),
        "cost" => Some(Measure::Cost),
        "quota_remaining" => Some(Measure::QuotaRemaining),
        "quota_limit" => Some(Measure::QuotaLimit),
        "quota_resets_in" => Some(Measure::QuotaResetsIn),
        _ => None,
    };
    if measure == Some(Measure::Cost) && key.get(&Dimension::Currency).is_none_or(String::is_empty) {
        mistakes.push(r#"cost needs a label such as currency="USD""#.to_owned());
    }
    match measure {
        Some(measure) if mistakes.is_empty() => Ok((measure, key)),
        Some(_) => Err(mistakes),
        None => {
            mistakes.insert(0, unknown("series", name, &NAMES));
            Err(mistakes)
        }
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(meant) => format!("unknown {what} `{word}` (did you mean `{meant}`?)"),
        None => format!("unknown {what} `{word}`; there are {}", known.join(", ")),
    }
}

/// Name and labels of a series; `None` if it has not that form.
fn split(text: &str) -> Option<(&str, Vec<(String, String)>)> {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('{') else { return is_name(text).then(|| (text, Vec::new())) };
    let name = name.trim_end();
    let (mut rest, mut labels) = (rest.trim_start(), Vec::new());
    while let Some((label, after)) = rest.split_once('=').filter(|_| !rest.starts_with('}')) {
        let label = label.trim_end();
        let (value, after) = quoted(after.trim_start())?;
        labels.push((label.to_owned(), value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => break,
        }
        if !is_name(label) {
            return None;
        }
    }
    let sound = is_name(name) && labels.iter().all(|(label, _)| is_name(label));
    (rest == "}" && sound).then_some((name, labels))
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next().filter(|(_, quote)| matches!(quote, '"' | '\'' | '`'))?;
    let mut value = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if quote != '`' => value.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                same @ ('\\' | '"' | '\'') => same,
                _ => return None,
            }),
            _ if letter == quote => return Some((value, text.get(at + letter.len_utf8()..)?)),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let shown = match parse(text) {
            Ok((measure, key)) => {
                let key = key.iter().filter(|(dimension, _)| **dimension != Dimension::Workspace);
                let labels: Vec<String> =
                    key.map(|(dimension, value)| format!("{}={value}", dimension.word())).collect();
                format!("{measure:?} {}", labels.join(" ")).trim_end().to_owned()
            }
            Err(mistakes) => mistakes.join("; "),
        };
        assert_eq!(shown, wanted, "{text}");
    }

    #[test]
    fn series_name_what_is_counted_and_for_whom() {
        check("calls", "Calls");
        check("calls{}", "Calls");
        check(r#"calls{customer="acme",integration='hubspot',}"#, "Calls customer=acme integration=hubspot");
        check(r#" errors { error_class = "timeout" , tier=`a\b` } "#, r"Errors(Timeout) tier=a\b");
        check(r#"errors{endpoint="GET /a/{id}, \"b\"=1"}"#, r#"Errors(Unknown) endpoint=GET /a/{id}, "b"=1"#);
        check(r#"latency_ms{calls="5"}"#, "LatencyMs(Some(5))");
        check(r#"cost{currency="USD"}"#, "Cost currency=USD");
        check(r#"quota_limit{policy="daily",scope="app"}"#, "QuotaLimit policy=daily scope=app");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_could_be() {
        let form = r#"not a series such as calls{customer="acme",integration="hubspot"}"#;
        for text in
            ["", "{", "calls{", "calls}", "calls{a}", r#"calls{a="b"}x"#, r#"calls{="b"}"#, r#"calls{a="b}"#]
        {
            check(text, form);
        }
        check(
            r#"call{custmer="a",error_class="timeout"}"#,
            "unknown series `call` (did you mean `calls`?); unknown label `custmer` (did you mean `customer`?); \
             unknown label `error_class`; there are workspace, customer, integration, endpoint, tier, environment, currency",
        );
        check(r#"errors{error_class="timeut"}"#, "unknown error class `timeut` (did you mean `timeout`?)");
        check(
            r#"latency_ms{calls="a",tier="x",tier="y"}"#,
            "the label `calls` is a whole number of calls, not `a`; the label `tier` stands twice",
        );
        check("cost", r#"cost needs a label such as currency="USD""#);
        let labels = "there are workspace, integration, policy, scope";
        check(r#"quota_limit{tier="x"}"#, &format!("unknown label `tier`; {labels}"));
    }
}
