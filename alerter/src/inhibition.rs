//! Inhibition: rules and the alerts that fire enter, which alerts go without saying leaves.
//!
//! Alertmanager's semantics: an alert that matches a rule's targets is inhibited while another one fires that
//! matches its sources and agrees on every label of `equal`; a label that is missing counts as empty. An alert
//! that matches both sides is inhibited by none that does too, so that no alert inhibits itself and no two each
//! other. Promise: pure; an alert costs one look per rule, however many fire.

use crate::{matchers::Matchers, rules::Texts};
use std::collections::HashMap;

/// While a source fires, targets with equal labels go without saying.
#[derive(Clone, Debug, PartialEq)]
pub struct InhibitRule {
    /// Which alerts inhibit.
    pub source: Matchers,
    /// Which alerts are inhibited.
    pub target: Matchers,
    /// Labels on which both must agree.
    pub equal: Vec<String>,
}

/// The alerts that inhibit now.
#[derive(Debug)]
pub struct Inhibitor<'a> {
    rules: Vec<(&'a InhibitRule, HashMap<Vec<&'a str>, Sources<'a>>)>,
}

/// Fingerprints of firing sources that agree on the labels of `equal`: any one, and any one that is no target.
#[derive(Clone, Copy, Debug)]
struct Sources<'a> {
    any: &'a str,
    one_sided: Option<&'a str>,
}

impl InhibitRule {
    fn equal_values<'l>(&self, labels: &'l Texts) -> Vec<&'l str> {
        self.equal.iter().map(|name| labels.get(name).map_or("", String::as_str)).collect()
    }
}

impl<'a> Inhibitor<'a> {
    /// Takes up the alerts that fire, each by fingerprint and labels.
    pub fn new(rules: &'a [InhibitRule], firing: impl Iterator<Item = (&'a str, &'a Texts)> + Clone) -> Self {
        let sources = |rule: &'a InhibitRule| {
            let mut found: HashMap<Vec<&str>, Sources<'_>> = HashMap::new();
            for (print, labels) in firing.clone().filter(|(_, labels)| rule.source.matches(labels)) {
                let sources = found.entry(rule.equal_values(labels));
                let sources = sources.or_insert(Sources { any: print, one_sided: None });
                if sources.one_sided.is_none() && !rule.target.matches(labels) {
                    sources.one_sided = Some(print);
                }
            }
            (rule, found)
        };
        Self { rules: rules.iter().map(sources).collect() }
    }

    /// The fingerprint of a firing alert that inhibits one with these labels.
    pub fn inhibits(&self, labels: &Texts) -> Option<&'a str> {
        self.rules.iter().find_map(|(rule, sources)| {
            if sources.is_empty() || !rule.target.matches(labels) {
                return None;
            }
            let sources = sources.get(&rule.equal_values(labels))?;
            if rule.source.matches(labels) { sources.one_sided } else { Some(sources.any) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers;
    use proptest::prelude::*;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        let matchers = |text| matchers::parse(text).expect("matchers").into_iter().collect();
        let equal = equal.iter().map(|name| (*name).to_owned()).collect();
        InhibitRule { source: matchers(source), target: matchers(target), equal }
    }

    fn labels(text: &str) -> Texts {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[track_caller]
    fn check(rule: &InhibitRule, firing: &[&str], alert: &str, wanted: Option<&str>) {
        let firing: Vec<(&str, Texts)> = firing.iter().map(|text| (*text, labels(text))).collect();
        let sources = firing.iter().map(|(print, labels)| (*print, labels));
        assert_eq!(Inhibitor::new(std::slice::from_ref(rule), sources).inhibits(&labels(alert)), wanted);
    }

    #[test]
    fn a_source_inhibits_the_targets_that_agree_with_it() {
        let by_vendor = rule("kind=outage", "kind=slow", &["vendor"]);
        check(&by_vendor, &["kind=outage vendor=a"], "kind=slow vendor=a", Some("kind=outage vendor=a"));
        check(&by_vendor, &["kind=outage vendor=a"], "kind=slow vendor=b", None);
        check(&by_vendor, &["kind=outage vendor=a"], "kind=other vendor=a", None);
        check(&by_vendor, &["kind=outage vendor=a"], "kind=slow", None);
        check(&by_vendor, &["kind=outage"], "kind=slow", Some("kind=outage"));
        check(&by_vendor, &[], "kind=slow vendor=a", None);
    }

    #[test]
    fn an_alert_that_matches_both_sides_is_inhibited_only_by_one_that_does_not() {
        let both = rule("severity=~page|critical", "severity=~page|ticket", &[]);
        check(&both, &["severity=page"], "severity=page", None);
        check(&both, &["severity=page"], "severity=page name=other", None);
        check(&both, &["severity=page"], "severity=ticket", Some("severity=page"));
        check(&both, &["severity=page", "severity=critical"], "severity=page", Some("severity=critical"));
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_look_at_every_pair_finds(
            firing in proptest::collection::vec("a=[xyz]( b=[xy])?( c=[xy])?", 0..6),
            alert in "a=[xyz]( b=[xy])?( c=[xy])?",
        ) {
            let rule = rule("a=~x|y", "a!=x", &["b"]);
            let alert = labels(&alert);
            let naive = firing.iter().map(|text| labels(text)).any(|source| {
                let both = |labels: &Texts| rule.source.matches(labels) && rule.target.matches(labels);
                rule.source.matches(&source)
                    && rule.target.matches(&alert)
                    && source.get("b").map_or("", String::as_str) == alert.get("b").map_or("", String::as_str)
                    && !(both(&source) && both(&alert))
            });
            let firing: Vec<(&str, Texts)> = firing.iter().map(|text| (text.as_str(), labels(text))).collect();
            let sources = firing.iter().map(|(print, labels)| (*print, labels));
            prop_assert_eq!(Inhibitor::new(std::slice::from_ref(&rule), sources).inhibits(&alert).is_some(), naive);
        }
    }
}
