//! Callmeter's own alerts: how counting and evaluation fare enters, changes of state leave.
//!
//! They go through the same evaluator and the same dispatch as rules. Promise: pure.

use crate::{
    alert::{Observation, RuleKey, Standing, Subject},
    evaluate::{Evaluator, Freshness},
    rules::Texts,
    transition::Transition,
};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Rule group of these alerts.
pub const GROUP: &str = "callmeter";
/// Counting is behind, so that evaluation holds.
pub const PIPELINE_LAGGING: &str = "CallmeterPipelineLagging";
/// Rules cannot be evaluated.
pub const STORE_UNREACHABLE: &str = "CallmeterStoreUnreachable";
/// Rounds in a row that must fail before the second is raised.
pub const FAILED_ROUNDS: u32 = 3;
/// Longest error text in an annotation, in characters.
const MAX_ERROR_CHARS: usize = 300;

/// What tells the own alerts apart.
pub fn keys() -> [RuleKey; 2] {
    [PIPELINE_LAGGING, STORE_UNREACHABLE].map(|rule| (GROUP.to_owned(), rule.to_owned(), severity()))
}

/// How far counting is behind, in seconds; never negative.
pub fn lag(complete_until: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(complete_until).max(SignedDuration::ZERO).as_secs_f64()
}

/// Judges how far counting is behind; fires once that exceeded `max_lag` for as long again.
///
/// `lag_seconds` is `None` while no aggregator has said anything.
pub fn pipeline(
    evaluator: &mut Evaluator,
    lag_seconds: Option<f64>,
    max_lag: Duration,
    now: Timestamp,
) -> Vec<Transition> {
    let bound = max_lag.as_secs_f64();
    let exceeds = lag_seconds.is_none_or(|lag| lag > bound);
    let summary = match lag_seconds {
        Some(_) if !exceeds => "counting of calls keeps up again, {{ $value | humanizeDuration }} behind",
        Some(_) => "counting of calls is {{ $value | humanizeDuration }} behind; alerts are held",
        None => "no aggregator has reported its progress; alerts are held",
    };
    let labels = severity();
    let annotations = Texts::from([("summary".to_owned(), summary.to_owned())]);
    let subject = Subject {
        group: GROUP,
        rule: PIPELINE_LAGGING,
        labels: &labels,
        threshold: bound,
        pending_for: max_lag,
        annotations: &annotations,
    };
    step(evaluator, subject, exceeds, lag_seconds.unwrap_or(0.0), now)
}

/// Judges how many rounds in a row failed, and why the last one did.
pub fn store(evaluator: &mut Evaluator, failures: u32, error: &str, now: Timestamp) -> Vec<Transition> {
    let error: String =
        error.replace("{{", "{ {").replace("{%", "{ %").chars().take(MAX_ERROR_CHARS).collect();
    let labels = severity();
    let summary = if failures == 0 {
        "rules are evaluated again".to_owned()
    } else {
        format!("rules cannot be evaluated: {error}")
    };
    let annotations = Texts::from([("summary".to_owned(), summary)]);
    let subject = Subject {
        group: GROUP,
        rule: STORE_UNREACHABLE,
        labels: &labels,
        threshold: f64::from(FAILED_ROUNDS),
        pending_for: Duration::ZERO,
        annotations: &annotations,
    };
    step(evaluator, subject, failures >= FAILED_ROUNDS, f64::from(failures), now)
}

fn severity() -> Texts {
    Texts::from([("severity".to_owned(), "page".to_owned())])
}

fn step(
    evaluator: &mut Evaluator,
    subject: Subject<'_>,
    exceeds: bool,
    value: f64,
    now: Timestamp,
) -> Vec<Transition> {
    let mut labels = subject.labels.clone();
    labels.insert("alertname".to_owned(), subject.rule.to_owned());
    let standing = if exceeds { Standing::Exceeds } else { Standing::Clear };
    let observation = Observation { labels, value, standing };
    evaluator.step(subject, [observation], Freshness::Current, now).transitions
}
