//! Where Kafka is. Enters: the environment and the cache. Leaves: a Java and a folder of jars, fetched if need be.

use std::path::{Path, PathBuf};

use super::warm;
use crate::error::{EngineError, Problem};
use crate::fetch;
use crate::machine::{self, Java};
use crate::options::EnginesOptions;

/// The oldest Kafka whose settings are written here.
const OLDEST_MAJOR: u32 = 4;

/// A Kafka that can be run.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    pub(crate) java: Java,
    /// The folder whose every jar is on the class path.
    pub(crate) libs: PathBuf,
    /// Its classes as Java likes them best; only the fetched one has such an archive.
    pub(crate) archive: Option<PathBuf>,
}

/// The Kafka of `KAFKA_HOME`, else the fetched one.
pub(crate) async fn locate(options: &EnginesOptions) -> Result<Kafka, EngineError> {
    let java = machine::java()?;
    if let Some((libs, _)) = installed()? {
        return Ok(Kafka { java, libs, archive: None });
    }
    let cache_dir = options.cache_dir();
    fetch::ensure(&cache_dir, fetch::KAFKA).await?;
    let libs = fetch::KAFKA.dir(&cache_dir);
    let archive = warm::archive(&cache_dir, &libs, &java).await;
    Ok(Kafka { java, libs, archive })
}

/// The jars of `KAFKA_HOME` and their version; `None` when the variable is not set.
pub(crate) fn installed() -> Result<Option<(PathBuf, String)>, EngineError> {
    let Some(home) = std::env::var_os("KAFKA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    let libs = home.join("libs");
    let refused = |reason: String| EngineError::from(Problem::KafkaHome { path: home.clone(), reason });
    let version =
        broker_version(&libs).ok_or_else(|| refused("whose libs/ holds no kafka_2.13-*.jar".to_owned()))?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_MAJOR) {
        return Err(refused(format!("which is version {version}; {OLDEST_MAJOR} or newer is needed")));
    }
    Ok(Some((libs, version)))
}

fn broker_version(libs: &Path) -> Option<String> {
    let names =
        std::fs::read_dir(libs).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned())).find(
        |version| {
            // Beside the broker's jar stand ones of its sources and tests in some distributions.
            version.chars().all(|c| c.is_ascii_digit() || c == '.')
        },
    )
}
