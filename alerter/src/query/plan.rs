//! Which rules share a query: rules enter, queries leave.
//!
//! Promise: pure, and the same rules give the same queries in the same order.

use super::{Key, Query};
use crate::{
    rules::Rule,
    vocabulary::{Dimension, Metric},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most values of one dimension that a query is narrowed to: they are sent with it.
const MAX_NARROWED: usize = 100;

/// Plans the queries that answer all of the rules, given the length of the stored windows.
#[allow(clippy::mutable_key_type, reason = "a pattern is compared by its text, which never changes")]
pub fn plan(rules: &[&Rule], stored: Duration) -> Vec<Query> {
    let mut queries: BTreeMap<Key, Query> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let key = Key::of(rule, stored);
        match queries.get_mut(&key) {
            Some(query) => query.serve(place, rule),
            None => {
                let mut query = Query::first(key.clone(), stored, rule);
                query.serve(place, rule);
                queries.insert(key, query);
            }
        }
    }
    queries.into_values().collect()
}

impl Key {
    fn of(rule: &Rule, stored: Duration) -> Self {
        let mut dimensions = rule.group_by.clone();
        let mut filter = rule.filter.clone();
        filter.retain(|dimension, matcher| {
            let in_memory = dimensions.contains(dimension) || matcher.single().is_some();
            if in_memory {
                dimensions.push(*dimension);
            }
            !in_memory
        });
        dimensions.sort_unstable();
        dimensions.dedup();
        let full = rule.wants_full_windows();
        let (window, look_back) = windows(rule, stored, full);
        // Two windows that overlap would share calls.
        let before = rule.compare.map_or(Duration::ZERO, |compare| compare.with.max(window));
        Self { source: rule.source(), window, full, before, look_back, dimensions, filter }
    }
}

/// The window in effect, and how far back groups are looked for.
fn windows(rule: &Rule, stored: Duration, full: bool) -> (Duration, Duration) {
    if !rule.source().slides() {
        return (rule.window, Duration::ZERO);
    }
    if rule.metric == Metric::NoTrafficFor {
        return (stored * 2, rule.window);
    }
    let window = if full { rounded_up(rule.window, stored) } else { rule.window.max(stored * 2) };
    (window, rule.look_back)
}

/// A whole number of stored windows.
fn rounded_up(window: Duration, stored: Duration) -> Duration {
    let (window, stored) = (window.as_millis(), stored.as_millis().max(1));
    Duration::from_millis(u64::try_from(window.div_ceil(stored).max(1) * stored).unwrap_or(u64::MAX))
}

impl Query {
    fn first(key: Key, stored: Duration, rule: &Rule) -> Self {
        Self {
            narrowed: named(&key, rule),
            key,
            stored,
            quantiles: BTreeSet::new(),
            latency: false,
            classes: false,
            filtered: BTreeSet::new(),
            rules: Vec::new(),
        }
    }

    fn serve(&mut self, place: usize, rule: &Rule) {
        self.rules.push(place);
        self.quantiles.extend(rule.metric.quantile());
        self.latency |= rule.metric.quantile().is_some() || rule.metric == Metric::LatencyMean;
        self.classes |= rule.error_classes.is_some() || rule.metric == Metric::ThrottledShare;
        self.filtered.extend(rule.filter.keys().filter(|dimension| self.key.dimensions.contains(dimension)));
        let named = named(&self.key, rule);
        self.narrowed.retain(|dimension, values| match named.get(dimension) {
            Some(more) => {
                values.extend(more.iter().cloned());
                values.len() <= MAX_NARROWED
            }
            None => false,
        });
    }
}

/// The only values of the query's dimensions that a rule looks at.
fn named(key: &Key, rule: &Rule) -> BTreeMap<Dimension, BTreeSet<String>> {
    let ours = rule.filter.iter().filter(|(dimension, _)| key.dimensions.contains(dimension));
    ours.filter_map(|(dimension, matcher)| Some((*dimension, matcher.named()?.iter().cloned().collect())))
        .collect()
}
