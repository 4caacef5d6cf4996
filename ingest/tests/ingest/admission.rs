//! Bodies enter, events and rejections leave: what a sender may rely on, without HTTP and Kafka.

use super::harness::context;
use callmeter_ingest::{
    admit::{Context, Notes, admit},
    cardinality::{Bounds, Cardinality},
    intake::{Form, Intake, take_in},
    json::{self, BodyError, Layout},
};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, QuotaObservation};
use std::collections::BTreeMap;

/// 2026-11-20T12:00:00Z.
const NOW_US: i64 = 1_795_176_000_000_000;

const FULL: &str = r#"{"id":"01J","time":"2026-11-20T12:00:00.123Z","customer":"acme","integration":"hubspot",
 "endpoint":"GET /crm/v3/objects/contacts/{id}?hapikey=1","host":"API.hubapi.com:443","method":"GET",
 "path":"/crm/v3/objects/contacts/51?hapikey=1","status":200,"latency_ms":182.4,"queue_ms":3.1,
 "attempt":1,"retry_of":null,"run_id":"sync-81","data_type":"contacts","operation":"read","items":1,"records":100,
 "bytes_in":5120,"bytes_out":310,"tier":"enterprise","environment":"production","error_class":null,"error":null,
 "cost":{"amount":"0.0042","currency":"USD"},
 "quota":[{"policy":"daily","scope":"app-1","limit":500000,"remaining":498123,"reset":"2026-11-21T00:00:00Z"}],
 "headers":{"X-HubSpot-RateLimit-Remaining":"98","set-cookie":"s=1"},"trace_id":"4bf9",
 "attributes":{"region":"eu","n":7,"api_key":"k"},
 "workspace":"other","shiny":{"new":[1,2]},"callback":"https://me:pw@x.com/a?t=1","request":{"headers":{"Authorization":"B"}}}"#;

pub(super) fn event(body: &str) -> Result<(CallEvent, Notes), String> {
    let mut taken = None;
    json::for_each(body.as_bytes(), Layout::Single, 1, &mut |item| taken = Some(item))
        .map_err(|e| e.to_string())?;
    let item = taken.expect("a single body has one item");
    if let Some(why) = item.mistake {
        return Err(format!("{} {why}", why.code.as_str()));
    }
    let mut new_id = || "new".to_owned();
    let mut context = context("acme-inc", NOW_US, &mut new_id);
    let (mut event, mut notes) = (CallEvent::default(), Notes::default());
    match admit(item.draft, &mut context, &mut event, &mut notes) {
        Ok(()) => Ok((event, notes)),
        Err(why) => Err(format!("{} {why}", why.code.as_str())),
    }
}

pub(super) fn intake(body: &[u8], layout: Layout) -> Result<Intake, BodyError> {
    let mut new_id = || "new".to_owned();
    take_in(body, Form::Events(layout), 100, context("acme-inc", NOW_US, &mut new_id))
}

pub(super) fn told(intake: &Intake) -> String {
    let lines = intake.rejected.iter().map(|rejected| {
        let id = rejected.id.as_deref().unwrap_or("-");
        format!("{} {id} {} {}", rejected.index, rejected.why.code.as_str(), rejected.why)
    });
    std::iter::once(format!("{} accepted", intake.batch.len())).chain(lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_full_event_keeps_what_was_said_and_loses_secrets() {
    let (event, notes) = event(FULL).expect("it is an event");
    let map = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    let wanted = CallEvent {
        workspace: "acme-inc".into(),
        id: "01J".into(),
        time_us: NOW_US + 123_000,
        customer: "acme".into(),
        integration: "hubspot".into(),
        endpoint: "GET /crm/v3/objects/contacts/{id}".into(),
        tier: "enterprise".into(),
        environment: "production".into(),
        error_class: Some(ErrorClass::Ok),
        status: Some(200),
        latency_us: Some(182_400),
        queue_us: Some(3_100),
        attempt: 1,
        items: Some(1),
        records: Some(100),
        bytes_in: Some(5_120),
        bytes_out: Some(310),
        cost: Some(Cost { amount: Amount::parse("0.0042").expect("it is one"), currency: "USD".into() }),
        host: Some("api.hubapi.com".into()),
        method: Some("GET".into()),
        path: Some("/crm/v3/objects/contacts/51".into()),
        run_id: Some("sync-81".into()),
        data_type: Some("contacts".into()),
        operation: Some("read".into()),
        trace_id: Some("4bf9".into()),
        billable: Some(true),
        batch_size: Some(100),
        quota: vec![QuotaObservation {
            policy: "daily".into(),
            scope: "app-1".into(),
            limit: Some(500_000),
            remaining: Some(498_123),
            reset_us: Some(NOW_US + 12 * 3_600_000_000),
        }],
        headers: map(&[("x-hubspot-ratelimit-remaining", "98")]),
        attributes: map(&[("n", "7"), ("region", "eu")]),
        extra: map(&[
            ("callback", "\"https://x.com/a\""),
            ("shiny", "{\"new\":[1,2]}"),
            ("workspace", "\"other\""),
        ]),
        ..CallEvent::default()
    };
    assert_eq!(event, wanted);
    let lost = Notes {
        unknown_members: 4,
        dropped_members: 1,
        dropped_headers: 1,
        dropped_attributes: 1,
        ..Notes::default()
    };
    assert_eq!(notes, lost);
}

#[test]
fn the_least_event_is_a_customer_and_an_integration_or_host() {
    let (least, _) = event(r#"{"customer":"acme","host":"api.x.com"}"#).expect("it is enough");
    assert_eq!((least.integration.as_str(), least.id.as_str(), least.time_us), ("api.x.com", "new", NOW_US));
    assert_eq!((least.endpoint.as_str(), least.billable), ("", Some(true)));
    let (by_url, _) =
        event(r#"{"customer":"acme","url":"https://u:p@Api.x.com:8443/v1/a?key=1"}"#).expect("it is enough");
    assert_eq!((by_url.integration.as_str(), by_url.path.as_deref()), ("api.x.com", Some("/v1/a")));
    let (by_host, _) =
        event(r#"{"customer":"acme","host":"https://u:p@api.x.com/v1?key=1","endpoint":"GET https://u:p@api.x.com/v1?key=1"}"#)
            .expect("it is enough");
    assert_eq!((by_host.integration.as_str(), by_host.host.as_deref()), ("api.x.com", Some("api.x.com")));
    assert_eq!(by_host.endpoint, "GET https://api.x.com/v1");
}

#[test]
fn the_profile_tells_what_the_sender_did_not_say() {
    let bare = r#"{"customer":"acme","host":"API.hubapi.com","method":"get","path":"/crm/v3/objects/deals/77?x=1",
        "status":429,"latency_ms":1000,"error":"DAILY","headers":{"X-HubSpot-RateLimit-Daily":"250000",
        "X-HubSpot-RateLimit-Daily-Remaining":"0","Retry-After":"30"}"#;
    let (told, _) = event(&format!("{bare}}}")).expect("it is an event");
    assert_eq!(
        (told.integration.as_str(), told.endpoint.as_str()),
        ("hubspot", "GET /crm/v3/objects/deals/{id}")
    );
    assert_eq!(told.path.as_deref(), Some("/crm/v3/objects/deals/77"));
    assert_eq!(told.error_class, Some(ErrorClass::QuotaExhausted));
    assert_eq!((told.billable, told.batch_size), (Some(true), Some(100)));
    assert_eq!(told.retry_at_us, Some(NOW_US + 31_000_000), "30 s after the answer, which came after 1 s");
    let daily = QuotaObservation {
        policy: "daily".into(),
        scope: "acme".into(),
        limit: Some(250_000),
        remaining: Some(0),
        reset_us: None,
    };
    assert_eq!(told.quota, [daily]);
    let said = r#","integration":"crm","endpoint":"GET /deals","error_class":"validation","quota":[{"policy":"mine"}]}"#;
    let (said, _) = event(&format!("{bare}{said}")).expect("it is an event");
    assert_eq!((said.integration.as_str(), said.endpoint.as_str()), ("crm", "GET /deals"));
    assert_eq!((said.error_class, said.quota.len()), (Some(ErrorClass::Validation), 1));
    assert_eq!(said.quota[0].policy, "mine");
}

#[test]
fn headers_never_cost_a_call() {
    let many: String = (0..200).map(|n| format!(r#""x-ratelimit-h{n}":"{n}","#)).collect();
    let long = "9".repeat(2_049);
    let body = format!(
        r#"{{"customer":"a","integration":"x","headers":{{"retry-after":"{long}","cookie":"c",{many}"cf-ray":"z"}}}}"#
    );
    let (event, notes) = event(&body).expect("it is an event");
    assert_eq!((event.headers.len(), notes.dropped_headers), (64, 203 - 64));
}

#[test]
fn what_is_rejected_takes_no_place_among_the_names_of_its_customer() {
    let cardinality = Cardinality::new(Bounds { integrations: 1, endpoints: 1, quotas: 1 });
    let body = r#"[{"customer":"a","integration":"bad","quota":[{"policy":"p"}],"cost":{"amount":1,"currency":"usd"}},
        {"customer":"a","integration":"good","quota":[{"policy":"p"},{"policy":"q"}]}]"#;
    let mut new_id = || "new".to_owned();
    let context = Context { cardinality: &cardinality, ..context("w", NOW_US, &mut new_id) };
    let intake = take_in(body.as_bytes(), Form::Events(Layout::Array), 10, context).expect("it is an array");
    assert_eq!(intake.rejected.len(), 1);
    let notes = intake.notes;
    assert_eq!((notes.capped_integrations, notes.capped_endpoints, notes.capped_quotas), (0, 0, 1));
}

#[test]
fn names_beyond_the_bounds_of_a_customer_become_other_also_when_they_were_said() {
    let cardinality = Cardinality::new(Bounds { integrations: 1, endpoints: 2, quotas: 1 });
    let (mut seen, mut notes) = (Vec::new(), Notes::default());
    let body = r#"[{"customer":"a","integration":"x","endpoint":"1","tier":"t"},{"customer":"a","integration":"x","endpoint":"2","tier":"t"},
        {"customer":"a","integration":"x","endpoint":"3","tier":"t"},{"customer":"a","integration":"y","endpoint":"1","tier":"t"},
        {"customer":"a","integration":"x","endpoint":"1","tier":"t"},{"customer":"b","integration":"y","endpoint":"1","tier":"t"}]"#;
    json::for_each(body.as_bytes(), Layout::Array, 10, &mut |item| {
        let mut event = CallEvent::default();
        let mut new_id = || "new".to_owned();
        let mut context = Context { cardinality: &cardinality, ..context("w", NOW_US, &mut new_id) };
        admit(item.draft, &mut context, &mut event, &mut notes).expect("they are events");
        seen.push([event.integration, event.endpoint, event.tier].join(" "));
    })
    .expect("it is an array");
    assert_eq!(seen, ["x 1 t", "x 2 t", "x other other", "other other other", "x 1 t", "y 1 t"]);
    assert_eq!((notes.capped_integrations, notes.capped_endpoints), (1, 2));
}

#[test]
fn each_mistake_has_its_code_and_field() {
    let with = |member: &str| format!(r#"{{"customer":"a","integration":"x",{member}}}"#);
    let long = "x".repeat(257);
    let attributes: String = (0..65).map(|n| format!(r#""a{n}":1,"#)).collect();
    let bodies = [
        "{}".to_owned(),
        r#"{"customer":"a"}"#.to_owned(),
        r#"{"customer":7,"integration":"x"}"#.to_owned(),
        "[1]".to_owned(),
        "{".to_owned(),
        "nope".to_owned(),
        with(r#""customer":"b""#),
        with(r#""shiny":1,"shiny":2"#),
        with(r#""status":99"#),
        with(r#""status":"200""#),
        with(r#""status":200.5"#),
        with(r#""latency_ms":-1"#),
        with(r#""latency_ms":1e400"#),
        with(r#""latency_ms":"12""#),
        with(r#""items":1099511627776"#),
        with(r#""items":-1"#),
        with(r#""attempt":0"#),
        with(r#""time":"yesterday""#),
        with(r#""time":"1999-12-31T23:59:59Z""#),
        with(r#""time":"2026-11-21T12:00:01Z""#),
        with(r#""id":"""#),
        with(&format!(r#""id":"{long}""#)),
        with(&format!(r#""tier":"{long}""#)),
        with(r#""cost":{"amount":"1e999","currency":"USD"}"#),
        with(r#""cost":{"amount":0.0000000000001,"currency":"USD"}"#),
        with(r#""cost":{"amount":1e13,"currency":"USD"}"#),
        with(r#""cost":{"amount":1,"currency":"usd"}"#),
        with(r#""cost":{"amount":1}"#),
        with(r#""cost":{"amount":1,"amount":2,"currency":"USD"}"#),
        with(r#""cost":"1 USD""#),
        with(r#""quota":{}"#),
        with(r#""quota":[{"limit":1}]"#),
        with(r#""quota":[{"policy":"d","limit":1.5}]"#),
        with(r#""headers":[]"#),
        with(&format!(r#""attributes":{{{attributes}"z":1}}"#)),
        with(r#""attributes":{"a":{}}"#),
    ];
    let told: Vec<String> = bodies.iter().map(|body| event(body).expect_err("each body is wrong")).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    missing_field customer: required and absent or empty
    missing_field integration: neither integration nor host is there
    wrong_type customer: must be a string
    not_an_object an event is a JSON object
    malformed JSON that ends too early at line 1, column 1 of the item
    malformed not valid JSON at line 1, column 2 of the item
    duplicate_member customer: stands twice
    duplicate_member an unknown member stands twice
    out_of_range status: not between 100 and 999
    wrong_type status: must be an integer
    wrong_type status: must be an integer
    out_of_range latency_ms: not between 0 and 2^40 microseconds
    out_of_range latency_ms: not between 0 and 2^40 microseconds
    wrong_type latency_ms: must be a number of milliseconds
    out_of_range items: not between 0 and 2^40
    out_of_range items: not between 0 and 2^40
    out_of_range attempt: not between 1 and 1000000
    invalid_value time: not an RFC 3339 time with an offset
    out_of_range time: before the year 2000 or more than 24 hours ahead
    out_of_range time: before the year 2000 or more than 24 hours ahead
    invalid_value id: empty
    too_long id: longer than 256 bytes
    too_long tier: longer than 256 bytes
    invalid_value cost.amount: not a decimal number such as "0.0042"
    invalid_value cost.amount: more than 12 decimal places
    out_of_range cost.amount: at or beyond 1000000000000
    invalid_value cost.currency: not three capital letters
    missing_field cost.currency: required and absent or empty
    duplicate_member cost: a member stands twice
    wrong_type cost: must be an object of amount and currency
    wrong_type quota: must be an array
    missing_field quota.policy: required and absent or empty
    wrong_type quota.limit: must be an integer
    wrong_type headers: must be an object
    too_many attributes: too many entries
    wrong_type attributes: values must be strings, numbers or booleans
    "#);
}

#[test]
fn numbers_are_exact_and_an_unknown_class_is_kept_as_the_error() {
    let (event, _) = event(
        r#"{"customer":"a","integration":"x","latency_ms":1.0005,"items":3.0,"status":200,
            "cost":{"amount":0.1,"currency":"EUR"},"error_class":"vendor_on_fire"}"#,
    )
    .expect("it is an event");
    assert_eq!((event.latency_us, event.items), (Some(1_001), Some(3)));
    assert_eq!(event.cost.map(|cost| cost.amount.to_string()), Some("0.1".to_owned()));
    assert_eq!(event.error_class, Some(ErrorClass::Unknown));
    assert_eq!(event.error.as_deref(), Some("vendor_on_fire"));
}

#[test]
fn a_bad_item_never_costs_its_neighbours() {
    let good = r#"{"id":"g","customer":"a","integration":"x"}"#;
    let array =
        format!(r#" [{good}, {{"id":"b"}}, 7, {{"id":"c","status":1e400}}, {{"id":"\ud800"}}, {good}] "#);
    insta::assert_snapshot!(told(&intake(array.as_bytes(), Layout::Array).expect("it is an array")), @"
    2 accepted
    1 b missing_field customer: required and absent or empty
    2 - not_an_object an event is a JSON object
    3 - malformed not valid JSON at line 1, column 25 of the item
    4 - malformed not valid JSON at line 1, column 15 of the item
    ");
    let lines = format!("{good}\n\n{{\"id\":\n{good}\r\n[]\n\u{7f}\n");
    let mut lines = lines.into_bytes();
    lines.extend_from_slice(b"{\"customer\":\"\xff\"}\n");
    insta::assert_snapshot!(told(&intake(&lines, Layout::Lines).expect("they are lines")), @"
    2 accepted
    1 - malformed JSON that ends too early at line 1, column 6 of the item
    3 - not_an_object an event is a JSON object
    4 - malformed not valid JSON at line 1, column 1 of the item
    5 - malformed the line is not UTF-8
    ");
}

#[test]
fn a_broken_body_is_refused_as_a_whole() {
    let good = r#"{"customer":"a","integration":"x"}"#;
    let check = |body: &str, layout, wanted: BodyError| {
        assert_eq!(intake(body.as_bytes(), layout).map(|intake| told(&intake)), Err(wanted), "{body}");
    };
    check(" \n", Layout::Single, BodyError::Empty);
    check(&format!("[{good}"), Layout::Array, BodyError::BrokenArray(1));
    check(&format!("[{good},]"), Layout::Array, BodyError::BrokenArray(1));
    check(&format!("[{good} {good}]"), Layout::Array, BodyError::BrokenArray(1));
    check(&format!("[{good}] x"), Layout::Array, BodyError::BrokenArray(1));
    check(&format!("[{}]", vec![good; 101].join(",")), Layout::Array, BodyError::TooManyItems(100));
    check(&vec![good; 101].join("\n"), Layout::Lines, BodyError::TooManyItems(100));
    assert_eq!(intake(b"{\"a\":\"\xff\"}", Layout::Single).map(|_| ()), Err(BodyError::NotUtf8));
}

#[test]
fn deep_nesting_is_a_mistake_and_no_stack_overflow() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    let unknown = format!(r#"{{"customer":"a","integration":"x","deep":{}}}"#, deep(""));
    let (_, notes) = event(&unknown).expect("an unknown member never costs the event");
    assert_eq!((notes.unknown_members, notes.dropped_members), (1, 1));
    assert!(event(&deep("")).is_err());
    assert!(event(&format!(r#"{{"customer":"a","integration":"x","attributes":{}}}"#, deep(""))).is_err());
    assert!(intake(deep("1").as_bytes(), Layout::Array).is_ok_and(|intake| intake.batch.is_empty()));
}

#[test]
fn a_record_has_the_key_of_its_event() {
    let intake = intake(FULL.as_bytes(), Layout::Single).expect("it is an event");
    let (event, _) = event(FULL).expect("it is an event");
    let mut value = Vec::new();
    callmeter_schemas::avro::encode(&event, &mut value);
    let records: Vec<_> = intake.batch.records().collect();
    assert_eq!(records, [(event.record_key().as_bytes(), value.as_slice())]);
}

#[test]
fn the_json_schema_describes_the_members_that_are_read() {
    let schema: serde_json::Value =
        serde_json::from_str(callmeter_schemas::EVENT_JSON_SCHEMA).expect("it is JSON");
    for (name, member) in schema["properties"].as_object().expect("it has properties") {
        assert!(member["description"].is_string(), "{name}");
        // A known member of a wrong type is a mistake; an unknown one is kept whatever it is.
        let wrong = if matches!(name.as_str(), "quota") { "{}" } else { "[[]]" };
        let twice = format!(r#"{{"{name}":{wrong},"customer":"a","integration":"x"}}"#);
        assert!(event(&twice).is_err(), "{name}");
    }
}

#[test]
fn a_records_key_follows_the_senders_words_whatever_profiles_make_of_them() {
    let key = |body: &str| {
        let intake = intake(body.as_bytes(), Layout::Single).expect("it is an event");
        let (key, _) = intake.batch.records().next().expect("one record");
        String::from_utf8(key.to_vec()).expect("UTF-8")
    };
    let by_host = r#"{"customer":"a","host":"API.HubApi.com"}"#;
    assert_eq!(event(by_host).expect("it is an event").0.integration, "hubspot");
    assert!(key(by_host).ends_with("/a/api.hubapi.com"), "{}", key(by_host));
    let by_name = r#"{"customer":"a","host":"api.hubapi.com","integration":"crm"}"#;
    assert!(key(by_name).ends_with("/a/crm"), "{}", key(by_name));
}
