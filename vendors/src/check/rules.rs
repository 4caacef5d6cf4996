//! What a profile must mean: a profile of the right form enters, mistakes in what it says leave.
//!
//! Promise: pure; what passes can be compiled whole and read by every call.

use super::Desk;
use crate::{
    headers, kept,
    profile::{ErrorRule, Profile, QuotaEntry},
    template::Templates,
    vendor,
};
use callmeter_documents::duration;
use callmeter_schemas::limits::{COUNT_BOUND, QUOTA_ENTRIES};
use std::collections::BTreeSet;

/// Longest text of a profile but templates, in bytes.
const TEXT_BYTES: usize = 200;
/// Most hosts, templates, error rules, batch entries and fixtures of one profile.
const MOST: [(&str, usize); 5] =
    [("hosts", 200), ("paths", 1_000), ("errors", 200), ("batch", 500), ("fixtures", 200)];
/// Most items that a bulk endpoint may take.
const MOST_ITEMS: u32 = 1_000_000;

pub(super) fn run(profile: &Profile, file: &str, desk: &mut Desk<'_>) {
    names(profile, file, desk);
    counts(profile, desk);
    hosts(profile, desk);
    let (templates, mistakes) = Templates::new(&profile.paths);
    for (place, mistake) in mistakes {
        desk.say(&["paths", &place.to_string()], mistake);
    }
    for (place, rule) in profile.errors.iter().enumerate() {
        error_rule(&place.to_string(), rule, desk);
    }
    for (place, entry) in profile.quota.iter().enumerate() {
        quota(&place.to_string(), entry, desk);
    }
    retry(profile, desk);
    batch(profile, &templates, desk);
}

fn names(profile: &Profile, file: &str, desk: &mut Desk<'_>) {
    let name = profile.integration.as_str();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !name.bytes().next().is_some_and(plain) || !name.bytes().all(|byte| plain(byte) || byte == b'-') {
        desk.say(&["integration"], "is a-z, 0-9 and `-`, and begins with a letter or digit");
    } else if name.len() > 64 {
        desk.say(&["integration"], "longer than 64 bytes");
    }
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.strip_suffix(".yaml").or_else(|| base.strip_suffix(".yml"));
    if stem.is_some_and(|stem| stem != name) {
        desk.say(&["integration"], format!("is not the name of the file, {base}"));
    }
    if profile.name.trim().is_empty() || profile.name.len() > TEXT_BYTES {
        desk.say(&["name"], format!("has 1 to {TEXT_BYTES} bytes"));
    }
}

fn counts(profile: &Profile, desk: &mut Desk<'_>) {
    let found = [
        profile.hosts.len(),
        profile.paths.len(),
        profile.errors.len(),
        profile.batch.len(),
        profile.fixtures.len(),
    ];
    for ((field, most), found) in MOST.into_iter().zip(found) {
        if found > most {
            desk.say(&[field], format!("{found} entries; at most {most} are read"));
        }
    }
    if profile.quota.len() > QUOTA_ENTRIES {
        desk.say(&["quota"], format!("{} entries; an event holds {QUOTA_ENTRIES}", profile.quota.len()));
    }
    let names = vendor::header_names(profile);
    let names: BTreeSet<&str> =
        names.into_iter().map(|name| name.split('#').next().unwrap_or(name)).collect();
    if names.len() > headers::MOST {
        desk.say(&[], format!("reads {} headers; at most {} are read", names.len(), headers::MOST));
    }
}

fn hosts(profile: &Profile, desk: &mut Desk<'_>) {
    if profile.hosts.is_empty() {
        desk.say(&["hosts"], "names no host, so that no call is ever found to be this vendor's");
    }
    let mut seen = BTreeSet::new();
    for (place, text) in profile.hosts.iter().enumerate() {
        let place = place.to_string();
        let at = ["hosts", place.as_str()];
        let (host, path) = text.find('/').map_or((text.as_str(), ""), |end| text.split_at(end));
        let label = |label: &str| {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
            (1..=63).contains(&label.len()) && label.bytes().all(plain)
        };
        if text.contains("://") || host.contains(':') {
            desk.say(&at, "is a host name, without scheme and port");
        } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) && path.is_empty() {
            desk.say(&at, "is written in lower case");
        } else if text.len() > TEXT_BYTES || !host.strip_prefix("*.").unwrap_or(host).split('.').all(label) {
            desk.say(&at, "is a host name such as api.x.com, or *.x.com for all subdomains");
        } else if !path.is_empty()
            && path.split('/').skip(1).any(|part| part.is_empty() || part.contains(['{', '*', '?', '#', '|']))
        {
            desk.say(&at, "the path prefix is whole segments as they come, such as /calendar");
        } else if !seen.insert(text) {
            desk.say(&at, "stands twice");
        }
    }
}

fn error_rule(place: &str, rule: &ErrorRule, desk: &mut Desk<'_>) {
    let at = |field| ["errors", place, field];
    if rule.status.is_empty() && rule.code.is_empty() && rule.headers.is_empty() {
        desk.say(
            &["errors", place],
            "names neither status, code nor headers, so that it would match every call",
        );
    }
    if rule.status.iter().any(|status| !(100..=999).contains(status)) {
        desk.say(&at("status"), "is between 100 and 999");
    }
    if rule.code.iter().any(|code| code.trim().is_empty() || code.len() > TEXT_BYTES) {
        desk.say(&at("code"), format!("a code has 1 to {TEXT_BYTES} bytes"));
    }
    for (name, value) in &rule.headers {
        if name.contains('#') {
            desk.say(&at("headers"), format!("`{name}`: a whole header is compared, not a member"));
        } else {
            header(&at("headers"), name, desk);
        }
        if value.is_empty() || value.len() > TEXT_BYTES {
            desk.say(&at("headers"), format!("`{name}`: a value has 1 to {TEXT_BYTES} bytes; `*` is any"));
        }
    }
}

fn quota(place: &str, entry: &QuotaEntry, desk: &mut Desk<'_>) {
    let here = ["quota", place];
    let at = |field| ["quota", place, field];
    if entry.policy.is_none() && entry.policy_from.is_none() {
        desk.say(&here, "names neither policy nor policy_from");
    }
    for (field, text) in [("policy", &entry.policy), ("unit", &entry.unit)] {
        if text
            .as_deref()
            .is_some_and(|text| text.is_empty() || text.len() > 64 || text.contains(char::is_whitespace))
        {
            desk.say(&at(field), "is one word of at most 64 bytes");
        }
    }
    if [&entry.limit, &entry.remaining, &entry.used, &entry.usage].iter().all(|name| name.is_none()) {
        desk.say(&here, "names nothing to read: limit, remaining, used or usage");
    }
    if entry.used.is_some()
        && entry.remaining.is_none()
        && entry.limit.is_none()
        && entry.limit_fixed.is_none()
    {
        desk.say(&at("used"), "tells what is left only with limit or limit_fixed");
    }
    if entry.limit_fixed.is_some_and(|limit| limit == 0 || limit >= COUNT_BOUND) {
        desk.say(&at("limit_fixed"), "is between 1 and 2^40");
    }
    if entry.reset_form.is_some() && entry.reset.is_none() {
        desk.say(&at("reset_form"), "says how to read reset, which is missing");
    }
    if let Some(window) = &entry.window
        && let Err(error) = duration::parse(window)
    {
        desk.say(&at("window"), error.to_string());
    }
    for (field, name) in [
        ("policy_from", &entry.policy_from),
        ("scope_from", &entry.scope_from),
        ("limit", &entry.limit),
        ("remaining", &entry.remaining),
        ("used", &entry.used),
        ("usage", &entry.usage),
        ("reset", &entry.reset),
    ] {
        let Some(name) = name else { continue };
        let plain = field.ends_with("_from") && name.contains('#');
        if plain {
            desk.say(&at(field), "is a whole header, not a member");
        }
        header(&at(field), name, desk);
    }
}

fn retry(profile: &Profile, desk: &mut Desk<'_>) {
    match &profile.retry_after {
        Some(name) if name == vendor::RETRY_AFTER => {
            desk.say(&["retry_after"], "is always read; name only a header beside it");
        }
        Some(name) => header(&["retry_after"], name, desk),
        None if profile.retry_after_form.is_some() => {
            desk.say(&["retry_after_form"], "says how to read retry_after, which is missing");
        }
        None => {}
    }
}

fn batch(profile: &Profile, templates: &Templates, desk: &mut Desk<'_>) {
    let mut seen = BTreeSet::new();
    for (place, entry) in profile.batch.iter().enumerate() {
        let place = place.to_string();
        let at = |field| ["batch", place.as_str(), field];
        for (field, endpoint) in [("endpoint", &entry.endpoint), ("use", &entry.instead)] {
            let path = parted(endpoint);
            match path {
                None => desk.say(&at(field), "is a method and a path, such as POST /v3/contacts"),
                Some(path)
                    if field == "endpoint"
                        && templates.find(path).is_none_or(|found| found.text() != path) =>
                {
                    desk.say(&at(field), "no template of paths writes this endpoint");
                }
                Some(_) => {}
            }
        }
        if !(2..=MOST_ITEMS).contains(&entry.size) {
            desk.say(&at("size"), format!("is between 2 and {MOST_ITEMS}"));
        }
        if !seen.insert(&entry.endpoint) {
            desk.say(&at("endpoint"), "stands twice");
        }
    }
}

/// The path of `METHOD /path`.
fn parted(endpoint: &str) -> Option<&str> {
    let (method, path) = endpoint.split_once(' ')?;
    let capitals = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    (capitals && path.starts_with('/')).then_some(path)
}

/// A header name in lower case, perhaps with `#key`.
fn header(place: &[&str], text: &str, desk: &mut Desk<'_>) {
    let (name, key) = text.split_once('#').map_or((text, None), |(name, key)| (name, Some(key)));
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        desk.say(place, format!("`{name}`: header names are written in lower case"));
    } else if name.is_empty()
        || name.len() > TEXT_BYTES
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.!".contains(&byte))
    {
        desk.say(place, format!("`{name}` is no header name; write `-`, not `_`"));
    } else if !kept::may_keep_header(name) {
        desk.say(place, format!("`{name}` looks like a secret, so that ingest never keeps it"));
    }
    if key.is_some_and(str::is_empty) {
        desk.say(place, format!("`{text}` names no member after `#`"));
    }
}
