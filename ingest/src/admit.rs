//! Admission: a [`Draft`] enters, a [`CallEvent`] or the reason against it leaves.
//!
//! Promise: an admitted event is within every bound of `callmeter_schemas::limits`, belongs to the
//! workspace of the credential, carries no query string, no header beyond the allow-list, no attribute and no path
//! segment that looks like a secret, and no token of a known form in any text but `id`, `customer`, `trace_id` and
//! `retry_of`, which are what they are elsewhere. Headers never cost a call. What the sender said wins over what the vendor's profile tells; names
//! beyond a customer's bounds become `other`, whoever said them.

mod meaning;

use crate::{
    cardinality::Cardinality,
    draft::{Code, Draft, Rejection},
    sieve,
};
use callmeter_schemas::{CallEvent, QuotaObservation, limits};
use callmeter_vendors::Catalogue;
use std::{borrow::Cow, collections::BTreeMap};

/// How far an event's time may lie ahead of the receiver's, µs.
pub const AHEAD_US: i64 = 24 * 60 * 60 * 1_000_000;

/// What admission is told from outside.
pub struct Context<'c> {
    /// The tenant, from the credential.
    pub workspace: &'c str,
    /// Now, µs since 1970 UTC.
    pub now_us: i64,
    /// Makes an id for an event that came without one.
    pub new_id: &'c mut dyn FnMut() -> String,
    /// What is known of vendors.
    pub catalogue: &'c Catalogue,
    /// How many names customers have.
    pub cardinality: &'c Cardinality,
}

/// What was seen beside the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Members that nobody knows.
    pub unknown_members: u64,
    /// Of these, how many were too large, too many or held secrets and so were not kept.
    pub dropped_members: u64,
    /// Headers that are not on the allow-list, too long or too many.
    pub dropped_headers: u64,
    /// Attributes whose name looks like a secret.
    pub dropped_attributes: u64,
    /// Events whose integration became `other`.
    pub capped_integrations: u64,
    /// Events whose endpoint, tier and environment became `other`.
    pub capped_endpoints: u64,
    /// Events of whose quotas some became `other`.
    pub capped_quotas: u64,
}

/// Fills `event` from a draft. The texts that `event` already owns are reused; after a rejection it
/// holds no meaning.
pub fn admit(
    mut draft: Draft<'_>,
    context: &mut Context<'_>,
    event: &mut CallEvent,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    assign(&mut event.workspace, context.workspace);
    identity(&draft, context, event)?;
    dimensions(&draft, event)?;
    numbers(&draft, event)?;
    texts(&draft, event)?;
    draft.quota.iter_mut().try_for_each(quota)?;
    let mut headers = std::mem::take(&mut event.headers);
    kept_headers(&draft, context.catalogue, &mut headers, notes);
    meaning::tell(&draft, context.catalogue, &headers, event)?;
    event.headers = headers;
    if !draft.quota.is_empty() {
        event.quota = draft.quota;
    }
    event.cost = draft.cost;
    currency(event)?;
    attributes(draft.attributes, event, notes)?;
    extra(draft.extra, event, notes);
    notes.unknown_members += draft.unkept;
    notes.dropped_members += draft.unkept;
    // Last: what is rejected takes no place among the names of its customer.
    meaning::cap(context, event, notes);
    Ok(())
}

fn identity(draft: &Draft<'_>, context: &mut Context<'_>, event: &mut CallEvent) -> Result<(), Rejection> {
    match draft.id.as_deref() {
        None => event.id = (context.new_id)(),
        Some("") => return Err(Rejection::new(Code::InvalidValue, "id", "empty")),
        Some(id) => assign(&mut event.id, bounded(id, "id", limits::ID_BYTES)?),
    }
    event.time_us = draft.time_us.unwrap_or(context.now_us);
    let latest = (context.now_us + AHEAD_US).min(limits::TIME_END_US - 1);
    match (limits::TIME_MIN_US..=latest).contains(&event.time_us) {
        true => Ok(()),
        false => {
            Err(Rejection::new(Code::OutOfRange, "time", "before the year 2000 or more than 24 hours ahead"))
        }
    }
}

fn dimensions(draft: &Draft<'_>, event: &mut CallEvent) -> Result<(), Rejection> {
    let customer = filled(&draft.customer).ok_or_else(|| Rejection::missing("customer"))?;
    assign(&mut event.customer, dimension(customer, "customer")?);
    for (value, target, field) in
        [(&draft.tier, &mut event.tier, "tier"), (&draft.environment, &mut event.environment, "environment")]
    {
        let value = filled(value).unwrap_or_default();
        assign(target, &cleaned(value, field, limits::DIMENSION_BYTES)?);
    }
    let from_url = draft.url.as_deref().and_then(sieve::split_url).map(|(host, _)| host);
    let host = filled(&draft.host).map(sieve::host).filter(|host| !host.is_empty()).or(from_url);
    let host = host.map(lower_case);
    if let Some(host) = &host {
        dimension(host, "host")?;
    }
    assign_option(&mut event.host, host.as_deref());
    Ok(())
}

fn numbers(draft: &Draft<'_>, event: &mut CallEvent) -> Result<(), Rejection> {
    if draft.status.is_some_and(|status| !(100..=999).contains(&status)) {
        return Err(Rejection::new(Code::OutOfRange, "status", "not between 100 and 999"));
    }
    event.status = draft.status;
    let attempt = draft.attempt.unwrap_or(1);
    event.attempt = u32::try_from(attempt)
        .ok()
        .filter(|attempt| (1..=limits::ATTEMPT_MAX).contains(attempt))
        .ok_or_else(|| Rejection::new(Code::OutOfRange, "attempt", "not between 1 and 1000000"))?;
    event.latency_us = draft.latency_us;
    event.queue_us = draft.queue_us;
    for (value, target, field) in [
        (draft.items, &mut event.items, "items"),
        (draft.records, &mut event.records, "records"),
        (draft.bytes_in, &mut event.bytes_in, "bytes_in"),
        (draft.bytes_out, &mut event.bytes_out, "bytes_out"),
    ] {
        if value.is_some_and(|value| value >= limits::COUNT_BOUND) {
            return Err(Rejection::new(Code::OutOfRange, field, "not between 0 and 2^40"));
        }
        *target = value;
    }
    Ok(())
}

fn texts(draft: &Draft<'_>, event: &mut CallEvent) -> Result<(), Rejection> {
    for (value, target, field) in [
        (&draft.method, &mut event.method, "method"),
        (&draft.run_id, &mut event.run_id, "run_id"),
        (&draft.data_type, &mut event.data_type, "data_type"),
        (&draft.operation, &mut event.operation, "operation"),
        (&draft.error, &mut event.error, "error"),
    ] {
        let value = filled(value).map(|value| cleaned(value, field, limits::TEXT_BYTES)).transpose()?;
        assign_option(target, value.as_deref());
    }
    for (value, target, field) in [
        (&draft.retry_of, &mut event.retry_of, "retry_of"),
        (&draft.trace_id, &mut event.trace_id, "trace_id"),
    ] {
        let value = filled(value).map(|value| bounded(value, field, limits::TEXT_BYTES)).transpose()?;
        assign_option(target, value);
    }
    Ok(())
}

fn currency(event: &CallEvent) -> Result<(), Rejection> {
    match event.cost.as_ref().map(|cost| cost.currency.as_bytes()) {
        Some(code) if code.len() != 3 || !code.iter().all(u8::is_ascii_uppercase) => {
            Err(Rejection::new(Code::InvalidValue, "cost.currency", "not three capital letters"))
        }
        _ => Ok(()),
    }
}

fn quota(observation: &mut QuotaObservation) -> Result<(), Rejection> {
    if observation.policy.is_empty() {
        return Err(Rejection::missing("quota.policy"));
    }
    for (name, field) in [(&mut observation.policy, "quota.policy"), (&mut observation.scope, "quota.scope")]
    {
        if let Cow::Owned(bare) = cleaned(name, field, limits::DIMENSION_BYTES)? {
            *name = bare;
        }
    }
    match observation.reset_us {
        Some(at) if !(limits::TIME_MIN_US..limits::TIME_END_US).contains(&at) => {
            Err(Rejection::new(Code::OutOfRange, "quota.reset", "not between the years 2000 and 2100"))
        }
        _ => Ok(()),
    }
}

/// Headers never cost an event: what cannot be kept is dropped and counted.
fn kept_headers(
    draft: &Draft<'_>,
    catalogue: &Catalogue,
    headers: &mut BTreeMap<String, String>,
    notes: &mut Notes,
) {
    headers.clear();
    notes.dropped_headers += draft.unread_headers;
    for (name, value) in &draft.headers {
        let name = sieve::header_name(name, catalogue).filter(|name| name.len() <= limits::DIMENSION_BYTES);
        let value = cleaned(value, "headers", limits::TEXT_BYTES).ok();
        match (name, value) {
            (Some(name), Some(value)) if headers.len() < limits::MAP_ENTRIES => {
                headers.entry(name).or_insert_with(|| value.into_owned());
            }
            (Some(name), Some(_)) if headers.contains_key(&name) => {}
            _ => notes.dropped_headers += 1,
        }
    }
}

fn attributes(
    entries: crate::draft::Entries<'_>,
    event: &mut CallEvent,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    event.attributes.clear();
    for (name, value) in entries {
        if sieve::is_secret(&name) {
            notes.dropped_attributes += 1;
            continue;
        }
        bounded(&name, "attributes", limits::DIMENSION_BYTES)?;
        let value = cleaned(&value, "attributes", limits::TEXT_BYTES)?.into_owned();
        event.attributes.insert(name.into_owned(), value);
    }
    match event.attributes.len() > limits::MAP_ENTRIES {
        true => Err(Rejection::new(Code::TooMany, "attributes", "more than 64 entries")),
        false => Ok(()),
    }
}

/// Unknown members never cost an event: what cannot be kept is dropped and counted.
fn extra(members: Vec<(Cow<'_, str>, &str)>, event: &mut CallEvent, notes: &mut Notes) {
    event.extra.clear();
    for (name, json) in members {
        notes.unknown_members += 1;
        let fits = name.len() <= limits::DIMENSION_BYTES && json.len() <= limits::TEXT_BYTES;
        let kept = (fits && !sieve::is_secret(&name)).then(|| sieve::without_json_secrets(json)).flatten();
        match kept {
            Some(json) => drop(event.extra.insert(name.into_owned(), json)),
            None => notes.dropped_members += 1,
        }
    }
}

fn filled<'d>(text: &'d Option<Cow<'_, str>>) -> Option<&'d str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn lower_case(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

fn bounded<'t>(text: &'t str, field: &str, most: usize) -> Result<&'t str, Rejection> {
    match text.len() > most {
        true => Err(Rejection::new(Code::TooLong, field, format!("longer than {most} bytes"))),
        false => Ok(text),
    }
}

fn dimension<'t>(text: &'t str, field: &str) -> Result<&'t str, Rejection> {
    bounded(text, field, limits::DIMENSION_BYTES)
}

/// A text without secrets, within its bound before and after they are cut out.
fn cleaned<'t>(text: &'t str, field: &str, most: usize) -> Result<Cow<'t, str>, Rejection> {
    Ok(match sieve::text(bounded(text, field, most)?) {
        Cow::Owned(mut bare) => {
            bare.truncate(bare.floor_char_boundary(most));
            Cow::Owned(bare)
        }
        same => same,
    })
}

fn assign(target: &mut String, text: &str) {
    target.clear();
    target.push_str(text);
}

fn assign_option(target: &mut Option<String>, text: Option<&str>) {
    match (text, target.as_mut()) {
        (Some(text), Some(target)) => assign(target, text),
        (text, _) => *target = text.map(str::to_owned),
    }
}
