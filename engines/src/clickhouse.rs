//! ClickHouse on this machine. Enters: options and claimed ports. Leaves: a child specification, its configuration
//! written, and the question that decides whether the server is ready.
//!
//! A `clickhouse` program on the path runs as a server of its own. Else this very program is run again as
//! [`crate::CLICKHOUSE_CHILD_COMMAND`] and loads the fetched library: a library of half a gigabyte with its own threads
//! and signal handlers has no place in the process of anything else. Both read the same configuration file.

mod config;
mod ready;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::chdb::CLICKHOUSE_CHILD_COMMAND;
use crate::child::{ChildSpec, StopBy};
use crate::error::EngineError;
use crate::options::{EnginesOptions, absolute};
use crate::{fetch, machine};

pub use config::{ADMIN_USER, READ_USER};

/// A ClickHouse that can be run.
#[derive(Debug, Clone)]
pub(crate) enum ClickHouse {
    /// An installed program.
    Program(PathBuf),
    /// The fetched library.
    Library(PathBuf),
}

/// The ports of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClickHousePorts {
    pub(crate) http: u16,
    pub(crate) tcp: u16,
}

/// The `clickhouse` on the path, else the fetched library.
pub(crate) async fn locate(options: &EnginesOptions) -> Result<ClickHouse, EngineError> {
    if let Some(program) = machine::on_path("clickhouse") {
        return Ok(ClickHouse::Program(program));
    }
    machine::processor()?;
    let cache_dir = options.cache_dir();
    fetch::ensure(&cache_dir, fetch::CLICKHOUSE).await?;
    Ok(ClickHouse::Library(fetch::CLICKHOUSE.dir(&cache_dir).join("libchdb.so")))
}

/// Writes the configuration and says how to run the server.
pub(crate) fn prepare(
    options: &EnginesOptions,
    clickhouse: &ClickHouse,
    ports: ClickHousePorts,
) -> Result<ChildSpec, EngineError> {
    let dir = absolute(&options.clickhouse_dir());
    std::fs::create_dir_all(&dir).map_err(|error| EngineError::io("cannot create", &dir, error))?;
    let library = matches!(clickhouse, ClickHouse::Library(_));
    let users = write(&dir, "users.xml", &config::users(&options.clickhouse, library))?;
    let config = write(&dir, "config.xml", &config::server(&options.clickhouse, ports, &dir, &users))?;
    let (program, args) = match clickhouse {
        ClickHouse::Program(program) => {
            (program.clone(), vec!["server".into(), option("--config-file=", &config)])
        }
        ClickHouse::Library(library) => {
            let program = executable(options)?;
            let mut args = vec![OsString::from(CLICKHOUSE_CHILD_COMMAND)];
            args.extend(["--lib".into(), absolute(library).into_os_string()]);
            args.extend(["--config".into(), config.into_os_string()]);
            args.extend(["--path".into(), config::data(&dir).into_os_string()]);
            args.extend(["--http-port".into(), ports.http.to_string().into()]);
            args.extend(["--tcp-port".into(), ports.tcp.to_string().into()]);
            (program, args)
        }
    };
    let ready = ready::check(ports.http, options.clickhouse.password.clone());
    let mut spec = ChildSpec::new("clickhouse", program, options.log_file("clickhouse"), ready);
    spec.args = args;
    // The program would otherwise put a watchdog process between us and the server.
    spec.env = vec![("CLICKHOUSE_WATCHDOG_ENABLE".into(), "0".into())];
    spec.working_dir = Some(dir);
    spec.hold_stdin = library;
    spec.stop = if library { StopBy::CloseStdin } else { StopBy::Terminate };
    spec.ready_timeout = options.ready_timeout;
    Ok(spec)
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

fn executable(options: &EnginesOptions) -> Result<PathBuf, EngineError> {
    if let Some(chosen) = &options.executable {
        return Ok(absolute(chosen));
    }
    std::env::current_exe()
        .map_err(|error| EngineError::io("cannot find", Path::new("/proc/self/exe"), error))
}

/// Written for the owner only: the users' file holds password hashes.
fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf, EngineError> {
    let path = dir.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| EngineError::io("cannot write", &path, error))?;
    Ok(path)
}
