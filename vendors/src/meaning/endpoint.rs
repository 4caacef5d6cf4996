//! Endpoint and path: what the sender said or a template leaves, without secrets.
//!
//! Promise: pure; an endpoint that is derived fits a dimension.

use super::Call;
use crate::{generic, reasons::Reasons, secret, vendor::Vendor};
use std::borrow::Cow;

/// Longest method; a longer one is no method.
const METHOD_BYTES: usize = 16;

/// The endpoint and the path without secrets.
pub(super) fn read<'m>(
    vendor: &Vendor,
    call: &Call<'m>,
    path: Option<&'m str>,
    reasons: &mut impl Reasons,
) -> (Cow<'m, str>, Option<Cow<'m, str>>) {
    let found = path.and_then(|path| vendor.templates.find(path));
    let stored = path.map(|path| match found.and_then(|found| found.without_secret(path)) {
        Some(cut) => Cow::Owned(secret::without(&cut).into_owned()),
        // Where a secret stands in such a path nobody knows.
        None if found.is_none() && vendor.templates.hold_secrets() => Cow::Owned(generic::template(path)),
        None => secret::without(path),
    });
    if let Some(given) = call.endpoint {
        reasons.give("endpoint", || "given".to_owned());
        return (given_endpoint(vendor, given), stored);
    }
    let Some(path) = path else {
        reasons.give("endpoint", || "neither endpoint nor path is given".to_owned());
        return (Cow::Borrowed(""), None);
    };
    reasons.give("endpoint", || match found {
        Some(found) => format!("template {} of profile {}", found.text(), vendor.profile.integration),
        None if vendor.unknown => "no profile: what varies in the path is replaced".to_owned(),
        None => format!(
            "no template of profile {} matches: what varies in the path is replaced",
            vendor.profile.integration
        ),
    });
    let text = match found {
        Some(found) => with_method(call.method, found.text()),
        None => with_method(call.method, &generic::template(path)),
    };
    (Cow::Owned(text), stored)
}

/// An endpoint as the sender wrote it, without what a template or its form tells to be secret.
fn given_endpoint<'m>(vendor: &Vendor, given: &'m str) -> Cow<'m, str> {
    let (before, path) = given.split_at(path_start(given));
    let found = vendor.templates.hold_secrets().then(|| vendor.templates.find(path)).flatten();
    match found.and_then(|found| found.without_secret(path)) {
        Some(cut) => Cow::Owned(format!("{}{}", secret::without(before), secret::without(&cut))),
        None => secret::without(given),
    }
}

/// Where the path of an endpoint begins: behind the method and, in a URL, behind scheme and authority.
fn path_start(endpoint: &str) -> usize {
    let first = endpoint.find('/').unwrap_or(endpoint.len());
    let in_url = endpoint[..first].ends_with(':') && endpoint[first..].starts_with("//");
    match in_url {
        true => endpoint[first + 2..].find('/').map_or(endpoint.len(), |at| first + 2 + at),
        false => first,
    }
}

fn with_method(method: Option<&str>, path: &str) -> String {
    let Some(method) = method else { return path.to_owned() };
    let mut text = String::with_capacity(METHOD_BYTES + 1 + path.len());
    if method.len() <= METHOD_BYTES && method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        text.extend(method.chars().map(|c| c.to_ascii_uppercase()));
    } else {
        text.push_str("_OTHER");
    }
    text.push(' ');
    text.push_str(path);
    text
}
