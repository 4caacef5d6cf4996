//! Values of groups, told as sums and what they measure.

use super::*;
use crate::{query::plan, rules::RuleSet};

fn group() -> Group {
    Group {
        values: vec!["demo".into(), "USD".into()],
        calls: 10,
        errors: 4,
        errors_by_class: vec![
            (ErrorClass::Validation, 1),
            (ErrorClass::RateLimited, 2),
            (ErrorClass::Timeout, 1),
        ],
        retried: 3,
        latency_us_sum: 9_000,
        measured: 3,
        quantiles: vec![2.5],
        bytes_in: 7,
        bytes_out: 8,
        cost: 4_200_000_000,
        ..Group::default()
    }
}

#[track_caller]
fn check(metric: &str, group: &Group, wanted: Option<f64>) {
    let text = format!(
        "groups: [{{name: g, rules: [{{alert: A, metric: {metric}, window: 1m, op: '>', threshold: 0, group_by: [currency]}}]}}]"
    );
    let set = RuleSet::parse([("f", text.as_str())]).expect("valid");
    let rule = set.iter().next().expect("one");
    let answer = plan(&[rule], Duration::ZERO)[0].answer(vec![group.clone()]);
    assert_eq!(
        measure(rule, &answer, group, Timestamp::UNIX_EPOCH).map(Quantity::as_f64),
        wanted,
        "{metric}"
    );
}

#[test]
fn every_metric_is_computed_from_the_sums() {
    check("calls", &group(), Some(10.0));
    check("errors", &group(), Some(4.0));
    check("error_rate", &group(), Some(0.4));
    check("errors, filter: {error_class: {not: validation}}", &group(), Some(3.0));
    check("error_rate, filter: {error_class: [timeout, validation]}", &group(), Some(0.2));
    check("throttled_share", &group(), Some(0.2));
    check("retried_share", &group(), Some(0.3));
    check("latency_mean", &group(), Some(3.0));
    check("latency_p95", &group(), Some(2.5));
    check("cost", &group(), Some(0.0042));
    check("bytes_in", &group(), Some(7.0));
    check("bytes_out", &group(), Some(8.0));
}

#[test]
fn nothing_measured_is_no_value() {
    let empty =
        Group { values: vec!["demo".into(), String::new()], quantiles: vec![f64::NAN], ..Group::default() };
    for metric in ["error_rate", "throttled_share", "retried_share", "latency_mean", "latency_p95", "cost"] {
        check(metric, &empty, None);
    }
}
