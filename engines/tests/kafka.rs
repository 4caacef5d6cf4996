//! A real Kafka, killed: what was acknowledged is still there, on the same port, and nothing stays behind.

use std::time::Duration;

use callmeter_engines::child::ChildState;
use callmeter_engines::{Engines, EnginesOptions, Password};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};

const TOPIC: &str = "survives";
const RECORDS: i64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_records_survive_a_killed_broker_which_comes_back_on_its_port() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut options = EnginesOptions::new(dir.path(), Password::new("unused"), Password::new("unused"));
    options.start_clickhouse = false;
    (options.kafka.port, options.kafka.fast_start) = (0, true);
    let engines = Engines::start(&options).await.expect("kafka starts");
    let brokers = engines.kafka_brokers().expect("kafka was wanted");
    produce(&brokers).await;

    let (_, pid) = engines.pids().remove(0);
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    let mut status = engines.status().remove(0);
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).expect("killed");
    let back = status.wait_for(|now| now.restarts == 1 && now.state == ChildState::Ready);
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("in time").expect("kept");

    let (low, high) = watermarks(&engines.kafka_brokers().expect("still wanted"));
    assert_eq!((low, high), (0, RECORDS));
    assert_eq!(engines.kafka_brokers(), Some(brokers));
    engines.stop(Duration::from_secs(10)).await;

    let again = Engines::start(&options).await.expect("kafka starts on its old data");
    assert_eq!(watermarks(&again.kafka_brokers().expect("wanted")), (0, RECORDS));
    let (_, pid) = again.pids().remove(0);
    again.stop(Duration::from_secs(10)).await;
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

async fn produce(brokers: &str) {
    let config = client(brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
    let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
    made.into_iter().for_each(|topic| drop(topic.expect("a topic")));
    let producer: FutureProducer = config.create().expect("a producer");
    let sent = (0..RECORDS).map(|number| {
        let (producer, payload) = (producer.clone(), number.to_string());
        tokio::spawn(async move {
            let record: FutureRecord<'_, str, String> = FutureRecord::to(TOPIC).payload(&payload);
            producer.send(record, Duration::from_secs(10)).await.map(drop).map_err(|(error, _)| error)
        })
    });
    for acknowledged in sent.collect::<Vec<_>>() {
        acknowledged.await.expect("not cancelled").expect("acknowledged");
    }
}

fn watermarks(brokers: &str) -> (i64, i64) {
    let consumer: BaseConsumer = client(brokers).create().expect("a consumer");
    consumer
        .fetch_watermarks(TOPIC, 0, Duration::from_secs(5))
        .expect("a leader, since kafka says it is ready")
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("acks", "all");
    config
}
