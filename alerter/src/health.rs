//! Callmeter's own alerts: how counting and evaluation fare enters, changes of state leave.
//!
//! They go through the same evaluator and the same dispatch as rules. Promise: pure.

use crate::{
    alert::{Observation, RuleKey, Standing, Subject},
    evaluate::{Evaluator, Trust},
    progress::Progress,
    quantity::Quantity,
    rules::{Terms, Texts},
    transition::Transition,
};
use jiff::{SignedDuration, Timestamp};
use std::{borrow::Cow, time::Duration};

/// Rule group of these alerts.
pub const GROUP: &str = "callmeter";
/// Counting is behind, so that evaluation holds.
pub const PIPELINE_LAGGING: &str = "CallmeterPipelineLagging";
/// Partitions wait for an operator.
pub const PARTITION_STOPPED: &str = "CallmeterPartitionStopped";
/// Rules cannot be evaluated.
pub const STORE_UNREACHABLE: &str = "CallmeterStoreUnreachable";
/// Rounds in a row that must fail before the store counts as unreachable.
pub const FAILED_ROUNDS: u32 = 3;
/// Longest error text in an annotation, in characters.
const MAX_ERROR_CHARS: usize = 300;
/// Stopped partitions that an annotation names.
const PARTITIONS_NAMED: usize = 3;

/// What tells the own alerts apart.
pub fn keys() -> [RuleKey; 3] {
    [PIPELINE_LAGGING, PARTITION_STOPPED, STORE_UNREACHABLE]
        .map(|rule| (GROUP.to_owned(), rule.to_owned(), severity()))
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
    let condition = Condition {
        rule: PIPELINE_LAGGING,
        threshold: bound,
        pending_for: max_lag,
        summary: summary.to_owned(),
        exceeds,
        value: lag_seconds.unwrap_or(0.0),
    };
    condition.step(evaluator, now)
}

/// Judges which partitions wait for an operator; fires at once.
pub fn stopped(evaluator: &mut Evaluator, stopped: &[&Progress], now: Timestamp) -> Vec<Transition> {
    let summary = match stopped {
        [] => "no partition waits for an operator any more".to_owned(),
        _ => waiting(stopped),
    };
    let condition = Condition {
        rule: PARTITION_STOPPED,
        threshold: 0.0,
        pending_for: Duration::ZERO,
        summary: literal(&summary),
        exceeds: !stopped.is_empty(),
        value: stopped.len() as f64,
    };
    condition.step(evaluator, now)
}

/// How many partitions wait, and the first of them with source and reason.
fn waiting(stopped: &[&Progress]) -> String {
    let count = stopped.len();
    let partitions = if count == 1 { "1 partition waits" } else { &format!("{count} partitions wait") };
    let named = stopped.iter().take(PARTITIONS_NAMED).map(|progress| {
        let reason: String = progress.stopped.chars().take(MAX_ERROR_CHARS).collect();
        format!("{} of {}: {reason}", progress.partition, progress.source)
    });
    let mut named = named.collect::<Vec<_>>().join("; ");
    if let more @ 1.. = count.saturating_sub(PARTITIONS_NAMED) {
        named.push_str(&format!("; and {more} more"));
    }
    format!("{partitions} for an operator (callmeter partitions list): {named}")
}

/// A text that is no template.
fn literal(text: &str) -> String {
    text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
}

/// Judges how many rounds in a row failed, and why the last one did.
pub fn store(evaluator: &mut Evaluator, failures: u32, error: &str, now: Timestamp) -> Vec<Transition> {
    let error: String = literal(error).chars().take(MAX_ERROR_CHARS).collect();
    let summary = if failures == 0 {
        "rules are evaluated again".to_owned()
    } else {
        format!("rules cannot be evaluated: {error}")
    };
    let condition = Condition {
        rule: STORE_UNREACHABLE,
        threshold: f64::from(FAILED_ROUNDS),
        pending_for: Duration::ZERO,
        summary,
        exceeds: failures >= FAILED_ROUNDS,
        value: f64::from(failures),
    };
    condition.step(evaluator, now)
}

fn severity() -> Texts {
    Texts::from([("severity".to_owned(), "page".to_owned())])
}

/// One of the own conditions, as it stands now.
struct Condition {
    rule: &'static str,
    threshold: f64,
    pending_for: Duration,
    /// A template.
    summary: String,
    exceeds: bool,
    value: f64,
}

impl Condition {
    fn step(self, evaluator: &mut Evaluator, now: Timestamp) -> Vec<Transition> {
        let terms = Terms::beyond(Quantity::Real(self.threshold), self.pending_for);
        let subject = Subject {
            group: GROUP,
            rule: self.rule,
            labels: &severity(),
            dimensions: &[],
            terms: &terms,
            overrides: &[],
            // What the own conditions look at does not begin with the evaluation before.
            covers: Duration::MAX,
            annotations: &Texts::from([("summary".to_owned(), self.summary)]),
        };
        let standing = if self.exceeds { Standing::Exceeds } else { Standing::Clear };
        let observation =
            Observation { values: Cow::Borrowed(&[]), value: self.value, standing, is_new: false };
        evaluator.step(subject, [observation], Trust::All, now).transitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transition::State;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn progress(partition: i32, reason: &str) -> Progress {
        Progress {
            source: "cluster:calls:id".into(),
            partition,
            counted_up_to: NOW,
            observed_at: NOW,
            stopped: reason.into(),
        }
    }

    #[track_caller]
    fn check(transitions: &[Transition], wanted: Option<(State, &str)>) {
        let told = transitions.iter().map(|told| (told.state, told.annotations["summary"].as_str()));
        assert_eq!(told.collect::<Vec<_>>(), wanted.into_iter().collect::<Vec<_>>());
        assert!(
            transitions
                .iter()
                .all(|told| told.rule == PARTITION_STOPPED && told.labels["severity"] == "page")
        );
    }

    #[test]
    fn a_stopped_partition_pages_at_once_and_resolves_when_it_goes_on() {
        let mut evaluator = Evaluator::default();
        let one = progress(3, "the log was truncated");
        check(&stopped(&mut evaluator, &[], NOW), None);
        let summary = "1 partition waits for an operator (callmeter partitions list): \
            3 of cluster:calls:id: the log was truncated";
        check(&stopped(&mut evaluator, &[&one], NOW), Some((State::Firing, summary)));
        check(&stopped(&mut evaluator, &[&one, &one], NOW), None);
        let summary = "no partition waits for an operator any more";
        check(&stopped(&mut evaluator, &[], NOW), Some((State::Resolved, summary)));
    }

    #[test]
    fn of_many_stopped_partitions_the_first_are_named_and_no_reason_is_a_template() {
        let all: Vec<Progress> = (0..5).map(|partition| progress(partition, "{{ x }}")).collect();
        let summary = "5 partitions wait for an operator (callmeter partitions list): 0 of cluster:calls:id: \
            { { x }}; 1 of cluster:calls:id: { { x }}; 2 of cluster:calls:id: { { x }}; and 2 more";
        let all: Vec<&Progress> = all.iter().collect();
        check(&stopped(&mut Evaluator::default(), &all, NOW), Some((State::Firing, summary)));
    }
}
