//! The oracle: the Kafka log enters, what the tables must say leaves. Single-threaded; shares no code with the
//! aggregator: apache-avro's generic decoding, ordered maps, integers, buckets found by their documented bounds.

use crate::tariff;
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
    pub billable: i64,
    pub unpriced: i64,
    pub cost_failed: i128,
    pub cost_retried: i128,
    pub usage: BTreeMap<String, i64>,
    pub usage_failed: BTreeMap<String, i64>,
    pub usage_retried: BTreeMap<String, i64>,
    pub batchable: i64,
    pub batch_size: i64,
    pub waits_asked: i64,
    pub waits_ignored: i64,
}

/// window, customer, integration, policy, scope.
pub(crate) type QuotaKey = [String; 5];

/// What was seen of one quota in one window through one customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaCell {
    pub calls: i64,
    pub refused: i64,
    /// Moment of the answer, offset, limit, remaining, reset; -1 is unknown.
    pub latest: [i64; 5],
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
    pub quotas: BTreeMap<QuotaKey, QuotaCell>,
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
    // By partition, workspace, customer and integration: where the vendor last asked to wait, from when, until when.
    let mut waits: HashMap<(i32, [String; 3]), (i64, i64, i64)> = HashMap::new();
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
        let caller = (partition, ["workspace", "customer", "integration"].map(|name| event.text(name)));
        let began = event.number("time").expect("a time");
        let ignored = waits
            .get(&caller)
            .is_some_and(|(at, said, until)| offset - at <= HORIZON && *said < began && began < *until);
        if let Some(until) = event.number("retry_at") {
            waits.insert(caller, (offset, event.answered(), until));
        }
        let before = seen.insert((partition, event.text("workspace"), event.text("id")), offset);
        if before.is_some_and(|before| offset - before <= HORIZON) {
            truth.duplicates += 1;
            truth.duplicate_places.push((partition, offset));
            continue;
        }
        event.add_to(&mut truth.cells, ignored);
        event.add_quotas(offset, &mut truth.quotas);
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

    fn cost(&self) -> Option<(i128, String)> {
        let Value::Record(fields) = self.value("cost") else { return None };
        let (Value::Decimal(amount), Value::String(currency)) = (&fields[0].1, &fields[1].1) else {
            panic!("a cost is an amount and a currency")
        };
        let bytes: Vec<u8> = amount.try_into().expect("bytes");
        let mut wide = [if bytes[0] > 127 { 255 } else { 0 }; 16];
        wide[16 - bytes.len()..].copy_from_slice(&bytes);
        Some((i128::from_be_bytes(wide), currency.clone()))
    }

    fn answered(&self) -> i64 {
        self.number("time").expect("a time") + self.number("latency_us").unwrap_or(0)
    }

    fn minute(&self) -> i64 {
        self.number("time").expect("a time") / 60_000_000 * 60
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        let Value::Map(entries) = self.value("attributes") else { panic!("attributes are a map") };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        };
        entries.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    fn billable(&self) -> Option<bool> {
        match self.value("billable") {
            Value::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    fn add_quotas(&self, offset: i64, quotas: &mut BTreeMap<QuotaKey, QuotaCell>) {
        let Value::Array(items) = self.value("quota") else { panic!("quota is an array") };
        let refused = ["rate_limited", "quota_exhausted"].contains(&self.text("error_class").as_str());
        for item in items {
            let Value::Record(fields) = item.clone() else { panic!("a quota is a record") };
            let told = Event(fields.into_iter().collect());
            let key = [
                self.minute().to_string(),
                self.text("customer"),
                self.text("integration"),
                told.text("policy"),
                told.text("scope"),
            ];
            let cell = quotas.entry(key).or_default();
            cell.calls += 1;
            cell.refused += i64::from(refused);
            let [limit, remaining, reset] =
                ["limit", "remaining", "reset"].map(|name| told.number(name).unwrap_or(-1));
            let latest = [self.answered(), offset, limit, remaining, reset];
            cell.latest = cell.latest.max(latest);
        }
    }

    fn add_to(&self, cells: &mut BTreeMap<Key, Cell>, wait_ignored: bool) {
        let told = self.cost();
        let attributes = self.attributes();
        let (integration, endpoint, tier, class) =
            (self.text("integration"), self.text("endpoint"), self.text("tier"), self.text("error_class"));
        let facts = tariff::Facts {
            time_us: self.number("time").expect("a time"),
            integration: &integration,
            endpoint: &endpoint,
            tier: &tier,
            class: &class,
            has_status: self.number("status").is_some(),
            attempt: self.number("attempt").unwrap_or(1),
            billable: self.billable(),
            records: self.number("records").unwrap_or(0),
            bytes_in: self.number("bytes_in").unwrap_or(0),
            attributes: &attributes,
        };
        let priced = tariff::price(&facts);
        let (cost, currency, usage, unpriced) = match told {
            Some((cost, currency)) => (cost, currency, BTreeMap::new(), false),
            None => (priced.cost, priced.currency.to_owned(), priced.usage, priced.unpriced),
        };
        let minute = self.minute();
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
        let (failed, retry) = (class != "ok", facts.attempt > 1);
        cell.billable += i64::from(tariff::billable(&facts));
        cell.unpriced += i64::from(unpriced);
        cell.cost_failed += if failed { cost } else { 0 };
        cell.cost_retried += if !failed && retry { cost } else { 0 };
        for (line, quantity) in usage {
            *cell.usage.entry(line.to_owned()).or_default() += quantity;
            if failed {
                *cell.usage_failed.entry(line.to_owned()).or_default() += quantity;
            } else if retry {
                *cell.usage_retried.entry(line.to_owned()).or_default() += quantity;
            }
        }
        let batch_size = self.number("batch_size").unwrap_or(0);
        cell.batchable += i64::from(batch_size > 0);
        cell.batch_size = cell.batch_size.max(batch_size);
        cell.waits_asked += i64::from(self.number("retry_at").is_some());
        cell.waits_ignored += i64::from(wait_ignored);
        if failed {
            *cell.errors.entry(class.clone()).or_default() += 1;
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
        let counts = |name: &str| -> BTreeMap<String, i64> {
            map(name).iter().map(|(key, count)| (key.clone(), count.as_i64().expect("a count"))).collect()
        };
        let units = |name: &str| text(name).parse().expect("an integer");
        let cell = Cell {
            calls: number("calls"),
            errors: counts("errors_by_class"),
            retried: number("attempts_retried"),
            latency_us: number("latency_us_sum"),
            queue_us: number("queue_us_sum"),
            bytes_in: number("bytes_in"),
            bytes_out: number("bytes_out"),
            items: number("items"),
            records: number("records"),
            cost: units("cost_units"),
            billable: number("billable_calls"),
            unpriced: number("unpriced"),
            cost_failed: units("cost_failed_units"),
            cost_retried: units("cost_retried_units"),
            usage: counts("usage"),
            usage_failed: counts("usage_failed"),
            usage_retried: counts("usage_retried"),
            batchable: number("batchable_calls"),
            batch_size: number("batch_size"),
            waits_asked: number("retry_after_asked"),
            waits_ignored: number("retry_after_ignored"),
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
    bytes_out, items, records, latency, toString(toInt128(cost * 1000000000000)) AS cost_units, billable_calls, unpriced, \
    toString(toInt128(cost_failed * 1000000000000)) AS cost_failed_units, \
    toString(toInt128(cost_retried * 1000000000000)) AS cost_retried_units, usage, usage_failed, usage_retried, \
    batchable_calls, batch_size, retry_after_asked, retry_after_ignored FROM rollups";

/// What the quota rows say, in the oracle's form.
pub(crate) fn stored_quotas(rows: &[serde_json::Value]) -> BTreeMap<QuotaKey, QuotaCell> {
    let cell = |row: &serde_json::Value| {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        let number = |name: &str| row[name].as_i64().expect("a number");
        let latest = ["observed_us", "offset", "limit", "remaining", "reset_us"].map(number);
        let key = ["window", "customer", "integration", "policy", "scope"].map(text);
        (key, QuotaCell { calls: number("seen"), refused: number("refused"), latest })
    };
    rows.iter().map(cell).collect()
}

/// The query whose rows [`stored_quotas`] reads.
pub(crate) const QUOTAS: &str = "SELECT toString(toUnixTimestamp(window_start)) AS window, customer, integration, policy, \
    scope, sum(calls) AS seen, sum(errors) AS refused, max(quota_latest) AS latest, latest.observed_us AS observed_us, \
    latest.offset AS offset, latest.limit AS limit, latest.remaining AS remaining, latest.reset_us AS reset_us \
    FROM deltas WHERE kind = 'quota' GROUP BY window_start, customer, integration, policy, scope";
