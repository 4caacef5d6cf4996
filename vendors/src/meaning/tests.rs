//! Described calls enter, their meanings and reasons are compared.

use super::*;

/// 2026-01-15T12:00:00Z.
const NOW: i64 = 1_768_478_400_000_000;

fn headers(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call<'a>(host: &'a str, path: &'a str, status: u16, headers: &'a BTreeMap<String, String>) -> Call<'a> {
    Call {
        customer: "acme",
        host: Some(host),
        integration: None,
        endpoint: None,
        method: Some("get"),
        path: Some(path),
        status: Some(status),
        error: None,
        failed: status >= 400,
        error_class: None,
        headers,
        answered_us: NOW,
        quota_given: false,
        items: None,
    }
}

fn told(call: &Call<'_>) -> String {
    let catalogue = Catalogue::built_in();
    let Explanation { meaning, reasons } = catalogue.explain(call);
    assert_eq!(meaning, catalogue.meaning(call), "one path");
    let quota = meaning.quota.iter().map(|one| {
        format!(
            "quota {} of {}: {:?} of {:?}, {:?}",
            one.policy,
            one.scope,
            one.remaining,
            one.limit,
            one.reset_us.map(|at| (at - NOW) / 1_000_000)
        )
    });
    let first = format!(
        "{} | {} | {} | {} | retry {:?} | billable {:?} | batch {:?}",
        meaning.integration,
        meaning.endpoint,
        meaning.path.as_deref().unwrap_or("-"),
        meaning.error_class.as_str(),
        meaning.retry_at_us.map(|at| (at - NOW) / 1_000_000),
        meaning.billable,
        meaning.batch_size,
    );
    let reasons = reasons.iter().map(|reason| format!("  {}: {}", reason.field, reason.why));
    [first].into_iter().chain(quota).chain(reasons).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_known_vendor_is_told_with_reasons() {
    let answer = headers(&[
        ("retry-after", "10"),
        ("x-hubspot-ratelimit-daily", "250000"),
        ("x-hubspot-ratelimit-daily-remaining", "0"),
        ("x-hubspot-ratelimit-max", "110"),
        ("x-hubspot-ratelimit-remaining", "17"),
    ]);
    insta::assert_snapshot!(told(&call("api.hubapi.com", "/crm/v3/objects/contacts/51?hapikey=1", 429, &answer)), @"
    hubspot | GET /crm/v3/objects/contacts/{id} | /crm/v3/objects/contacts/51 | quota_exhausted | retry Some(10) | billable Some(true) | batch Some(100)
    quota daily of acme: Some(0) of Some(250000), None
    quota ten-secondly of acme: Some(17) of Some(110), None
      integration: host api.hubapi.com of profile hubspot
      endpoint: template /crm/v3/objects/contacts/{id} of profile hubspot
      quota daily: x-hubspot-ratelimit-daily = 250000, x-hubspot-ratelimit-daily-remaining = 0
      quota ten-secondly: x-hubspot-ratelimit-max = 110, x-hubspot-ratelimit-remaining = 17
      error_class: rule 1 of hubspot (status 429, x-hubspot-ratelimit-daily-remaining = 0)
      retry_at: retry-after = 10
      billable: every answer counts (profile hubspot)
      batch_size: POST /crm/v3/objects/contacts/batch/read takes 100 as one call
    ");
}

#[test]
fn an_unknown_vendor_is_told_by_what_is_usual() {
    let answer = headers(&[
        ("ratelimit", "\"hour\";r=0;t=30"),
        ("ratelimit-policy", "\"hour\";q=50;w=3600"),
        ("retry-after", "5"),
    ]);
    insta::assert_snapshot!(told(&call("api.unknown.example", "/v2/things/4711", 403, &answer)), @r#"
    api.unknown.example | GET /v2/things/{id} | /v2/things/4711 | rate_limited | retry Some(5) | billable Some(true) | batch None
    quota hour of acme: Some(0) of Some(50), Some(30)
      integration: no profile has this host
      endpoint: no profile: what varies in the path is replaced
      quota hour: ratelimit = "hour";r=0;t=30, ratelimit-policy = "hour";q=50;w=3600
      error_class: status 403, and nothing is left of a limit
      retry_at: retry-after = 5
      billable: every attempt counts that may have reached the vendor (no profile)
    "#);
    let answer = headers(&[
        ("x-rate-limit-limit", "100"),
        ("x-rate-limit-remaining", "99"),
        ("x-rate-limit-reset", "1768478460"),
    ]);
    insta::assert_snapshot!(told(&call("api.unknown.example", "/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/x", 200, &answer)), @"
    api.unknown.example | GET /{secret}/x | /{secret}/x | ok | retry None | billable Some(true) | batch None
    quota default of acme: Some(99) of Some(100), Some(60)
      integration: no profile has this host
      endpoint: no profile: what varies in the path is replaced
      quota default: x-rate-limit-limit = 100, x-rate-limit-remaining = 99, x-rate-limit-reset = 1768478460
      error_class: general meaning of status 200
      billable: every attempt counts that may have reached the vendor (no profile)
    ");
}

#[test]
fn what_the_sender_said_wins() {
    let answer = headers(&[("x-hubspot-ratelimit-daily-remaining", "7"), ("retry-after", "9")]);
    let given = Call {
        integration: Some("crm"),
        endpoint: Some("GET /mine"),
        error_class: Some("quota_exhausted"),
        quota_given: true,
        ..call("api.hubapi.com", "/crm/v3/owners", 200, &answer)
    };
    insta::assert_snapshot!(told(&given), @"
    crm | GET /mine | /crm/v3/owners | quota_exhausted | retry Some(9) | billable Some(true) | batch None
      integration: given; host api.hubapi.com belongs to profile hubspot, which tells the rest
      endpoint: given
      quota: given
      error_class: given
      retry_at: retry-after = 9
      billable: every answer counts (profile hubspot)
    ");
    let word = Call { error_class: Some("on_fire"), ..given };
    assert_eq!(Catalogue::built_in().meaning(&word).error_class, ErrorClass::Unknown);
}

#[test]
fn secrets_never_leave() {
    let (none, catalogue) = (headers(&[]), Catalogue::built_in());
    for path in [
        "/oauth/v1/refresh-tokens/abc-def",
        "/crm/v3/objects/contacts/ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ] {
        let plain = call("api.hubapi.com", path, 200, &none);
        let given = format!("GET {path}");
        for call in [plain, Call { endpoint: Some(&given), ..plain }] {
            let meaning = catalogue.meaning(&call);
            let shown = format!("{} {:?}", meaning.endpoint, meaning.path);
            assert!(shown.contains("{secret}"), "{shown}");
            assert!(!shown.contains("abc-def") && !shown.contains("ghp_"), "{shown}");
        }
    }
    // Of a vendor without a profile the form alone tells.
    let path = "/crm/v3/objects/contacts/ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let unknown = catalogue.meaning(&call("u.example", path, 200, &none));
    assert_eq!(unknown.path.as_deref(), Some("/crm/v3/objects/contacts/{secret}"));
    assert_eq!(unknown.endpoint, "GET /crm/v3/objects/contacts/{secret}");
}

#[test]
fn an_endpoint_that_is_a_url_loses_the_secrets_of_its_path() {
    let (none, catalogue) = (headers(&[]), Catalogue::built_in());
    let plain = Call { path: None, ..call("hooks.slack.com", "/", 200, &none) };
    let endpoint = |given| catalogue.meaning(&Call { endpoint: Some(given), ..plain }).endpoint.into_owned();
    let url = "https://hooks.slack.com/services/T0/B0/SECRET";
    let posted = format!("POST {url}");
    assert_eq!(endpoint(&posted), "POST https://hooks.slack.com/services/T0/B0/{secret}");
    assert_eq!(endpoint(url), "https://hooks.slack.com/services/T0/B0/{secret}");
    assert_eq!(endpoint("POST https://hooks.slack.com"), "POST https://hooks.slack.com");
    assert_eq!(endpoint("POST /services/T0/B0/SECRET"), "POST /services/T0/B0/{secret}");
}

#[test]
fn where_paths_hold_secrets_one_that_no_template_knows_is_stored_as_its_template() {
    let (none, catalogue) = (headers(&[]), Catalogue::built_in());
    let path = |host, path| catalogue.meaning(&call(host, path, 200, &none)).path.map(Cow::into_owned);
    let unknown = "/services/T0/B0/SeCr3tSeCr3t/more";
    assert_eq!(path("hooks.slack.com", unknown).as_deref(), Some("/services/{id}/{id}/{id}/more"));
    assert_eq!(path("u.example", unknown).as_deref(), Some(unknown));
}

#[test]
fn an_attempt_counts_by_the_policy_of_its_vendor() {
    let none = headers(&[]);
    let lost =
        Call { status: None, error: Some("ENOTFOUND"), failed: true, ..call("x.example", "/", 200, &none) };
    let billable = |call: &Call<'_>| Catalogue::built_in().meaning(call).billable;
    assert_eq!(billable(&lost), Some(false));
    assert_eq!(billable(&Call { error: Some("ReadTimeout"), ..lost }), Some(true));
    assert_eq!(billable(&Call { error: Some("ECONNREFUSED"), ..lost }), Some(false));
    assert_eq!(billable(&Call { error: Some("ECONNRESET"), ..lost }), Some(true));
    let given = Call { error_class: Some("killed"), ..call("x.example", "/", 200, &none) };
    assert_eq!(billable(&given), Some(true), "an answer proves it");
    assert_eq!(billable(&Call { status: None, ..given }), Some(false));
    assert_eq!(
        billable(&Call { error: Some("ReadTimeout"), host: Some("api.hubapi.com"), ..lost }),
        Some(false)
    );
    assert_eq!(billable(&call("api.hubapi.com", "/", 500, &none)), Some(true));
}

#[test]
fn a_vendors_text_never_becomes_unbounded() {
    let long = "é".repeat(1_000);
    let answer = headers(&[
        ("x-ratelimit-resource", &long),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "4"),
    ]);
    let meaning = Catalogue::built_in();
    let meaning = meaning.meaning(&call("api.github.com", "/user", 200, &answer));
    assert_eq!(meaning.quota[0].policy.len(), 256);
}

#[test]
fn a_call_could_have_been_saved_by_a_batch_unless_it_was_one() {
    let (catalogue, none) = (Catalogue::built_in(), BTreeMap::new());
    let size = |host, method, path, items| {
        let call = Call { method: Some(method), items, ..call(host, path, 200, &none) };
        catalogue.meaning(&call).batch_size
    };
    let contacts = |items| size("api.hubapi.com", "POST", "/crm/v3/objects/contacts", items);
    assert_eq!((contacts(None), contacts(Some(1)), contacts(Some(2))), (Some(100), Some(100), None));
    // This one takes a list itself: without the sender's word nobody knows how long it was.
    let embeddings = |items| size("api.openai.com", "POST", "/v1/embeddings", items);
    assert_eq!((embeddings(None), embeddings(Some(1)), embeddings(Some(2))), (None, Some(2048), None));
}
