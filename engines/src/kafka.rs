//! Kafka on this machine. Enters: options and claimed ports. Leaves: a child specification whose storage is formatted,
//! and the question that decides whether the broker is ready.
//!
//! One process is broker and controller. Ready is a metadata answer that lists the broker, with a leader for every
//! partition there is: Kafka lists a broker only once its controller has registered and unfenced it, which implies an
//! active controller. At the very first start there is no topic, so the broker alone decides.

mod config;
mod locate;
mod ready;
mod warm;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::child::{ChildSpec, indent};
use crate::error::{EngineError, Problem};
use crate::options::{EnginesOptions, absolute};

pub(crate) use locate::{Kafka, installed, locate};

/// The ports of the one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KafkaPorts {
    pub(crate) broker: u16,
    pub(crate) controller: u16,
}

/// Writes the configuration, formats the storage if it is new, and says how to run the broker.
pub(crate) fn prepare(
    options: &EnginesOptions,
    kafka: &Kafka,
    ports: KafkaPorts,
) -> Result<ChildSpec, EngineError> {
    let dir = absolute(&options.kafka_dir());
    let data = dir.join("data");
    std::fs::create_dir_all(&dir).map_err(|error| EngineError::io("cannot create", &dir, error))?;
    let properties =
        write(&dir, "server.properties", &config::server_properties(&options.kafka, ports, &data))?;
    let log4j = write(&dir, "log4j2.properties", config::LOG4J)?;
    let mut java_args = base_args(kafka, &log4j);
    if !data.join("meta.properties").exists() {
        format(kafka, &java_args, &cluster_id(&dir)?, &properties, &data)?;
    }
    java_args.splice(0..0, config::memory_and_speed(&options.kafka).map(OsString::from));
    java_args.extend(["kafka.Kafka".into(), properties.into_os_string()]);
    let ready = ready::check(ports.broker, options.kafka.advertised_port.unwrap_or(ports.broker));
    let mut spec = ChildSpec::new("kafka", &kafka.java.path, options.log_file("kafka"), ready);
    spec.args = java_args;
    spec.working_dir = Some(dir);
    spec.ready_timeout = options.ready_timeout;
    Ok(spec)
}

fn base_args(kafka: &Kafka, log4j: &Path) -> Vec<OsString> {
    let mut log4j_option = OsString::from("-Dlog4j2.configurationFile=");
    log4j_option.push(log4j);
    let mut args = vec!["-cp".into(), kafka.libs.join("*").into_os_string(), log4j_option];
    if let Some(archive) = &kafka.archive {
        let mut archive_option = OsString::from("-XX:SharedArchiveFile=");
        archive_option.push(archive);
        args.push(archive_option);
    }
    args
}

/// Gives the storage its identity; done once, into a folder that is complete or absent afterwards.
fn format(
    kafka: &Kafka,
    java_args: &[OsString],
    id: &str,
    properties: &Path,
    data: &Path,
) -> Result<(), EngineError> {
    let failed =
        |last_lines| EngineError::from(Problem::FormatFailed { path: data.to_path_buf(), last_lines });
    let output = Command::new(&kafka.java.path)
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(java_args)
        .args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "--standalone", "-t", id, "-c"])
        .arg(properties)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("  {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(failed(indent(&text)))
}

/// The identity of this data folder's cluster: 16 random bytes, written once.
fn cluster_id(dir: &Path) -> Result<String, EngineError> {
    let path = dir.join("cluster-id");
    if let Ok(known) = std::fs::read_to_string(&path) {
        return Ok(known.trim().to_owned());
    }
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    std::fs::File::open(source)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .map_err(|error| EngineError::io("cannot read", source, error))?;
    // Kafka takes an id with a leading dash for an option; a first byte below 0x80 never encodes to one.
    bytes[0] &= 0x7f;
    let id = URL_SAFE_NO_PAD.encode(bytes);
    write(dir, "cluster-id", &id)?;
    Ok(id)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf, EngineError> {
    let path = dir.join(name);
    std::fs::write(&path, text).map_err(|error| EngineError::io("cannot write", &path, error))?;
    Ok(path)
}
