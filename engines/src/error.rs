//! What can go wrong, each with what was wrong, where, and its cure. Enters: facts of the place that failed.
//! Leaves: one message that a person can act upon. Promise: no password ever enters an error.

use std::io;
use std::path::{Path, PathBuf};

/// A problem of the engines together with its cure.
#[derive(Debug, thiserror::Error)]
#[error("{problem}{}", shown_cure(problem, cure))]
pub struct EngineError {
    problem: Box<Problem>,
    cure: String,
}

/// What was wrong, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No package of this engine exists for the machine's system and processor.
    #[error("no fetched {engine} runs on {system}")]
    UnsupportedPlatform {
        /// The engine in question.
        engine: &'static str,
        /// System and processor of this machine.
        system: String,
    },
    /// The processor lacks instructions that ClickHouse's library uses.
    #[error("the processor lacks {}, which the ClickHouse library needs", .missing.join(", "))]
    ProcessorTooOld {
        /// The missing instruction sets.
        missing: Vec<&'static str>,
    },
    /// A program is not installed.
    #[error("{program} is missing: {looked}")]
    ProgramMissing {
        /// The program's name.
        program: &'static str,
        /// Where it was looked for, or what running it said.
        looked: String,
    },
    /// Java is there, and older than Kafka needs.
    #[error("java at {} is version {found}, kafka needs 17 or newer", .path.display())]
    JavaTooOld {
        /// The program that was asked.
        path: PathBuf,
        /// What it said.
        found: u32,
    },
    /// `KAFKA_HOME` names a folder that does not hold a usable Kafka.
    #[error("KAFKA_HOME is {}, {reason}", .path.display())]
    KafkaHome {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// Another program listens on a wanted port.
    #[error("port {port} on 127.0.0.1 is in use, {option} wants it")]
    PortTaken {
        /// The port.
        port: u16,
        /// The option that asked for it.
        option: &'static str,
    },
    /// No free port was found.
    #[error("no free port on 127.0.0.1 for {option}")]
    NoFreePort {
        /// The option that asked for one.
        option: &'static str,
    },
    /// Another process works on this data folder.
    #[error("the data folder {} is in use by another callmeter{}", .path.display(), .holder.map_or_else(String::new, |pid| format!(" (process {pid})")))]
    DataDirLocked {
        /// The folder.
        path: PathBuf,
        /// The process that holds it, where known.
        holder: Option<u32>,
    },
    /// Too little room on a disk.
    #[error("{} has {available_mib} MiB free, {what} needs {needed_mib} MiB", .path.display())]
    DiskFull {
        /// The folder that was asked.
        path: PathBuf,
        /// What the room is for.
        what: &'static str,
        /// Room there is.
        available_mib: u64,
        /// Room wanted.
        needed_mib: u64,
    },
    /// A file is not the one that was pinned.
    #[error("{file} has {algorithm} {found}, expected {expected}")]
    HashMismatch {
        /// The file.
        file: String,
        /// Which hash.
        algorithm: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A fetching client failed.
    #[error("{command} failed ({status}):\n{last_lines}")]
    FetchFailed {
        /// The command that ran.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines it wrote.
        last_lines: String,
    },
    /// A child ended before it answered.
    #[error("{name} ended before it was ready ({status}); last lines of {}:\n{last_lines}", .log.display())]
    EndedBeforeReady {
        /// The child.
        name: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        last_lines: String,
    },
    /// A child did not answer in time.
    #[error("{name} was not ready after {seconds} s ({reason}); last lines of {}:\n{last_lines}", .log.display())]
    NotReady {
        /// The child.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the last question came back with.
        reason: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        last_lines: String,
    },
    /// A child could not be started at all.
    #[error("{name} could not be started: {} ({error})", .program.display())]
    Spawn {
        /// The child.
        name: String,
        /// Its program.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Kafka's storage could not be formatted.
    #[error("kafka's storage in {} could not be formatted:\n{last_lines}", .path.display())]
    FormatFailed {
        /// The folder.
        path: PathBuf,
        /// What the tool said last.
        last_lines: String,
    },
    /// A file operation failed.
    #[error("{what} {}: {error}", .path.display())]
    Io {
        /// What was attempted, such as "cannot write".
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl EngineError {
    /// What was wrong, and where.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What a person can do about it.
    #[must_use]
    pub fn cure(&self) -> &str {
        &self.cure
    }

    pub(crate) fn io(what: &'static str, path: &Path, error: io::Error) -> Self {
        Problem::Io { what, path: path.to_path_buf(), error }.into()
    }
}

impl From<Problem> for EngineError {
    fn from(problem: Problem) -> Self {
        let cure = problem.cure();
        Self { problem: Box::new(problem), cure }
    }
}

impl Problem {
    fn cure(&self) -> String {
        match self {
            Self::UnsupportedPlatform { engine: "clickhouse", .. } | Self::ProcessorTooOld { .. } => {
                "put a clickhouse program on the path, or set clickhouse.url to a server of your own"
                    .to_owned()
            }
            Self::UnsupportedPlatform { .. } => "set kafka.brokers to servers of your own".to_owned(),
            Self::ProgramMissing { program, .. } => program_cure(program),
            Self::JavaTooOld { .. } => "install java 17 or newer, or point JAVA_HOME at one".to_owned(),
            Self::KafkaHome { .. } => {
                "point KAFKA_HOME at an unpacked Apache Kafka 4, or unset it so that one is fetched"
                    .to_owned()
            }
            Self::PortTaken { option, .. } => {
                format!("stop the program that holds it, or set {option} to another port, 0 for any free one")
            }
            Self::NoFreePort { option } => format!("set {option} to a port that is free"),
            Self::DataDirLocked { .. } => "stop the other one, or choose another data folder".to_owned(),
            Self::DiskFull { .. } => "free some room, or choose a folder on another disk".to_owned(),
            Self::HashMismatch { .. } => {
                "ask who serves your packages: a mirror or proxy changed the file; nothing of it was kept"
                    .to_owned()
            }
            Self::FetchFailed { .. } => {
                "check the network and the client's own registry settings; it is needed once only".to_owned()
            }
            Self::EndedBeforeReady { .. } | Self::NotReady { .. } => {
                "read the log above; `callmeter doctor` tells what this machine lacks".to_owned()
            }
            Self::Spawn { .. } => "check that the program exists and may be executed".to_owned(),
            Self::FormatFailed { .. } => "move the folder away if its contents are not needed".to_owned(),
            Self::Io { error, .. } => io_cure(error),
        }
    }
}

/// On a line of its own below lines of a log, in brackets behind a sentence.
fn shown_cure(problem: &Problem, cure: &str) -> String {
    if problem.to_string().contains('\n') { format!("\ncure: {cure}") } else { format!(" (cure: {cure})") }
}

fn program_cure(program: &str) -> String {
    match program {
        "java" => "install java 17 or newer (Debian: openjdk-17-jre-headless), or point JAVA_HOME at one; or set kafka.brokers".to_owned(),
        "mvn" => "install Maven (Debian: maven), or point KAFKA_HOME at an unpacked Apache Kafka 4; or set kafka.brokers".to_owned(),
        "npm" => "install npm, or put a clickhouse program on the path; or set clickhouse.url".to_owned(),
        other => format!("install {other}"),
    }
}

fn io_cure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some room".to_owned()
        }
        io::ErrorKind::PermissionDenied => "check the owner and the mode of that path".to_owned(),
        _ => "check that path".to_owned(),
    }
}
