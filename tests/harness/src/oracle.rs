//! The oracle: the Kafka log enters, what the tables must say leaves. Single-threaded; shares no code with the
//! aggregator: apache-avro's generic decoding, ordered maps, integers, buckets found by their documented bounds.

mod event;

use crate::topic::{Record, Topic};
use apache_avro::{Schema, from_avro_datum, types::Value};
use event::Event;
use std::collections::{BTreeMap, HashMap};

const CALLS: &str = "callmeter.calls.v1";

/// window, customer, integration, endpoint, tier, environment, currency, workspace.
pub type Key = [String; 8];

/// What one key of one window must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the column of its name, or nearly")]
pub struct Cell {
    pub calls: i64,
    pub failed: i64,
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

/// window, customer, integration, policy, scope, workspace.
pub type QuotaKey = [String; 6];

/// What was seen of one quota in one window through one customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaCell {
    /// Answers that told of the quota.
    pub calls: i64,
    /// Those that were refused.
    pub refused: i64,
    /// Moment of the answer, offset, limit, remaining, reset; -1 is unknown.
    pub latest: [i64; 5],
}

/// What becomes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the rollups.
    Counted,
    /// Its id occurred before, within the horizon.
    Duplicate,
    /// No event.
    DeadLettered,
}

/// What the whole log must have become.
#[derive(Debug, Default)]
pub struct Truth {
    /// By partition and offset.
    pub outcomes: BTreeMap<(i32, i64), Outcome>,
    /// How often each (workspace, id) is counted.
    pub counted_ids: HashMap<(String, String), u32>,
    /// What was no event: the record's value, by its place.
    pub poison: BTreeMap<(i32, i64), Vec<u8>>,
    /// What `rollups` must hold.
    pub cells: BTreeMap<Key, Cell>,
    /// What the quota rows must hold.
    pub quotas: BTreeMap<QuotaKey, QuotaCell>,
}

impl Truth {
    /// Records of the log.
    pub fn records(&self) -> i64 {
        self.outcomes.len() as i64
    }

    /// Records of one outcome.
    pub fn count(&self, wanted: Outcome) -> i64 {
        self.outcomes.values().filter(|outcome| **outcome == wanted).count() as i64
    }

    /// Places of one outcome, in log order.
    pub fn places(&self, wanted: Outcome) -> Vec<(i32, i64)> {
        let found = self.outcomes.iter().filter(|(_, outcome)| **outcome == wanted);
        found.map(|(place, _)| *place).collect()
    }
}

/// Where the vendor last asked to wait: at this offset, from when, until when.
type Wait = (i64, i64, i64);

/// Reads the log further and further and judges each record once.
pub struct Oracle {
    log: Topic,
    schema: Schema,
    /// Offsets within which an id that occurs again is a duplicate.
    horizon: i64,
    /// By partition, workspace and id: the newest offset.
    seen: HashMap<(i32, String, String), i64>,
    /// By partition, workspace, customer and integration.
    waits: HashMap<(i32, [String; 3]), Wait>,
    truth: Truth,
}

impl Oracle {
    /// Begins at the start of the calls topic; nothing is read yet. The horizon is the aggregators'.
    pub fn new(brokers: &str, horizon: i64) -> Self {
        let schema = Schema::parse_str(include_str!("../../../schemas/avro/call-event.avsc"));
        Self {
            log: Topic::new(brokers, CALLS),
            schema: schema.expect("the schema"),
            horizon,
            seen: HashMap::new(),
            waits: HashMap::new(),
            truth: Truth::default(),
        }
    }

    /// Reads to the end of the log and says what all of it must have become.
    pub fn catch_up(&mut self) -> &Truth {
        for record in self.log.rest() {
            let outcome = self.judge(&record);
            let place = (record.partition, record.offset);
            self.truth.outcomes.insert(place, outcome);
            if outcome == Outcome::DeadLettered {
                self.truth.poison.insert(place, record.value);
            }
        }
        &self.truth
    }

    /// What the log up to the last [`Oracle::catch_up`] must have become.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    fn judge(&mut self, record: &Record) -> Outcome {
        let Some(event) = self.decode(&record.value) else { return Outcome::DeadLettered };
        let Record { partition, offset, .. } = *record;
        let ignored = self.ignores_a_wait(partition, offset, &event);
        let id = (event.text("workspace"), event.text("id"));
        let before = self.seen.insert((partition, id.0.clone(), id.1.clone()), offset);
        if before.is_some_and(|before| offset - before <= self.horizon) {
            return Outcome::Duplicate;
        }
        *self.truth.counted_ids.entry(id).or_default() += 1;
        event.add_to(&mut self.truth.cells, ignored);
        event.add_quotas(offset, &mut self.truth.quotas);
        Outcome::Counted
    }

    fn decode(&self, value: &[u8]) -> Option<Event> {
        let mut payload = value.get(5..)?;
        let decoded = from_avro_datum(&self.schema, &mut payload, None);
        let Value::Record(fields) = decoded.ok()? else { return None };
        let event = Event(fields.into_iter().collect());
        let is_event = value[0] == 0 && payload.is_empty() && !event.text("customer").is_empty();
        is_event.then_some(event)
    }

    fn ignores_a_wait(&mut self, partition: i32, offset: i64, event: &Event) -> bool {
        let caller = (partition, ["workspace", "customer", "integration"].map(|name| event.text(name)));
        let began = event.number("time").expect("a time");
        let wait = self.waits.get(&caller);
        let ignored = wait
            .is_some_and(|(at, said, until)| offset - at <= self.horizon && *said < began && began < *until);
        if let Some(until) = event.number("retry_at") {
            self.waits.insert(caller, (offset, event.answered(), until));
        }
        ignored
    }
}
