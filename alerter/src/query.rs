//! The questions to ClickHouse: rules enter, one grouped query per kind of question leaves.
//!
//! Rules with the same window, filter and dimensions share one query, however many groups they have.
//! The questions go to the table behind the view `rollups`: sums are the same before its rows are
//! merged as after, and merging them for every question costs eight times as much.
//!
//! Promise: pure. Identifiers come from closed enums; values are parameters and never part of the text.
//!
//! The window of a rule evaluated at `t` holds the stored windows whose start lies in `(t - window, t]`,
//! with `t` in whole seconds. The stored window that is still being filled is included, so that an
//! alert fires as soon as the calls are counted; with stored windows of 1m, a window of 5m therefore
//! holds between four and five minutes of calls. A window shorter than two stored ones is widened to two:
//! with one, each new stored window would begin with no calls at all, so that every minute every alert
//! would resolve and every `for` begin again.

use crate::{
    rules::{Filter, Rule},
    vocabulary::{Dimension, Metric, Quantile},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// Most groups that one query may answer; one more is an error, and no conclusion is drawn.
pub const MAX_GROUPS: usize = 1_000_000;

/// One grouped query and the rules it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    window: Duration,
    filter: Filter,
    group_by: Vec<Dimension>,
    quantiles: Vec<Quantile>,
    latency: bool,
    classes: bool,
    /// Places of its rules in the list that was planned.
    pub rules: Vec<usize>,
}

/// A value for one parameter of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// Seconds since 1970 UTC.
    Seconds(u32),
    /// `Array(String)`.
    Texts(Vec<String>),
}

/// The answer of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Which quantiles every group carries, in order.
    pub quantiles: Vec<Quantile>,
    /// What the groups' values stand for, in order.
    pub dimensions: Vec<Dimension>,
    /// One per combination of dimensions that has calls in the window.
    pub groups: Vec<Group>,
}

/// Sums over one group; what no rule asked for is 0 or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Values of the query's dimensions.
    pub values: Vec<String>,
    /// Attempts.
    pub calls: u64,
    /// Attempts that were not `ok`.
    pub errors: u64,
    /// The same by class.
    pub errors_by_class: Vec<(String, u64)>,
    /// Attempts after the first.
    pub retried: u64,
    /// Added latency, µs.
    pub latency_us_sum: u64,
    /// Calls that carried a latency.
    pub measured: u64,
    /// ms, NaN when nothing was measured.
    pub quantiles: Vec<f64>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Units of 10^-12.
    pub cost: i128,
}

/// Plans the queries that answer all of the rules, given the length of the stored windows.
pub fn plan(rules: &[&Rule], stored: Duration) -> Vec<Query> {
    let mut queries: BTreeMap<_, Query> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let window = rule.window.max(stored * 2);
        let key = (window, rule.filter.clone(), rule.group_by.clone());
        queries.entry(key).or_insert_with(|| Query::empty(window, rule)).serve(place, rule);
    }
    queries.into_values().collect()
}

impl Query {
    fn empty(window: Duration, rule: &Rule) -> Self {
        Self {
            window,
            filter: rule.filter.clone(),
            group_by: rule.group_by.clone(),
            quantiles: Vec::new(),
            latency: false,
            classes: false,
            rules: Vec::new(),
        }
    }

    fn serve(&mut self, place: usize, rule: &Rule) {
        self.rules.push(place);
        self.quantiles.extend(rule.metric.quantile());
        self.quantiles.sort_unstable();
        self.quantiles.dedup();
        self.latency |= rule.metric.quantile().is_some() || rule.metric == Metric::LatencyMean;
        self.classes |= rule.error_classes.is_some() || rule.metric == Metric::ThrottledShare;
    }

    /// Which calls it looks at.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What it groups and filters by.
    pub(crate) fn dimensions_seen(&self) -> impl Iterator<Item = Dimension> {
        self.group_by.iter().chain(self.filter.keys()).copied()
    }

    /// Its window.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Whether any of its rules looks at latency.
    pub(crate) fn asks_latency(&self) -> bool {
        self.latency
    }

    /// Whether any of its rules looks at classes of errors.
    pub(crate) fn asks_classes(&self) -> bool {
        self.classes
    }

    /// An answer to this query.
    pub fn answer(&self, groups: Vec<Group>) -> Answer {
        Answer { quantiles: self.quantiles.clone(), dimensions: self.group_by.clone(), groups }
    }

    /// The text: one row per group, with the columns of [`Group`] in their order.
    pub fn text(&self) -> String {
        let columns: Vec<&str> = self.group_by.iter().map(|dimension| dimension.word()).collect();
        let values: Vec<String> = columns.iter().map(|column| format!("toString({column})")).collect();
        let quantile = |quantile: &Quantile| format!("latencyQuantile({}, latency)", quantile.literal());
        let quantiles: Vec<String> = self.quantiles.iter().map(quantile).collect();
        format!(
            "SELECT values, calls, errors, errors_by_class, retried, latency_us_sum, \
             arraySum(mapValues(latency)) AS measured, CAST([{quantiles}], 'Array(Float64)') AS quantiles, \
             bytes_in, bytes_out, cost \
             FROM (SELECT [{values}] AS values, sum(calls) AS calls, sum(errors) AS errors, \
             {classes} AS errors_by_class, sum(attempts_retried) AS retried, \
             sum(latency_us_sum) AS latency_us_sum, {latency} AS latency, \
             sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost \
             FROM deltas WHERE kind = 'data' AND window_start > toDateTime({{since:UInt32}}, 'UTC') \
             AND window_start <= toDateTime({{until:UInt32}}, 'UTC'){filter} \
             GROUP BY {columns} LIMIT {limit})",
            quantiles = quantiles.join(", "),
            values = values.join(", "),
            classes =
                if self.classes { "sumMap(errors_by_class)" } else { "CAST(map(), 'Map(String, UInt64)')" },
            latency = if self.latency { "sumMap(latency)" } else { "CAST(map(), 'Map(UInt16, UInt64)')" },
            filter = self.conditions(),
            columns = columns.join(", "),
            limit = MAX_GROUPS + 1,
        )
    }

    fn conditions(&self) -> String {
        let condition = |(dimension, choice): (&Dimension, &crate::rules::Choice<String>)| {
            let (word, not) = (dimension.word(), if choice.not { "NOT " } else { "" });
            format!(" AND {word} {not}IN {{{word}:Array(String)}}")
        };
        self.filter.iter().map(condition).collect()
    }

    /// The parameters of the text for an evaluation at `now`.
    pub fn params(&self, now: Timestamp) -> Vec<(&'static str, Param)> {
        let until = now.as_second().clamp(0, i64::from(u32::MAX)) as u32;
        let since = until.saturating_sub(self.window.as_millis().div_ceil(1_000) as u32);
        let mut params = vec![("since", Param::Seconds(since)), ("until", Param::Seconds(until))];
        let texts = self
            .filter
            .iter()
            .map(|(dimension, choice)| (dimension.word(), Param::Texts(choice.values.clone())));
        params.extend(texts);
        params
    }
}
