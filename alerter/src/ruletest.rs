//! Rule tests: test files in promtool's form enter, a verdict on every expectation leaves.
//!
//! [`document`] reads a file: `series` and `values` its input, `rows` what ClickHouse would hold of it. [`run`] plays the
//! rules over those rows, `difference` says what is not as expected, [`render`] and [`junit`] tell it. Here files are
//! read; everything below is pure. Promise: no network, no clock; every mistake of all files is told in one run.
//!
//! Series, each sample being what happened in one step: `calls`, `errors` (label `error_class`, else `unknown`) and
//! `retried` as parts of the calls with the same labels, `latency_ms` of all of these calls (or with the label `calls` of
//! that many), `bytes_in`, `bytes_out`, and `cost` (label `currency`). Of limits (labels `integration`, `policy`, `scope`):
//! `quota_remaining`, `quota_limit` and `quota_resets_in` (seconds), each sample being one answer that told of it.
//! A series or an expectation without `workspace` is one of the workspace `default`.

mod difference;
pub mod document;
pub mod junit;
pub mod render;
mod rows;
pub mod run;
mod series;
mod values;

pub use difference::{Difference, Field};

use crate::{rules::RuleSet, vocabulary::Source};
use callmeter_documents::{Problem, Problems, closest, duration, files};
use document::Document;
use run::Played;
use serde::Serialize;
use std::path::Path;

/// Most evaluations of one test: a day of seconds.
const MAX_ROUNDS: u128 = 100_000;

/// What became of one test file.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// The file as it was named.
    pub file: String,
    /// What is wrong with it, or with its rule files; no test of it is played then.
    pub mistakes: Vec<String>,
    /// Its tests, in their order.
    pub tests: Vec<Played>,
}

impl Tested {
    /// Whether everything is as expected.
    pub fn holds(&self) -> bool {
        self.mistakes.is_empty() && self.failed() == 0
    }

    /// How many expectations there are.
    pub fn expectations(&self) -> usize {
        self.tests.iter().map(|test| test.verdicts.len()).sum()
    }

    /// How many of them do not hold.
    pub fn failed(&self) -> usize {
        let verdicts = self.tests.iter().flat_map(|test| &test.verdicts);
        verdicts.filter(|verdict| !verdict.differences.is_empty()).count()
    }
}

/// Plays the tests of files; `*` in a file name stands for any characters.
pub fn test<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Tested>, Vec<Problem>> {
    let texts = files::read_all(paths)?;
    Ok(texts.iter().map(|(file, text)| tested(file, text)).collect())
}

fn tested(file: &str, text: &str) -> Tested {
    let (mistakes, tests) = match load(file, text) {
        Ok((document, rules)) => match run::run(&document, &rules) {
            Ok(tests) => (Vec::new(), tests),
            Err(error) => (vec![format!("{file}: {error}")], Vec::new()),
        },
        Err(problems) => (problems.iter().map(ToString::to_string).collect(), Vec::new()),
    };
    Tested { file: file.to_owned(), mistakes, tests }
}

/// A test file and its rules.
fn load(file: &str, text: &str) -> Result<(Document, RuleSet), Vec<Problem>> {
    let mut problems = Problems::new(file);
    let document = document::read(file, text, &mut problems);
    let texts = document.as_ref().map(|document| rule_texts(document, &mut problems)).unwrap_or_default();
    let rules = RuleSet::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    if let (Some(document), Ok(rules)) = (&document, &rules) {
        judge(document, rules, &mut problems);
    }
    match (document, rules) {
        (Some(document), Ok(rules)) if problems.count() == 0 => Ok((document, rules)),
        (_, rules) => Err(problems.into_vec().into_iter().chain(rules.err().unwrap_or_default()).collect()),
    }
}

/// The rule files of a document; their names are taken from the folder of the document.
fn rule_texts(document: &Document, problems: &mut Problems) -> Vec<(String, String)> {
    let folder = Path::new(&document.file).parent().unwrap_or(Path::new(""));
    let mut texts: Vec<(String, String)> = Vec::new();
    for (place, (line, name)) in document.rule_files.iter().enumerate() {
        match files::read_all(&[folder.join(name)]) {
            Ok(found) => {
                let new = |(name, _): &(String, String)| !texts.iter().any(|(known, _)| known == name);
                let found: Vec<_> = found.into_iter().filter(new).collect();
                texts.extend(found);
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    let message = format!("{}: {}", mistake.file, mistake.message);
                    problems.add(*line, &format!("rule_files[{place}]"), message, None);
                }
            }
        }
    }
    texts
}

/// An expectation of a rule that is not there would hold for ever, and one that is far away would take as long.
fn judge(document: &Document, rules: &RuleSet, problems: &mut Problems) {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let intervals = rules.groups.iter().filter_map(|group| group.interval);
    let interval = intervals.chain([document.evaluation_interval]).min().unwrap_or_default();
    for expectation in document.tests.iter().flat_map(|test| &test.expectations) {
        let name = expectation.alertname.as_str();
        if !names.contains(&name) {
            let message = format!("no rule has the name `{name}`");
            problems.add(expectation.line, "alertname", message, closest(name, &names));
        }
        if let Some(rule) = rules.iter().find(|rule| rule.name == name && rule.source() == Source::Pipeline) {
            let message = format!("`{name}` measures {}, of which there are no series", rule.metric.word());
            problems.add(expectation.line, "alertname", message, None);
        }
        if expectation.eval_time.as_millis() / interval.as_millis().max(1) > MAX_ROUNDS {
            let message =
                format!("more than {MAX_ROUNDS} evaluations away at every {}", duration::print(interval));
            problems.add(expectation.line, "eval_time", message, None);
        }
    }
}

#[cfg(test)]
mod tests;
