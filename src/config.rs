//! The configuration: one YAML file and CALLMETER__SECTION__KEY variables enter, checked settings leave.
//!
//! Order: defaults, then the file, then the environment. Promise: every mistake is reported in one run, each
//! with its place and, for a misspelt key, the likely one; secrets print as `***`.

mod merge;

use anyhow::{Context, bail};
use callmeter_aggregator::AggregatorConfig;
use callmeter_alerter::AlerterConfig;
use callmeter_ingest::IngestConfig;
use callmeter_schemas::config::{ClickHouseConfig, KafkaConfig};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Read when it is there and no other file is named.
const DEFAULT_FILE: &str = "callmeter.yaml";

/// Every section.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Config {
    pub(crate) kafka: KafkaConfig,
    pub(crate) clickhouse: ClickHouseConfig,
    pub(crate) ingest: IngestConfig,
    pub(crate) aggregator: AggregatorConfig,
    pub(crate) alerter: AlerterConfig,
    pub(crate) metrics: MetricsConfig,
    pub(crate) board: BoardConfig,
    pub(crate) log: LogConfig,
    pub(crate) engines: EnginesConfig,
    /// `section.key` of everything that the file or the environment set.
    #[serde(skip)]
    pub(crate) named: BTreeSet<String>,
}

/// Section `metrics`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct MetricsConfig {
    /// Where /metrics, /healthz and /readyz of a role listen; empty: 127.0.0.1 and 9464 (ingest), 9465
    /// (aggregate) or 9466 (alert).
    pub(crate) listen: String,
}

/// Section `board`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct BoardConfig {
    /// Where the status page of `up` listens.
    pub(crate) listen: String,
}

impl Default for BoardConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8081".into() }
    }
}

/// Section `log`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct LogConfig {
    /// What is logged, in the form of RUST_LOG.
    pub(crate) filter: String,
    /// `text` or `json`.
    pub(crate) format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".into(), format: "text".into() }
    }
}

/// Section `engines`: the Kafka and ClickHouse that `up` and `engines start` run themselves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct EnginesConfig {
    /// Port of Kafka on 127.0.0.1; 0 picks a free one and keeps it.
    pub(crate) kafka_port: u16,
    /// Port of ClickHouse's HTTP interface on 127.0.0.1; 0 picks a free one and keeps it.
    pub(crate) clickhouse_port: u16,
    /// Trades Kafka's peak speed for an earlier start and less memory.
    pub(crate) fast_start: bool,
}

impl Default for EnginesConfig {
    fn default() -> Self {
        Self { kafka_port: 9092, clickhouse_port: 8123, fast_start: false }
    }
}

/// Loads the configuration; `file` is what the command line named.
pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    let file = match file {
        Some(file) => Some(file.to_path_buf()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
    };
    let text = match &file {
        Some(file) => {
            Some(std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)
        }
        None => None,
    };
    let source = file.zip(text);
    let source = source.as_ref().map(|(file, text)| (file.display().to_string(), text.as_str()));
    from_parts(source, std::env::vars()).map_err(|problems| anyhow::anyhow!("{}", problems.join("\n       ")))
}

/// The settings of a file's text and of variables, or everything that is wrong with them.
fn from_parts(
    file: Option<(String, &str)>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, Vec<String>> {
    let defaults = serde_json::to_value(Config::default()).map_err(|error| vec![error.to_string()])?;
    let mut merged = merge::Merged::new(defaults);
    if let Some((name, text)) = file {
        merged.file(&name, text);
    }
    variables.for_each(|(name, value)| merged.variable(&name, &value));
    let (given, named, mut problems) = merged.finish();
    let config = Config {
        kafka: section(&given, "kafka", &mut problems),
        clickhouse: section(&given, "clickhouse", &mut problems),
        ingest: section(&given, "ingest", &mut problems),
        aggregator: section(&given, "aggregator", &mut problems),
        alerter: section(&given, "alerter", &mut problems),
        metrics: section(&given, "metrics", &mut problems),
        board: section(&given, "board", &mut problems),
        log: section(&given, "log", &mut problems),
        engines: section(&given, "engines", &mut problems),
        named,
    };
    problems.extend(config.problems());
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn section<T: DeserializeOwned + Default>(
    given: &Map<String, Value>,
    name: &str,
    problems: &mut Vec<String>,
) -> T {
    let Some(value) = given.get(name) else { return T::default() };
    T::deserialize(value).unwrap_or_else(|error| {
        problems.push(format!("section {name}: {error}"));
        T::default()
    })
}

impl Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = self.aggregator.problems();
        problems.extend(self.ingest.problems());
        problems.extend(self.alerter.problems());
        if self.clickhouse.database == "default" || self.clickhouse.database.is_empty() {
            problems.push("clickhouse.database must have a name of its own, such as callmeter".into());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !self.clickhouse.database.bytes().all(plain) {
            problems.push("clickhouse.database may hold letters, digits and _ only".into());
        }
        if !(1..=10_000).contains(&self.kafka.partitions) {
            problems.push("kafka.partitions must be 1 to 10000".into());
        }
        if !matches!(self.log.format.as_str(), "text" | "json") {
            problems.push("log.format must be text or json".into());
        }
        problems
    }

    /// Whether the file or the environment set `section.key`.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.named.contains(key)
    }
}

/// Refuses a configuration without keys: ingest would turn everybody away.
pub(crate) fn require_keys(config: &Config) -> anyhow::Result<()> {
    if config.ingest.keys.is_empty() {
        bail!(
            "ingest.keys is empty, so that nobody could send events\n       \
             cure: run `callmeter keys create` and put the entry that it prints under ingest.keys"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        from_parts(Some(("callmeter.yaml".into(), text)), variables).err().unwrap_or_default()
    }

    #[test]
    fn every_mistake_is_reported_in_one_run() {
        let text =
            "kafka:\n  broker: x\naggregator:\n  window: 7m\nclickhouse:\n  database: default\nnonsense: 1\n";
        assert_eq!(
            problems(text, &[("CALLMETER__KAFKA__PARTITIONS", "many"), ("CALLMETER__LOG__FORMT", "x")]),
            [
                "callmeter.yaml:2: kafka.broker is not a setting; did you mean brokers?",
                "callmeter.yaml:7: nonsense is not a section; there are kafka, clickhouse, ingest, aggregator, alerter, metrics, board, log, engines",
                "CALLMETER__KAFKA__PARTITIONS: kafka.partitions must be a number, not \"many\"",
                "CALLMETER__LOG__FORMT: log.formt is not a setting; did you mean format?",
                "aggregator.window must be whole seconds that divide an hour, such as 1m",
                "clickhouse.database must have a name of its own, such as callmeter",
            ]
        );
    }

    #[test]
    fn the_environment_wins_over_the_file_and_lists_are_comma_separated() {
        let variables = [
            ("CALLMETER__KAFKA__BROKERS", "b:1"),
            ("CALLMETER__ALERTER__RULES", "a.yaml, b.yaml"),
            ("CALLMETER__CLICKHOUSE__PASSWORD", "hush"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let file = Some(("f".to_owned(), "kafka: {brokers: a, partitions: 8}\naggregator: {window: 30s}"));
        let config = from_parts(file, variables.into_iter()).expect("valid");
        assert_eq!(config.kafka.brokers, "b:1");
        assert_eq!(config.kafka.partitions, 8);
        assert_eq!(config.alerter.rules, ["a.yaml", "b.yaml"]);
        assert_eq!(config.clickhouse.password.reveal(), "hush");
        assert!(config.names("kafka.brokers") && !config.names("clickhouse.url"));
        assert!(!format!("{config:?}").contains("hush"));
    }
}
