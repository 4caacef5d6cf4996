//! Stages of the fold, each against a control: seeded events enter, ns per event leave.
//!
//! `cargo bench` runs it without engines. The control of the projection is apache-avro's generic decoding, which is also
//! what the general path uses. Compare within one run only: a machine's speed drifts between runs.

use apache_avro::from_avro_datum;
use callmeter_aggregator::{
    fetch::{CHUNK, Record},
    fold::{Batch, Desk},
    judge::Judge,
    plan::Plan,
    pricing::Pricing,
    rows::{Owner, of_batch},
    schema::Schemas,
};
use callmeter_prices::Book;
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, QuotaObservation, avro};
use callmeter_vendors::{Call, Catalogue};
use criterion::{BatchSize, Criterion, Throughput, criterion_main};
use std::{collections::BTreeMap, hint::black_box, sync::Arc};

const EVENTS: usize = 20_000;

/// One line priced at once and one that depends on the month.
const BOOK: &str = r#"
currency: USD
prices:
- {line: calls, integration: hubspot, meter: attempt, model: flat, price: "0.0042", effective_from: 2020-01-01}
- {line: bytes, integration: hubspot, meter: byte_in, model: package, package: 1000000, price: "0.01", effective_from: 2020-01-01}
"#;

/// What the events carry beside their plain facts.
#[derive(Clone, Copy)]
enum Load {
    /// A cost that they tell themselves.
    ToldCost,
    /// Nothing: the price book prices them, by one line at once and by another as usage.
    Priced,
    /// As `Priced`, with two quotas on each answer and a wait on every refusal.
    PricedWithQuotas,
}

fn quota(policy: &str, remaining: u64) -> QuotaObservation {
    QuotaObservation {
        policy: policy.into(),
        scope: "app".into(),
        limit: Some(250_000),
        remaining: Some(remaining as i64),
        reset_us: None,
    }
}

fn records(keys: u64, load: Load) -> Vec<Vec<u8>> {
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
            cost: matches!(load, Load::ToldCost).then(|| Cost {
                amount: Amount::from_units(4_200_000_000).unwrap_or_default(),
                currency: "USD".into(),
            }),
            quota: match load {
                Load::PricedWithQuotas => vec![quota("daily", number), quota("burst", number % 100)],
                Load::ToldCost | Load::Priced => Vec::new(),
            },
            retry_at_us: (matches!(load, Load::PricedWithQuotas) && number.is_multiple_of(20))
                .then_some(1_780_000_000_000_000),
            ..CallEvent::default()
        }
    };
    let encode = |number| {
        let mut record = Vec::new();
        avro::encode(&event(number), &mut record);
        record
    };
    (0..EVENTS as u64).map(encode).collect()
}

/// Without their frames.
fn payloads(keys: u64, load: Load) -> Vec<Vec<u8>> {
    records(keys, load).into_iter().map(|mut record| record.split_off(avro::FRAME_BYTES)).collect()
}

/// Everything that `cargo bench` runs.
fn stages() {
    let mut criterion = Criterion::default().configure_from_args();
    understand(&mut criterion);
    decode(&mut criterion);
    fold(&mut criterion);
    block(&mut criterion);
}

/// What ingest adds to an event: the meaning of a call to a known and to an unknown vendor.
fn understand(criterion: &mut Criterion) {
    let catalogue = Catalogue::built_in();
    let texts = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let headers = texts(&[
        ("x-hubspot-ratelimit-daily", "250000"),
        ("x-hubspot-ratelimit-daily-remaining", "249000"),
        ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
        ("x-hubspot-ratelimit-max", "110"),
        ("x-hubspot-ratelimit-remaining", "17"),
        ("x-request-id", "4bf92f35"),
    ]);
    let nothing = texts(&[]);
    let known = call("api.hubapi.com", "/crm/v3/objects/contacts/51", &headers);
    let unknown = call("api.example.com", "/v1/users/550e8400-e29b-41d4-a716-446655440000/orders", &nothing);
    let mut group = criterion.benchmark_group("meaning of one call");
    group.bench_function("hubspot, six headers, two quotas", |bench| {
        bench.iter(|| catalogue.meaning(black_box(&known)));
    });
    group.bench_function("unknown vendor, a UUID in the path", |bench| {
        bench.iter(|| catalogue.meaning(black_box(&unknown)));
    });
    group.finish();
}

fn call<'a>(host: &'a str, path: &'a str, headers: &'a BTreeMap<String, String>) -> Call<'a> {
    Call {
        customer: "acme",
        host: Some(host),
        integration: None,
        endpoint: None,
        method: Some("GET"),
        path: Some(path),
        status: Some(200),
        error: None,
        failed: false,
        error_class: None,
        headers,
        answered_us: 1_780_000_000_000_000,
        quota_given: false,
        items: None,
    }
}

fn decode(criterion: &mut Criterion) {
    let events = payloads(1_000, Load::ToldCost);
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
    let mut group = criterion.benchmark_group("decode, check, deduplicate, fold");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    let loads = [
        (Load::ToldCost, ""),
        (Load::Priced, ", priced by the book"),
        (Load::PricedWithQuotas, ", priced, two quotas, waits"),
    ];
    for (keys, (load, name)) in [100, 10_000].into_iter().flat_map(|keys| loads.map(|load| (keys, load))) {
        let events = records(keys, load);
        group.bench_function(format!("{keys} keys{name}"), |bench| {
            bench.iter_batched(
                Fold::new,
                |mut fold| {
                    fold.all(&events);
                    fold
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// What one partition's worker keeps.
struct Fold {
    batch: Batch,
    desk: Desk,
    judge: Judge,
}

impl Fold {
    fn new() -> Self {
        let Ok(schemas) = Schemas::new(&BTreeMap::new()) else {
            unreachable!("the built-in schema compiles")
        };
        let book = Book::parse("bench", BOOK).unwrap_or_else(|_| Book::empty());
        Self {
            batch: Batch::new(0),
            desk: Desk::new(60, Pricing::new(Arc::new(book))),
            judge: Judge::new(Arc::new(schemas), 1_000_000),
        }
    }

    fn all(&mut self, values: &[Vec<u8>]) {
        for (chunk, values) in values.chunks(CHUNK).enumerate() {
            let (first, mut records) = ((chunk * CHUNK) as i64, [Record::default(); CHUNK]);
            for (record, (offset, value)) in records.iter_mut().zip((first..).zip(values)) {
                *record = Record { offset, value, ..Record::default() };
            }
            let Self { batch, desk, judge } = self;
            judge.judge(&records[..values.len()], |judged| batch.take(judged.iter(), desk));
        }
    }
}

fn block(criterion: &mut Criterion) {
    let mut fold = Fold::new();
    fold.all(&records(10_000, Load::ToldCost));
    let mut group = criterion.benchmark_group("block of one batch");
    group.throughput(Throughput::Elements(fold.batch.cells.len() as u64)).sample_size(20);
    let owner = Owner { src: "cluster:callmeter.calls.v1:topic", part: 0 };
    group.bench_function("10000 keys, per row", |bench| {
        bench.iter(|| of_batch(owner, &fold.batch, &fold.desk));
    });
    group.finish();
}

criterion_main!(stages);
