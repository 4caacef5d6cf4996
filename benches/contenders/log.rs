//! The log that every contender reads: a shape enters, records in Kafka and what they say in sum leave.
//!
//! Promise: the same shape makes the same events but for their hour; every hundredth record repeats an earlier one.

use anyhow::{Context, ensure};
use callmeter_harness::{stack::Stack, topic::Topic};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, avro, topics};
use clap::ValueEnum;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use std::time::Duration;

/// Event times of a log span this long: with those that come late a little more than one window.
const SPAN_US: u64 = 45_000_000;
/// Events come up to this late.
const LATE_US: u64 = 20_000_000;
/// Every so many records one is a repetition.
const REPEAT_EVERY: u64 = 100;
/// A repetition comes at most this many records after its event: within everybody's memory of ids.
const REPEAT_WITHIN: u64 = 10_000;
const INTEGRATIONS: [&str; 5] = ["hubspot", "stripe", "github", "openai", "salesforce"];
const ENDPOINTS: [&str; 4] =
    ["GET /v1/contacts/{id}", "POST /v1/contacts", "GET /v1/events", "PATCH /v1/deals/{id}"];
const TIERS: [&str; 3] = ["free", "standard", "enterprise"];
const FAILURES: [(ErrorClass, u16); 4] = [
    (ErrorClass::RateLimited, 429),
    (ErrorClass::Upstream5xx, 503),
    (ErrorClass::NotFound, 404),
    (ErrorClass::AuthExpired, 401),
];

/// How keys are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Skew {
    /// All alike.
    Uniform,
    /// The n-th key 1/n as often as the first.
    Zipf,
}

/// What a log is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Records, repetitions among them.
    pub(crate) events: u64,
    /// Distinct pairs of customer, integration and endpoint.
    pub(crate) keys: u64,
    /// Kafka partitions.
    pub(crate) partitions: i32,
    /// How keys are drawn.
    pub(crate) skew: Skew,
    /// Makes another log.
    pub(crate) seed: u64,
}

/// A log that stands in Kafka.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// What it is like.
    pub(crate) shape: Shape,
    /// Bytes of all values.
    pub(crate) value_bytes: u64,
    /// What its events say, repetitions apart.
    pub(crate) counted: Totals,
    /// What its repetitions say.
    pub(crate) repeated: Totals,
}

/// Sums over events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Events.
    pub(crate) calls: u64,
    /// Those that failed.
    pub(crate) errors: u64,
    /// Those that tell how long they took.
    pub(crate) latencies: u64,
    /// 10^-12 of a currency unit, currencies apart from each other or not.
    pub(crate) cost_units: i128,
}

impl Totals {
    fn add(&mut self, event: &CallEvent) {
        self.calls += 1;
        self.errors += u64::from(is_error(event));
        self.latencies += u64::from(event.latency_us.is_some());
        self.cost_units += cost_units(event);
    }

    /// Both together.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.errors += other.errors;
        self.latencies += other.latencies;
        self.cost_units += other.cost_units;
        self
    }
}

impl Shape {
    /// The event of a record.
    fn event(&self, record: u64, base_us: i64) -> CallEvent {
        let number = self.number(record);
        let dice = |what: u64| mix(self.seed ^ mix(number) ^ what.rotate_left(56));
        let share = |what: u64| (dice(what) >> 11) as f64 / (1_u64 << 53) as f64;
        let key = match self.skew {
            Skew::Uniform => dice(1) % self.keys,
            Skew::Zipf => (((self.keys as f64 + 1.0).powf(share(1)) - 1.0) as u64).min(self.keys - 1),
        };
        let customer = key / (INTEGRATIONS.len() * ENDPOINTS.len()) as u64;
        let (class, status) =
            if dice(2) % 20 == 0 { FAILURES[(dice(3) % 4) as usize] } else { (ErrorClass::Ok, 200) };
        let past_us = number * SPAN_US / self.events + LATE_US - dice(4) % LATE_US;
        CallEvent {
            workspace: "bench".into(),
            id: format!("01JD3ZK{number:019}"),
            time_us: base_us + past_us as i64,
            customer: format!("customer-{customer}"),
            integration: INTEGRATIONS[(key % 5) as usize].into(),
            endpoint: ENDPOINTS[(key / 5 % 4) as usize].into(),
            tier: TIERS[(customer % 3) as usize].into(),
            environment: "production".into(),
            error_class: Some(class),
            status: Some(status),
            latency_us: (dice(5) % 50 > 0).then(|| (5_000.0 * 400_f64.powf(share(6))) as u64),
            attempt: 1 + u32::from(dice(7) % 10 == 0),
            bytes_in: Some(dice(8) % 20_000),
            // Every second key tells what its calls cost.
            cost: mix(key).is_multiple_of(2).then(|| Cost {
                amount: Amount::from_units(i128::from(dice(10) % 9_999_999_999)).unwrap_or_default(),
                currency: if customer.is_multiple_of(10) { "EUR" } else { "USD" }.into(),
            }),
            ..CallEvent::default()
        }
    }

    /// The number of a record's event: a repetition has that of an earlier one.
    fn number(&self, mut record: u64) -> u64 {
        while is_repetition(record) {
            record -= 1 + mix(self.seed ^ record) % record.min(REPEAT_WITHIN);
        }
        record
    }
}

impl Log {
    /// Writes the log into the calls topic, which is empty, and its repetitions into the table `answers.repeated`.
    pub(crate) async fn write(stack: &Stack, shape: Shape) -> anyhow::Result<Self> {
        make_topic(&stack.kafka, shape.partitions).await?;
        let hour = stack.number("SELECT toUnixTimestamp(toStartOfHour(now() - INTERVAL 1 HOUR))").await;
        let mut log = Self { shape, value_bytes: 0, counted: Totals::default(), repeated: Totals::default() };
        let mut rows = Vec::new();
        // Producing blocks while librdkafka's queue is full.
        tokio::task::block_in_place(|| log.produce(&stack.kafka, hour * 1_000_000, &mut rows))?;
        for rows in rows.chunks(5_000) {
            let rows = rows.join(",");
            let insert = "INSERT INTO answers.repeated SETTINGS async_insert = 0 VALUES";
            stack.execute(&format!("{insert} {rows}")).await;
        }
        let bounds = Topic::new(&stack.kafka, topics::CALLS).bounds();
        let held: i64 = bounds.values().map(|(low, high)| high - low).sum();
        ensure!(held as u64 == shape.events, "the log holds {held} records of {}", shape.events);
        Ok(log)
    }

    fn produce(&mut self, brokers: &str, base_us: i64, rows: &mut Vec<String>) -> anyhow::Result<()> {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .create()?;
        let mut value = Vec::new();
        for record in 0..self.shape.events {
            let event = self.shape.event(record, base_us);
            value.clear();
            avro::encode(&event, &mut value);
            let key = event.record_key();
            while producer.send(BaseRecord::to(topics::CALLS).key(&key).payload(&value)).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.value_bytes += value.len() as u64;
            if is_repetition(record) {
                self.repeated.add(&event);
                rows.push(row(&event));
            } else {
                self.counted.add(&event);
            }
        }
        producer.flush(Duration::from_secs(120)).context("the broker does not acknowledge")
    }
}

fn is_repetition(record: u64) -> bool {
    record % REPEAT_EVERY == REPEAT_EVERY - 1
}

fn is_error(event: &CallEvent) -> bool {
    event.error_class != Some(ErrorClass::Ok)
}

fn cost_units(event: &CallEvent) -> i128 {
    event.cost.as_ref().map_or(0, |cost| cost.amount.units())
}

/// One event in the columns of an answer; its texts need no quoting.
fn row(event: &CallEvent) -> String {
    let CallEvent { customer, integration, .. } = event;
    let window = event.time_us / 60_000_000 * 60;
    let (errors, latencies) = (u8::from(is_error(event)), u8::from(event.latency_us.is_some()));
    let units = cost_units(event);
    let (whole, part) = (units / 1_000_000_000_000, units % 1_000_000_000_000);
    format!("('{customer}','{integration}',{window},1,{errors},'{whole}.{part:012}',{latencies})")
}

/// Makes the topic anew when it has another number of partitions.
async fn make_topic(brokers: &str, partitions: i32) -> anyhow::Result<()> {
    if Topic::new(brokers, topics::CALLS).bounds().len() as i32 == partitions {
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    admin.delete_topics(&[topics::CALLS], &options).await?;
    let topic = NewTopic::new(topics::CALLS, partitions, TopicReplication::Fixed(1))
        .set("message.timestamp.type", "LogAppendTime");
    // The broker deletes a topic some time after it said so.
    for _ in 0..100 {
        let made = admin.create_topics([&topic], &options).await?;
        if made.iter().all(Result::is_ok) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the topic cannot be made anew")
}

/// Splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
