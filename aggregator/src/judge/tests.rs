//! Events of known series enter; what judging and counting them allocates leaves.

use super::*;
use crate::{
    fold::{Batch, Bounds, Desk},
    pricing::Pricing,
    samples::event,
};
use callmeter_prices::Book;
use callmeter_schemas::{CallEvent, avro};
use std::collections::BTreeMap;

const KEYS: usize = 50;

fn record(number: usize) -> Vec<u8> {
    let mut value = Vec::new();
    let latency_us = Some(1_000 * (number % 3) as u64);
    let id = format!("id-{number}");
    avro::encode(&CallEvent { id, latency_us, ..event(&format!("c{}", number % KEYS)) }, &mut value);
    value
}

/// Judges and counts values that stand at these offsets.
fn count(judge: &mut Judge, first: usize, values: &[Vec<u8>], batch: &mut Batch, desk: &mut Desk) {
    for (chunk, values) in values.chunks(CHUNK).enumerate() {
        let offsets = (first + chunk * CHUNK) as i64..;
        let mut records = [Record::default(); CHUNK];
        for (place, (offset, value)) in records.iter_mut().zip(offsets.zip(values)) {
            *place = Record { offset, value, ..Record::default() };
        }
        judge.judge(&records[..values.len()], |judged| batch.take(judged.iter(), desk));
    }
}

#[test]
fn an_event_of_a_known_series_allocates_nothing_beside_its_chunk() {
    let values: Vec<_> = (0..40 * CHUNK).map(record).collect();
    let (known, new) = values.split_at(20 * CHUNK);
    let mut judge = Judge::new(Arc::new(Schemas::new(&BTreeMap::new()).expect("usable")), 100_000);
    let (mut batch, mut desk) = (Batch::new(0), Desk::new(60, Pricing::new(Arc::new(Book::empty()))));
    count(&mut judge, 0, known, &mut batch, &mut desk);
    batch.begin_next(&Bounds { cells: KEYS, records: 1_000_000, poison_bytes: 1 });
    let counted = allocation_counter::measure(|| count(&mut judge, known.len(), new, &mut batch, &mut desk));
    assert_eq!(batch.cells.len(), KEYS);
    // Verdicts and calls of each chunk of 64.
    assert_eq!(counted.count_total, 2 * 20);
}
