//! Names of the connection settings that several roles share, and the form of secrets.
//!
//! What enters is configuration that was already parsed; what leaves is typed settings. Promise: a
//! secret never appears in a log or an error.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A text that prints as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str("***")
    }
}

/// Section `kafka`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Partitions of the calls topic when `migrate` creates it.
    pub partitions: i32,
    /// Replicas of each topic when `migrate` creates it.
    pub replication_factor: i32,
    /// Further librdkafka settings for every client, such as `security.protocol`; some are passwords.
    pub client: BTreeMap<String, Secret>,
    /// Avro writer schemas by schema id, for producers that use a registry: id to file.
    pub schemas: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            partitions: 4,
            replication_factor: 1,
            client: BTreeMap::new(),
            schemas: BTreeMap::new(),
        }
    }
}

/// Section `clickhouse`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct ClickHouseConfig {
    /// HTTP address.
    pub url: String,
    /// Database that holds every table; never `default`.
    pub database: String,
    /// User; all aggregators of one database must share one, because the insert mutex is per user.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".into(),
            database: "callmeter".into(),
            user: "callmeter".into(),
            password: Secret::default(),
        }
    }
}
