//! Stages of the fold, each against a control: seeded events enter, ns per event leave.
//!
//! `cargo bench` runs it without engines. The control of the projection is apache-avro's generic decoding, which is also
//! what the general path uses. Compare within one run only: a machine's speed drifts between runs.

use apache_avro::from_avro_datum;
use callmeter_aggregator::{
    dedup::{Identity, Memory},
    facts::Facts,
    fold::Batch,
    intern::Interner,
    plan::Plan,
    rows::{Owner, of_batch},
};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, avro};
use criterion::{BatchSize, Criterion, Throughput, criterion_main};
use std::hint::black_box;

const EVENTS: usize = 20_000;

fn payloads(keys: u64) -> Vec<Vec<u8>> {
    let event = |number: u64| {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys;
        CallEvent {
            workspace: "acme-prod".into(),
            id: format!("01JD3ZK{number:019}"),
            time_us: 1_780_000_000_000_000 + (number as i64 % 60) * 1_000_000,
            customer: format!("customer-{key}"),
            integration: "hubspot".into(),
            endpoint: "GET /crm/v3/objects/contacts/{id}".into(),
            tier: "enterprise".into(),
            environment: "production".into(),
            error_class: Some(if number.is_multiple_of(20) {
                ErrorClass::RateLimited
            } else {
                ErrorClass::Ok
            }),
            status: Some(if number.is_multiple_of(20) { 429 } else { 200 }),
            latency_us: Some(20_000 + number.wrapping_mul(2_654_435_761) % 400_000),
            attempt: 1,
            bytes_in: Some(5_120),
            cost: Some(Cost {
                amount: Amount::from_units(4_200_000_000).unwrap_or_default(),
                currency: "USD".into(),
            }),
            ..CallEvent::default()
        }
    };
    let encode = |number| {
        let mut record = Vec::new();
        avro::encode(&event(number), &mut record);
        record.split_off(avro::FRAME_BYTES)
    };
    (0..EVENTS as u64).map(encode).collect()
}

/// Everything that `cargo bench` runs.
fn stages() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    fold(&mut criterion);
    block(&mut criterion);
}

fn decode(criterion: &mut Criterion) {
    let events = payloads(1_000);
    let Ok(plan) = Plan::compile(avro::call_event_schema()) else { return };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    group.bench_function("compiled projection", |bench| {
        bench.iter(|| events.iter().filter(|payload| black_box(plan.read(payload)).is_ok()).count());
    });
    group.bench_function("apache-avro (control)", |bench| {
        let read =
            |payload: &Vec<u8>| from_avro_datum(avro::call_event_schema(), &mut payload.as_slice(), None);
        bench.iter(|| events.iter().filter(|payload| black_box(read(payload)).is_ok()).count());
    });
    group.finish();
}

fn fold(criterion: &mut Criterion) {
    let Ok(plan) = Plan::compile(avro::call_event_schema()) else { return };
    let mut group = criterion.benchmark_group("decode, check, deduplicate, fold");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    for keys in [100, 10_000] {
        let events = payloads(keys);
        group.bench_function(format!("{keys} keys"), |bench| {
            bench.iter_batched(
                || (Batch::new(0), Interner::default(), Memory::new(1_000_000)),
                |mut state| {
                    fold_all(&plan, &events, &mut state);
                    state
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn fold_all(plan: &Plan, events: &[Vec<u8>], (batch, interner, memory): &mut (Batch, Interner, Memory)) {
    for (offset, payload) in (0..).zip(events) {
        let Ok(fields) = plan.read(payload) else { continue };
        let Ok(facts) = Facts::check(&fields) else { continue };
        if memory.is_duplicate(offset, Identity::of(facts.workspace, facts.id)) {
            batch.duplicates += 1;
        } else {
            batch.count(&facts, 60, interner);
        }
        batch.took(offset, 0);
    }
}

fn block(criterion: &mut Criterion) {
    let Ok(plan) = Plan::compile(avro::call_event_schema()) else { return };
    let mut state = (Batch::new(0), Interner::default(), Memory::new(1_000_000));
    fold_all(&plan, &payloads(10_000), &mut state);
    let mut group = criterion.benchmark_group("block of one batch");
    group.throughput(Throughput::Elements(state.0.cells.len() as u64)).sample_size(20);
    let owner = Owner { src: "cluster:callmeter.calls.v1:topic", part: 0 };
    group.bench_function("10000 keys, per row", |bench| bench.iter(|| of_batch(owner, &state.0, &state.1)));
    group.finish();
}

criterion_main!(stages);
