//! A direct producer: seeded events, duplicates and poison enter Kafka without passing ingest.

use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, QuotaObservation, avro, topics};
use rdkafka::{
    ClientConfig,
    producer::{BaseRecord, Producer, ThreadedProducer},
};
use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A producer of the calls topic.
pub struct Direct(ThreadedProducer<rdkafka::producer::DefaultProducerContext>);

impl Direct {
    /// A producer that Kafka itself keeps from writing twice.
    pub fn new(brokers: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .create()
            .expect("a producer");
        Self(producer)
    }

    /// Puts one event into the log.
    pub fn event(&self, event: &CallEvent) {
        let mut value = Vec::new();
        avro::encode(event, &mut value);
        self.raw(&event.record_key(), &value);
    }

    /// Puts any bytes into the log; waits while the queue is full because Kafka is away.
    pub fn raw(&self, key: &str, value: &[u8]) {
        while self.0.send(BaseRecord::to(topics::CALLS).key(key).payload(value)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the broker has everything.
    pub fn flush(&self) {
        self.0.flush(Duration::from_secs(120)).expect("the broker acknowledges");
    }
}

/// When this process began; raw calls are kept by their own time, so that it must be a recent one.
#[allow(clippy::disallowed_methods, reason = "the clock of the pretended services")]
static BEGAN_US: LazyLock<i64> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_micros().try_into().expect("before 292277")
});

/// The event of a number: the same number always makes the same event.
pub fn event(number: u64) -> CallEvent {
    let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number << 7);
    let pick = |shift: u32, among: u64| (dice >> shift) % among;
    let failed = pick(3, 7) == 0;
    CallEvent {
        workspace: "test".into(),
        id: format!("direct-{number}"),
        // The last three minutes, so that windows are shared and most events come late.
        time_us: *BEGAN_US - (pick(9, 180) * 1_000_000) as i64,
        customer: format!("customer-{}", pick(13, 40)),
        integration: ["hubspot", "stripe", "github", "openai"][pick(21, 4) as usize].into(),
        endpoint: format!("GET /v1/things/{{id}}/{}", pick(25, 3)),
        tier: ["", "standard"][pick(29, 2) as usize].into(),
        environment: "production".into(),
        error_class: Some(if failed { ErrorClass::Upstream5xx } else { ErrorClass::Ok }),
        status: Some(if failed { 503 } else { 200 }),
        latency_us: Some(100 + pick(30, 2_000_000)),
        queue_us: Some(pick(11, 5_000)),
        attempt: 1 + pick(17, 3) as u32,
        items: Some(pick(5, 4)),
        records: Some(pick(7, 100)),
        bytes_in: Some(pick(19, 9_000)),
        bytes_out: None,
        cost: (pick(23, 3) > 0).then(|| Cost {
            amount: Amount::from_units(i128::from(number) * 1_000_003 + 7).expect("small"),
            currency: ["USD", "EUR"][pick(27, 2) as usize].into(),
        }),
        billable: [None, None, Some(true), Some(false)][pick(33, 4) as usize],
        retry_at_us: (pick(35, 90) == 0).then(|| *BEGAN_US - (pick(36, 150) * 1_000_000) as i64),
        batch_size: (pick(37, 5) == 0).then(|| 10 + pick(38, 90) as u32),
        quota: (0..pick(39, 3)).map(|policy| quota(dice, policy)).collect(),
        attributes: attributes(dice),
        ..CallEvent::default()
    }
}

/// Answers of one quota come in any order, and some tell only a part.
fn quota(dice: u64, policy: u64) -> QuotaObservation {
    let part = dice.rotate_right(20 + policy as u32);
    QuotaObservation {
        policy: ["daily", "burst"][policy as usize].into(),
        scope: ["", "app-1", "app-2"][(part % 3) as usize].into(),
        limit: (!part.is_multiple_of(5)).then_some(1_000 + (policy as i64) * 500),
        remaining: (!part.is_multiple_of(7)).then_some((part >> 7 & 0x3ff) as i64),
        reset_us: (!part.is_multiple_of(2)).then(|| *BEGAN_US + (part >> 9 & 0xff) as i64 * 1_000_000),
    }
}

/// What prices are metered by; one amount in a while is no number.
fn attributes(dice: u64) -> BTreeMap<String, String> {
    let part = dice.rotate_right(33);
    let mut entries = BTreeMap::new();
    if !part.is_multiple_of(4) {
        entries.insert("tokens".to_owned(), (part >> 5 & 0xfff).to_string());
        entries.insert("model".to_owned(), ["fast-1", "slow-2"][(part >> 4 & 1) as usize].to_owned());
    }
    if !part.is_multiple_of(3) {
        let amount =
            if part.is_multiple_of(97) { "about ten".to_owned() } else { (part >> 6 & 0xfff).to_string() };
        entries.insert("amount".to_owned(), amount);
    }
    entries
}
