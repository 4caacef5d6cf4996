//! What a good engineer writes without tricks: StreamConsumer, apache-avro, serde, HashMap, DDSketch, the clickhouse crate.
//!
//! It counts what the product's rollups count and no more: no quotas, prices, retries or calls. It bounds nothing, has no
//! dead letters and may count twice after a crash, because it commits offsets after the insert. Best settings:
//! librdkafka fetches ahead as in the product, one insert for all partitions at each interval, release build.

use crate::contender::{report_usage, told};
use anyhow::{Context, ensure};
use apache_avro::{Decimal, GenericSingleObjectReader, from_value, headers::HeaderBuilder};
use callmeter_harness::stack::RUNTIME;
use callmeter_schemas::{avro, topics};
use clickhouse::{Client, Row};
use rdkafka::{
    ClientConfig, Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::BorrowedMessage,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// Its word on the command line of its process.
pub(crate) const WORD: &str = "idiomatic";
/// The product's interval.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Ids that are remembered at least, the product's number for each of four partitions.
const REMEMBERED: usize = 4_000_000;
/// Relative error of a quantile.
const ACCURACY: f64 = 0.01;

/// What is read of an event.
#[derive(Deserialize)]
struct Event {
    workspace: String,
    id: String,
    time: i64,
    customer: String,
    integration: String,
    endpoint: String,
    tier: String,
    environment: String,
    error_class: Option<String>,
    latency_us: Option<u64>,
    bytes_in: Option<u64>,
    cost: Option<Cost>,
}

#[derive(Deserialize)]
struct Cost {
    amount: Decimal,
    currency: String,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    window: u32,
    workspace: String,
    customer: String,
    integration: String,
    endpoint: String,
    tier: String,
    environment: String,
    currency: String,
}

#[derive(Default)]
struct Cell {
    calls: u64,
    errors: u64,
    latency_us_sum: u64,
    latency: HashMap<i32, u64>,
    bytes_in: u64,
    cost: i128,
}

#[derive(Row, Serialize)]
struct RollupRow {
    window: u32,
    workspace: String,
    customer: String,
    integration: String,
    endpoint: String,
    tier: String,
    environment: String,
    currency: String,
    calls: u64,
    errors: u64,
    latency_us_sum: u64,
    latency: Vec<(i32, u64)>,
    bytes_in: u64,
    cost: i128,
}

/// Ids seen lately, in two generations: the older one is forgotten as a whole.
#[derive(Default)]
struct Seen {
    newer: HashSet<String>,
    older: HashSet<String>,
}

impl Seen {
    fn is_new(&mut self, workspace: &str, id: &str) -> bool {
        let id = format!("{workspace}/{id}");
        if self.older.contains(&id) || !self.newer.insert(id) {
            return false;
        }
        if self.newer.len() == REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        true
    }
}

/// Confluent's frame before the payload, so that the schema is resolved once and not for each record.
struct Frame;

impl HeaderBuilder for Frame {
    fn build_header(&self) -> Vec<u8> {
        [&[0], avro::SCHEMA_ID.to_be_bytes().as_slice()].concat()
    }
}

/// Reads the log from start to end, in a process of its own.
pub(crate) fn run() -> anyhow::Result<()> {
    RUNTIME.block_on(consume())?;
    report_usage()
}

async fn consume() -> anyhow::Result<()> {
    let wanted: u64 = told("RECORDS")?.parse()?;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", told("CALLMETER__KAFKA__BROKERS")?)
        .set("group.id", told("CALLMETER__CLICKHOUSE__DATABASE")?)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("queued.min.messages", "1000000")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    consumer.subscribe(&[topics::CALLS])?;
    let client = client()?;
    let reader =
        GenericSingleObjectReader::new_with_header_builder(avro::call_event_schema().clone(), Frame)?;
    let mut tick = tokio::time::interval(FLUSH_EVERY);
    // After a slow insert the next batch is a whole one again.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut cells, mut seen, mut read) = (HashMap::new(), Seen::default(), 0);
    while read < wanted {
        tokio::select! {
            message = consumer.recv() => {
                fold(&reader, &message?, &mut cells, &mut seen)?;
                read += 1;
            }
            _ = tick.tick() => flush(&consumer, &client, std::mem::take(&mut cells)).await?,
        }
    }
    ensure!(read == wanted, "{read} records of {wanted}");
    flush(&consumer, &client, cells).await
}

fn client() -> anyhow::Result<Client> {
    Ok(Client::default()
        .with_url(told("CALLMETER__CLICKHOUSE__URL")?)
        .with_user(told("CALLMETER__CLICKHOUSE__USER")?)
        .with_password(told("CALLMETER__CLICKHOUSE__PASSWORD")?)
        .with_database(told("CALLMETER__CLICKHOUSE__DATABASE")?)
        .with_setting("async_insert", "0"))
}

fn fold(
    reader: &GenericSingleObjectReader,
    message: &BorrowedMessage<'_>,
    cells: &mut HashMap<Key, Cell>,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let mut record = message.payload().context("a record without a value")?;
    let event: Event = from_value(&reader.read_value(&mut record)?)?;
    if !seen.is_new(&event.workspace, &event.id) {
        return Ok(());
    }
    let (cost, currency) = match event.cost {
        Some(cost) => (units(&cost.amount)?, cost.currency),
        None => (0, String::new()),
    };
    let key = Key {
        window: (event.time / 60_000_000 * 60) as u32,
        workspace: event.workspace,
        customer: event.customer,
        integration: event.integration,
        endpoint: event.endpoint,
        tier: event.tier,
        environment: event.environment,
        currency,
    };
    let cell: &mut Cell = cells.entry(key).or_default();
    cell.calls += 1;
    cell.errors += u64::from(event.error_class.is_some_and(|class| class != "ok"));
    cell.bytes_in += event.bytes_in.unwrap_or(0);
    cell.cost += cost;
    if let Some(latency) = event.latency_us {
        cell.latency_us_sum += latency;
        *cell.latency.entry(bucket(latency)).or_default() += 1;
    }
    Ok(())
}

/// The bucket of DDSketch's logarithmic mapping (Masson, Rim, Lee: "DDSketch", VLDB 2019).
fn bucket(value: u64) -> i32 {
    let gamma = (1.0 + ACCURACY) / (1.0 - ACCURACY);
    ((value.max(1) as f64).ln() / gamma.ln()).ceil() as i32
}

/// 10^-12 of a currency unit, from the big-endian two's complement of Avro's decimal.
fn units(amount: &Decimal) -> anyhow::Result<i128> {
    let bytes = Vec::try_from(amount)?;
    ensure!(bytes.len() <= 16, "an amount of {} bytes", bytes.len());
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [sign; 16];
    whole[16 - bytes.len()..].copy_from_slice(&bytes);
    Ok(i128::from_be_bytes(whole))
}

async fn flush(consumer: &StreamConsumer, client: &Client, cells: HashMap<Key, Cell>) -> anyhow::Result<()> {
    if cells.is_empty() {
        return Ok(());
    }
    let mut insert = client.insert::<RollupRow>("rollups").await?;
    for (key, cell) in cells {
        let row = RollupRow {
            window: key.window,
            workspace: key.workspace,
            customer: key.customer,
            integration: key.integration,
            endpoint: key.endpoint,
            tier: key.tier,
            environment: key.environment,
            currency: key.currency,
            calls: cell.calls,
            errors: cell.errors,
            latency_us_sum: cell.latency_us_sum,
            latency: cell.latency.into_iter().collect(),
            bytes_in: cell.bytes_in,
            cost: cell.cost,
        };
        insert.write(&row).await?;
    }
    insert.end().await?;
    consumer.commit(&consumer.position()?, CommitMode::Async)?;
    Ok(())
}

/// The statement that makes its table.
pub(crate) fn table(database: &str) -> String {
    format!(
        "CREATE TABLE {database}.rollups (window DateTime('UTC'), workspace LowCardinality(String), customer String, \
         integration LowCardinality(String), endpoint LowCardinality(String), tier LowCardinality(String), \
         environment LowCardinality(String), currency LowCardinality(String), \
         calls SimpleAggregateFunction(sum, UInt64), errors SimpleAggregateFunction(sum, UInt64), \
         latency_us_sum SimpleAggregateFunction(sum, UInt64), \
         latency SimpleAggregateFunction(sumMap, Map(Int32, UInt64)), \
         bytes_in SimpleAggregateFunction(sum, UInt64), cost SimpleAggregateFunction(sum, Decimal(38, 12))) \
         ENGINE = AggregatingMergeTree \
         ORDER BY (workspace, customer, integration, endpoint, tier, environment, currency, window)"
    )
}

/// The answer's columns from its table.
pub(crate) fn answer(database: &str) -> String {
    format!(
        "SELECT customer, integration, window, sum(calls) AS calls, sum(errors) AS errors, sum(cost) AS cost, \
         arraySum(mapValues(sumMap(latency))) AS latencies FROM {database}.rollups \
         GROUP BY customer, integration, window"
    )
}
