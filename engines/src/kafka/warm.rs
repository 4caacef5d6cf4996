//! Makes Kafka start in half the time: an archive of its classes as Java has parsed and linked them (AppCDS).
//! Enters: a fetched Kafka and a Java. Leaves: an archive beside the jars, or none, which costs a second per start.
//!
//! A broker runs once in a temporary folder and writes the archive as it ends. Java ignores an archive that does not fit
//! its version or the jars, so a stale one does no harm; one per Java is kept, and it goes when the jars go.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Kafka, KafkaPorts, prepare};
use crate::child::Supervised;
use crate::engines::blocking;
use crate::error::EngineError;
use crate::fetch;
use crate::lock::DirLock;
use crate::machine::Java;
use crate::options::{EnginesOptions, Password};
use crate::ports::{KAFKA_CONTROLLER_PORT, KAFKA_PORT, Ports};

/// Writing the archive takes two seconds; this is for slow disks.
const WRITING: Duration = Duration::from_secs(60);

/// The archive for this Java, made now if there is none.
pub(super) async fn archive(cache_dir: &Path, libs: &Path, java: &Java) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (&java.path, &java.version).hash(&mut hasher);
    let file = libs.join(format!("classes-{:016x}.jsa", hasher.finish()));
    if !file.exists()
        && let Err(error) = train(cache_dir, &file, libs, java).await
    {
        tracing::warn!(%error, "kafka will start without an archive of its classes");
        // An empty file remembers that this Java cannot make one.
        let _ = std::fs::write(&file, "");
    }
    file.metadata().is_ok_and(|meta| meta.len() > 0).then_some(file)
}

async fn train(cache_dir: &Path, file: &Path, libs: &Path, java: &Java) -> Result<(), EngineError> {
    let _lock = DirLock::wait(cache_dir, || ()).await?;
    // Another process may have made it meanwhile.
    if file.exists() {
        return Ok(());
    }
    fetch::announce("preparing Kafka for quick starts, once");
    let dir = fetch::temporary(cache_dir)?;
    let fresh = dir.path().join("classes.jsa");
    let mut options = EnginesOptions::new(dir.path(), Password::new(""), Password::new(""));
    (options.kafka.port, options.kafka.controller_port) = (0, 0);
    let mut ports = Ports::open(dir.path());
    let ports = KafkaPorts {
        broker: ports.claim(KAFKA_PORT, 0)?,
        controller: ports.claim(KAFKA_CONTROLLER_PORT, 0)?,
    };
    let kafka = Kafka { java: java.clone(), libs: libs.to_path_buf(), archive: None };
    let mut spec = blocking(move || prepare(&options, &kafka, ports)).await?;
    let mut write_at_exit = std::ffi::OsString::from("-XX:ArchiveClassesAtExit=");
    write_at_exit.push(&fresh);
    spec.args.insert(0, write_at_exit);
    Supervised::start(spec).await?.stop(WRITING).await;
    std::fs::rename(&fresh, file).map_err(|error| EngineError::io("cannot keep", &fresh, error))
}
