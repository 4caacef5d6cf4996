//! The house rules that a compiler does not check: the workspace's sources enter, a list of broken rules leaves.
//!
//! Promise: a failure names file, line and reason. The lists below name what must stay pure; a file
//! that is renamed is renamed here too.

use std::path::{Path, PathBuf};

/// Lines that a reader can still hold together.
const MAX_LINES: usize = 400;

/// What only shells may mention; the core takes its time, its bytes and its answers as arguments.
const SHELL: [&str; 12] = [
    "tokio",
    "rdkafka",
    "async ",
    ".await",
    "std::thread",
    "std::fs",
    "std::env",
    "SystemTime",
    "Instant::now",
    "rand::",
    "tracing::",
    "prometheus",
];

/// What is finished has none of these; in parts, so that this file may be read as well.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("dbg", "!")];

/// The pure files outside of `schemas/src`, all of which is pure.
const PURE: [(&str, &[&str]); 6] = [
    ("documents/src", &["duration", "pattern", "problem", "shape", "yaml"]),
    (
        "prices/src",
        &[
            "book",
            "charge",
            "compile",
            "compile/across",
            "compile/entry",
            "compile/price",
            "document",
            "explain",
            "explain/attempt",
            "explain/month",
            "explain/month/text",
            "metered",
            "month",
            "number",
        ],
    ),
    (
        "vendors/src",
        &[
            "built_in",
            "catalogue",
            "check",
            "check/fixtures",
            "check/rules",
            "client_errors",
            "errors",
            "forms",
            "generic",
            "headers",
            "hosts",
            "ietf",
            "kept",
            "lib",
            "meaning",
            "meaning/endpoint",
            "moments",
            "profile",
            "profile/fixture",
            "quota",
            "reach",
            "reasons",
            "secret",
            "secret/free",
            "template",
            "template/holes",
            "template/parse",
            "vendor",
            "words",
        ],
    ),
    (
        "ingest/src",
        &[
            "admit",
            "admit/meaning",
            "budget",
            "cardinality",
            "draft",
            "encode",
            "inflate",
            "intake",
            "json",
            "keys",
            "limits",
            "members",
            "number",
            "otlp",
            "parts",
            "read",
            "sieve",
            "sieve/texts",
            "span",
            "values",
            "wire",
        ],
    ),
    (
        "aggregator/src",
        &[
            "call_rows",
            "cell",
            "cells",
            "decision",
            "decision/rows",
            "dedup",
            "facts",
            "fold",
            "general",
            "intern",
            "judge",
            "native",
            "plan",
            "plan/fields",
            "plan/input",
            "pricing",
            "progress",
            "quotas",
            "rebuild/compare",
            "rebuild/plan",
            "rebuild/state",
            "recovery",
            "recovery/reason",
            "rows",
            "schema",
            "waits",
        ],
    ),
    (
        "alerter/src",
        &[
            "address",
            "alert",
            "backtest/episodes",
            "backtest/report",
            "dispatch",
            "dispatch/facts",
            "dispatch/group",
            "evaluate",
            "evaluate/observe",
            "fault",
            "filter",
            "fault/alerts",
            "fault/evidence",
            "fault/judge",
            "health",
            "inhibition",
            "knowledge",
            "leadership",
            "matchers",
            "matchers/parse",
            "measure",
            "message",
            "message/alertmanager",
            "message/email",
            "message/facts",
            "message/json",
            "message/pagerduty",
            "message/slack",
            "message/template",
            "message/test_alert",
            "message/words",
            "progress",
            "quantity",
            "query",
            "query/answer",
            "query/plan",
            "query/text",
            "replay",
            "replay/edges",
            "replay/history",
            "replay/limits",
            "replay/player",
            "replay/row",
            "replay/tally",
            "retry",
            "routing",
            "routing/global",
            "routing/labels",
            "routing/receivers",
            "routing/receivers/email",
            "routing/receivers/http",
            "routing/receivers/json",
            "routing/receivers/pagerduty",
            "routing/receivers/parts",
            "routing/receivers/slack",
            "routing/receivers/webhook",
            "routing/route",
            "routing/tree",
            "rule_file",
            "rule_file/defaults",
            "rule_file/filter",
            "rule_file/keys",
            "rule_file/quantity",
            "rule_file/reader",
            "rule_file/rule",
            "rules",
            "ruletest/difference",
            "ruletest/document",
            "ruletest/junit",
            "ruletest/render",
            "ruletest/rows",
            "ruletest/run",
            "ruletest/series",
            "ruletest/values",
            "schedule",
            "signing",
            "silence",
            "status",
            "suppression",
            "template",
            "time_interval",
            "time_interval/read",
            "transition",
            "vocabulary",
        ],
    ),
];

/// One source file: its path from the workspace's root and its text.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the workspace.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Source>) {
    for entry in folder.read_dir().expect("the folder is readable") {
        let entry = entry.expect("the folder is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&entry.path(), &format!("{path}/"), found);
        } else if kind.is_file() && name.ends_with(".rs") {
            // A file that went away since it was listed breaks no rule.
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            found.push(Source { path, text });
        }
    }
}

/// Whether a file is itself a test, or a helper of tests only.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.contains("/tests/") || ["tests.rs", "samples.rs", "tidy.rs"].contains(&name)
}

/// The lines of a file with their numbers, without comments and without what is compiled for tests only.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (at, line) = lines.next()?;
            if line.trim() != "#[cfg(test)]" {
                return Some((at + 1, line.split("//").next().unwrap_or("")));
            }
            // The item after it: one line that ends with a semicolon, or a block up to its closing brace.
            let indent = line.len() - line.trim_start().len();
            let closes = |line: &str| line.trim_end() == format!("{}}}", " ".repeat(indent));
            if lines.next().is_some_and(|(_, item)| !item.trim_end().ends_with([';', '}'])) {
                lines.by_ref().find(|(_, line)| closes(line));
            }
        }
    })
}

#[track_caller]
fn check(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_file_says_what_enters_and_what_leaves() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!"));
    let tell = |source: Source| {
        format!("{}:1: does not open with //!: what enters, what leaves, what is promised", source.path)
    };
    check(silent.map(tell).collect());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold_together() {
    let long = sources().into_iter().map(|source| (source.text.lines().count(), source.path));
    let long = long.filter(|(lines, _)| *lines > MAX_LINES);
    check(
        long.map(|(lines, path)| format!("{path}:{lines}: longer than {MAX_LINES} lines: split it by role"))
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let mut problems = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            for word in UNFINISHED.into_iter().filter(|word| line.contains(word)) {
                problems.push(format!(
                    "{}:{}: {word}: finish it, or write it where work is planned",
                    source.path,
                    at + 1
                ));
            }
        }
    }
    check(problems);
}

#[test]
fn the_pure_files_know_no_clock_no_runtime_and_no_world() {
    let sources = sources();
    let listed: Vec<String> = PURE
        .iter()
        .flat_map(|(folder, names)| names.iter().map(move |name| format!("{folder}/{name}.rs")))
        .collect();
    let missing = listed.iter().filter(|path| !sources.iter().any(|source| source.path == **path));
    let mut problems: Vec<String> = missing
        .map(|path| format!("{path}:1: listed as pure in schemas/src/tidy.rs and not there"))
        .collect();
    let is_pure = |path: &String| path.starts_with("schemas/src/") || listed.contains(path);
    for source in sources.iter().filter(|source| is_pure(&source.path) && !is_test(&source.path)) {
        for (line, code) in code(&source.text) {
            for word in SHELL.into_iter().filter(|word| code.contains(word)) {
                problems
                    .push(format!("{}:{line}: `{word}` in a pure file: take it as an argument", source.path));
            }
        }
    }
    check(problems);
}

#[test]
fn what_is_compiled_for_tests_only_and_comments_are_not_code() {
    let text = "a // tokio\n#[cfg(test)]\nmod x;\nb\n#[cfg(test)]\nmod tests {\n    fn f() {\n    }\n}\nc";
    let seen: Vec<_> = code(text).collect();
    assert_eq!(seen, [(1, "a "), (4, "b"), (10, "c")]);
}
