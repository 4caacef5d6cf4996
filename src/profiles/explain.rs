//! One call explained: a described call and a catalogue enter, what it becomes and why leaves.
//!
//! The path is the one of ingest: headers pass its sieve, the rest is [`Catalogue::explain`].

use super::args::ExplainArgs;
use callmeter_documents::duration;
use callmeter_ingest::sieve;
use callmeter_schemas::QuotaObservation;
use callmeter_vendors::{Call, Catalogue, Explanation, Meaning};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Widest value that reasons are aligned behind.
const WIDEST: usize = 48;

/// Text or JSON of what a call becomes, and why.
#[allow(clippy::disallowed_methods, reason = "the answer that is asked about arrives now")]
pub(super) fn explain(catalogue: &Catalogue, args: &ExplainArgs) -> String {
    told(catalogue, args, jiff::Timestamp::now().as_microsecond())
}

fn told(catalogue: &Catalogue, args: &ExplainArgs, answered_us: i64) -> String {
    let (mut headers, mut dropped) = (BTreeMap::new(), Vec::new());
    for (name, value) in &args.headers {
        match sieve::header_name(name, catalogue) {
            Some(kept) => drop(headers.entry(kept).or_insert_with(|| value.clone())),
            None => dropped.push(name.as_str()),
        }
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let host = given(&args.host).map(|host| sieve::host(&host).to_ascii_lowercase());
    let host = host.filter(|host| !host.is_empty());
    let (integration, method, error) = (given(&args.integration), given(&args.method), given(&args.error));
    let path = given(&args.path);
    let path = path.as_deref().map(sieve::path);
    let explanation = catalogue.explain(&Call {
        customer: &args.customer,
        host: host.as_deref(),
        integration: integration.as_deref(),
        endpoint: None,
        method: method.as_deref(),
        path: path.as_deref(),
        status: args.status,
        error: error.as_deref(),
        failed: error.is_some(),
        error_class: None,
        headers: &headers,
        answered_us,
        quota_given: false,
        items: args.items,
    });
    match args.json {
        true => format!("{:#}\n", as_json(&explanation, &dropped)),
        false => as_text(&explanation, &dropped, answered_us),
    }
}

fn as_json(explanation: &Explanation<'_>, dropped: &[&str]) -> Value {
    let Meaning { integration, endpoint, path, error_class, quota, retry_at_us, billable, batch_size } =
        &explanation.meaning;
    let limit = |one: &QuotaObservation| {
        json!({
            "policy": one.policy, "scope": one.scope, "limit": one.limit, "remaining": one.remaining,
            "reset": one.reset_us.map(time),
        })
    };
    let quota: Vec<Value> = quota.iter().map(limit).collect();
    let reasons: BTreeMap<&str, &str> =
        explanation.reasons.iter().map(|reason| (reason.field.as_str(), reason.why.as_str())).collect();
    json!({
        "integration": integration, "endpoint": endpoint, "path": path, "error_class": error_class.as_str(),
        "quota": quota, "retry_at": retry_at_us.map(time), "billable": billable, "batch_size": batch_size,
        "reasons": reasons, "dropped_headers": dropped,
    })
}

fn as_text(explanation: &Explanation<'_>, dropped: &[&str], answered_us: i64) -> String {
    let meaning = &explanation.meaning;
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut rows = vec![
        ("integration".to_owned(), or_none(&meaning.integration)),
        ("endpoint".to_owned(), or_none(&meaning.endpoint)),
        ("path".to_owned(), or_none(meaning.path.as_deref().unwrap_or_default())),
        ("error_class".to_owned(), meaning.error_class.as_str().to_owned()),
    ];
    if meaning.quota.is_empty() {
        rows.push(("quota".to_owned(), "-".to_owned()));
    }
    rows.extend(meaning.quota.iter().map(|one| (format!("quota {}", one.policy), quota(one, answered_us))));
    let retry_at = meaning
        .retry_at_us
        .map_or_else(|| "-".to_owned(), |at| format!("{} ({})", time(at), away(at, answered_us)));
    let billable = if meaning.billable == Some(true) { "yes" } else { "no" };
    let batch_size = meaning.batch_size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    rows.push(("retry_at".to_owned(), retry_at));
    rows.push(("billable".to_owned(), billable.to_owned()));
    rows.push(("batch_size".to_owned(), batch_size));
    let first = rows.iter().map(|(field, _)| field.len()).max().unwrap_or_default();
    let second = rows.iter().map(|(_, value)| value.len()).max().unwrap_or_default().min(WIDEST);
    let mut text = String::new();
    for (field, value) in rows {
        let why = explanation.reasons.iter().find(|reason| reason.field == field);
        let why = why.map_or("", |reason| reason.why.as_str());
        text.push_str(format!("{field:<first$}  {value:<second$}  {why}").trim_end());
        text.push('\n');
    }
    if !dropped.is_empty() {
        text.push_str(&format!("\nheaders that are not kept: {}\n", dropped.join(", ")));
    }
    text
}

fn quota(one: &QuotaObservation, answered_us: i64) -> String {
    let mut text = match (one.remaining, one.limit) {
        (Some(remaining), Some(limit)) => format!("{remaining} of {limit} left"),
        (Some(remaining), None) => format!("{remaining} left"),
        (None, Some(limit)) => format!("limit {limit}"),
        (None, None) => "-".to_owned(),
    };
    if !one.scope.is_empty() {
        text.push_str(&format!(" for {}", one.scope));
    }
    if let Some(reset) = one.reset_us {
        text.push_str(&format!(", full {}", away(reset, answered_us)));
    }
    text
}

/// How far away a time is, to the second.
fn away(at_us: i64, answered_us: i64) -> String {
    match u64::try_from(at_us.saturating_sub(answered_us).div_euclid(1_000_000)) {
        Ok(seconds) => format!("in {}", duration::print(Duration::from_secs(seconds))),
        Err(_) => format!("since {}", time(at_us)),
    }
}

/// RFC 3339, to the second.
fn time(at_us: i64) -> String {
    let time = jiff::Timestamp::from_second(at_us.div_euclid(1_000_000));
    time.map_or_else(|_| at_us.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    #[track_caller]
    fn explained(words: &[&str]) -> String {
        let words = ["callmeter", "profiles", "explain"].iter().chain(words);
        let cli = Cli::try_parse_from(words).expect("a right command line");
        let Command::Profiles(super::super::args::ProfilesCommand::Explain(args)) = cli.command else {
            panic!("another command")
        };
        told(&Catalogue::built_in(), &args, 1_768_478_400_000_000)
    }

    #[test]
    fn a_call_is_explained_in_a_few_lines() {
        let words = [
            "--host",
            "API.github.com",
            "--method",
            "get",
            "--path",
            "/search/code?q=x",
            "--status",
            "403",
            "--customer",
            "acme",
            "-H",
            "X-RateLimit-Limit: 10",
            "-H",
            "X-RateLimit-Remaining: 0",
            "-H",
            "X-RateLimit-Reset: 1768478442",
            "-H",
            "X-RateLimit-Resource: code_search",
            "-H",
            "Set-Cookie: a=b",
        ];
        let text = explained(&words);
        assert!(text.contains("error_class        rate_limited"), "{text}");
        assert!(text.contains("rule 1 of github (status 403, x-ratelimit-remaining = 0)"), "{text}");
        assert!(text.contains("0 of 10 left for acme, full in 42s"), "{text}");
        assert!(text.ends_with("headers that are not kept: Set-Cookie\n"), "{text}");
        let json: Value =
            serde_json::from_str(&explained(&[&words[..], &["--json"]].concat())).expect("JSON");
        assert_eq!(json["quota"][0]["reset"], "2026-01-15T12:00:42Z");
        assert_eq!(json["reasons"]["integration"], "host api.github.com of profile github");
    }

    #[test]
    fn a_path_that_holds_a_url_is_a_path() {
        let text = explained(&["--host", "x.example.", "--path", "/fetch/https://u:p@y.com/a?k=1"]);
        assert!(text.contains("/fetch/https://y.com/a") && !text.contains("k=1"), "{text}");
    }

    #[test]
    fn a_call_without_host_and_integration_is_wrong_usage() {
        for wrong in
            [&["--path", "/x"][..], &["--host", "x", "-H", "nonsense"], &["--host", "x", "--status", "7"]]
        {
            let words = ["callmeter", "profiles", "explain"].iter().chain(wrong);
            assert_eq!(Cli::try_parse_from(words).expect_err("it is wrong").exit_code(), 2);
        }
    }
}
