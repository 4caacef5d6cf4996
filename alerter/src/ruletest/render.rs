//! Verdicts as text for people: what became of test files enters, lines leave.
//!
//! Promise: pure; every failure names file and line of its expectation. Colours only where the caller says that there
//! is a terminal.

use crate::ruletest::{Difference, Field, Tested, run::Verdict};
use std::fmt::Write;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// What to tell of all files.
pub fn text(files: &[Tested], coloured: bool) -> String {
    let mut out = String::new();
    for tested in files {
        for mistake in &tested.mistakes {
            let _ = writeln!(out, "{mistake}");
        }
        for test in &tested.tests {
            for verdict in test.verdicts.iter().filter(|verdict| !verdict.differences.is_empty()) {
                out.push_str(&failure(&tested.file, &test.name, verdict, coloured));
            }
        }
    }
    out.push_str(&summary(files));
    out
}

/// What to tell of one expectation that does not hold.
pub(crate) fn failure(file: &str, test: &str, verdict: &Verdict, coloured: bool) -> String {
    let Verdict { line, alertname, eval_time, differences } = verdict;
    let mut out = format!("{file}:{line}: {test}: {alertname} at {eval_time}: not as expected\n");
    for Difference { line, message, fields } in differences {
        let _ = writeln!(out, "  {file}:{line}: {message}");
        fields.iter().for_each(|field| out.push_str(&shown(field, coloured)));
    }
    out
}

/// A line if both are the same, else one for each.
fn shown(field: &Field, coloured: bool) -> String {
    let Field { name, expected, found } = field;
    let line = |mark: &str, colour: &str, value: &Option<String>| {
        let (on, off) = if coloured && !colour.is_empty() { (colour, PLAIN) } else { ("", "") };
        value.as_ref().map(|value| format!("    {on}{mark} {name}: {value:?}{off}\n")).unwrap_or_default()
    };
    match expected == found {
        true => line(" ", "", expected),
        false => line("-", RED, expected) + &line("+", GREEN, found),
    }
}

fn summary(files: &[Tested]) -> String {
    let sum = |count: fn(&Tested) -> usize| files.iter().map(count).sum::<usize>();
    let (all, failed) = (sum(Tested::expectations), sum(Tested::failed));
    let (tests, mistakes) = (sum(|tested| tested.tests.len()), sum(|tested| tested.mistakes.len()));
    let mut out =
        format!("{} of {all} expectations hold (tests: {tests}, files: {})", all - failed, files.len());
    if mistakes > 0 {
        let _ = write!(out, "; mistakes: {mistakes}");
    }
    out.push('\n');
    out
}
