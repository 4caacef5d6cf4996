//! Running fixtures: a profile enters, every outcome that differs from what was expected leaves as a mistake.
//!
//! Promise: pure; the path is the one of every call, with the profile alone in the catalogue.

use super::Desk;
use crate::{
    catalogue::Catalogue,
    meaning::{Call, Meaning},
    profile::{ExpectedQuota, Fixture, Profile},
};
use callmeter_schemas::QuotaObservation;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The customer of every fixture.
const CUSTOMER: &str = "acme";
/// When the answer of every fixture arrives: 2026-01-15T12:00:00Z.
const ANSWERED_US: i64 = 1_768_478_400_000_000;

pub(super) fn run(profile: &Profile, desk: &mut Desk<'_>) {
    let catalogue = Catalogue::of(std::iter::once(profile.clone()));
    for (place, fixture) in profile.fixtures.iter().enumerate() {
        one(&catalogue, profile, &place.to_string(), fixture, desk);
    }
}

fn one(catalogue: &Catalogue, profile: &Profile, place: &str, fixture: &Fixture, desk: &mut Desk<'_>) {
    let headers: BTreeMap<String, String> = fixture
        .response
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    let meaning = catalogue.meaning(&Call {
        customer: CUSTOMER,
        host: Some(&fixture.request.host),
        integration: None,
        endpoint: None,
        method: Some(&fixture.request.method),
        path: Some(&fixture.request.path),
        status: fixture.response.status,
        error: fixture.response.error.as_deref(),
        failed: fixture.response.error.is_some(),
        error_class: None,
        headers: &headers,
        answered_us: ANSWERED_US,
        quota_given: false,
        items: fixture.request.items,
    });
    if meaning.integration != profile.integration {
        let host = &fixture.request.host;
        return desk.say(&["fixtures", place, "request", "host"], format!("{host} is none of the hosts"));
    }
    let mut compare = |field: &str, expected: String, got: String| {
        if expected != got {
            let message = format!("{}: expected {expected}, got {got}", fixture.name);
            desk.say(&["fixtures", place, "expect", field], message);
        }
    };
    let expect = &fixture.expect;
    compare("endpoint", expect.endpoint.clone(), meaning.endpoint.to_string());
    compare("error_class", expect.error_class.as_str().to_owned(), meaning.error_class.as_str().to_owned());
    let (expected, got) = quotas(&expect.quota, &meaning);
    compare("quota", expected, got);
    let wanted = expect.retry_at.as_deref().map_or_else(|| "none".to_owned(), normal);
    compare("retry_at", wanted, meaning.retry_at_us.map_or_else(|| "none".to_owned(), time));
    if let Some(billable) = expect.billable {
        let got = meaning.billable.unwrap_or_default();
        compare("billable", billable.to_string(), got.to_string());
    }
    if let Some(size) = expect.batch_size {
        let got = meaning.batch_size.map_or_else(|| "none".to_owned(), |size| size.to_string());
        compare("batch_size", size.to_string(), got);
    }
}

/// Both sides as texts, sorted by policy.
fn quotas(expected: &[ExpectedQuota], meaning: &Meaning<'_>) -> (String, String) {
    let checked = |one: &QuotaObservation| {
        let same = expected.iter().find(|wanted| wanted.policy == one.policy);
        same.is_none_or(|wanted| wanted.scope.is_some())
    };
    let mut wanted: Vec<String> = expected
        .iter()
        .map(|one| {
            let reset = one.reset.as_deref().map(normal);
            shown(&one.policy, one.scope.as_deref(), one.limit, one.remaining, reset)
        })
        .collect();
    let mut got: Vec<String> = meaning
        .quota
        .iter()
        .map(|one| {
            let scope = Some(one.scope.as_str()).filter(|_| checked(one));
            shown(&one.policy, scope, one.limit, one.remaining, one.reset_us.map(time))
        })
        .collect();
    wanted.sort_unstable();
    got.sort_unstable();
    (format!("[{}]", wanted.join(", ")), format!("[{}]", got.join(", ")))
}

fn shown(
    policy: &str,
    scope: Option<&str>,
    limit: Option<i64>,
    remaining: Option<i64>,
    reset: Option<String>,
) -> String {
    let mut text = format!("{{policy: {policy}");
    for (name, value) in [
        ("scope", scope.map(str::to_owned)),
        ("limit", limit.map(|limit| limit.to_string())),
        ("remaining", remaining.map(|remaining| remaining.to_string())),
        ("reset", reset),
    ] {
        if let Some(value) = value {
            text.push_str(&format!(", {name}: {value}"));
        }
    }
    text + "}"
}

/// A time as people write it.
fn time(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// A written time in the form of [`time`]; what is no time stays as it is, and differs.
fn normal(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |time| time.to_string())
}
