//! A running ingest and a sender to it, and what admission is told.

use callmeter_ingest::{
    IngestConfig, IngestMetrics,
    admit::Context,
    cardinality::{Bounds, Cardinality},
    keys,
};
use callmeter_schemas::{avro, config::KafkaConfig, topics};
use callmeter_vendors::Catalogue;
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

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::built_in);
static CARDINALITY: LazyLock<Cardinality> = LazyLock::new(|| {
    Cardinality::new(Bounds { integrations: 100_000, endpoints: 1_000_000, quotas: 100_000 })
});

/// What admission is told, with the built-in profiles and room for every name.
pub(crate) fn context<'c>(
    workspace: &'c str,
    now_us: i64,
    new_id: &'c mut dyn FnMut() -> String,
) -> Context<'c> {
    Context { workspace, now_us, new_id, catalogue: &CATALOGUE, cardinality: &CARDINALITY }
}

/// A sender.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) String);

impl Client {
    /// Status, some headers and body of an answer.
    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> String {
        let length = if line.starts_with("GET") { 0 } else { body.len() };
        let mut stream = TcpStream::connect(&self.0).await.expect("it listens");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        stream.write_all(body).await.expect("it reads to the end, also what it refuses");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        shown(&String::from_utf8_lossy(&answer))
    }

    pub(crate) async fn events(&self, headers: &[&str], body: &[u8]) -> String {
        let bearer = bearer();
        let headers: Vec<&str> = [bearer.as_str()].into_iter().chain(headers.iter().copied()).collect();
        self.send("POST /v1/events", &headers, body).await
    }

    /// What is answered, if anything, when no more than this is sent.
    pub(crate) async fn trickle(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.0).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it closes");
        shown(&answer)
    }
}

pub(crate) fn bearer() -> String {
    format!("authorization: Bearer {}", KEY.key)
}

pub(crate) struct Running {
    pub(crate) client: Client,
    registry: Registry,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), callmeter_ingest::IngestError>>,
}

impl Running {
    pub(crate) async fn start(brokers: String, config: IngestConfig) -> Self {
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

    pub(crate) async fn ready(self) -> Self {
        for _ in 0..200 {
            if self.client.send("GET /readyz", &[], b"").await.starts_with("200") {
                return self;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never ready");
    }

    pub(crate) fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("it can be written");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    pub(crate) async fn stop(self) -> Result<(), callmeter_ingest::IngestError> {
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

pub(crate) fn broker() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a mock broker");
    cluster.create_topic(topics::CALLS, 4, 1).expect("a topic");
    cluster
}

/// Keys and schema ids of every record that is stored, sorted.
pub(crate) fn stored(brokers: &str, wanted: usize) -> Vec<String> {
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
