//! Requests enter a running ingest, answers leave; Kafka is librdkafka's own mock broker.

use super::harness::{Running, bearer, broker, stored};
use callmeter_ingest::IngestConfig;
use std::time::Duration;
use tokio::net::TcpStream;

const GOOD: &str = r#"{"id":"e1","customer":"acme","integration":"hubspot"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_stored_before_they_are_answered() {
    let kafka = broker();
    let ingest = Running::start(kafka.bootstrap_servers(), IngestConfig::default()).await.ready().await;
    let json = "content-type: application/json";
    insta::assert_snapshot!(ingest.client.events(&[json], GOOD.as_bytes()).await, @r#"
    202
    content-type: application/json
    {"accepted":1,"rejected":[]}
    "#);
    let batch = format!(r#"[{GOOD},{{"id":"e2"}},{{"customer":"b","host":"api.x.com"}}]"#);
    insta::assert_snapshot!(ingest.client.events(&[json], batch.as_bytes()).await, @r#"
    202
    content-type: application/json
    {"accepted":2,"rejected":[{"index":1,"id":"e2","code":"missing_field","detail":"customer: required and absent or empty","field":"customer"}]}
    "#);
    let lines = format!("{GOOD}\n{{\n");
    insta::assert_snapshot!(ingest.client.events(&["content-type: application/x-ndjson"], lines.as_bytes()).await, @r#"
    202
    content-type: application/json
    {"accepted":1,"rejected":[{"index":1,"id":null,"code":"malformed","detail":"JSON that ends too early at line 1, column 1 of the item"}]}
    "#);
    let otlp = include_bytes!("../../../tests/data/otlp/python/001.bin");
    let bearer = bearer();
    let headers = [bearer.as_str(), "content-type: application/x-protobuf"];
    insta::assert_snapshot!(ingest.client.send("POST /v1/traces", &headers, otlp).await, @"
    200
    content-type: application/x-protobuf
    ");
    let span = r#"{"kind":3,"attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}}]}"#;
    let export = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    let headers = [bearer.as_str(), "content-type: application/json"];
    insta::assert_snapshot!(ingest.client.send("POST /v1/traces", &headers, export.as_bytes()).await, @r#"
    200
    content-type: application/json
    {"partialSuccess":{"rejectedSpans":1,"errorMessage":"first: invalid_value: trace_id: not 16 bytes that are not all zero"}}
    "#);
    let servers = kafka.bootstrap_servers();
    let spans: usize =
        ingest.metric("callmeter_ingest_events_total{outcome=\"accepted\"}").parse().expect("a number");
    let keys = tokio::task::spawn_blocking(move || stored(&servers, spans)).await.expect("no panic");
    assert_eq!(keys.iter().filter(|key| *key == "acme-inc/acme/hubspot").count(), 3);
    assert!(keys.contains(&"acme-inc/b/api.x.com".to_owned()));
    assert_eq!(ingest.metric("callmeter_ingest_events_total{outcome=\"missing_field\"}"), "1");
    ingest.stop().await.expect("it drains");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_why_and_when_to_try_again() {
    let kafka = broker();
    let config = IngestConfig {
        max_body_bytes: 2_000,
        max_events: 2,
        events_per_second: 1,
        events_burst: 5,
        ..IngestConfig::default()
    };
    let ingest = Running::start(kafka.bootstrap_servers(), config).await.ready().await;
    let json = "content-type: application/json";
    let good = GOOD.as_bytes();
    let mut told = vec![
        ingest.client.send("GET /v1/nothing", &[], b"").await,
        ingest.client.send("GET /v1/events", &[], b"").await,
        ingest.client.send("POST /v1/events", &[json], good).await,
        ingest.client.send("POST /v1/events", &[json, "authorization: Bearer cm_x_y"], good).await,
        ingest.client.send("POST /v1/traces", &["content-type: application/json"], good).await,
        ingest.client.events(&["content-type: application/cloudevents+json"], good).await,
        ingest.client.events(&[json, "content-encoding: zstd"], good).await,
        ingest.client.events(&[json, "content-encoding: gzip"], good).await,
        ingest.client.events(&[json], b"").await,
        ingest.client.events(&[json], b"[{").await,
        ingest
            .client
            .events(&[json], br#"{"customer":"a","integration":"x","cost":{"amount":1,"currency":"$"}}"#)
            .await,
        ingest.client.events(&[json], format!("[{GOOD},{GOOD},{GOOD}]").as_bytes()).await,
        ingest.client.events(&[json], &[b' '; 2_001]).await,
    ];
    for _ in 0..3 {
        ingest.client.events(&[json], format!("[{GOOD},{GOOD}]").as_bytes()).await;
    }
    told.push(ingest.client.events(&[json], good).await);
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    404
    content-type: application/problem+json
    {"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing at this path","code":"not_found"}

    405
    content-type: application/problem+json
    allow: POST
    {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"this path does not take that method","code":"method_not_allowed"}

    401
    content-type: application/problem+json
    www-authenticate: Bearer
    {"type":"about:blank","title":"Unauthorized","status":401,"detail":"no Authorization header with a Bearer key","code":"key_missing"}

    401
    content-type: application/problem+json
    www-authenticate: Bearer
    {"type":"about:blank","title":"Unauthorized","status":401,"detail":"the key is not of the form cm_<id>_<secret> or was mistyped","code":"key_malformed"}

    401
    content-type: application/json
    www-authenticate: Bearer
    {"code":16,"message":"no Authorization header with a Bearer key"}

    415
    content-type: application/problem+json
    {"type":"about:blank","title":"Unsupported Media Type","status":415,"detail":"send application/json or application/x-ndjson","code":"unsupported_media_type"}

    415
    content-type: application/problem+json
    {"type":"about:blank","title":"Unsupported Media Type","status":415,"detail":"send the body as it is or with content-encoding gzip","code":"unsupported_media_type"}

    400
    content-type: application/problem+json
    {"type":"about:blank","title":"Bad Request","status":400,"detail":"the body is not gzip or is cut off","code":"not_gzip"}

    400
    content-type: application/problem+json
    {"type":"about:blank","title":"Bad Request","status":400,"detail":"the body is empty","code":"unreadable_body"}

    400
    content-type: application/problem+json
    {"type":"about:blank","title":"Bad Request","status":400,"detail":"the array is broken after 0 items","code":"unreadable_body"}

    400
    content-type: application/problem+json
    {"type":"about:blank","title":"Bad Request","status":400,"detail":"cost.currency: not three capital letters","code":"invalid_value","field":"cost.currency"}

    413
    content-type: application/problem+json
    {"type":"about:blank","title":"Payload Too Large","status":413,"detail":"more than 2 events in one request","code":"too_many_events"}

    413
    content-type: application/problem+json
    {"type":"about:blank","title":"Payload Too Large","status":413,"detail":"a body holds at most 2000 bytes, also after decompression","code":"body_too_large"}

    429
    content-type: application/problem+json
    retry-after: 3
    {"type":"about:blank","title":"Too Many Requests","status":429,"detail":"this key sends more events per second than it may","code":"rate_limited"}
    "#);
    assert_eq!(
        ingest.metric("callmeter_ingest_refused_requests_total{key=\"none\",reason=\"key_missing\"}"),
        "2"
    );
    assert_eq!(ingest.metric("callmeter_ingest_in_flight_requests"), "0");
    ingest.stop().await.expect("it drains");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_requests_are_refused_and_health_tells_it() {
    let ingest = Running::start("127.0.0.1:1".into(), IngestConfig::default()).await;
    let json = "content-type: application/json";
    let told = [
        ingest.client.send("GET /healthz", &[], b"").await,
        ingest.client.send("GET /readyz", &[], b"").await,
        ingest.client.events(&[json], GOOD.as_bytes()).await,
    ];
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    200
    content-type: text/plain; charset=utf-8
    ok

    503
    content-type: text/plain; charset=utf-8
    kafka cannot be reached

    503
    content-type: application/problem+json
    retry-after: 5
    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"kafka cannot be reached; nothing of this request was stored","code":"kafka_away"}
    "#);
    ingest.stop().await.expect("nothing was open");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_does_not_acknowledge_is_not_answered_as_accepted() {
    let kafka = broker();
    let config = IngestConfig { ack_timeout_ms: 1_000, ..IngestConfig::default() };
    let ingest = Running::start(kafka.bootstrap_servers(), config).await.ready().await;
    kafka.broker_down(1).expect("a broker");
    insta::assert_snapshot!(ingest.client.events(&["content-type: application/json"], GOOD.as_bytes()).await, @r#"
    503
    content-type: application/problem+json
    retry-after: 5
    {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"kafka did not acknowledge every event in time; some may have been stored, and sending all of them again with the same ids is safe","code":"not_acknowledged"}
    "#);
    assert_eq!(ingest.metric("callmeter_ingest_events_total{outcome=\"accepted\"}"), "0");
    kafka.broker_up(1).expect("a broker");
    let ingest = ingest.ready().await;
    for _ in 0..100 {
        if ingest.client.events(&["content-type: application/json"], GOOD.as_bytes()).await.starts_with("202")
        {
            return ingest.stop().await.expect("it drains");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never accepts again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sender_is_cut_off_and_an_open_request_survives_the_stop() {
    let kafka = broker();
    let config = IngestConfig {
        header_timeout_ms: 300,
        body_timeout_ms: 300,
        linger_ms: 400,
        ..IngestConfig::default()
    };
    let ingest = Running::start(kafka.bootstrap_servers(), config).await.ready().await;
    assert_eq!(ingest.client.trickle("POST /v1/events HTTP/1.1\r\nhost: ").await, "nothing");
    let half = format!("POST /v1/events HTTP/1.1\r\nhost: x\r\n{}\r\ncontent-length: 9\r\n\r\n{{", bearer());
    insta::assert_snapshot!(ingest.client.trickle(&half).await, @r#"
    408
    content-type: application/problem+json
    {"type":"about:blank","title":"Request Timeout","status":408,"detail":"the body did not arrive in time","code":"body_timeout"}
    "#);
    let client = ingest.client.clone();
    let (told, ended) =
        tokio::join!(client.events(&["content-type: application/json"], GOOD.as_bytes()), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ingest.stop().await
        });
    assert!(told.starts_with("202"), "{told}");
    ended.expect("it drains");
    assert!(TcpStream::connect(client.0).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_refused_early_hears_why_although_it_goes_on_sending() {
    let kafka = broker();
    let ingest = Running::start(kafka.bootstrap_servers(), IngestConfig::default()).await.ready().await;
    let body = vec![b' '; 12 * 1024 * 1024];
    for _ in 0..10 {
        let without_key = ingest.client.send("POST /v1/events", &[], &body).await;
        let too_large = ingest.client.events(&[], &body).await;
        let nowhere = ingest.client.send("POST /v1/nothing", &[], &body).await;
        assert!(without_key.starts_with("401"), "{without_key}");
        assert!(too_large.starts_with("413"), "{too_large}");
        assert!(nowhere.starts_with("404"), "{nowhere}");
    }
    ingest.stop().await.expect("it drains");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_are_no_calls_count_towards_the_rate_of_their_key() {
    let kafka = broker();
    let config = IngestConfig { events_per_second: 1, events_burst: 5, ..IngestConfig::default() };
    let ingest = Running::start(kafka.bootstrap_servers(), config).await.ready().await;
    let server_spans = vec![r#"{"kind":2}"#; 20].join(",");
    let export = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{server_spans}]}}]}}]}}"#);
    let headers = [bearer(), "content-type: application/json".to_owned()];
    let headers = headers.each_ref().map(String::as_str);
    let first = ingest.client.send("POST /v1/traces", &headers, export.as_bytes()).await;
    let second = ingest.client.send("POST /v1/traces", &headers, export.as_bytes()).await;
    assert!(first.starts_with("200") && second.starts_with("429"), "{first}\n{second}");
    ingest.stop().await.expect("it drains");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_counted_although_its_sender_left_before_the_answer() {
    let kafka = broker();
    let config = IngestConfig { linger_ms: 900, ..IngestConfig::default() };
    let ingest = Running::start(kafka.bootstrap_servers(), config).await.ready().await;
    let json = ["content-type: application/json"];
    let leaving = ingest.client.events(&json, GOOD.as_bytes());
    assert!(tokio::time::timeout(Duration::from_millis(150), leaving).await.is_err());
    let accepted = || ingest.metric("callmeter_ingest_events_total{outcome=\"accepted\"}");
    while ingest.metric("callmeter_ingest_in_flight_requests") != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(accepted(), "0");
    tokio::time::timeout(Duration::from_secs(10), async {
        while accepted() != "1" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the event is counted");
    ingest.stop().await.expect("it drains");
}
