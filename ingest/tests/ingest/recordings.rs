//! Recorded exports of real SDKs enter, call events leave; checked against the recordings' own ledgers.

use super::harness::context;
use callmeter_ingest::{
    admit::{Notes, admit},
    inflate, otlp,
    span::UNATTRIBUTED,
};
use callmeter_schemas::{CallEvent, ErrorClass};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

struct Recording {
    expected: Value,
    /// Events and ignored spans by file.
    files: BTreeMap<String, (Vec<CallEvent>, usize)>,
}

impl Recording {
    fn read(language: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/otlp").join(language);
        let json = |name: String| -> Value {
            serde_json::from_slice(&fs::read(folder.join(name)).expect("the recording is there"))
                .expect("it is JSON")
        };
        let expected = json("expected.json".into());
        let mut files = BTreeMap::new();
        for name in expected["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .flat_map(|run| run["files"].as_array().expect("files"))
        {
            let name = name.as_str().expect("a name").to_owned();
            let headers = json(name.replace(".bin", ".headers.json"));
            let packed =
                headers.as_object().expect("headers").iter().any(|(header, value)| {
                    header.eq_ignore_ascii_case("content-encoding") && value == "gzip"
                });
            let body = fs::read(folder.join(&name)).expect("the body is there");
            let body = match packed {
                true => inflate::gzip(&body, 1 << 23, &mut |_| true).expect("it is gzip"),
                false => body,
            };
            files.insert(name, events(&body));
        }
        Self { expected, files }
    }

    fn all(&self) -> impl Iterator<Item = &CallEvent> {
        self.files.values().flat_map(|(events, _)| events)
    }
}

fn events(body: &[u8]) -> (Vec<CallEvent>, usize) {
    let (mut events, mut ignored) = (Vec::new(), 0);
    let now_us = 1_900_000_000_000_000;
    otlp::protobuf(body, 10_000, &mut |span| match span {
        otlp::Taken::NoCall => ignored += 1,
        otlp::Taken::Malformed(why) => panic!("a recorded span was rejected: {why}"),
        otlp::Taken::Call(draft) => {
            let mut new_id = || panic!("every span has an id");
            let mut context = context("acme", now_us, &mut new_id);
            let mut event = CallEvent::default();
            admit(*draft, &mut context, &mut event, &mut Notes::default())
                .expect("a recorded span is a call");
            events.push(event);
        }
    })
    .expect("a recorded body is an export request");
    (events, ignored)
}

/// Customer, host, method, status and whether the span failed.
type Key = (Option<String>, String, String, Option<u64>, bool);
/// Error types of the calls of one key; with a status, or from an exception event, none is expected.
type Rows = BTreeMap<Key, BTreeMap<Option<String>, u64>>;

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn expected_rows(rows: &Value) -> Rows {
    let mut counted = Rows::new();
    for row in rows.as_array().expect("rows") {
        let key = (
            text(&row["customer"]),
            text(&row["server.address"]).expect("a host"),
            text(&row["method"]).expect("a method"),
            row["status"].as_u64(),
            row["span_error"].as_bool().expect("a truth"),
        );
        *counted.entry(key).or_default().entry(text(&row["error_type"])).or_default() +=
            row["count"].as_u64().expect("a count");
    }
    counted
}

fn mapped_rows<'e>(events: impl Iterator<Item = &'e CallEvent>) -> Rows {
    let mut counted = Rows::new();
    for event in events {
        let method = event.method.as_deref().expect("a method");
        let key = (
            Some(event.customer.clone()).filter(|customer| customer != UNATTRIBUTED),
            event.host.clone().expect("a host"),
            if METHODS.contains(&method) { method } else { "_OTHER" }.to_owned(),
            event.status.map(u64::from),
            event.error_class != Some(ErrorClass::Ok),
        );
        *counted.entry(key).or_default().entry(event.error.clone()).or_default() += 1;
    }
    counted
}

/// The same calls, where a span without status and without `error.type` has the type of its exception.
#[track_caller]
fn check_rows(mut mapped: Rows, expected: &Rows) {
    assert_eq!(mapped.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, wanted) in expected {
        let found = mapped.get_mut(key).expect("the keys are the same");
        assert_eq!(found.values().sum::<u64>(), wanted.values().sum::<u64>(), "{key:?}");
        for (error, count) in wanted.iter().filter(|(error, _)| error.is_some()) {
            let left = found.get_mut(error).unwrap_or_else(|| panic!("no {error:?} at {key:?}"));
            *left = left.checked_sub(*count).expect("as many as expected");
        }
        let from_exception = key.3.is_none();
        for (error, left) in found.iter().filter(|(_, left)| **left > 0) {
            assert_eq!(error.is_some(), from_exception, "{error:?} × {left} at {key:?}");
        }
    }
}

#[test]
fn every_recorded_call_is_mapped_and_nothing_else_is() {
    for language in ["python", "go"] {
        let recording = Recording::read(language);
        let totals = &recording.expected["totals"];
        let ids: BTreeSet<&str> = recording.all().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len() as u64, totals["client_http_spans"], "no span occurs twice");
        let ignored: usize = recording.files.values().map(|(_, ignored)| ignored).sum();
        let others = ["client_other_spans", "internal_spans", "server_spans"];
        assert_eq!(ignored as u64, others.iter().filter_map(|name| totals[*name].as_u64()).sum::<u64>());
        check_rows(mapped_rows(recording.all()), &expected_rows(&recording.expected["rows"]));
        for run in recording.expected["runs"].as_array().expect("runs") {
            let files = run["files"].as_array().expect("files").iter().filter_map(Value::as_str);
            let events = files.flat_map(|file| &recording.files[file].0);
            check_rows(mapped_rows(events), &expected_rows(&run["rows"]));
        }
    }
}

#[test]
fn customers_runs_and_data_types_of_the_recordings_add_up() {
    for language in ["python", "go"] {
        let recording = Recording::read(language);
        for (name, rows) in recording.expected["attributes"].as_object().expect("attributes") {
            let mut counted = BTreeMap::<Option<&str>, u64>::new();
            for event in recording.all() {
                let value = match name.as_str() {
                    "callmeter.customer" => {
                        Some(event.customer.as_str()).filter(|name| *name != UNATTRIBUTED)
                    }
                    "callmeter.run_id" => event.run_id.as_deref(),
                    "callmeter.data_type" => event.data_type.as_deref(),
                    other => panic!("unexpected attribute {other}"),
                };
                *counted.entry(value).or_default() += 1;
            }
            let wanted = rows.as_array().expect("rows").iter();
            let wanted = wanted.map(|row| (row["value"].as_str(), row["count"].as_u64().expect("a count")));
            assert_eq!(counted, wanted.collect(), "{name}");
        }
    }
}

#[test]
fn response_headers_of_the_recordings_are_kept() {
    for language in ["python", "go"] {
        let recording = Recording::read(language);
        let mut counted = BTreeMap::<(&str, &str), u64>::new();
        for event in recording.all() {
            for header in event.headers.keys() {
                *counted.entry((event.host.as_deref().expect("a host"), header)).or_default() += 1;
            }
        }
        let rows = recording.expected["response_headers"].as_array().expect("rows").iter();
        let wanted = rows.map(|row| {
            let (host, header) = (row["server.address"].as_str(), row["header"].as_str());
            ((host.expect("a host"), header.expect("a header")), row["count"].as_u64().expect("a count"))
        });
        assert_eq!(counted, wanted.collect());
    }
}

#[test]
fn recorded_failures_have_the_class_that_their_library_means() {
    let mut classes = BTreeSet::new();
    for language in ["python", "go"] {
        for event in
            Recording::read(language).all().filter(|event| event.status.is_none_or(|status| status < 400))
        {
            if let Some(error) = &event.error {
                let class = event.error_class.expect("a class");
                classes.insert(format!("{error} {:?} {}", event.status, class.as_str()));
            }
        }
    }
    let classes = classes.into_iter().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(classes, @"
    *errors.errorString None connect
    *errors.errorString Some(200) timeout
    *net.OpError None connect
    ClientConnectorDNSError None dns
    ClientConnectorError None connect
    ConnectError None connect
    ConnectionError None connect
    ReadTimeout None timeout
    RemoteProtocolError None connect
    ServerDisconnectedError None connect
    TimeoutError None timeout
    aiohttp.client_exceptions.ClientConnectorDNSError None dns
    aiohttp.client_exceptions.ClientConnectorError None connect
    aiohttp.client_exceptions.ServerDisconnectedError None connect
    context.deadlineExceededError None timeout
    context.deadlineExceededError Some(200) timeout
    httpx.ConnectError None connect
    httpx.ReadTimeout None timeout
    httpx.RemoteProtocolError None connect
    requests.exceptions.ConnectionError None connect
    requests.exceptions.ReadTimeout None timeout
    urllib3.exceptions.MaxRetryError None connect
    ");
}

#[test]
fn recorded_calls_are_of_their_vendors_and_their_endpoints_are_templates() {
    let mut endpoints = BTreeMap::<String, BTreeSet<String>>::new();
    let mut quotas = BTreeSet::new();
    for language in ["python", "go"] {
        for event in Recording::read(language).all() {
            endpoints.entry(event.integration.clone()).or_default().insert(event.endpoint.clone());
            for quota in &event.quota {
                assert!(quota.limit.is_some() && quota.remaining.is_some(), "{quota:?}");
                let whose = if quota.scope == event.customer { "customer" } else { &quota.scope };
                quotas.insert(format!("{} {} of {whose}", event.integration, quota.policy));
            }
        }
    }
    let lines = endpoints.into_iter().flat_map(|(integration, endpoints)| {
        endpoints.into_iter().map(move |endpoint| format!("{integration} {endpoint}"))
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    api.vendor-gone.invalid GET /v2/accounts/{id}
    github DELETE /repos/{owner}/{repo}/git/refs/{ref*}
    github GET /repos/{owner}/{repo}/commits/{ref}
    github GET /repos/{owner}/{repo}/git/refs/{ref*}
    github GET /repos/{owner}/{repo}/issues
    github GET /repositories/{id}/issues
    github GET /search/code
    github GET /user
    github POST /repos/{owner}/{repo}/issues
    github PUT /repos/{owner}/{repo}/contents/{path*}
    hubspot DELETE /crm/v3/objects/deals/{id}
    hubspot GET /contacts/v1/lists/all/contacts/all
    hubspot GET /crm/v3/objects/contacts
    hubspot GET /crm/v3/objects/contacts/{id}
    hubspot PATCH /crm/v3/objects/companies/{id}
    hubspot POST /crm/v3/objects/contacts
    hubspot POST /crm/v3/objects/contacts/search
    openai DELETE /v1/files/{file}
    openai GET /v1/models
    openai POST /v1/chat/completions
    openai POST /v1/embeddings
    salesforce DELETE /services/data/{version}/sobjects/Lead/{id}
    salesforce GET /services/data/{version}/query
    salesforce GET /services/data/{version}/sobjects/Account/{id}
    salesforce HEAD /services/data/{version}/limits
    salesforce PATCH /services/data/{version}/sobjects/Opportunity/{id}
    salesforce POST /services/data/{version}/sobjects/Contact
    shopify DELETE /admin/api/{version}/webhooks/{id}.json
    shopify GET /admin/api/{version}/orders.json
    shopify GET /admin/api/{version}/products/{id}.json
    shopify POST /admin/api/{version}/graphql.json
    shopify POST /admin/api/{version}/orders.json
    shopify PURGE /cdn/shop/files/logo.png
    shopify PUT /admin/api/{version}/variants/{id}.json
    shopify _OTHER /cdn/shop/files/logo.png
    stripe DELETE /v1/subscriptions/{id}
    stripe GET /v1/charges/{id}
    stripe GET /v1/customers/{id}
    stripe GET /v1/invoices
    stripe POST /v1/payment_intents
    stripe POST /v1/refunds
    ");
    insta::assert_snapshot!(quotas.into_iter().collect::<Vec<_>>().join("\n"), @"
    github core of customer
    github search of customer
    hubspot daily of customer
    hubspot ten-secondly of customer
    openai requests of app
    openai tokens of app
    salesforce daily of acme.my.salesforce.com
    salesforce daily of globex.my.salesforce.com
    salesforce daily of hooli.my.salesforce.com
    salesforce daily of initech.my.salesforce.com
    salesforce daily of umbrella.my.salesforce.com
    shopify rest of acme.myshopify.com
    shopify rest of globex.myshopify.com
    shopify rest of hooli.myshopify.com
    shopify rest of initech.myshopify.com
    shopify rest of umbrella.myshopify.com
    ");
}

#[test]
fn recorded_spans_lose_query_strings_and_keep_true_methods() {
    for language in ["python", "go"] {
        let recording = Recording::read(language);
        for event in recording.all() {
            assert!(event.path.as_deref().is_some_and(|path| path.starts_with('/') && !path.contains('?')));
            assert!(event.latency_us.is_some_and(|latency| latency > 0 && latency < 60_000_000));
            assert_eq!(event.attempt, 1);
        }
        assert!(recording.all().any(|event| event.method.as_deref() == Some("PURGE")));
    }
}

#[test]
fn a_json_export_maps_to_the_same_events_as_its_protobuf() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/otlp/python");
    let (mut from_json, mut from_protobuf) = (Vec::new(), Vec::new());
    for name in ["001.bin", "002.bin", "003.bin", "004.bin"] {
        let body = fs::read(folder.join(name)).expect("the body is there");
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("it is an export request");
        let json = serde_json::to_vec(&request).expect("it can be written as JSON");
        otlp::json(&json, 10_000, &mut |span| from_json.push(shape(&span))).expect("it is one");
        otlp::protobuf(&body, 10_000, &mut |span| from_protobuf.push(shape(&span))).expect("it is one");
    }
    assert_eq!(from_json, from_protobuf);
    assert!(from_json.iter().filter(|shape| *shape != "no call").count() == 63);
}

fn shape(span: &otlp::Taken<'_>) -> String {
    match span {
        otlp::Taken::Call(draft) => format!("{draft:?}"),
        otlp::Taken::NoCall => "no call".to_owned(),
        otlp::Taken::Malformed(why) => format!("{why:?}"),
    }
}
