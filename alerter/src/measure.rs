//! What a rule sees in one group: sums enter, the rule's value leaves.
//!
//! Promise: pure. Nothing to divide by, or nothing measured, is no value and never 0.

use crate::{
    quantity::Quantity,
    query::{Answer, Group},
    rules::{Classes, Rule},
    vocabulary::{Comparison, Dimension, Metric},
};
use callmeter_schemas::ErrorClass;
use jiff::Timestamp;
use std::time::Duration;

/// Classes that mean the vendor wants fewer calls.
const THROTTLED: [ErrorClass; 3] =
    [ErrorClass::RateLimited, ErrorClass::QuotaExhausted, ErrorClass::ThrottledSoft];

/// The value of a rule's metric in one group, held against the window before if the rule says so.
pub fn measure(rule: &Rule, answer: &Answer, group: &Group, now: Timestamp) -> Option<Quantity> {
    let value = plain(rule, answer, group, now)?;
    let Some(compare) = rule.compare else { return Some(value) };
    let before = answer
        .before(group)
        .map_or_else(|| nothing(rule.metric), |before| plain(rule, answer, before, now))?;
    match compare.comparison {
        Comparison::Ratio => value.over(before),
        Comparison::Difference => Some(value.less(before)),
    }
}

/// How many calls a value stands on; of two windows that are compared the fewer ones, and for sums those before: that
/// there are fewer now is what may be looked for.
pub fn samples(rule: &Rule, answer: &Answer, group: &Group) -> u64 {
    if rule.compare.is_none() {
        return group.calls;
    }
    let before = answer.before(group).map_or(0, |before| before.calls);
    if rule.metric.is_growing_sum() { before } else { before.min(group.calls) }
}

/// What no calls at all measure.
fn nothing(metric: Metric) -> Option<Quantity> {
    match metric {
        Metric::Cost => Some(Quantity::Money(0)),
        metric => metric.is_zero_without_calls().then_some(Quantity::Real(0.0)),
    }
}

fn plain(rule: &Rule, answer: &Answer, group: &Group, now: Timestamp) -> Option<Quantity> {
    let real = |count: u64| Some(Quantity::Real(count as f64));
    match rule.metric {
        Metric::Calls => real(group.calls),
        Metric::Errors => real(errors(group, rule.error_classes.as_ref())),
        Metric::ErrorRate => share(errors(group, rule.error_classes.as_ref()), group.calls),
        Metric::ThrottledShare => share(counted(group, |class| THROTTLED.contains(&class)), group.calls),
        Metric::RetriedShare => share(group.retried, group.calls),
        Metric::RetryAmplification => share(group.calls, group.calls.saturating_sub(group.retried)),
        Metric::LatencyMean => mean_ms(group),
        Metric::LatencyP50
        | Metric::LatencyP75
        | Metric::LatencyP90
        | Metric::LatencyP95
        | Metric::LatencyP99
        | Metric::LatencyP999 => quantile(rule.metric, answer, group),
        Metric::BytesIn => real(group.bytes_in),
        Metric::BytesOut => real(group.bytes_out),
        Metric::NoTrafficFor => {
            let silent = now.as_second().saturating_sub(i64::from(group.last_seen));
            Some(Quantity::Real(silent.max(0) as f64))
        }
        Metric::Cost => has_currency(answer, group).then_some(Quantity::Money(group.cost)),
        Metric::SpendRate => {
            has_currency(answer, group).then(|| per_hour(Quantity::Money(group.cost), answer.window))
        }
        Metric::BudgetSpent => {
            let budget = rule.budget?.amount;
            has_currency(answer, group).then_some(Quantity::Money(group.cost))?.over(budget)
        }
        Metric::QuotaRemainingRatio => group.remaining_ratio.map(Quantity::Real),
        Metric::QuotaExhaustsIn => group.exhausts_in.map(Quantity::Real),
        Metric::PipelineLag => group.lag.map(Quantity::Real),
    }
}

fn quantile(metric: Metric, answer: &Answer, group: &Group) -> Option<Quantity> {
    let place = answer.quantiles.iter().position(|quantile| Some(*quantile) == metric.quantile())?;
    group.quantiles.get(place).filter(|value| value.is_finite()).map(|value| Quantity::Real(*value))
}

fn per_hour(cost: Quantity, window: Duration) -> Quantity {
    let hours = window.as_secs_f64() / 3_600.0;
    Quantity::Real(cost.as_f64() / hours)
}

fn errors(group: &Group, classes: Option<&Classes>) -> u64 {
    match classes {
        Some(classes) => counted(group, |class| classes.contains(&class)),
        None => group.errors,
    }
}

fn counted(group: &Group, wanted: impl Fn(ErrorClass) -> bool) -> u64 {
    let wanted = |class: ErrorClass| class != ErrorClass::Ok && wanted(class);
    group.errors_by_class.iter().filter(|(class, _)| wanted(*class)).map(|(_, count)| count).sum()
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
    let currency = answer.place(Dimension::Currency).and_then(|place| group.values.get(place));
    currency.is_some_and(|currency| !currency.is_empty())
}

#[cfg(test)]
mod tests;
