//! Requests enter a running ingest, answers leave; Kafka is librdkafka's own mock broker.

use callmeter_ingest::{IngestConfig, IngestMetrics, keys};
use callmeter_schemas::{avro, config::KafkaConfig, topics};
use prometheus_client::registry::Registry;
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use std::{sync::LazyLock, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

static KEY: LazyLock<keys::Generated> =
    LazyLock::new(|| keys::generate("acme-inc", &[7; keys::RANDOM_BYTES]));

const GOOD: &str = r#"{"id":"e1","customer":"acme","integration":"hubspot"}"#;

/// A sender.
#[derive(Clone)]
struct Client(String);

impl Client {
    /// Status, some headers and body of an answer.
    async fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> String {
        let length = if line.starts_with("GET") { 0 } else { body.len() };
        let mut stream = TcpStream::connect(&self.0).await.expect("it listens");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        // A refused body need not be read to its end.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        shown(&String::from_utf8_lossy(&answer))
    }

    async fn events(&self, headers: &[&str], body: &[u8]) -> String {
        let bearer = bearer();
        let headers: Vec<&str> = [bearer.as_str()].into_iter().chain(headers.iter().copied()).collect();
        self.send("POST /v1/events", &headers, body).await
    }

    /// What is answered, if anything, when no more than this is sent.
    async fn trickle(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.0).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it closes");
        shown(&answer)
    }
}

fn bearer() -> String {
    format!("authorization: Bearer {}", KEY.key)
}

struct Running {
    client: Client,
    registry: Registry,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), callmeter_ingest::IngestError>>,
}

impl Running {
    async fn start(brokers: String, config: IngestConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let config = IngestConfig { keys: vec![KEY.entry.clone()], ..config };
        let mut registry = Registry::default();
        let metrics = IngestMetrics::register(&mut registry);
        let kafka = KafkaConfig { brokers, ..KafkaConfig::default() };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { stopped.await.unwrap_or_default() };
        let ended = tokio::spawn(callmeter_ingest::run(config, kafka, metrics, listener, shutdown));
        Self { client: Client(address), registry, stop, ended }
    }

    async fn ready(self) -> Self {
        for _ in 0..200 {
            if self.client.send("GET /readyz", &[], b"").await.starts_with("200") {
                return self;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never ready");
    }

    fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("it can be written");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    async fn stop(self) -> Result<(), callmeter_ingest::IngestError> {
        self.stop.send(()).expect("it still runs");
        self.ended.await.expect("it does not panic")
    }
}

fn shown(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("nothing");
    let wanted = ["content-type", "retry-after", "allow", "www-authenticate"];
    let headers = head.lines().skip(1).filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    std::iter::once(status).chain(headers).chain([body]).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn broker() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a mock broker");
    cluster.create_topic(topics::CALLS, 4, 1).expect("a topic");
    cluster
}

/// Keys and schema ids of every record that is stored, sorted.
fn stored(brokers: &str, wanted: usize) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[topics::CALLS]).expect("a subscription");
    let mut found = Vec::new();
    // A poll also ends without a record when something else happened, such as joining the group.
    let mut polls = 0;
    while found.len() < wanted {
        polls += 1;
        assert!(polls < 1_000, "{} of {wanted} records", found.len());
        let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
        let record = record.expect("no error");
        let (schema, _) = avro::unframe(record.payload().expect("a value")).expect("a frame");
        assert_eq!(schema, avro::SCHEMA_ID);
        found.push(String::from_utf8_lossy(record.key().expect("a key")).into_owned());
    }
    found.sort();
    found
}

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
    let otlp = include_bytes!("../../tests/data/otlp/python/001.bin");
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
