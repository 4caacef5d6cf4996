//! Alert rules as types that cannot be wrong: what the rule files say, once they were judged.
//!
//! What enters is the text of rule files (read by `rule_file`); what leaves is a
//! [`RuleSet`]. Promise: pure. Names of columns are enums, and no two rules can raise the same alert.

pub use crate::filter::{Choice, Classes, Condition, Filter, Pattern};
use crate::{
    alert::Standing,
    quantity::Quantity,
    rule_file,
    vocabulary::{Comparison, Dimension, Metric, NoData, Op, Period, Source},
};
use callmeter_documents::{Problem, Problems};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Labels or annotations.
pub type Texts = BTreeMap<String, String>;

/// One alert rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Name of the rule group it stands in.
    pub group: String,
    /// How often that is evaluated; `None` is `alerter.interval`.
    pub interval: Option<Duration>,
    /// Line and column of its file where it begins.
    pub place: (u64, u64),
    /// Its own name: the label `alertname` of its alerts.
    pub name: String,
    /// What is measured.
    pub metric: Metric,
    /// Over how much time; see [`crate::query`] for its edges.
    pub window: Duration,
    /// Which calls are looked at.
    pub filter: Filter,
    /// Which errors count; `None` is all.
    pub error_classes: Option<Classes>,
    /// One alert per combination of these, sorted; holds the workspace, and the currency wherever money is
    /// added up. Empty for [`Source::Pipeline`].
    pub group_by: Vec<Dimension>,
    /// How the measured value is compared.
    pub op: Op,
    /// With what, and how long.
    pub terms: Terms,
    /// Other terms for some groups; the first that matches holds.
    pub overrides: Vec<Override>,
    /// With which window before it is compared, if any.
    pub compare: Option<Compare>,
    /// For `budget_spent`: of what.
    pub budget: Option<Budget>,
    /// What becomes of alerts of groups with nothing to measure.
    pub no_data: NoData,
    /// How long groups without calls are known; zero when the rule does not care.
    pub look_back: Duration,
    /// Groups whose first call within `look_back` is not as old as this start no alert.
    pub new_group_delay: Duration,
    /// Labels of every alert of the rule.
    pub labels: Texts,
    /// Templates of texts for people.
    pub annotations: Texts,
}

/// What decides whether and when a group's alert fires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// What values are compared with.
    pub threshold: Quantity,
    /// Firing alerts go on until the value no longer compares with this one, if given.
    pub clear_threshold: Option<Quantity>,
    /// Groups with fewer calls are taken as not exceeding.
    pub min_samples: u64,
    /// How long the value must exceed before the alert fires.
    pub pending_for: Duration,
    /// How long a firing alert goes on after the value was last beyond.
    pub keep_firing_for: Duration,
}

impl Terms {
    /// Terms of a threshold and a wait alone, for alerts that no rule file describes.
    pub const fn beyond(threshold: Quantity, pending_for: Duration) -> Self {
        Self {
            threshold,
            clear_threshold: None,
            min_samples: 0,
            pending_for,
            keep_firing_for: Duration::ZERO,
        }
    }
}

/// Terms for the groups that match.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Of the rule's own dimensions.
    pub filter: Filter,
    /// All of them, with the rule's own where the override says nothing.
    pub terms: Terms,
}

/// Comparison with the same window before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compare {
    /// How long before; at least the window.
    pub with: Duration,
    /// How.
    pub comparison: Comparison,
}

/// An amount of money for a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// More than nothing.
    pub amount: Quantity,
    /// Of which day or month.
    pub period: Period,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleGroup {
    /// Line and column of its file where it begins.
    pub place: (u64, u64),
    /// Its name, one of a kind.
    pub name: String,
    /// How often; `None` is `alerter.interval`.
    pub interval: Option<Duration>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Every rule of every file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// In the order of the files.
    pub groups: Vec<RuleGroup>,
}

impl Rule {
    /// Where its numbers come from.
    pub fn source(&self) -> Source {
        self.metric.source(self.budget.map(|budget| budget.period))
    }

    /// The terms for a group with these values of the rule's dimensions.
    pub fn terms_for(&self, values: &[String]) -> &Terms {
        terms_for(&self.terms, &self.overrides, &self.group_by, values)
    }

    /// Whether all calls of one of its groups are in one Kafka partition, by the key that records have.
    pub fn groups_have_one_partition(&self) -> bool {
        let fixed = |dimension| {
            self.group_by.contains(&dimension)
                || self.filter.get(&dimension).is_some_and(|condition| condition.single().is_some())
        };
        fixed(Dimension::Customer) && fixed(Dimension::Integration)
    }

    /// Whether the window ends with the last stored window that is over: where one that is still being
    /// filled would make a value too small, or unequal to the window that it is compared with.
    pub fn wants_full_windows(&self) -> bool {
        let shrinks = self.metric.is_growing_sum() && !self.op.grows();
        self.source().slides() && (self.compare.is_some() || shrinks || self.metric == Metric::SpendRate)
    }
}

/// The terms for a group with these values: those of the first override that matches, else the rule's own.
pub(crate) fn terms_for<'a>(
    terms: &'a Terms,
    overrides: &'a [Override],
    dimensions: &[Dimension],
    values: &[String],
) -> &'a Terms {
    let value = |dimension: &Dimension| {
        let place = dimensions.iter().position(|known| known == dimension)?;
        values.get(place)
    };
    let matches = |filter: &Filter| {
        filter
            .iter()
            .all(|(dimension, condition)| value(dimension).is_some_and(|value| condition.matches(value)))
    };
    overrides.iter().find(|other| matches(&other.filter)).map_or(terms, |other| &other.terms)
}

impl Terms {
    /// How a value compares with the thresholds.
    pub fn standing(&self, op: Op, value: Quantity) -> Standing {
        if op.holds(value, self.threshold) {
            return Standing::Exceeds;
        }
        let lingers = self.clear_threshold.is_some_and(|clear| op.holds(value, clear));
        if lingers { Standing::Lingers } else { Standing::Clear }
    }
}

impl RuleSet {
    /// Every rule, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.groups.iter().map(|group| group.rules.len()).sum()
    }

    /// Judges files, each given by name and text, together.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<Problem>> {
        let mut groups = Names::default();
        let mut identities = Names::default();
        let (mut set, mut mistakes) = (Self::default(), Vec::new());
        for (file, text) in files {
            let mut problems = Problems::new(file);
            for group in rule_file::read(text, &mut problems) {
                groups.claim(file, group.place, &group.name, "a group of this name", &mut problems);
                for rule in &group.rules {
                    let identity = format!("{} {:?}", rule.name, rule.labels);
                    identities.claim(
                        file,
                        rule.place,
                        &identity,
                        "a rule of this name with the same labels",
                        &mut problems,
                    );
                }
                set.groups.push(group);
            }
            mistakes.extend(problems.into_vec());
        }
        if mistakes.is_empty() { Ok(set) } else { Err(mistakes) }
    }
}

/// Names that may be given once, and where they were.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn claim(
        &mut self,
        file: &str,
        (line, column): (u64, u64),
        name: &str,
        what: &str,
        problems: &mut Problems,
    ) {
        if let Some(place) = self.0.insert(name.to_owned(), format!("{file}:{line}:{column}")) {
            problems.add_at((line, column), "", format!("{what} stands at {place} already"), None);
        }
    }
}
