//! Limits that an answer tells of: values of headers enter, quota observations leave.
//!
//! A profile's entries are read, or the usual headers where it has none. Promise: pure; at most
//! `limits::QUOTA_ENTRIES` observations, names within `limits::DIMENSION_BYTES`, one per policy and scope; what is
//! malformed, negative or absurd is left out.

use crate::{
    forms,
    headers::{Field, Names, Slot, Values},
    ietf, moments,
    profile::{QuotaEntry, Scope, TimeForm},
};
use callmeter_schemas::{QuotaObservation, limits};

/// Scope of a limit that all customers of an app share.
const APP: &str = "app";
/// The usual headers, where no profile names others: limit, remaining, reset. The first that tell something are read.
const USUAL: [[&str; 3]; 3] = [
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
    ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"],
];
const IETF: [&str; 2] = ["ratelimit", "ratelimit-policy"];

/// Whom a limit may belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'c> {
    pub(crate) customer: &'c str,
    pub(crate) host: &'c str,
    /// Time of the answer, µs since 1970 UTC.
    pub(crate) answered_us: i64,
}

/// One compiled entry.
#[derive(Debug)]
pub(crate) struct Entry {
    policy: Box<str>,
    policy_from: Option<Slot>,
    scope: Scope,
    scope_from: Option<Slot>,
    limit: Option<Field>,
    limit_fixed: Option<i64>,
    remaining: Option<Field>,
    used: Option<Field>,
    usage: Option<Field>,
    reset: Option<Field>,
    reset_form: TimeForm,
}

/// How the limits of a vendor are read.
#[derive(Debug)]
pub(crate) enum Reading {
    Entries(Vec<Entry>),
    Usual(Box<Usual>),
}

/// The slots of the usual headers.
#[derive(Debug)]
pub(crate) struct Usual {
    trios: Vec<Entry>,
    ietf: [Option<Slot>; 2],
}

/// The names of the usual headers.
pub(crate) fn usual_names() -> impl Iterator<Item = &'static str> {
    USUAL.into_iter().flatten().chain(IETF)
}

impl Entry {
    fn new(entry: &QuotaEntry, names: &Names) -> Self {
        let slot = |name: &Option<String>| names.slot(name.as_deref()?);
        let field = |name: &Option<String>| names.field(name.as_deref()?);
        Self {
            policy: entry.policy.as_deref().unwrap_or(ietf::DEFAULT).into(),
            policy_from: slot(&entry.policy_from),
            scope: entry.scope,
            scope_from: slot(&entry.scope_from),
            limit: field(&entry.limit),
            limit_fixed: entry.limit_fixed.and_then(|limit| i64::try_from(limit).ok()),
            remaining: field(&entry.remaining),
            used: field(&entry.used),
            usage: field(&entry.usage),
            reset: field(&entry.reset),
            reset_form: entry.reset_form.unwrap_or_default(),
        }
    }

    fn usual(trio: [&str; 3], names: &Names) -> Self {
        let [limit, remaining, reset] = trio.map(|name| names.field(name));
        Self {
            policy: ietf::DEFAULT.into(),
            policy_from: None,
            scope: Scope::Customer,
            scope_from: None,
            limit_fixed: None,
            used: None,
            usage: None,
            reset_form: TimeForm::Auto,
            limit,
            remaining,
            reset,
        }
    }

    fn headers(&self) -> Vec<Slot> {
        let fields = [&self.limit, &self.remaining, &self.used, &self.usage, &self.reset];
        let mut slots: Vec<Slot> = fields.into_iter().flatten().map(|field| field.slot).collect();
        slots.extend([self.policy_from, self.scope_from].into_iter().flatten());
        slots.dedup();
        slots
    }

    /// The observation, when the answer tells a limit or what is left.
    fn read(&self, values: &Values<'_>, whose: &Whose<'_>) -> Option<QuotaObservation> {
        let count = |field: &Option<Field>| forms::count(&field.as_ref()?.value(values)?);
        let usage = self.usage.as_ref().and_then(|field| forms::usage(&field.value(values)?));
        let told = count(&self.limit).or(usage.map(|(_, limit)| limit));
        let limit = told.or(self.limit_fixed);
        let used = count(&self.used).or(usage.map(|(used, _)| used));
        let remaining = count(&self.remaining).or_else(|| Some((limit? - used?).max(0)));
        if told.is_none() && remaining.is_none() {
            return None;
        }
        let text = |slot: Option<Slot>| values.get(slot?);
        let scope = match self.scope {
            Scope::Customer => whose.customer,
            Scope::App => APP,
            Scope::Host => whose.host,
        };
        let reset = self.reset.as_ref().and_then(|field| field.value(values));
        Some(QuotaObservation {
            policy: name(text(self.policy_from).unwrap_or(&self.policy)),
            scope: name(text(self.scope_from).unwrap_or(scope)),
            limit,
            remaining,
            reset_us: reset.and_then(|text| moments::instant(&text, self.reset_form, whose.answered_us)),
        })
    }
}

impl Reading {
    pub(crate) fn new(entries: &[QuotaEntry], names: &Names) -> Self {
        if entries.is_empty() {
            let trios = USUAL.into_iter().map(|trio| Entry::usual(trio, names)).collect();
            return Self::Usual(Box::new(Usual { trios, ietf: IETF.map(|name| names.slot(name)) }));
        }
        Self::Entries(entries.iter().map(|entry| Entry::new(entry, names)).collect())
    }

    /// The headers that an observation of an answer was read from.
    pub(crate) fn headers_of(
        &self,
        one: &QuotaObservation,
        values: &Values<'_>,
        whose: &Whose<'_>,
    ) -> Vec<Slot> {
        let (entries, otherwise) = match self {
            Self::Entries(entries) => (entries, Vec::new()),
            Self::Usual(usual) => (&usual.trios, usual.headers()),
        };
        let source = entries.iter().find(|entry| entry.read(values, whose).as_ref() == Some(one));
        source.map_or(otherwise, Entry::headers)
    }

    /// What one answer tells.
    pub(crate) fn read(&self, values: &Values<'_>, whose: &Whose<'_>) -> Vec<QuotaObservation> {
        let mut found = Vec::new();
        match self {
            Self::Entries(entries) => {
                entries
                    .iter()
                    .filter_map(|entry| entry.read(values, whose))
                    .for_each(|one| keep(one, &mut found));
            }
            Self::Usual(usual) => {
                let [limits, policies] = usual.ietf.map(|slot| values.get(slot?));
                if limits.is_some() || policies.is_some() {
                    ietf::read(limits, policies)
                        .into_iter()
                        .for_each(|told| keep(of_ietf(told, whose), &mut found));
                }
                if let Some(trio) = usual.trios.iter().find_map(|trio| trio.read(values, whose)) {
                    beside(trio, &mut found);
                }
            }
        }
        found
    }
}

impl Usual {
    /// Every header that one observation may come from.
    fn headers(&self) -> Vec<Slot> {
        let trios = self.trios.iter().flat_map(Entry::headers);
        self.ietf.into_iter().flatten().chain(trios).collect()
    }
}

/// What the trio, which many send beside the IETF's fields, tells in addition. Where those name policies alone, the trio
/// tells what is left and they only a limit that it lacks; where one of theirs lacks a limit, it is the trio's.
fn beside(mut trio: QuotaObservation, found: &mut Vec<QuotaObservation>) {
    let left_is_told = found.iter().any(|one| one.remaining.is_some());
    if found.is_empty() || (!left_is_told && trio.remaining.is_some()) {
        if let [one] = found.as_slice() {
            trio.limit = trio.limit.or(one.limit);
        }
        *found = vec![trio];
        return;
    }
    let mut lacking = found.iter_mut().filter(|one| one.limit.is_none());
    if let (Some(one), None) = (lacking.next(), lacking.next()) {
        one.limit = trio.limit;
    }
}

/// Keeps the first observation of each policy and scope that tells something.
fn keep(one: QuotaObservation, found: &mut Vec<QuotaObservation>) {
    if one.limit.is_none() && one.remaining.is_none() {
        return;
    }
    let same = |known: &QuotaObservation| known.policy == one.policy && known.scope == one.scope;
    if found.len() < limits::QUOTA_ENTRIES && !found.iter().any(same) {
        found.push(one);
    }
}

fn of_ietf(told: ietf::Told, whose: &Whose<'_>) -> QuotaObservation {
    let count = |number: Option<i64>| number.filter(|number| number.unsigned_abs() < limits::COUNT_BOUND);
    let reset =
        told.reset_s.and_then(|seconds| whose.answered_us.checked_add(seconds.checked_mul(1_000_000)?));
    QuotaObservation {
        policy: name(&told.policy),
        scope: name(whose.customer),
        limit: count(told.limit),
        remaining: count(told.remaining),
        reset_us: reset.filter(|at| (limits::TIME_MIN_US..limits::TIME_END_US).contains(at)),
    }
}

/// A name within the bound of dimensions.
fn name(text: &str) -> String {
    let text = moments::unquoted(text);
    text[..text.floor_char_boundary(limits::DIMENSION_BYTES)].to_owned()
}

/// Every header name that an entry reads.
pub(crate) fn names_of(entry: &QuotaEntry) -> impl Iterator<Item = &str> {
    [
        &entry.policy_from,
        &entry.scope_from,
        &entry.limit,
        &entry.remaining,
        &entry.used,
        &entry.usage,
        &entry.reset,
    ]
    .into_iter()
    .filter_map(|name| name.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], wanted: &[(&str, Option<i64>, Option<i64>)]) {
        let names = Names::new(usual_names());
        let answer = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let whose = Whose { customer: "acme", host: "", answered_us: 0 };
        let found = Reading::new(&[], &names).read(&names.values(&answer), &whose);
        let found: Vec<_> = found.iter().map(|one| (one.policy.as_str(), one.remaining, one.limit)).collect();
        assert_eq!(found, wanted, "{headers:?}");
    }

    #[test]
    fn a_policy_alone_does_not_hide_what_the_trio_tells() {
        let policy = ("ratelimit-policy", "100;w=60");
        let left = ("ratelimit-remaining", "7");
        check(&[policy], &[("default", None, Some(100))]);
        check(&[policy, left], &[("default", Some(7), Some(100))]);
        check(&[policy, left, ("ratelimit-limit", "90")], &[("default", Some(7), Some(90))]);
        check(&[policy, ("x-ratelimit-remaining", "8")], &[("default", Some(8), Some(100))]);
        check(&[policy, ("ratelimit-limit", "90")], &[("default", None, Some(100))]);
        let two = ("ratelimit-policy", "\"a\";q=10, \"b\";q=20");
        check(&[two, left], &[("default", Some(7), None)]);
    }

    #[test]
    fn a_limit_that_one_observation_lacks_is_the_trios() {
        let limit = ("x-ratelimit-limit", "50");
        check(&[("ratelimit", "\"a\";r=5"), limit], &[("a", Some(5), Some(50))]);
        check(&[("ratelimit", "\"a\";r=5, \"b\";r=6"), limit], &[("a", Some(5), None), ("b", Some(6), None)]);
    }

    #[test]
    fn what_tells_neither_limit_nor_rest_is_nothing() {
        check(&[("ratelimit", "\"a\";r=999999999999999"), ("ratelimit-reset", "5")], &[]);
    }
}
