//! The oracle: the Kafka log enters, what the tables must say leaves. Single-threaded; shares no code with the
//! aggregator: apache-avro's generic decoding, ordered maps, integers, buckets found by their documented bounds.

use apache_avro::{Schema, from_avro_datum, types::Value};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Map, json};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

const CALLS: &str = "callmeter.calls.v1";
const HORIZON: i64 = 1_000_000;

/// window, customer, integration, endpoint, tier, environment, currency.
pub(crate) type Key = [String; 7];

/// What one key of one window must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub calls: i64,
    pub errors: BTreeMap<String, i64>,
    pub retried: i64,
    pub latency_us: i64,
    pub queue_us: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub items: i64,
    pub records: i64,
    /// Units of 10^-12.
    pub cost: i128,
    pub latency: BTreeMap<i64, i64>,
}

/// What the whole log must have become.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub records: i64,
    pub duplicates: i64,
    pub dead_lettered: i64,
    /// partition and offset of every duplicate.
    pub duplicate_places: Vec<(i32, i64)>,
    pub cells: BTreeMap<Key, Cell>,
}

/// Every record of a topic as (partition, offset, value), in log order.
pub(crate) fn read_topic(brokers: &str, topic: &str) -> Vec<(i32, i64, Vec<u8>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "oracle")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let wait = Duration::from_secs(10);
    let metadata = consumer.fetch_metadata(Some(topic), wait).expect("metadata");
    let (mut list, mut left) = (TopicPartitionList::new(), 0);
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), wait).expect("watermarks");
        left += high - low;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    let mut records = Vec::new();
    while left > 0 {
        let message = consumer.poll(wait).expect("the log is not read to its end").expect("a record");
        records.push((message.partition(), message.offset(), message.payload().unwrap_or_default().to_vec()));
        left -= 1;
    }
    records.sort();
    records
}

/// Recomputes everything from the log.
pub(crate) fn recompute(brokers: &str) -> Truth {
    let schema = Schema::parse_str(include_str!("../../schemas/avro/call-event.avsc")).expect("the schema");
    let mut truth = Truth::default();
    let mut seen: HashMap<(i32, String, String), i64> = HashMap::new();
    for (partition, offset, value) in read_topic(brokers, CALLS) {
        truth.records += 1;
        let mut payload = value.get(5..).unwrap_or_default();
        let decoded = from_avro_datum(&schema, &mut payload, None);
        let Some(Value::Record(fields)) =
            decoded.ok().filter(|_| value.first() == Some(&0) && payload.is_empty())
        else {
            truth.dead_lettered += 1;
            continue;
        };
        let event = Event(fields.into_iter().collect());
        if event.text("customer").is_empty() {
            truth.dead_lettered += 1;
            continue;
        }
        let before = seen.insert((partition, event.text("workspace"), event.text("id")), offset);
        if before.is_some_and(|before| offset - before <= HORIZON) {
            truth.duplicates += 1;
            truth.duplicate_places.push((partition, offset));
            continue;
        }
        event.add_to(&mut truth.cells);
    }
    truth
}

struct Event(HashMap<String, Value>);

impl Event {
    fn value(&self, name: &str) -> &Value {
        match &self.0[name] {
            Value::Union(_, inner) => inner,
            other => other,
        }
    }

    fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::String(text) => text.clone(),
            _ => String::new(),
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Value::Int(number) => Some(i64::from(*number)),
            Value::Long(number) | Value::TimestampMicros(number) => Some(*number),
            _ => None,
        }
    }

    fn cost(&self) -> (i128, String) {
        let Value::Record(fields) = self.value("cost") else { return (0, String::new()) };
        let (Value::Decimal(amount), Value::String(currency)) = (&fields[0].1, &fields[1].1) else {
            panic!("a cost is an amount and a currency")
        };
        let bytes: Vec<u8> = amount.try_into().expect("bytes");
        let mut wide = [if bytes[0] > 127 { 255 } else { 0 }; 16];
        wide[16 - bytes.len()..].copy_from_slice(&bytes);
        (i128::from_be_bytes(wide), currency.clone())
    }

    fn add_to(&self, cells: &mut BTreeMap<Key, Cell>) {
        let (cost, currency) = self.cost();
        let minute = self.number("time").expect("a time") / 60_000_000 * 60;
        let mut key: Vec<String> = vec![minute.to_string()];
        key.extend(
            ["customer", "integration", "endpoint", "tier", "environment"].map(|name| self.text(name)),
        );
        key.push(currency);
        let cell = cells.entry(key.try_into().expect("seven")).or_default();
        cell.calls += 1;
        cell.cost += cost;
        cell.retried += i64::from(self.number("attempt").unwrap_or(1) > 1);
        cell.queue_us += self.number("queue_us").unwrap_or(0);
        cell.bytes_in += self.number("bytes_in").unwrap_or(0);
        cell.bytes_out += self.number("bytes_out").unwrap_or(0);
        cell.items += self.number("items").unwrap_or(0);
        cell.records += self.number("records").unwrap_or(0);
        let class = self.text("error_class");
        if class != "ok" {
            *cell.errors.entry(class).or_default() += 1;
        }
        if let Some(latency) = self.number("latency_us") {
            cell.latency_us += latency;
            *cell.latency.entry(bucket(latency)).or_default() += 1;
        }
    }
}

/// The bucket of a latency by the documented layout: 1 µs wide below 128, then 64 for each doubling.
fn bucket(latency: i64) -> i64 {
    let (mut low, mut width, mut number) = (0, 1, 0);
    loop {
        let buckets = if low == 0 { 128 } else { 64 };
        if latency < low + buckets * width {
            return number + (latency - low) / width;
        }
        number += buckets;
        low += buckets * width;
        width *= 2;
    }
}

/// What the view `rollups` says, in the oracle's form.
pub(crate) fn stored(rows: &[serde_json::Value]) -> BTreeMap<Key, Cell> {
    let mut cells = BTreeMap::new();
    for row in rows {
        let text = |name: &str| match &row[name] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let number = |name: &str| row[name].as_i64().unwrap_or_else(|| panic!("{name} of {row}"));
        let names = ["window", "customer", "integration", "endpoint", "tier", "environment", "currency"];
        let empty = Map::new();
        let map = |name: &str| row[name].as_object().unwrap_or(&empty).clone();
        let cell = Cell {
            calls: number("calls"),
            errors: map("errors_by_class")
                .iter()
                .map(|(class, calls)| (class.clone(), calls.as_i64().expect("a count")))
                .collect(),
            retried: number("attempts_retried"),
            latency_us: number("latency_us_sum"),
            queue_us: number("queue_us_sum"),
            bytes_in: number("bytes_in"),
            bytes_out: number("bytes_out"),
            items: number("items"),
            records: number("records"),
            cost: text("cost_units").parse().expect("an integer"),
            latency: map("latency")
                .iter()
                .map(|(bucket, calls)| (bucket.parse().expect("a bucket"), calls.as_i64().expect("a count")))
                .collect(),
        };
        assert_eq!(
            number("errors"),
            cell.errors.values().sum::<i64>(),
            "errors are the sum over the classes"
        );
        let twice = cells.insert(names.map(text), cell);
        assert!(twice.is_none(), "one row for each window and key: {}", json!(row));
    }
    cells
}

/// The query whose rows [`stored`] reads.
pub(crate) const ROLLUPS: &str = "SELECT toString(toUnixTimestamp(window_start)) AS window, customer, integration, endpoint, \
    tier, environment, currency, calls, errors, errors_by_class, attempts_retried, latency_us_sum, queue_us_sum, bytes_in, \
    bytes_out, items, records, latency, toString(toInt128(cost * 1000000000000)) AS cost_units FROM rollups";
