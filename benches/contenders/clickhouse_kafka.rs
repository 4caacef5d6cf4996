//! The real rival: ClickHouse's own Kafka engine → materialised view → AggregatingMergeTree, in the same server.
//!
//! It counts what the product's rollups count and no more, cannot know repetitions, and delivers at least once. Best
//! settings: one block of a million rows, one consumer for each core, AvroConfluent, plain strings in the Kafka table,
//! fields that nobody needs left unread, sums as plain functions.

use crate::{registry, site::Site};
use callmeter_schemas::topics;

/// Reads the log until every record has been counted.
pub(crate) async fn run(site: &Site, database: &str) -> anyhow::Result<()> {
    let (registry, serving) = registry::serve().await?;
    site.stack.execute(&queue(site, database, &registry)).await;
    site.stack.execute(&view(database)).await;
    let counted = format!("SELECT toInt64(sum(calls)) FROM {database}.rollups");
    let read = site.reads(async || Ok(u64::try_from(site.stack.number(&counted).await)?)).await;
    // The consumers must be gone before the next contender is measured.
    site.stack.execute(&format!("DROP TABLE {database}.feed SYNC")).await;
    site.stack.execute(&format!("DROP TABLE {database}.queue SYNC")).await;
    serving.abort();
    read
}

/// The table of its rollups.
pub(crate) fn table(database: &str) -> String {
    format!(
        "CREATE TABLE {database}.rollups (window DateTime('UTC'), workspace LowCardinality(String), customer String, \
         integration LowCardinality(String), endpoint LowCardinality(String), tier LowCardinality(String), \
         environment LowCardinality(String), currency LowCardinality(String), \
         calls SimpleAggregateFunction(sum, UInt64), errors SimpleAggregateFunction(sum, UInt64), \
         latency_us_sum SimpleAggregateFunction(sum, UInt64), latencies SimpleAggregateFunction(sum, UInt64), \
         latency AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), UInt64), \
         bytes_in SimpleAggregateFunction(sum, UInt64), cost SimpleAggregateFunction(sum, Decimal(38, 12))) \
         ENGINE = AggregatingMergeTree \
         ORDER BY (workspace, customer, integration, endpoint, tier, environment, currency, window)"
    )
}

fn queue(site: &Site, database: &str, registry: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i32);
    let (brokers, topic) = (&site.stack.kafka, topics::CALLS);
    let consumers = cores.min(site.log.shape.partitions);
    format!(
        "CREATE TABLE {database}.queue (workspace String, time DateTime64(6, 'UTC'), customer String, \
         integration String, endpoint String, tier String, environment String, error_class Nullable(String), \
         latency_us Nullable(Int64), bytes_in Nullable(Int64), `cost.Cost.amount` Decimal(38, 12), \
         `cost.Cost.currency` String) \
         ENGINE = Kafka SETTINGS kafka_broker_list = '{brokers}', kafka_topic_list = '{topic}', \
         kafka_group_name = '{database}', kafka_format = 'AvroConfluent', kafka_num_consumers = {consumers}, \
         kafka_max_block_size = 1048576, kafka_poll_max_batch_size = 65536, \
         format_avro_schema_registry_url = '{registry}'"
    )
}

fn view(database: &str) -> String {
    format!(
        "CREATE MATERIALIZED VIEW {database}.feed TO {database}.rollups AS \
         SELECT toStartOfMinute(time) AS window, workspace, customer, integration, endpoint, tier, environment, \
         `cost.Cost.currency` AS currency, count() AS calls, countIf(error_class != 'ok') AS errors, \
         sum(ifNull(latency_us, 0))::UInt64 AS latency_us_sum, count(latency_us) AS latencies, \
         quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(assumeNotNull(latency_us)::UInt64, latency_us IS NOT NULL) AS latency, \
         sum(ifNull(bytes_in, 0))::UInt64 AS bytes_in, sum(`cost.Cost.amount`) AS cost \
         FROM {database}.queue \
         GROUP BY window, workspace, customer, integration, endpoint, tier, environment, currency"
    )
}

/// The answer's columns from its table.
pub(crate) fn answer(database: &str) -> String {
    format!(
        "SELECT customer, integration, window, sum(calls) AS calls, sum(errors) AS errors, sum(cost) AS cost, \
         sum(latencies) AS latencies FROM {database}.rollups GROUP BY customer, integration, window"
    )
}
