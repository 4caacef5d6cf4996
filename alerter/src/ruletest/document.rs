//! One test file: YAML text enters, tests with their rows and expectations leave, mistakes are collected.
//!
//! The form is promtool's: `rule_files`, `evaluation_interval`, `tests[].{name, interval, input_series,
//! alert_rule_test}`; ours beside it: `rollup_window`, the length of the stored windows. Promise: pure; every mistake
//! of the file is told with its line.

use crate::{
    rules::Texts,
    ruletest::{
        rows::{Series, Steps, Timed, rows},
        series::{self, DEFAULT_WORKSPACE},
        values,
    },
};
use callmeter_documents::{
    Fields, Problems, duration, scalar,
    yaml::{self, Node},
};
use std::time::Duration;

/// When every test begins, seconds since 1970: 2001-01-01T00:00:00Z, the start of a week, a month and a year.
pub(crate) const START: u32 = 978_307_200;
/// Most samples of one file.
const MAX_SAMPLES: usize = 2_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What a test file says.
#[derive(Debug)]
pub struct Document {
    /// The file as it was named.
    pub file: String,
    /// Rule files as written, each with its line.
    pub rule_files: Vec<(u64, String)>,
    /// How often rule groups without an interval of their own are evaluated.
    pub evaluation_interval: Duration,
    /// Length of the stored windows.
    pub stored: Duration,
    /// Its tests, in the order of the file.
    pub tests: Vec<Test>,
}

/// One test: what happens, and what is expected.
#[derive(Debug)]
pub struct Test {
    /// Line where it begins.
    pub line: u64,
    /// Its name; else its place in the file.
    pub name: String,
    /// What happens, in the order of time.
    pub rows: Vec<Timed>,
    /// What is expected, in the order of the file.
    pub expectations: Vec<Expectation>,
}

/// The alerts of one name that are to fire at one time.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Line where it begins.
    pub line: u64,
    /// Name of the rule.
    pub alertname: String,
    /// Since the start of the test.
    pub eval_time: Duration,
    /// The alerts that fire then, and no others.
    pub alerts: Vec<Expected>,
}

/// One alert that is to fire.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Line where it begins.
    pub line: u64,
    /// All of its labels but `alertname`.
    pub labels: Texts,
    /// All of its annotations.
    pub annotations: Texts,
}

/// Reads a file.
pub(crate) fn read(file: &str, text: &str, problems: &mut Problems) -> Option<Document> {
    let root = yaml::parse(text).map_err(|error| problems.add(error.line, "", error.message, None)).ok()?;
    let mut fields = Fields::open(&root, "", problems)?;
    for key in ["rule_files", "tests"] {
        fields.require(key, problems);
    }
    let rule_files = fields.list("rule_files", problems);
    let rule_files = rule_files.into_iter().filter_map(|(path, node)| named(node, &path, problems)).collect();
    let evaluation_interval = fields.span("evaluation_interval", problems).unwrap_or(MINUTE);
    let stored =
        seconds(&mut fields, "rollup_window", Duration::from_secs(3_600), problems).unwrap_or(MINUTE);
    let reader = Reader { evaluation_interval, stored };
    let mut left = MAX_SAMPLES;
    let mut tests = Vec::new();
    for (path, node) in fields.list("tests", problems) {
        tests.extend(reader.test(node, &path, &mut left, problems));
    }
    fields.close(problems);
    problems.locate(&root);
    Some(Document { file: file.to_owned(), rule_files, evaluation_interval, stored, tests })
}

/// Takes whole seconds: samples and stored windows begin at full seconds.
fn seconds(
    fields: &mut Fields<'_>,
    key: &'static str,
    longest: Duration,
    problems: &mut Problems,
) -> Option<Duration> {
    let node = fields.take(key)?;
    let parsed = duration::parse(&scalar(node).unwrap_or_default()).map_err(|error| error.to_string());
    let whole = |span: &Duration| !span.is_zero() && span.subsec_nanos() == 0 && *span <= longest;
    let bound = || format!("must be whole seconds, at least 1s and at most {}", duration::print(longest));
    let judged = parsed.and_then(|span| Some(span).filter(whole).ok_or_else(bound));
    judged.map_err(|message| problems.add(node.line, &fields.path(key), message, None)).ok()
}

fn named(node: &Node, path: &str, problems: &mut Problems) -> Option<(u64, String)> {
    let name = scalar(node);
    if name.is_none() {
        problems.add_kind(node, path, "a rule file");
    }
    Some((node.line, name?))
}

/// What all tests of a file share.
#[derive(Clone, Copy)]
struct Reader {
    evaluation_interval: Duration,
    stored: Duration,
}

impl Reader {
    fn test(self, node: &Node, path: &str, left: &mut usize, problems: &mut Problems) -> Option<Test> {
        let mut fields = Fields::open(node, path, problems)?;
        fields.require("alert_rule_test", problems);
        let name = fields.text("name", problems).unwrap_or_else(|| path.to_owned());
        let interval = seconds(&mut fields, "interval", duration::MAX, problems);
        let interval = interval.unwrap_or(self.evaluation_interval);
        let mut series = Vec::new();
        for (path, node) in fields.list("input_series", problems) {
            let one = input(node, &path, problems);
            let samples = one.as_ref().map_or(0, |one| one.samples.len());
            match left.checked_sub(samples) {
                Some(rest) => *left = rest,
                None => {
                    problems.add(
                        node.line,
                        &path,
                        format!("more than {MAX_SAMPLES} samples in one file"),
                        None,
                    );
                    return None;
                }
            }
            series.extend(one);
        }
        let steps = Steps { interval, stored: self.stored, start: START };
        let rows = rows(&series, steps, problems);
        let items = fields.list("alert_rule_test", problems);
        let expectations =
            items.into_iter().filter_map(|(path, node)| expectation(node, &path, problems)).collect();
        fields.close(problems);
        Some(Test { line: node.line, name, rows, expectations })
    }
}

fn expectation(node: &Node, path: &str, problems: &mut Problems) -> Option<Expectation> {
    let mut fields = Fields::open(node, path, problems)?;
    for key in ["alertname", "eval_time"] {
        fields.require(key, problems);
    }
    let alertname = fields.text("alertname", problems);
    let eval_time = fields.duration("eval_time", problems);
    let items = fields.list("exp_alerts", problems);
    let alerts = items.into_iter().filter_map(|(path, node)| expected(node, &path, problems)).collect();
    fields.close(problems);
    Some(Expectation { line: node.line, alertname: alertname?, eval_time: eval_time?, alerts })
}

fn input(node: &Node, path: &str, problems: &mut Problems) -> Option<Series> {
    let mut fields = Fields::open(node, path, problems)?;
    let (name, values) = (fields.need("series", problems), fields.need("values", problems));
    let series = name.and_then(|node| {
        let read = series::parse(&scalar(node).unwrap_or_default());
        let told = read.map_err(|mistakes| {
            for message in mistakes {
                problems.add(node.line, &fields.path("series"), message, None);
            }
        });
        told.ok()
    });
    let samples = values.and_then(|node| {
        let read = values::parse(&scalar(node).unwrap_or_default());
        read.map_err(|message| problems.add(node.line, &fields.path("values"), message, None)).ok()
    });
    let path = fields.path("values");
    fields.close(problems);
    let ((measure, key), samples) = (series?, samples?);
    Some(Series { line: values.map_or(node.line, |node| node.line), path, measure, key, samples })
}

fn expected(node: &Node, path: &str, problems: &mut Problems) -> Option<Expected> {
    let mut fields = Fields::open(node, path, problems)?;
    let mut labels = texts(&mut fields, "exp_labels", problems);
    let annotations = texts(&mut fields, "exp_annotations", problems);
    fields.close(problems);
    labels.entry("workspace".to_owned()).or_insert_with(|| DEFAULT_WORKSPACE.to_owned());
    labels.retain(|name, value| name != "alertname" && !value.is_empty());
    Some(Expected { line: node.line, labels, annotations })
}

fn texts(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Texts {
    let mut texts = Texts::new();
    for (path, entry) in fields.entries(key, problems) {
        match scalar(&entry.value) {
            Some(text) => drop(texts.insert(entry.key.clone(), text)),
            None => {
                let message = format!("a text is expected here, not {}", entry.value.value.kind());
                problems.add(entry.line, &path, message, None);
            }
        }
    }
    texts
}
