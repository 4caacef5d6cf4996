//! One vendor: its profile enters, everything that one call of it needs leaves compiled.
//!
//! Promise: pure; made once, shared by every call. A vendor of which nothing is known is one with an empty profile.

use crate::{
    errors::Rule,
    headers::{Field, Names, Slot},
    profile::{Billable, ErrorRule, Profile, QuotaEntry, TimeForm},
    quota::{self, Reading},
    template::Templates,
};
use std::collections::HashMap;

/// The standard header that asks to wait.
pub(crate) const RETRY_AFTER: &str = "retry-after";

/// A compiled profile.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The profile, without its fixtures.
    pub(crate) profile: Profile,
    /// Whether it is the vendor of which nothing is known.
    pub(crate) unknown: bool,
    pub(crate) names: Names,
    pub(crate) templates: Templates,
    pub(crate) rules: Vec<Rule>,
    pub(crate) reading: Reading,
    pub(crate) retry_after: Option<Slot>,
    pub(crate) own_retry_after: Option<(Field, TimeForm)>,
    /// Place in `profile.batch` by endpoint.
    pub(crate) batch: HashMap<Box<str>, usize>,
}

impl Vendor {
    pub(crate) fn new(mut profile: Profile) -> Self {
        profile.fixtures = Vec::new();
        let names = Names::new(header_names(&profile).into_iter());
        let own_retry_after = profile.retry_after.as_deref().and_then(|name| names.field(name));
        let form = profile.retry_after_form.unwrap_or(TimeForm::Seconds);
        Self {
            unknown: false,
            templates: Templates::new(&profile.paths).0,
            rules: profile.errors.iter().map(|rule: &ErrorRule| Rule::new(rule, &names)).collect(),
            reading: Reading::new(&profile.quota, &names),
            retry_after: names.slot(RETRY_AFTER),
            own_retry_after: own_retry_after.map(|field| (field, form)),
            batch: profile
                .batch
                .iter()
                .enumerate()
                .map(|(at, entry)| (entry.endpoint.as_str().into(), at))
                .collect(),
            names,
            profile,
        }
    }

    /// The vendor of which nothing is known.
    pub(crate) fn unknown() -> Self {
        let profile = Profile {
            integration: String::new(),
            name: String::new(),
            category: crate::profile::Category::Productivity,
            hosts: Vec::new(),
            billable: Billable::AnyAttempt,
            paths: Vec::new(),
            errors: Vec::new(),
            quota: Vec::new(),
            retry_after: None,
            retry_after_form: None,
            batch: Vec::new(),
            fixtures: Vec::new(),
        };
        Self { unknown: true, ..Self::new(profile) }
    }
}

/// Every header name that a profile reads, with `#key` where a member is read.
pub(crate) fn header_names(profile: &Profile) -> Vec<&str> {
    let mut names: Vec<&str> = vec![RETRY_AFTER];
    names.extend(profile.retry_after.as_deref());
    names.extend(profile.errors.iter().flat_map(|rule| rule.headers.keys().map(String::as_str)));
    if profile.quota.is_empty() {
        quota::usual_names().for_each(|name| names.push(name));
    }
    names.extend(profile.quota.iter().flat_map(|entry: &QuotaEntry| quota::names_of(entry)));
    names
}
