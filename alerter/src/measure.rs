//! What a rule sees in one group: sums enter, the rule's value leaves.
//!
//! Promise: pure. Nothing to divide by, or nothing measured, is no value and never 0.

use crate::{
    query::{Answer, Group},
    rules::{Classes, Rule},
    vocabulary::{Dimension, Metric, Quantity},
};
use callmeter_schemas::ErrorClass;

/// Classes that mean the vendor wants fewer calls.
const THROTTLED: [ErrorClass; 3] =
    [ErrorClass::RateLimited, ErrorClass::QuotaExhausted, ErrorClass::ThrottledSoft];

/// The value of a rule's metric in one group.
pub fn measure(rule: &Rule, answer: &Answer, group: &Group) -> Option<Quantity> {
    let real = |count: u64| Some(Quantity::Real(count as f64));
    match rule.metric {
        Metric::Calls => real(group.calls),
        Metric::Errors => real(errors(group, rule.error_classes.as_ref())),
        Metric::ErrorRate => share(errors(group, rule.error_classes.as_ref()), group.calls),
        Metric::ThrottledShare => share(counted(group, |class| THROTTLED.contains(&class)), group.calls),
        Metric::RetriedShare => share(group.retried, group.calls),
        Metric::LatencyMean => mean_ms(group),
        Metric::LatencyP50 | Metric::LatencyP90 | Metric::LatencyP95 | Metric::LatencyP99 => {
            let place =
                answer.quantiles.iter().position(|quantile| Some(*quantile) == rule.metric.quantile())?;
            group.quantiles.get(place).filter(|value| value.is_finite()).map(|value| Quantity::Real(*value))
        }
        Metric::Cost => has_currency(answer, group).then_some(Quantity::Money(group.cost)),
        Metric::BytesIn => real(group.bytes_in),
        Metric::BytesOut => real(group.bytes_out),
    }
}

fn errors(group: &Group, classes: Option<&Classes>) -> u64 {
    match classes {
        Some(classes) => counted(group, |class| classes.contains(&class)),
        None => group.errors,
    }
}

fn counted(group: &Group, wanted: impl Fn(ErrorClass) -> bool) -> u64 {
    let class = |word: &str| ErrorClass::parse(word).unwrap_or(ErrorClass::Unknown);
    let wanted = |word: &str| class(word) != ErrorClass::Ok && wanted(class(word));
    group.errors_by_class.iter().filter(|(word, _)| wanted(word)).map(|(_, count)| count).sum()
}

fn share(part: u64, whole: u64) -> Option<Quantity> {
    (whole > 0).then(|| Quantity::Real(part as f64 / whole as f64))
}

fn mean_ms(group: &Group) -> Option<Quantity> {
    (group.measured > 0)
        .then(|| Quantity::Real(group.latency_us_sum as f64 / group.measured as f64 / 1_000.0))
}

/// Calls without cost have no currency: they spend nothing rather than 0 of something.
fn has_currency(answer: &Answer, group: &Group) -> bool {
    let place = answer.dimensions.iter().position(|dimension| *dimension == Dimension::Currency);
    place.and_then(|place| group.values.get(place)).is_some_and(|currency| !currency.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{query::plan, rules::RuleSet};
    use std::time::Duration;

    fn group() -> Group {
        Group {
            values: vec!["demo".into(), "USD".into()],
            calls: 10,
            errors: 4,
            errors_by_class: vec![
                ("validation".into(), 1),
                ("rate_limited".into(), 2),
                ("timeout".into(), 1),
            ],
            retried: 3,
            latency_us_sum: 9_000,
            measured: 3,
            quantiles: vec![2.5],
            bytes_in: 7,
            bytes_out: 8,
            cost: 4_200_000_000,
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
        assert_eq!(measure(rule, &answer, group).map(Quantity::as_f64), wanted, "{metric}");
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
        let empty = Group {
            values: vec!["demo".into(), String::new()],
            quantiles: vec![f64::NAN],
            ..Group::default()
        };
        for metric in
            ["error_rate", "throttled_share", "retried_share", "latency_mean", "latency_p95", "cost"]
        {
            check(metric, &empty, None);
        }
    }
}
