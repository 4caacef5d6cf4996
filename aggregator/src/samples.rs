//! Sample events for the tests of the pure modules: seeds enter, events and their bytes leave.
//!
//! Promise: every sample passes [`crate::facts`], so that a test which changes one field tests that field.

use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, QuotaObservation, avro, limits};
use proptest::prelude::*;

/// A small event: two customers' worth of calls are told apart by `customer`.
pub(crate) fn event(customer: &str) -> CallEvent {
    CallEvent {
        workspace: "acme".into(),
        id: "id-1".into(),
        time_us: 1_700_000_000_000_000,
        customer: customer.into(),
        integration: "hubspot".into(),
        attempt: 1,
        ..CallEvent::default()
    }
}

/// The Avro payload of an event, without its frame.
pub(crate) fn payload(event: &CallEvent) -> Vec<u8> {
    let mut record = Vec::new();
    avro::encode(event, &mut record);
    record.split_off(avro::FRAME_BYTES)
}

prop_compose! {
    /// Events of every shape that counting accepts.
    pub(crate) fn events()(
        dimensions in prop::collection::vec("\\PC{1,12}", 7),
        words in prop::collection::vec(prop::option::of("\\PC{0,9}"), 9),
        numbers in prop::collection::vec(prop::option::of(0..limits::COUNT_BOUND), 6),
        time_us in limits::TIME_MIN_US / 1000..limits::TIME_END_US / 1000,
        attempt in 1..9_u32,
        status in prop::option::of(0..999_u16),
        class in prop::option::of(prop::sample::select(ErrorClass::ALL)),
        cost in prop::option::of((-(10_i128.pow(15))..10_i128.pow(15), "[A-Z]{3}")),
        quota in prop::collection::vec(("[a-z]{1,5}", prop::option::of(any::<i64>())), 0..3),
        maps in prop::collection::vec(prop::collection::btree_map("[a-z]{1,5}", "\\PC{0,5}", 0..4), 3),
        meaning in (prop::option::of(any::<bool>()), prop::option::of((limits::TIME_MIN_US / 1000..limits::TIME_END_US / 1000).prop_map(|ms| ms * 1000)), prop::option::of(1..1000_u32)),
    ) -> CallEvent {
        CallEvent {
            workspace: dimensions[0].clone(), id: dimensions[1].clone(),
            // Whole milliseconds and four decimal places, so that coarser schemas can say the same.
            time_us: time_us * 1000,
            customer: dimensions[2].clone(), integration: dimensions[3].clone(), endpoint: dimensions[4].clone(),
            tier: dimensions[5].clone(), environment: dimensions[6].clone(), error_class: class, status,
            latency_us: numbers[0], queue_us: numbers[1], attempt, items: numbers[2],
            records: numbers[3], bytes_in: numbers[4], bytes_out: numbers[5],
            cost: cost.map(|(units, currency)| Cost {
                amount: Amount::from_units(units * 100_000_000).expect("bounded"), currency,
            }),
            host: words[0].clone(), method: words[1].clone(), path: words[2].clone(), retry_of: words[3].clone(),
            run_id: words[4].clone(), data_type: words[5].clone(), operation: words[6].clone(),
            error: words[7].clone(), trace_id: words[8].clone(),
            quota: quota.into_iter().map(|(policy, limit)| QuotaObservation {
                policy, scope: "app".into(), limit, remaining: None, reset_us: limit,
            }).collect(),
            headers: maps[0].clone(), attributes: maps[1].clone(), extra: maps[2].clone(),
            billable: meaning.0, retry_at_us: meaning.1, batch_size: meaning.2,
        }
    }
}

/// A block of ClickHouse's Native format, read back: for each column its name, its type and its values.
pub(crate) fn native(block: &[u8]) -> Vec<(String, String, Vec<String>)> {
    let mut input = Native(block);
    let (columns, rows) = (input.varint(), input.varint());
    let read = (0..columns).map(|_| {
        let (name, kind) = (input.text(), input.text());
        let values = input.column(&kind, rows);
        (name, kind, values)
    });
    let read = read.collect();
    assert!(input.0.is_empty(), "nothing is left over");
    read
}

struct Native<'a>(&'a [u8]);

impl Native<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.0.split_first_chunk::<N>().expect("the block is whole");
        self.0 = rest;
        *bytes
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for place in 0.. {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn text(&mut self) -> String {
        let length = self.varint();
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
    }

    fn column(&mut self, kind: &str, rows: usize) -> Vec<String> {
        if let Some(inner) = kind.strip_prefix("Nullable(").and_then(|rest| rest.strip_suffix(')')) {
            let nulls: Vec<bool> = (0..rows).map(|_| self.take() != [0]).collect();
            let values = self.column(inner, rows);
            return nulls
                .iter()
                .zip(values)
                .map(|(null, value)| if *null { "null".into() } else { value })
                .collect();
        }
        if let Some(inner) = kind.strip_prefix("Map(").and_then(|rest| rest.strip_suffix(')')) {
            let (key, value) = inner.split_once(", ").expect("a map has two types");
            let ends: Vec<usize> = (0..rows).map(|_| u64::from_le_bytes(self.take()) as usize).collect();
            let entries = ends.last().copied().unwrap_or(0);
            let (keys, values) = (self.column(key, entries), self.column(value, entries));
            let starts = [0].into_iter().chain(ends.iter().copied());
            let show = |(start, end): (usize, usize)| {
                let entries = (start..end).map(|at| format!("{}: {}", keys[at], values[at]));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            };
            return starts.zip(ends.iter().copied()).map(show).collect();
        }
        if let Some(members) = kind.strip_prefix("Tuple(").and_then(|rest| rest.strip_suffix(')')) {
            let kinds = members.split(", ").map(|member| member.split_once(' ').expect("named members").1);
            let columns: Vec<Vec<String>> = kinds.map(|kind| self.column(kind, rows)).collect();
            let show = |row: usize| columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>();
            return (0..rows)
                .map(show)
                .map(|row| match row.iter().all(|value| *value == "0") {
                    true => String::new(),
                    false => format!("({})", row.join(", ")),
                })
                .collect();
        }
        (0..rows).map(|_| self.value(kind)).collect()
    }

    fn value(&mut self, kind: &str) -> String {
        match kind {
            "Int8" => i8::from_le_bytes(self.take()).to_string(),
            "UInt8" => u8::from_le_bytes(self.take()).to_string(),
            "UInt16" => u16::from_le_bytes(self.take()).to_string(),
            "Int32" => i32::from_le_bytes(self.take()).to_string(),
            "UInt32" => u32::from_le_bytes(self.take()).to_string(),
            "Int64" | "DateTime64(6, 'UTC')" | "DateTime64(3, 'UTC')" => {
                i64::from_le_bytes(self.take()).to_string()
            }
            "UInt64" => u64::from_le_bytes(self.take()).to_string(),
            "Float64" => f64::from_le_bytes(self.take()).to_string(),
            "Decimal(38, 12)" => i128::from_le_bytes(self.take()).to_string(),
            "String" => self.text(),
            _ => panic!("type {kind} is not expected"),
        }
    }
}
