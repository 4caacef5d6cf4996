//! The list of vendors: a catalogue enters, an aligned table or JSON leaves.

use crate::table::aligned;
use callmeter_vendors::{
    Catalogue,
    profile::{Profile, QuotaEntry},
};
use serde_json::{Value, json};

/// Hosts that a row of the table shows.
const HOSTS_SHOWN: usize = 2;

/// A row per vendor, columns aligned.
pub(super) fn table(catalogue: &Catalogue) -> String {
    let head = ["INTEGRATION", "NAME", "CATEGORY", "BILLABLE", "HOSTS", "QUOTA"].map(str::to_owned);
    let rows: Vec<[String; 6]> =
        std::iter::once(head).chain(catalogue.profiles().into_iter().map(row)).collect();
    aligned(&rows)
}

fn row(profile: &Profile) -> [String; 6] {
    let mut hosts = profile.hosts.iter().take(HOSTS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if let more @ 1.. = profile.hosts.len().saturating_sub(HOSTS_SHOWN) {
        hosts.push_str(&format!(" and {more} more"));
    }
    let quota: Vec<String> = profile.quota.iter().map(policy).collect();
    [
        profile.integration.clone(),
        profile.name.clone(),
        word(profile.category),
        word(profile.billable),
        hosts,
        if quota.is_empty() { "-".to_owned() } else { quota.join(", ") },
    ]
}

/// The name of a limit, or the header that names it, and its period.
fn policy(entry: &QuotaEntry) -> String {
    let name = match (&entry.policy, &entry.policy_from) {
        (Some(name), _) => name.clone(),
        (None, Some(header)) => format!("<{header}>"),
        (None, None) => String::new(),
    };
    entry.window.as_ref().map_or_else(|| name.clone(), |window| format!("{name}/{window}"))
}

/// The same as JSON.
pub(super) fn json(catalogue: &Catalogue) -> Value {
    let told = |profile: &Profile| {
        let quota = |entry: &QuotaEntry| {
            json!({
                "policy": entry.policy, "policy_from": entry.policy_from, "window": entry.window,
                "unit": entry.unit.as_deref().unwrap_or("requests"),
            })
        };
        json!({
            "integration": profile.integration, "name": profile.name, "category": profile.category,
            "hosts": profile.hosts, "billable": profile.billable,
            "quota": profile.quota.iter().map(quota).collect::<Vec<_>>(),
            "paths": profile.paths.len(), "errors": profile.errors.len(), "batch": profile.batch.len(),
        })
    };
    catalogue.profiles().into_iter().map(told).collect()
}

/// The word of an enum as it stands in files.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
