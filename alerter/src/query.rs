//! The questions to ClickHouse: rules enter, one grouped query per kind of question leaves.
//!
//! Rules with the same source, window and dimensions share one query, however many rules and groups there
//! are: what a rule filters by one of its dimensions is chosen in memory, and so is a filter that leaves one
//! value, because grouping by that dimension too changes no sum. Other filters stand in the query.
//! The questions go to the table behind the view `rollups`: sums are the same before its rows are
//! merged as after, and merging them for every question costs eight times as much.
//!
//! Promise: pure. Identifiers come from closed enums; values are parameters and never part of the text.
//! Every text has a bound on its time and on its groups.
//!
//! **Edges.** The window of a rule evaluated at `t` holds the stored windows whose start lies in `(t - window, t]`,
//! with `t` in whole seconds. The stored window that is still being filled is included, so that an
//! alert fires as soon as the calls are counted; with stored windows of 1m, a window of 5m therefore
//! holds between four and five minutes of calls. A window shorter than two stored ones is widened to two:
//! with one, each new stored window would begin with no calls at all, so that every minute every alert
//! would resolve and every `for` begin again.
//!
//! Where half a stored window would mislead (a sum that is too small, a rate per hour, a comparison with a window
//! before), the window ends with the last stored one that is over and completely counted, and is rounded up to whole
//! stored windows: [`crate::rules::Rule::wants_full_windows`].
//!
//! **Money.** `cost` and `spend_rate` add to the cost of the counted calls what the month's price book makes of their
//! usage: of each hour of the view `usage_costs` the share of its units that lies in the window, truncated at
//! 10^-12. `budget_spent` reads the view `costs` and is exact. Calls that nothing prices are in none of them.

mod answer;
mod plan;
mod text;

pub use answer::{Answer, Group};
pub use plan::plan;

use crate::{
    filter::{Condition, Filter},
    vocabulary::{Dimension, Period, Quantile, Source},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most groups that one query may answer; one more is an error, and no conclusion is drawn.
pub const MAX_GROUPS: usize = 1_000_000;

/// One grouped query and the rules it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    key: Key,
    /// Length of the stored windows.
    stored: Duration,
    /// Values of its dimensions that all of its rules name: no others need be read.
    narrowed: BTreeMap<Dimension, BTreeSet<String>>,
    quantiles: BTreeSet<Quantile>,
    latency: bool,
    classes: bool,
    /// Dimensions that a rule filters by in memory.
    filtered: BTreeSet<Dimension>,
    /// Places of its rules in the list that was planned.
    pub rules: Vec<usize>,
}

/// What rules must have in common to share a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: Source,
    window: Duration,
    /// Whether the window ends with a stored one that is over.
    full: bool,
    /// How long before the other window lies; zero without one.
    before: Duration,
    /// How far back groups are looked for; zero: only in the window.
    look_back: Duration,
    dimensions: Vec<Dimension>,
    /// By dimensions that are not among those.
    filter: Filter,
}

/// A value for one parameter of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// Seconds since 1970 UTC.
    Seconds(u32),
    /// `String`.
    Text(String),
    /// `Array(String)`.
    Texts(Vec<String>),
}

impl Query {
    /// Where its numbers come from. A query of [`Source::Pipeline`] has no text: what answers it is known.
    pub fn source(&self) -> Source {
        self.key.source
    }

    /// Whether it adds up the days of a budget's period.
    pub(crate) fn is_budget(&self) -> bool {
        matches!(self.key.source, Source::Budget(_))
    }

    /// What its groups' values stand for, in order.
    pub(crate) fn dimensions(&self) -> &[Dimension] {
        &self.key.dimensions
    }

    /// What it groups and filters by.
    pub(crate) fn dimensions_seen(&self) -> impl Iterator<Item = Dimension> {
        self.key.dimensions.iter().chain(self.key.filter.keys()).copied()
    }

    /// Whether it reads calls with these values; a dimension that is not named is empty.
    pub(crate) fn reads(&self, values: &BTreeMap<Dimension, String>) -> bool {
        let value = |dimension| values.get(dimension).map(String::as_str).unwrap_or_default();
        self.key.filter.iter().all(|(dimension, condition)| condition.matches(value(dimension)))
            && self.narrowed.iter().all(|(dimension, named)| named.contains(value(dimension)))
    }

    /// How far back it looks.
    pub(crate) fn reach(&self) -> Duration {
        match self.key.source {
            Source::Budget(Period::Day) => Duration::from_secs(24 * 3_600),
            Source::Budget(Period::Month) => Duration::from_secs(31 * 24 * 3_600),
            _ => (self.key.window + self.key.before).max(self.key.look_back) + self.stored,
        }
    }

    /// The quantiles that its groups carry, in order.
    pub(crate) fn quantiles(&self) -> impl Iterator<Item = Quantile> {
        self.quantiles.iter().copied()
    }

    /// When a group was first and last seen, given the starts of its first and last stored window.
    pub(crate) fn stamps(&self, first: u32, last: u32) -> (u32, u32) {
        if self.is_budget() { (0, 0) } else { (first, last.saturating_add(whole_seconds(self.stored))) }
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
        let quantiles = self.quantiles.iter().copied().collect();
        let filtered = self.filtered.iter().copied();
        Answer::new(quantiles, self.key.dimensions.clone(), self.key.window, groups).indexed(filtered)
    }

    /// The text: one row per group, with the columns of [`Group`] in their order.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The parameters of the text for an evaluation at `now`, when everything was counted up to `complete_until`.
    pub fn params(&self, now: Timestamp, complete_until: Timestamp) -> Vec<(&'static str, Param)> {
        let until = if self.key.full { self.last_full(now.min(complete_until)) } else { seconds(now) };
        let since = until.saturating_sub(whole_seconds(self.key.window));
        let mut params = vec![("since", Param::Seconds(since)), ("until", Param::Seconds(until))];
        if !self.key.before.is_zero() {
            let before = whole_seconds(self.key.before);
            params.push(("since_before", Param::Seconds(since.saturating_sub(before))));
            params.push(("until_before", Param::Seconds(until.saturating_sub(before))));
        }
        if !self.key.look_back.is_zero() {
            let known = until.saturating_sub(whole_seconds(self.key.look_back)).min(since);
            params.push(("known_since", Param::Seconds(known)));
        }
        params.extend(self.key.filter.iter().map(|(dimension, condition)| {
            let param = match condition {
                Condition::Values(choice) => Param::Texts(choice.values.clone()),
                Condition::Form { pattern, .. } => Param::Text(pattern.anchored()),
            };
            (dimension.word(), param)
        }));
        let texts = |values: &BTreeSet<String>| Param::Texts(values.iter().cloned().collect());
        params.extend(self.narrowed.iter().map(|(dimension, values)| (dimension.word(), texts(values))));
        params
    }

    /// The last second of the last stored window that is over at a time.
    fn last_full(&self, time: Timestamp) -> u32 {
        let stored = whole_seconds(self.stored).max(1);
        (seconds(time) / stored * stored).saturating_sub(1)
    }
}

fn seconds(time: Timestamp) -> u32 {
    time.as_second().clamp(0, i64::from(u32::MAX)) as u32
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}
