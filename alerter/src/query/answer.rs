//! The answer of one query: groups enter, those that a rule looks at leave.
//!
//! Promise: pure. Thousands of rules over one answer each touch only the groups that they look at.

use crate::{
    filter::{Condition, Filter},
    rules::Rule,
    vocabulary::{Dimension, Quantile},
};
use callmeter_schemas::ErrorClass;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// The answer of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Which quantiles every group carries, in order.
    pub quantiles: Vec<Quantile>,
    /// What the groups' values stand for, in order: those of each of its rules, and those that rules pin by a filter.
    pub dimensions: Vec<Dimension>,
    /// The window in effect, after it was widened.
    pub window: Duration,
    /// One per combination of dimensions that has calls in the window, or is known from before it.
    pub groups: Vec<Group>,
    /// The same groups in the window that they are compared with.
    before: HashMap<Vec<String>, Group>,
    /// Per dimension that rules filter by, each value's places in `groups`.
    index: BTreeMap<Dimension, BTreeMap<String, Vec<usize>>>,
}

/// Sums over one group; what no rule asked for is 0, empty or `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Whether these are the sums of the window before, for a comparison.
    pub past: bool,
    /// Values of the query's dimensions.
    pub values: Vec<String>,
    /// Attempts.
    pub calls: u64,
    /// Attempts that were not `ok`.
    pub errors: u64,
    /// The same by class.
    pub errors_by_class: Vec<(ErrorClass, u64)>,
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
    /// Start of the first stored window with calls within the rule's `look_back`, seconds since 1970 UTC.
    pub first_seen: u32,
    /// End of the last stored window with calls, seconds since 1970 UTC.
    pub last_seen: u32,
    /// What is left of the limit that has least left, 0 to 1.
    pub remaining_ratio: Option<f64>,
    /// Seconds until the first limit is used up; infinite when none will be.
    pub exhausts_in: Option<f64>,
    /// Seconds that counting is behind.
    pub lag: Option<f64>,
}

impl Answer {
    pub(super) fn new(
        quantiles: Vec<Quantile>,
        dimensions: Vec<Dimension>,
        window: Duration,
        groups: Vec<Group>,
    ) -> Self {
        let (past, mut groups): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| group.past);
        let before: HashMap<Vec<String>, Group> =
            past.into_iter().map(|group| (group.values.clone(), group)).collect();
        // What was known before both windows stands in the one that is compared with.
        for group in &mut groups {
            if let Some(past) = before.get(&group.values) {
                group.first_seen = group.first_seen.min(past.first_seen);
            }
        }
        if !before.is_empty() {
            let seen: std::collections::HashSet<&Vec<String>> =
                groups.iter().map(|group| &group.values).collect();
            // Whoever had calls before has none now: that is a comparison too.
            let mut gone: Vec<&Group> =
                before.values().filter(|group| !seen.contains(&group.values)).collect();
            gone.sort_unstable_by(|one, other| one.values.cmp(&other.values));
            let none = |group: &Group| Group {
                values: group.values.clone(),
                quantiles: vec![f64::NAN; quantiles.len()],
                first_seen: group.first_seen,
                last_seen: group.last_seen,
                ..Group::default()
            };
            let gone: Vec<Group> = gone.into_iter().map(none).collect();
            groups.extend(gone);
        }
        Self { quantiles, dimensions, window, groups, before, index: BTreeMap::new() }
    }

    /// Finds the groups of each value of some dimensions at once.
    pub(super) fn indexed(mut self, dimensions: impl Iterator<Item = Dimension>) -> Self {
        for dimension in dimensions {
            let Some(place) = self.place(dimension) else { continue };
            let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (at, group) in self.groups.iter().enumerate() {
                let Some(value) = group.values.get(place) else { continue };
                match places.get_mut(value) {
                    Some(found) => found.push(at),
                    None => drop(places.insert(value.clone(), vec![at])),
                }
            }
            self.index.insert(dimension, places);
        }
        self
    }

    /// The place of a dimension among the groups' values.
    pub fn place(&self, dimension: Dimension) -> Option<usize> {
        self.dimensions.iter().position(|known| *known == dimension)
    }

    /// The same group in the window that it is compared with.
    pub fn before(&self, group: &Group) -> Option<&Group> {
        self.before.get(&group.values)
    }

    /// The groups that a rule looks at, in a stable order.
    pub fn select<'a>(&'a self, rule: &'a Rule) -> Box<dyn Iterator<Item = &'a Group> + 'a> {
        let rest = self.tests(&rule.filter);
        let passes = move |group: &&Group| {
            rest.iter().all(|(place, condition)| {
                group.values.get(*place).is_some_and(|value| condition.matches(value))
            })
        };
        let indexed = rule
            .filter
            .iter()
            .find_map(|(dimension, condition)| Some((self.index.get(dimension)?, condition)));
        match indexed {
            None => Box::new(self.groups.iter().filter(passes)),
            Some((index, condition)) => {
                let places = found(index, condition);
                Box::new(places.filter_map(|place| self.groups.get(place)).filter(passes))
            }
        }
    }

    /// What is tested of each group; filters by other dimensions stand in the query.
    fn tests<'a>(&self, filter: &'a Filter) -> Vec<(usize, &'a Condition)> {
        filter
            .iter()
            .filter_map(|(dimension, condition)| Some((self.place(*dimension)?, condition)))
            .collect()
    }
}

/// Places of the values that match.
fn found<'a>(
    index: &'a BTreeMap<String, Vec<usize>>,
    condition: &'a Condition,
) -> Box<dyn Iterator<Item = usize> + 'a> {
    match condition.named() {
        Some(values) => Box::new(values.iter().filter_map(|value| index.get(value)).flatten().copied()),
        None => {
            let matching = index.iter().filter(|(value, _)| condition.matches(value));
            Box::new(matching.flat_map(|(_, places)| places).copied())
        }
    }
}
