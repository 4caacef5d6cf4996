//! What one call means: a described call enters, its integration, endpoint, class, limits and more leave.
//!
//! One path, for every event and for `profiles explain`: which vendor → which endpoint → what the answer tells of
//! limits → which class → until when to wait → whether it counts → whether a bulk endpoint would have saved it.
//! Promise: pure; what the sender said wins; no scan over profiles or templates; vendors' text leaves within the
//! bounds of `callmeter_schemas::limits`; no segment that looks like a credential leaves.

mod endpoint;

use crate::{
    catalogue::Catalogue,
    errors::{self, Seen},
    headers::Values,
    moments,
    profile::{Billable, TimeForm},
    quota::Whose,
    reach::may_have_reached,
    reasons::{Reason, Reasons},
    vendor::Vendor,
};
use callmeter_schemas::{ErrorClass, QuotaObservation};
use std::{borrow::Cow, collections::BTreeMap};

/// A call as its sender described it. Texts that are absent are `None`, never empty.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// On whose behalf it was made.
    pub customer: &'a str,
    /// Host in lower case, without port.
    pub host: Option<&'a str>,
    /// The sender's own word.
    pub integration: Option<&'a str>,
    /// The sender's own word.
    pub endpoint: Option<&'a str>,
    /// HTTP method.
    pub method: Option<&'a str>,
    /// Path; a query string is ignored.
    pub path: Option<&'a str>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The vendor's error code or the client library's type of error.
    pub error: Option<&'a str>,
    /// Whether it failed, also where no error is named.
    pub failed: bool,
    /// The sender's own word, within the vocabulary or not.
    pub error_class: Option<&'a str>,
    /// Response headers, names in lower case with dashes.
    pub headers: &'a BTreeMap<String, String>,
    /// When the answer arrived, µs since 1970 UTC.
    pub answered_us: i64,
    /// Whether the sender told the limits itself.
    pub quota_given: bool,
    /// How many items it was about.
    pub items: Option<u64>,
}

/// What a call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning<'m> {
    /// The vendor; the host where it is unknown; empty where there is neither.
    pub integration: Cow<'m, str>,
    /// Method and templated path; empty where there is no path.
    pub endpoint: Cow<'m, str>,
    /// The path without query string and secrets.
    pub path: Option<Cow<'m, str>>,
    /// What became of it.
    pub error_class: ErrorClass,
    /// What the answer tells of limits; empty when the sender told them.
    pub quota: Vec<QuotaObservation>,
    /// Until when the vendor asks to wait, µs since 1970 UTC.
    pub retry_at_us: Option<i64>,
    /// Whether the vendor counts it.
    pub billable: Option<bool>,
    /// How many such calls the vendor's bulk endpoint takes as one.
    pub batch_size: Option<u32>,
}

/// A meaning and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'m> {
    /// What the call means.
    pub meaning: Meaning<'m>,
    /// Why, in the order of the fields.
    pub reasons: Vec<Reason>,
}

impl Catalogue {
    /// What a call means.
    pub fn meaning<'m>(&'m self, call: &Call<'m>) -> Meaning<'m> {
        self.read(call, &mut ())
    }

    /// What a call means, and why.
    pub fn explain<'m>(&'m self, call: &Call<'m>) -> Explanation<'m> {
        let mut reasons = Vec::new();
        let meaning = self.read(call, &mut reasons);
        Explanation { meaning, reasons }
    }

    fn read<'m, R: Reasons>(&'m self, call: &Call<'m>, reasons: &mut R) -> Meaning<'m> {
        let bare = call.path.map(|path| path.split(['?', '#']).next().unwrap_or(path));
        let (vendor, integration) = self.vendor(call, bare.unwrap_or_default(), reasons);
        let (endpoint, path) = endpoint::read(vendor, call, bare, reasons);
        let values = vendor.names.values(call.headers);
        let quota = quota(vendor, call, &values, reasons);
        let error_class = class(vendor, call, &values, &quota, reasons);
        let retry_at_us = retry_at(vendor, call, &values, error_class, reasons);
        let billable = billable(vendor, call, error_class, reasons);
        let batch_size = batch_size(vendor, &endpoint, call.items, reasons);
        let quota = if call.quota_given { Vec::new() } else { quota };
        let billable = Some(billable);
        Meaning { integration, endpoint, path, error_class, quota, retry_at_us, billable, batch_size }
    }

    /// The vendor by host, else by the name that the sender gave it.
    fn vendor<'m>(
        &'m self,
        call: &Call<'m>,
        path: &str,
        reasons: &mut impl Reasons,
    ) -> (&'m Vendor, Cow<'m, str>) {
        let by_host = call.host.and_then(|host| self.by_host(host, path));
        let named = call.integration.and_then(|name| self.by_name(name));
        let vendor = by_host.map(|(vendor, _)| vendor).or(named);
        let name = vendor.map(|vendor| vendor.profile.integration.as_str());
        let integration = call.integration.or(name).or(call.host).unwrap_or_default();
        reasons.give("integration", || match (call.integration, by_host, name) {
            (Some(_), Some((_, claim)), Some(name)) if name != integration => {
                format!("given; host {claim} belongs to profile {name}, which tells the rest")
            }
            (Some(_), _, Some(name)) => format!("given; profile {name}"),
            (Some(_), ..) => "given; no profile has this name or host".to_owned(),
            (None, Some((_, claim)), _) => format!("host {claim} of profile {integration}"),
            (None, None, _) if call.host.is_some() => "no profile has this host".to_owned(),
            (None, None, _) => "neither integration nor host is given".to_owned(),
        });
        (vendor.unwrap_or(self.unknown()), Cow::Borrowed(integration))
    }
}

fn quota<R: Reasons>(
    vendor: &Vendor,
    call: &Call<'_>,
    values: &Values<'_>,
    reasons: &mut R,
) -> Vec<QuotaObservation> {
    let host = call.host.unwrap_or_default();
    let whose = Whose { customer: call.customer, host, answered_us: call.answered_us };
    let found = vendor.reading.read(values, &whose);
    if call.quota_given {
        reasons.give("quota", || "given".to_owned());
        return found;
    }
    if R::WANTED {
        for one in &found {
            let headers = vendor.reading.headers_of(one, values, &whose);
            let seen =
                headers.into_iter().filter_map(|slot| Some((vendor.names.name(slot), values.get(slot)?)));
            let seen: Vec<String> = seen.map(|(name, value)| format!("{name} = {value}")).collect();
            reasons.give(&format!("quota {}", one.policy), || seen.join(", "));
        }
    }
    found
}

fn class(
    vendor: &Vendor,
    call: &Call<'_>,
    values: &Values<'_>,
    quota: &[QuotaObservation],
    reasons: &mut impl Reasons,
) -> ErrorClass {
    if let Some(word) = call.error_class {
        reasons.give("error_class", || match ErrorClass::parse(word) {
            Some(_) => "given".to_owned(),
            None => format!("given, and `{word}` is not in the vocabulary"),
        });
        return ErrorClass::or_unknown(word);
    }
    let seen = Seen {
        status: call.status,
        error: call.error,
        failed: call.failed,
        values,
        used_up: quota.iter().any(|one| one.remaining == Some(0)),
        unknown_vendor: vendor.unknown,
    };
    let (class, why) = errors::classify(&vendor.rules, &seen);
    reasons.give("error_class", || {
        errors::told(&why, &vendor.rules, &vendor.profile.integration, &seen, &vendor.names)
    });
    class
}

/// Until when to wait: the vendor's own header, else Retry-After, of an answer that refused or failed.
fn retry_at(
    vendor: &Vendor,
    call: &Call<'_>,
    values: &Values<'_>,
    class: ErrorClass,
    reasons: &mut impl Reasons,
) -> Option<i64> {
    let limited = matches!(
        class,
        ErrorClass::RateLimited
            | ErrorClass::QuotaExhausted
            | ErrorClass::ThrottledSoft
            | ErrorClass::Upstream5xx
    );
    if !limited && call.status.is_none_or(|status| status < 400) {
        return None;
    }
    let own = vendor.own_retry_after.as_ref().and_then(|(field, form)| {
        let text = field.value(values)?;
        let at = moments::instant(&text, *form, call.answered_us)?;
        Some((at, vendor.names.name(field.slot), text))
    });
    let standard = || {
        let slot = vendor.retry_after?;
        let text = values.get(slot)?;
        let at = moments::instant(text, TimeForm::Auto, call.answered_us)?;
        Some((at, vendor.names.name(slot), Cow::Borrowed(text)))
    };
    let (at, name, text) = own.or_else(standard)?;
    reasons.give("retry_at", || format!("{name} = {text}"));
    Some(at)
}

fn billable(vendor: &Vendor, call: &Call<'_>, class: ErrorClass, reasons: &mut impl Reasons) -> bool {
    let policy = vendor.profile.billable;
    let counts = match policy {
        Billable::AnyAttempt => may_have_reached(call.status, class, call.error),
        Billable::AnyResponse => call.status.is_some(),
        Billable::Success => class == ErrorClass::Ok,
    };
    reasons.give("billable", || {
        let rule = match policy {
            Billable::AnyAttempt => "every attempt counts that may have reached the vendor",
            Billable::AnyResponse => "every answer counts",
            Billable::Success => "success alone counts",
        };
        match vendor.unknown {
            true => format!("{rule} (no profile)"),
            false => format!("{rule} (profile {})", vendor.profile.integration),
        }
    });
    counts
}

/// What a bulk endpoint would have taken with others. Of an endpoint that takes a list itself only the sender knows whether
/// the list was short.
fn batch_size(
    vendor: &Vendor,
    endpoint: &str,
    items: Option<u64>,
    reasons: &mut impl Reasons,
) -> Option<u32> {
    if vendor.batch.is_empty() || items.is_some_and(|items| items > 1) {
        return None;
    }
    let entry = vendor.profile.batch.get(*vendor.batch.get(endpoint)?)?;
    if entry.instead == entry.endpoint && items.is_none() {
        return None;
    }
    reasons.give("batch_size", || format!("{} takes {} as one call", entry.instead, entry.size));
    Some(entry.size)
}

#[cfg(test)]
mod tests;
