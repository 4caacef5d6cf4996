//! Sums over batches are the sum over the log: calls and cuts enter, equal sums leave.

use super::*;
use callmeter_prices::Book;
use callmeter_schemas::{
    Amount, ErrorClass,
    histogram::{MAX_LATENCY_US, bucket_of},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// One call with few keys, so that keys meet.
#[derive(Clone, Debug)]
struct Call {
    customer: &'static str,
    endpoint: &'static str,
    currency: &'static str,
    second: i64,
    class: ErrorClass,
    latency_us: Option<u64>,
    cost: i128,
    counts: [u64; 5],
    retried: bool,
}

impl Call {
    fn facts(&self) -> Facts<'_> {
        let [queue_us, items, records, bytes_in, bytes_out] = self.counts;
        Facts {
            workspace: "acme",
            id: "id",
            time_us: (1_700_000_000 + self.second) * 1_000_000,
            customer: self.customer,
            integration: "hubspot",
            endpoint: self.endpoint,
            tier: "",
            environment: "",
            currency: self.currency,
            cost: Amount::from_units(self.cost),
            error_class: self.class,
            latency_us: self.latency_us,
            queue_us,
            status: None,
            attempt: if self.retried { 2 } else { 1 },
            items,
            records,
            bytes_in,
            bytes_out,
            billable: None,
            retry_at_us: None,
            batch_size: 0,
            quota: &[],
            attributes: &[],
        }
    }
}

prop_compose! {
    fn calls()(
        customer in prop::sample::select(vec!["a", "b", "ab"]),
        endpoint in prop::sample::select(vec!["", "b"]),
        currency in prop::sample::select(vec!["", "EUR", "USD"]),
        second in 0..200_i64,
        class in prop::sample::select(ErrorClass::ALL),
        latency_us in prop::option::of(prop_oneof![0..300_u64, 0..=MAX_LATENCY_US]),
        cost in -(10_i128.pow(23))..10_i128.pow(23),
        counts in any::<[u32; 5]>(),
        retried in any::<bool>(),
    ) -> Call {
        Call { customer, endpoint, currency, second, class, latency_us, cost, counts: counts.map(u64::from), retried }
    }
}

fn texts(call: &Call) -> [&str; 7] {
    ["acme", call.customer, "hubspot", call.endpoint, "", "", call.currency]
}

fn desk() -> Desk {
    Desk::new(60, Pricing::new(Arc::new(Book::empty())))
}

/// A key: the series' texts and the window.
type Key = (Vec<Vec<u8>>, u32);

/// Sums of one key: plain numbers, cost, calls by class and calls by bucket.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    numbers: [u64; 9],
    cost: i128,
    errors: BTreeMap<u16, u64>,
    latency: BTreeMap<u16, u64>,
}

/// The definition: every call for itself, in a map.
fn defined(calls: &[Call]) -> BTreeMap<Key, Sums> {
    let mut all: BTreeMap<Key, Sums> = BTreeMap::new();
    for call in calls {
        let window = ((1_700_000_000 + call.second) / 60 * 60) as u32;
        let sums =
            all.entry((texts(call).map(|text| text.as_bytes().to_vec()).to_vec(), window)).or_default();
        let failed = u64::from(call.class != ErrorClass::Ok);
        let [queue_us, items, records, bytes_in, bytes_out] = call.counts;
        let latency_us = call.latency_us.unwrap_or(0);
        let numbers =
            [1, failed, u64::from(call.retried), latency_us, queue_us, items, records, bytes_in, bytes_out];
        sums.numbers.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        sums.cost += call.cost;
        if failed == 1 {
            *sums.errors.entry(call.class as u16).or_default() += 1;
        }
        if let Some(latency_us) = call.latency_us {
            *sums.latency.entry(bucket_of(latency_us)).or_default() += 1;
        }
    }
    all
}

/// What batches hold together, as ClickHouse adds them up.
fn added(batches: &[Batch], desk: &Desk) -> BTreeMap<Key, Sums> {
    let mut all: BTreeMap<Key, Sums> = BTreeMap::new();
    for batch in batches {
        let (errors, latency) =
            (batch.errors.counts(batch.cells.len()), batch.latency.counts(batch.cells.len()));
        for (place, cell) in batch.cells.iter().enumerate() {
            let texts = desk.names.texts(cell.series).map(<[u8]>::to_vec).to_vec();
            let sums = all.entry((texts, cell.window_start)).or_default();
            let numbers = [
                cell.calls.into(),
                errors.of(place).map(|(_, calls)| calls).sum(),
                cell.attempts_retried.into(),
                cell.latency_us_sum,
                cell.queue_us_sum,
                cell.items,
                cell.records,
                cell.bytes_in,
                cell.bytes_out,
            ];
            sums.numbers.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
            sums.cost += cell.cost;
            errors.of(place).for_each(|(class, calls)| *sums.errors.entry(class).or_default() += calls);
            latency.of(place).for_each(|(bucket, calls)| *sums.latency.entry(bucket).or_default() += calls);
        }
    }
    all
}

proptest! {
    #[test]
    fn any_split_into_batches_adds_up_to_the_whole(
        calls in prop::collection::vec(calls(), 0..60),
        cuts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut desk = desk();
        let mut batches = vec![Batch::new(0)];
        for (at, call) in calls.iter().enumerate() {
            if cuts[at] {
                batches.push(Batch::new(at as i64));
            }
            let batch = batches.last_mut().expect("one at least");
            batch.count(&[super::Call { offset: at as i64, facts: &call.facts(), wait_ignored: false }], &mut desk);
            batch.took(at as i64, 0);
        }
        prop_assert_eq!(added(&batches, &desk), defined(&calls));
        prop_assert_eq!(batches.iter().map(Batch::counted).sum::<u64>(), calls.len() as u64);
        prop_assert!(batches.windows(2).all(|pair| pair[0].next == pair[1].first));
    }

    #[test]
    fn a_batch_lists_its_keys_once_and_in_order_of_appearance(calls in prop::collection::vec(calls(), 0..60)) {
        let (mut desk, mut batch) = (desk(), Batch::new(0));
        let mut seen = Vec::new();
        let facts: Vec<_> = calls.iter().map(Call::facts).collect();
        let together: Vec<_> =
            facts.iter().map(|facts| super::Call { offset: 0, facts, wait_ignored: false }).collect();
        batch.count(&together, &mut desk);
        for call in &calls {
            let key = (desk.names.number(texts(call)), call.facts().window_start(60));
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        let keys: Vec<_> = batch.cells.iter().map(|cell| (cell.series, cell.window_start)).collect();
        prop_assert_eq!(keys, seen);
    }
}

fn poison(bytes: usize) -> Poison {
    Poison {
        offset: 0,
        appended_ms: 0,
        reason: PoisonReason::Empty,
        detail: String::new(),
        key: Some(vec![0; 1]),
        value: vec![0; bytes - 1],
    }
}

#[test]
fn every_record_taken_is_counted_or_duplicate_or_poison() {
    let mut batch = Batch::new(40);
    assert!(batch.is_empty());
    batch.took(40, 7);
    batch.duplicates += 1;
    batch.took(41, 8);
    batch.set_aside(poison(10));
    // Offsets may jump, as after an aborted transaction.
    batch.took(45, 9);
    assert_eq!((batch.consumed, batch.counted(), batch.duplicates, batch.poison.len()), (3, 1, 1, 1));
    assert_eq!((batch.first, batch.next, batch.appended_ms), (40, 46, 9));
}

#[test]
fn a_batch_is_full_at_each_of_its_bounds() {
    let bounds = Bounds { cells: 2, records: 3, poison_bytes: 100 };
    let mut records = Batch::new(0);
    (0..2).for_each(|offset| records.took(offset, 0));
    assert!(!records.is_full(&bounds));
    records.took(2, 0);
    assert!(records.is_full(&bounds));

    let mut poisoned = Batch::new(0);
    poisoned.set_aside(poison(99));
    assert!(!poisoned.is_full(&bounds));
    poisoned.set_aside(poison(1));
    assert!(poisoned.is_full(&bounds));

    let (mut keys, mut desk) = (Batch::new(0), desk());
    let call = |second| Call {
        customer: "a",
        endpoint: "",
        currency: "",
        second,
        class: ErrorClass::Ok,
        latency_us: None,
        cost: 0,
        counts: [0; 5],
        retried: false,
    };
    for (second, full) in [(0, false), (1, false), (39, false), (40, true)] {
        keys.count(
            &[super::Call { offset: 0, facts: &call(second).facts(), wait_ignored: false }],
            &mut desk,
        );
        assert_eq!(keys.is_full(&bounds), full, "second {second}");
    }
}

#[test]
fn series_that_only_differ_in_where_texts_end_are_different() {
    let mut names = SeriesNames::default();
    let number = names.number(["acme", "ab", "hubspot", "", "", "", ""]);
    assert_eq!(names.number(["acme", "ab", "hubspot", "", "", "", ""]), number);
    assert_ne!(names.number(["acme", "abh", "ubspot", "", "", "", ""]), number);
    assert_eq!(names.texts(number).map(<[u8]>::len), [4, 2, 7, 0, 0, 0, 0]);
    assert_eq!(names.texts(number)[1], b"ab");
}
