//! Tells what this machine lacks, each with its cure. Enters: options. Leaves: a list of checks. Starts nothing, fetches
//! nothing, and asks through the same functions as the start.

use crate::error::EngineError;
use crate::options::EnginesOptions;
use crate::ports::{CLICKHOUSE_PORT, CLICKHOUSE_TCP_PORT, KAFKA_CONTROLLER_PORT, KAFKA_PORT, Ports};
use crate::{fetch, kafka, machine};

/// Room that the data of a small installation needs.
pub(crate) const DATA_BYTES: u64 = 512 << 20;

/// One answer of the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    pub cure: Option<String>,
}

/// How a [`Check`] came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// All is well.
    Ok,
    /// It works, and something will be needed or is worth knowing.
    Warn,
    /// It will not work.
    Fail,
}

/// Looks at everything that starting the wanted engines needs.
#[must_use]
pub fn doctor(options: &EnginesOptions) -> Vec<Check> {
    let mut checks = vec![check("disk of the data folder", room_for_data(options))];
    if options.start_kafka {
        checks.extend(doctor_kafka(options));
    }
    if options.start_clickhouse {
        checks.extend(doctor_clickhouse(options));
    }
    checks
}

/// Whether the data folder's disk has room; the start asks this too.
pub(crate) fn room_for_data(options: &EnginesOptions) -> Result<String, EngineError> {
    let available = machine::room(&options.data_dir, "the data folder", DATA_BYTES)?;
    Ok(format!("{available} MiB free for {}", options.data_dir.display()))
}

fn doctor_kafka(options: &EnginesOptions) -> Vec<Check> {
    let java = machine::java()
        .map(|java| format!("{} at {} (version {})", java.version, java.path.display(), java.major));
    let mut checks = vec![check("java", java)];
    match kafka::installed() {
        Ok(Some((libs, version))) => {
            checks.push(ok("kafka", format!("version {version} in {}", libs.display())))
        }
        Err(error) => checks.push(check("kafka", Err(error))),
        Ok(None) => checks.extend(fetched("kafka", options, fetch::KAFKA, &["mvn"])),
    }
    checks.push(port(options, KAFKA_PORT, options.kafka.port));
    checks.push(port(options, KAFKA_CONTROLLER_PORT, options.kafka.controller_port));
    checks
}

fn doctor_clickhouse(options: &EnginesOptions) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(program) = machine::on_path("clickhouse") {
        checks.push(ok("clickhouse", format!("{}", program.display())));
    } else {
        checks.push(check("processor", machine::processor()));
        checks.extend(fetched("clickhouse", options, fetch::CLICKHOUSE, &["npm", "tar"]));
    }
    checks.push(port(options, CLICKHOUSE_PORT, options.clickhouse.http_port));
    checks.push(port(options, CLICKHOUSE_TCP_PORT, options.clickhouse.tcp_port));
    checks
}

/// A fetched package needs its clients and room only as long as it is not there.
fn fetched(
    name: &str,
    options: &EnginesOptions,
    package: crate::cache::Package,
    clients: &[&'static str],
) -> Vec<Check> {
    let cache_dir = options.cache_dir();
    if package.complete(&cache_dir) {
        return vec![ok(name, format!("fetched, in {}", package.dir(&cache_dir).display()))];
    }
    let mut checks = vec![Check {
        name: name.to_owned(),
        state: CheckState::Warn,
        found: format!("not fetched yet, or damaged since ({} MB)", package.download_bytes / 1_000_000),
        cure: Some("nothing to do: the first start fetches it and needs the network for that".to_owned()),
    }];
    for client in clients {
        let found =
            machine::program(client).map(|(path, version)| format!("{version} at {}", path.display()));
        checks.push(check(client, found));
    }
    let room = machine::room(&cache_dir, "fetching an engine", package.peak_bytes);
    checks.push(check(
        "disk of the cache folder",
        room.map(|mib| format!("{mib} MiB free for {}", cache_dir.display())),
    ));
    checks
}

/// A port in use is only a warning: it may be our own engine that runs already.
fn port(options: &EnginesOptions, option: &'static str, wanted: u16) -> Check {
    let found = Ports::open(&options.data_dir).look(option, wanted);
    let mut check = check(
        option,
        found.map(|port| if port == 0 { "any free port".to_owned() } else { format!("{port} is free") }),
    );
    if check.state == CheckState::Fail {
        check.state = CheckState::Warn;
    }
    check
}

fn ok(name: &str, found: String) -> Check {
    check(name, Ok(found))
}

fn check(name: &str, outcome: Result<String, EngineError>) -> Check {
    let (state, found, cure) = match outcome {
        Ok(found) => (CheckState::Ok, found, None),
        Err(error) => (CheckState::Fail, error.problem().to_string(), Some(error.cure().to_owned())),
    };
    Check { name: name.to_owned(), state, found, cure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Password;

    #[test]
    fn every_answer_that_is_not_ok_has_a_cure() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut options = EnginesOptions::new(dir.path(), Password::new("a"), Password::new("b"));
        options.cache_dir = Some(dir.path().join("cache"));
        let checks = doctor(&options);
        assert!(checks.iter().any(|check| check.name == "java"));
        for check in checks {
            assert_eq!(check.state == CheckState::Ok, check.cure.is_none(), "{check:?}");
        }
        assert!(!options.cache_dir().exists(), "the doctor changes nothing");
    }
}
