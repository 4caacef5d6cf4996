//! Alert rules as types that cannot be wrong: what the rule files say, once they were judged.
//!
//! What enters is the text of rule files (read by `rule_file`); what leaves is a
//! [`RuleSet`]. Promise: pure. Names of columns are enums, and no two rules can raise the same alert.

use crate::{
    rule_file,
    vocabulary::{Dimension, Metric, Op, Quantity},
};
use callmeter_documents::{Problem, Problems};
use callmeter_schemas::ErrorClass;
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
    /// Line of its file where it begins.
    pub line: u64,
    /// Its own name: the label `alertname` of its alerts.
    pub name: String,
    /// What is measured.
    pub metric: Metric,
    /// Over how much time.
    pub window: Duration,
    /// Which calls are looked at.
    pub filter: Filter,
    /// Which errors count; `None` is all.
    pub error_classes: Option<Classes>,
    /// One alert per combination of these; always holds the workspace, and the currency for cost.
    pub group_by: Vec<Dimension>,
    /// How the measured value is compared.
    pub op: Op,
    /// With what.
    pub threshold: Quantity,
    /// Firing alerts go on until the value no longer compares with this one, if given.
    pub clear_threshold: Option<Quantity>,
    /// Groups with fewer calls are taken as not exceeding.
    pub min_samples: u64,
    /// How long the value must exceed before the alert fires.
    pub pending_for: Duration,
    /// Labels of every alert of the rule.
    pub labels: Texts,
    /// Templates of texts for people.
    pub annotations: Texts,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleGroup {
    /// Line of its file where it begins.
    pub line: u64,
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

/// Which calls a rule looks at: every dimension named must match.
pub type Filter = BTreeMap<Dimension, Choice<String>>;
/// Which errors a rule counts.
pub type Classes = Choice<ErrorClass>;

/// Some values, or all but some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice<T> {
    /// Whether `values` are the ones left out.
    pub not: bool,
    /// The values named.
    pub values: Vec<T>,
}

impl<T: PartialEq> Choice<T> {
    /// Whether a value is chosen.
    pub fn contains(&self, value: &T) -> bool {
        self.values.contains(value) != self.not
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
                groups.claim(file, group.line, &group.name, "a group of this name", &mut problems);
                for rule in &group.rules {
                    let identity = format!("{} {:?}", rule.name, rule.labels);
                    identities.claim(
                        file,
                        rule.line,
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
    fn claim(&mut self, file: &str, line: u64, name: &str, what: &str, problems: &mut Problems) {
        if let Some(place) = self.0.insert(name.to_owned(), format!("{file}:{line}")) {
            problems.add(line, "", format!("{what} stands at {place} already"), None);
        }
    }
}
