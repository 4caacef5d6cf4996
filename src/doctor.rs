//! `doctor`: a configuration and a data folder enter, checks with their cures leave.
//!
//! The engines that `up` would run are checked by the functions that start them; servers that the configuration names are
//! asked for real. Starts nothing, changes nothing. Exit status 1 when something will not work.

use crate::{cli::DoctorArgs, commands::runtime, config, config::Config, up};
use callmeter_aggregator::clickhouse::client;
use callmeter_engines::{Check, CheckState};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use std::{process::ExitCode, time::Duration};

const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything and prints what it found.
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(args.config.config.as_deref())?;
    let mut checks =
        callmeter_engines::doctor(&up::engine_options(&config, &args.data, &up::Secrets::default()));
    if config.names("kafka.brokers") {
        checks.push(kafka(&config));
    }
    if config.names("clickhouse.url") {
        checks.push(runtime()?.block_on(clickhouse(&config)));
    }
    let failed = checks.iter().any(|check| check.state == CheckState::Fail);
    if args.json {
        println!("{}", serde_json::Value::Array(checks.iter().map(json).collect()));
    } else {
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        checks.iter().for_each(|check| print(check, width));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn kafka(config: &Config) -> Check {
    let asked = || {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &config.kafka.brokers);
        for (name, value) in &config.kafka.client {
            client.set(name, value.reveal());
        }
        let client: BaseConsumer = client.create()?;
        client.fetch_metadata(None, PATIENCE).map(|metadata| metadata.brokers().len())
    };
    outcome(
        "kafka.brokers",
        asked().map(|brokers| format!("{brokers} brokers answer at {}", config.kafka.brokers)),
        "start Kafka, or correct kafka.brokers and kafka.client",
    )
}

async fn clickhouse(config: &Config) -> Check {
    let query = client(&config.clickhouse).with_database("system");
    let query = query.query("SELECT version()");
    let asked = tokio::time::timeout(PATIENCE, query.fetch_one::<String>()).await;
    let asked = asked.unwrap_or(Err(clickhouse::error::Error::TimedOut));
    outcome(
        "clickhouse.url",
        asked.map(|version| format!("version {version} answers at {}", config.clickhouse.url)),
        "start ClickHouse, or correct clickhouse.url, clickhouse.user and clickhouse.password",
    )
}

fn outcome<E: std::fmt::Display>(name: &str, asked: Result<String, E>, cure: &str) -> Check {
    let name = name.to_owned();
    match asked {
        Ok(found) => Check { name, state: CheckState::Ok, found, cure: None },
        Err(error) => {
            Check { name, state: CheckState::Fail, found: error.to_string(), cure: Some(cure.to_owned()) }
        }
    }
}

fn word(state: CheckState) -> &'static str {
    match state {
        CheckState::Ok => "ok",
        CheckState::Warn => "warn",
        CheckState::Fail => "FAIL",
    }
}

fn json(check: &Check) -> serde_json::Value {
    let state = word(check.state).to_lowercase();
    serde_json::json!({"name": check.name, "state": state, "found": check.found, "cure": check.cure})
}

fn print(check: &Check, width: usize) {
    println!("{:<4}  {:<width$}  {}", word(check.state), check.name, check.found);
    if let Some(cure) = &check.cure {
        println!("{:width$}        → {cure}", "");
    }
}
