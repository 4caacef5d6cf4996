//! Ten times more than the machine sustains: a flood of requests enters, answers, memory and lag leave as a table.
//!
//! Promise: the flood keeps its rate whatever the answers are; a process above its bound of memory, an answer that is neither
//! 202, 429 nor 503, and anything acknowledged that is not counted once are violations.

use callmeter_harness::{
    inspector::{Inspector, Sent, Violation},
    oracle::Outcome,
    shared::lock,
    stack::{Stack, within},
    topic::Topic,
    usage::Usage,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Events of one request.
const EVENTS: u64 = 500;
/// Requests at once while it is found out what the machine sustains.
const STEADY: u64 = 2;
const TIMES: f64 = 10.0;
/// Requests of the flood that wait for an answer; more would be a flood of the sender's own machine.
const OPEN: u64 = 1_500;
const DRAIN: Duration = Duration::from_secs(300);

/// Settings that bound the memory of a process, and what it may use with them, bytes.
const INGEST: [(&str, &str); 2] =
    [("INGEST__BODY_MEMORY_BYTES", "50331648"), ("INGEST__PRODUCER_MEMORY_BYTES", "33554432")];
/// Bodies, what waits for Kafka, 64 KiB for each open connection, the rest.
const INGEST_BOUND: u64 = 48 * MIB + 32 * MIB + (OPEN + STEADY) * 64 * 1024 + 128 * MIB;
const AGGREGATOR: [(&str, &str); 3] = [
    ("AGGREGATOR__DUPLICATE_HORIZON", "500000"),
    ("AGGREGATOR__FETCH_AHEAD_BYTES", "4194304"),
    ("AGGREGATOR__MAX_BATCH_KEYS", "10000"),
];
/// Four partitions, two lanes each: memory of ids and what is fetched ahead; batches and raw calls; the rest.
const AGGREGATOR_BOUND: u64 = 8 * (14 * MIB + 4 * MIB) + 4 * (32 + 32) * MIB + 128 * MIB;
const MIB: u64 = 1 << 20;

/// What the flood shares.
struct Flood {
    url: String,
    key: String,
    http: reqwest::Client,
    next: AtomicU64,
    open: AtomicU64,
    /// First numbers of acknowledged requests.
    acknowledged: Mutex<Vec<u64>>,
    /// Answers by status; 0 is none.
    answers: Mutex<BTreeMap<u16, u64>>,
    /// Why requests got no answer.
    unanswered: Mutex<BTreeMap<String, u64>>,
}

/// Floods for so many seconds; true when nothing was violated.
pub(crate) async fn run(seconds: u64) -> bool {
    println!("overload: {TIMES} times what the machine sustains, for {seconds} s");
    let mut stack = Stack::start(|_| ()).await;
    stack.horizon = 500_000;
    stack.environment.extend(
        INGEST
            .iter()
            .chain(&AGGREGATOR)
            .map(|(name, value)| (format!("CALLMETER__{name}"), (*value).to_owned())),
    );
    let url = stack.ingest().await + "/v1/events";
    let aggregator = stack.role("aggregate", &[]).await;
    let flood = Arc::new(Flood {
        url,
        key: stack.key.clone(),
        http: reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client"),
        next: AtomicU64::new(0),
        open: AtomicU64::new(0),
        acknowledged: Mutex::default(),
        answers: Mutex::default(),
        unanswered: Mutex::default(),
    });
    let sustained = sustained(&flood, Duration::from_secs((seconds / 4).max(3))).await;
    lock(&flood.answers).clear();
    let offered = pour(&flood, sustained * TIMES, Duration::from_secs(seconds)).await;
    let (lag, drained) = drain(&stack).await;
    let mut inspector = Inspector::new(&stack);
    let sent = Sent { acknowledged: ids(&flood), poison: None };
    let mut violations = inspector.inspect(&stack, &sent, DRAIN).await;
    let accepted = *lock(&flood.answers).get(&202).unwrap_or(&0) * EVENTS;
    println!("sustained {sustained:.0} events/s, offered {:.0} events/s", offered as f64 / seconds as f64);
    println!("accepted in the flood {accepted} events; answers {:?}", lock(&flood.answers));
    println!("lag at its end {lag} records, drained {:.1} s later", drained.as_secs_f64());
    for (role, bound) in [(aggregator - 1, INGEST_BOUND), (aggregator, AGGREGATOR_BOUND)] {
        let role = &stack.roles[role];
        let peak = Usage::of(role.pid()).expect("the role runs").peak_bytes;
        println!("{:<12} peak {:>4} MiB of at most {} MiB", role.name, peak / MIB, bound / MIB);
        if peak > bound {
            violations
                .push(Violation { invariant: "memory", detail: format!("{} used {peak} bytes", role.name) });
        }
    }
    println!("{} events counted once", inspector.oracle().truth().count(Outcome::Counted));
    violations.extend(strange_answers(&flood));
    violations.iter().for_each(|violation| println!("VIOLATED {violation}"));
    stack.stop().await;
    violations.is_empty()
}

/// Events per second that are acknowledged while a few senders wait for each answer.
async fn sustained(flood: &Arc<Flood>, time: Duration) -> f64 {
    let began = Instant::now();
    let senders: Vec<_> = (0..STEADY)
        .map(|_| {
            let flood = Arc::clone(flood);
            tokio::spawn(async move {
                while began.elapsed() < time {
                    request(&flood).await;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("a sender does not fail");
    }
    let acknowledged = lock(&flood.acknowledged).len() as f64 * EVENTS as f64;
    acknowledged / began.elapsed().as_secs_f64()
}

/// Sends at this rate whatever the answers are; events offered.
async fn pour(flood: &Arc<Flood>, per_second: f64, time: Duration) -> u64 {
    let began = Instant::now();
    let mut requests = 0;
    let mut pending = Vec::new();
    while began.elapsed() < time {
        let due = (began.elapsed().as_secs_f64() * per_second / EVENTS as f64) as u64;
        while requests < due {
            requests += 1;
            if flood.open.load(Ordering::Relaxed) < OPEN {
                let flood = Arc::clone(flood);
                pending.push(tokio::spawn(async move { request(&flood).await }));
            } else {
                *lock(&flood.answers).entry(NOT_SENT).or_default() += 1;
            }
        }
        pending.retain(|request| !request.is_finished());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for request in pending {
        request.await.expect("a request does not fail");
    }
    requests * EVENTS
}

/// Stands among the answers for requests that the flood itself held back.
const NOT_SENT: u16 = 1;

async fn request(flood: &Flood) {
    flood.open.fetch_add(1, Ordering::Relaxed);
    let first = flood.next.fetch_add(EVENTS, Ordering::Relaxed);
    let request =
        flood.http.post(&flood.url).bearer_auth(&flood.key).header("content-type", "application/json");
    let status = match request.body(body(first)).send().await {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => {
            *lock(&flood.unanswered).entry(format!("{error:?}")).or_default() += 1;
            0
        }
    };
    if status == 202 {
        lock(&flood.acknowledged).push(first);
    }
    *lock(&flood.answers).entry(status).or_default() += 1;
    flood.open.fetch_sub(1, Ordering::Relaxed);
}

fn body(first: u64) -> String {
    let mut body = String::with_capacity(EVENTS as usize * 160);
    for number in first..first + EVENTS {
        body.push(if number == first { '[' } else { ',' });
        let customer = number % 97;
        body += &format!(
            r#"{{"id":"flood-{number}","customer":"customer-{customer}","integration":"hubspot","endpoint":"GET /x","status":200,"latency_ms":12.5}}"#
        );
    }
    body + "]"
}

fn ids(flood: &Flood) -> std::collections::BTreeSet<String> {
    let first = lock(&flood.acknowledged).clone();
    first
        .into_iter()
        .flat_map(|first| (first..first + EVENTS).map(|number| format!("flood-{number}")))
        .collect()
}

/// Answers that nobody should get: nothing is known of a request that was cut off.
fn strange_answers(flood: &Flood) -> Vec<Violation> {
    let answers = lock(&flood.answers);
    let strange = answers.iter().filter(|(status, _)| ![0, NOT_SENT, 202, 429, 503].contains(*status));
    let strange = strange.map(|(status, count)| format!("{count} requests got {status}"));
    let unanswered = lock(&flood.unanswered);
    let unanswered = unanswered.iter().map(|(error, count)| format!("{count} requests got none: {error}"));
    strange.chain(unanswered).map(|detail| Violation { invariant: "answers", detail }).collect()
}

/// Records that are not counted yet, and the time until they are; what is not counted in time the inspection will tell.
async fn drain(stack: &Stack) -> (i64, Duration) {
    let began = Instant::now();
    let records = Topic::new(&stack.kafka, "callmeter.calls.v1").records();
    let lag = records - stack.consumed().await.unwrap_or(0);
    let _ = within(DRAIN, async || {
        let consumed = stack.consumed().await?;
        if consumed >= records { Ok(()) } else { Err(format!("{consumed} of {records}")) }
    })
    .await;
    (lag, began.elapsed())
}
