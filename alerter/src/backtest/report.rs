//! What a back-test found: episodes that would have been and that were enter, a report by rule leaves.
//!
//! Two episodes are the same when rule name and dimensions agree and the times overlap, give or take two stored
//! windows: so an edited rule is held against what it did before, whatever its group and its own labels are now.
//! Promise: pure.

use crate::{
    backtest::{
        Order,
        episodes::{Episode, Episodes},
    },
    rules::{Rule, Texts},
    vocabulary::Dimension,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

/// What a back-test found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Beginning of the history.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// In the order of the files.
    pub rules: Vec<RuleReport>,
    /// Times that a group exceeded but found too many alerts of its rule open.
    pub over_limit: u64,
    /// Episodes beyond those that are kept.
    pub dropped: u64,
}

/// What it found of one rule.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// Name of the rule group.
    pub group: String,
    /// Name of the rule.
    pub rule: String,
    /// Whether it was replayed: what it measures is in the rollups.
    pub replayed: bool,
    /// Times that it would have fired.
    pub fired: usize,
    /// For how many combinations of labels.
    pub alerts: usize,
    /// For how long altogether, seconds.
    pub firing_seconds: i64,
    /// The longest of them, seconds.
    pub longest_seconds: i64,
    /// Times that it did fire.
    pub fired_live: usize,
    /// Of those that would have fired, those that did not.
    pub new: usize,
    /// Of those that did fire, those that would not have.
    pub gone: usize,
    /// Every one of them, in the order of time.
    pub episodes: Vec<Told>,
}

/// One episode.
#[derive(Debug, PartialEq, Serialize)]
pub struct Told {
    /// Labels of the alert.
    pub labels: Texts,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it resolved; absent if not within the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// The value with which it fired.
    pub value: f64,
    /// Where it is known from.
    pub seen: Seen,
}

/// Where an episode is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It would have fired, and it did.
    Both,
    /// It would have fired, and did not.
    New,
    /// It did fire, and would not have.
    Gone,
}

impl Report {
    /// Holds what would have fired against what did.
    pub(crate) fn new(
        order: &Order,
        (from, until): (Timestamp, Timestamp),
        replayed: Episodes,
        live: Episodes,
        over_limit: u64,
    ) -> Self {
        let ((replayed, dropped), (live, dropped_live)) = (replayed.finish(), live.finish());
        let live: Vec<Episode> = live.into_iter().filter(|episode| episode.end(until) >= from).collect();
        let slack = SignedDuration::try_from(order.stored * 2).unwrap_or(SignedDuration::MAX);
        let matches = Matches { slack, until };
        let mut rules = Vec::new();
        for rule in order.rules.iter() {
            // Rules of one name are told apart by their own labels.
            let ours = |episode: &&Episode| {
                episode.rule == rule.name
                    && rule.labels.iter().all(|(name, value)| episode.labels.get(name) == Some(value))
            };
            let namesakes = order.rules.iter().filter(|other| other.name == rule.name).count();
            let theirs = |episode: &&Episode| {
                if namesakes > 1 { ours(episode) } else { episode.rule == rule.name }
            };
            let (mine, known): (Vec<&Episode>, Vec<&Episode>) =
                (replayed.iter().filter(ours).collect(), live.iter().filter(theirs).collect());
            rules.push(matches.report(rule, &mine, &known));
        }
        Self { from, until, rules, over_limit, dropped: dropped + dropped_live }
    }
}

/// How episodes are held against each other.
struct Matches {
    slack: SignedDuration,
    until: Timestamp,
}

impl Matches {
    fn report(&self, rule: &Rule, replayed: &[&Episode], live: &[&Episode]) -> RuleReport {
        let known = self.among(live);
        let new: Vec<bool> = replayed.iter().map(|episode| !known(episode)).collect();
        let would = self.among(replayed);
        let gone: Vec<&Episode> = live.iter().copied().filter(|episode| !would(episode)).collect();
        let lengths =
            replayed.iter().map(|episode| episode.end(self.until).duration_since(episode.fired_at).as_secs());
        let told = replayed
            .iter()
            .zip(&new)
            .map(|(episode, new)| (*episode, if *new { Seen::New } else { Seen::Both }));
        let told = told.chain(gone.iter().map(|episode| (*episode, Seen::Gone)));
        let mut episodes: Vec<Told> = told.map(|(episode, seen)| tell(episode, seen)).collect();
        episodes.sort_by_key(|told| told.fired_at);
        RuleReport {
            group: rule.group.clone(),
            rule: rule.name.clone(),
            replayed: rule.source().is_in_rollups(),
            fired: replayed.len(),
            alerts: replayed.iter().map(|episode| &episode.labels).collect::<BTreeSet<_>>().len(),
            firing_seconds: lengths.clone().sum(),
            longest_seconds: lengths.max().unwrap_or(0),
            fired_live: live.len(),
            new: new.iter().filter(|new| **new).count(),
            gone: gone.len(),
            episodes,
        }
    }

    /// Whether an episode is one of others.
    fn among<'e>(&self, others: &[&'e Episode]) -> impl Fn(&Episode) -> bool + use<'_, 'e> {
        let mut by_dimensions: HashMap<Vec<String>, Vec<&'e Episode>> = HashMap::new();
        others.iter().for_each(|other| by_dimensions.entry(dimensions(other)).or_default().push(other));
        move |episode| {
            let others = by_dimensions.get(&dimensions(episode));
            others.is_some_and(|others| others.iter().any(|other| self.overlap(episode, other)))
        }
    }

    fn overlap(&self, one: &Episode, other: &Episode) -> bool {
        let begins_before_end =
            |one: &Episode, other: &Episode| one.fired_at.duration_since(other.end(self.until)) <= self.slack;
        begins_before_end(one, other) && begins_before_end(other, one)
    }
}

fn dimensions(episode: &Episode) -> Vec<String> {
    let value = |word: &&str| episode.labels.get(*word).cloned().unwrap_or_default();
    Dimension::WORDS.iter().map(value).collect()
}

fn tell(episode: &Episode, seen: Seen) -> Told {
    let Episode { labels, fired_at, resolved_at, value, .. } = episode.clone();
    Told { labels, fired_at, resolved_at, value, seen }
}

#[cfg(test)]
mod tests;
