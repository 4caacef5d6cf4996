//! Topics and tables: access to Kafka and ClickHouse enters, an installation that fits this build leaves.
//!
//! Promise: safe to repeat and to run twice at once; never drops or shrinks anything; a schema that is newer than
//! this build is refused.

use anyhow::{Context, bail};
use callmeter_aggregator::clickhouse::client;
use callmeter_schemas::{
    config::{ClickHouseConfig, KafkaConfig},
    sql::{MIGRATIONS, VERSION, VERSIONS_TABLE},
    topics,
};
use clickhouse::Client;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use std::time::Duration;

/// The stored schema is newer than this build.
#[derive(Debug, thiserror::Error)]
#[error("database {database} has schema {stored}, and this build knows {VERSION}; use a newer build")]
pub(crate) struct TooNew {
    database: String,
    stored: u32,
}

/// What `migrate` did, a line each.
pub(crate) type Report = Vec<String>;

/// Creates or brings up to date everything.
pub(crate) async fn migrate(kafka: &KafkaConfig, clickhouse: &ClickHouseConfig) -> anyhow::Result<Report> {
    let mut report = create_topics(kafka).await?;
    report.extend(create_tables(clickhouse).await?);
    Ok(report)
}

async fn create_tables(config: &ClickHouseConfig) -> anyhow::Result<Report> {
    let unreachable = || format!("clickhouse at {} (settings clickhouse.url, .user, .password)", config.url);
    Client::default()
        .with_url(&config.url)
        .with_user(&config.user)
        .with_password(config.password.reveal())
        .query(&format!("CREATE DATABASE IF NOT EXISTS {}", config.database))
        .execute()
        .await
        .with_context(unreachable)?;
    let client = client(config);
    client.query(VERSIONS_TABLE).execute().await.with_context(unreachable)?;
    let before = check_version(config).await?;
    for migration in MIGRATIONS {
        for statement in migration.statements() {
            client.query_raw(statement).execute().await.with_context(|| format!("in {}", migration.name))?;
        }
        client
            .query("INSERT INTO schema_versions (version, name) SETTINGS async_insert = 0 VALUES ({version:UInt32}, {name:String})")
            .param("version", migration.version)
            .param("name", migration.name)
            .execute()
            .await?;
    }
    Ok(vec![format!("database {}: schema {before} → {VERSION}", config.database)])
}

/// The version of the stored schema; refuses one that is newer than this build.
pub(crate) async fn check_version(config: &ClickHouseConfig) -> anyhow::Result<u32> {
    let stored: u32 = client(config)
        .query("SELECT toUInt32(max(version)) FROM schema_versions")
        .fetch_one()
        .await
        .context("the schema's version cannot be read; run `callmeter migrate` first")?;
    if stored > VERSION {
        return Err(TooNew { database: config.database.clone(), stored }.into());
    }
    Ok(stored)
}

/// Refuses a schema that is not this build's.
pub(crate) async fn require_version(config: &ClickHouseConfig) -> anyhow::Result<()> {
    let stored = check_version(config).await?;
    if stored < VERSION {
        bail!(
            "the schema is version {stored}, and this build needs {VERSION}; run `callmeter migrate` first"
        );
    }
    Ok(())
}

async fn create_topics(config: &KafkaConfig) -> anyhow::Result<Report> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &config.brokers).set("client.id", "callmeter-migrate");
    for (name, value) in &config.client {
        settings.set(name, value.reveal());
    }
    let admin: AdminClient<DefaultClientContext> = settings.create().context("kafka")?;
    let replication = || TopicReplication::Fixed(config.replication_factor);
    let week = (7 * 24 * 3600 * 1000_u64).to_string();
    let month = (30 * 24 * 3600 * 1000_u64).to_string();
    let wanted = [
        // The broker's append time: the fold may depend on it, and producers cannot choose it.
        NewTopic::new(topics::CALLS, config.partitions, replication())
            .set("message.timestamp.type", "LogAppendTime")
            .set("retention.ms", &week),
        // A letter holds a whole record in base64: the topic takes more than the brokers' default of 1 MiB.
        NewTopic::new(topics::DEAD_LETTERS, 1, replication())
            .set("retention.ms", &month)
            .set("max.message.bytes", "4194304"),
        NewTopic::new(topics::CONTROL, 1, replication()).set("cleanup.policy", "compact"),
    ];
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let results = admin
        .create_topics(&wanted, &options)
        .await
        .with_context(|| format!("kafka at {} (setting kafka.brokers)", config.brokers))?;
    let mut report = Report::new();
    for result in results {
        match result {
            Ok(topic) => report.push(format!("topic {topic}: created")),
            Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => {
                report.push(format!("topic {topic}: there already"))
            }
            Err((topic, code)) => bail!("topic {topic}: {code}"),
        }
    }
    Ok(report)
}
