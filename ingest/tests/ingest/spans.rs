//! Hand-made spans enter, call events leave: what the recordings do not show.

use super::harness::context;
use callmeter_ingest::{
    admit::{Notes, admit},
    json::BodyError,
    otlp::{self, Taken},
};
use callmeter_schemas::{CallEvent, ErrorClass, QuotaObservation};
use serde_json::{Value, json};

const START: u64 = 1_795_176_000_000_000_000;

fn attributes(entries: &[(&str, Value)]) -> Value {
    entries.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn text(text: &str) -> Value {
    json!({"stringValue": text})
}

fn number(number: i64) -> Value {
    json!({"intValue": number.to_string()})
}

/// A CLIENT span of 1.5 ms.
fn span(entries: &[(&str, Value)]) -> Value {
    json!({
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "kind": 3,
        "startTimeUnixNano": START.to_string(), "endTimeUnixNano": (START + 1_500_000).to_string(),
        "attributes": attributes(entries),
    })
}

/// The event of each span, or why it was rejected; spans that are no calls are left out.
fn events(resource: &[(&str, Value)], spans: &[Value]) -> Vec<Result<CallEvent, String>> {
    let export = json!({"resourceSpans": [{
        "resource": {"attributes": attributes(resource)}, "scopeSpans": [{"spans": spans}],
    }]});
    let mut events = Vec::new();
    otlp::json(export.to_string().as_bytes(), 100, &mut |taken| match taken {
        Taken::NoCall => {}
        Taken::Malformed(why) => events.push(Err(format!("{} {why}", why.code.as_str()))),
        Taken::Call(draft) => {
            let now_us = START as i64 / 1_000;
            let mut new_id = || panic!("spans have ids");
            let mut context = context("w", now_us, &mut new_id);
            let mut event = CallEvent::default();
            let admitted = admit(*draft, &mut context, &mut event, &mut Notes::default());
            events.push(admitted.map(|()| event).map_err(|why| format!("{} {why}", why.code.as_str())));
        }
    })
    .expect("it is an export request");
    events
}

#[track_caller]
fn event(resource: &[(&str, Value)], entries: &[(&str, Value)]) -> CallEvent {
    events(resource, &[span(entries)]).remove(0).expect("it is a call")
}

#[test]
fn current_names_fill_the_whole_event() {
    let found = event(
        &[("callmeter.tier", text("gold")), ("deployment.environment.name", text("production"))],
        &[
            ("http.request.method", text("GET")),
            ("url.full", text("https://u:p@other.x.com/v1/things/7?key=1")),
            ("server.address", text("api.x.com")),
            ("url.template", text("/v1/things/{id}")),
            ("http.response.status_code", number(429)),
            ("error.type", text("429")),
            ("http.request.resend_count", number(2)),
            (
                "http.response.header.x-ratelimit-limit",
                json!({"arrayValue": {"values": [text("10"), text("20")]}}),
            ),
            ("http.response.header.set_cookie", text("s=1")),
            ("http.response.body.size", number(512)),
            ("callmeter.customer", text("acme")),
            ("callmeter.integration", text("x")),
        ],
    );
    let wanted = CallEvent {
        workspace: "w".into(),
        id: "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7".into(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        time_us: START as i64 / 1_000,
        latency_us: Some(1_500),
        customer: "acme".into(),
        integration: "x".into(),
        endpoint: "GET /v1/things/{id}".into(),
        tier: "gold".into(),
        environment: "production".into(),
        host: Some("api.x.com".into()),
        method: Some("GET".into()),
        path: Some("/v1/things/7".into()),
        status: Some(429),
        error_class: Some(ErrorClass::RateLimited),
        attempt: 3,
        bytes_in: Some(512),
        headers: [("x-ratelimit-limit".to_owned(), "10, 20".to_owned())].into(),
        quota: vec![QuotaObservation {
            policy: "default".into(),
            scope: "acme".into(),
            limit: Some(10),
            ..QuotaObservation::default()
        }],
        billable: Some(true),
        ..CallEvent::default()
    };
    assert_eq!(found, wanted);
}

#[test]
fn older_names_and_the_resource_step_in() {
    let resource = [("callmeter.customer", text("acme")), ("deployment.environment", text("test"))];
    let found = event(
        &resource,
        &[
            ("http.method", text("POST")),
            ("http.host", text("api.x.com:8443")),
            ("http.status_code", number(201)),
        ],
    );
    assert_eq!((found.customer.as_str(), found.environment.as_str()), ("acme", "test"));
    assert_eq!((found.integration.as_str(), found.host.as_deref()), ("api.x.com", Some("api.x.com")));
    assert_eq!((found.status, found.error_class), (Some(201), Some(ErrorClass::Ok)));
    let by_url =
        [("http.method", text("GET")), ("http.url", text("http://a.b/c")), ("http.host", text("other"))];
    assert_eq!(event(&resource, &by_url).host.as_deref(), Some("a.b"));
    let peer =
        [("http.method", text("GET")), ("net.peer.name", text("p.q")), ("http.url", text("http://a.b/c"))];
    assert_eq!(event(&[], &peer).host.as_deref(), Some("p.q"));
    assert_eq!(event(&[], &peer).customer, "_unattributed");
}

#[test]
fn a_bad_span_never_costs_its_neighbours() {
    let good = span(&[("http.request.method", text("GET")), ("server.address", text("a.b"))]);
    let mut no_ids = good.clone();
    no_ids["traceId"] = json!("00000000000000000000000000000000");
    let mut endless = good.clone();
    endless["endTimeUnixNano"] = json!(u64::MAX.to_string());
    let mut early = good.clone();
    early["startTimeUnixNano"] = json!("5");
    let hostless = span(&[("http.request.method", text("GET"))]);
    let server = json!({"kind": 2, "attributes": good["attributes"]});
    let broken = json!({"kind": "client"});
    let told: Vec<String> =
        events(&[], &[good.clone(), no_ids, endless, early, hostless, server, broken, good])
            .into_iter()
            .map(|event| event.map_or_else(|why| why, |event| event.id))
            .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7
    invalid_value trace_id: not 16 bytes that are not all zero
    out_of_range latency: not between 0 and 2^40 microseconds
    out_of_range latency: not between 0 and 2^40 microseconds
    missing_field integration: neither integration nor host is there
    malformed a span does not decode or is larger than 1 MiB
    4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7
    ");
}

/// Resource attributes that decode to 40 times their bytes.
fn heavy(bytes: usize) -> Vec<u8> {
    let mut resource = vec![0x0a];
    prost::encoding::encode_varint(bytes as u64, &mut resource);
    resource.extend([0x0a, 0x00].iter().cycle().take(bytes));
    resource
}

#[test]
fn a_resource_is_bounded_also_when_it_comes_in_pieces() {
    let export = |pieces: usize| {
        let resource_spans = heavy(otlp::SPAN_BYTES / 2).repeat(pieces);
        let mut body = vec![0x0a];
        prost::encoding::encode_varint(resource_spans.len() as u64, &mut body);
        body.extend(resource_spans);
        otlp::protobuf(&body, 1, &mut |_| {})
    };
    assert_eq!(export(2), Ok(()));
    assert_eq!(export(3), Err(BodyError::NotOtlp));
    let attributes = "{},".repeat(otlp::SPAN_BYTES / 3 + 1);
    let body = format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{attributes}{{}}]}}}}]}}"#);
    assert_eq!(otlp::json(body.as_bytes(), 1, &mut |_| {}), Err(BodyError::NotOtlp));
}

#[test]
fn a_json_export_of_another_shape_is_refused_and_absent_lists_are_empty() {
    let read = |body: &str| otlp::json(body.as_bytes(), 1, &mut |_| {});
    for empty in
        ["{}", r#"{"resourceSpans":null}"#, r#"{"resourceSpans":[{},{"scopeSpans":[{},{"spans":[]}]}]}"#]
    {
        assert_eq!(read(empty), Ok(()), "{empty}");
    }
    for wrong in [
        r#"{"resourceSpans":7}"#,
        r#"{"resourceSpans":{}}"#,
        r#"{"resourceSpans":[7]}"#,
        r#"{"resourceSpans":[{"scopeSpans":"x"}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":{"a":1}}]}]}"#,
    ] {
        assert_eq!(read(wrong), Err(BodyError::NotOtlp), "{wrong}");
    }
    let two = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{}]},{"spans":[{}]}]}]}"#;
    assert_eq!(read(two), Err(BodyError::TooManyItems(1)));
}
