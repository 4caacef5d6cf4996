//! The two engines, started and stopped together. Enters: options. Leaves: addresses of servers that answer.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::child::{ChildStatus, Supervised};
use crate::clickhouse::ClickHousePorts;
use crate::doctor::room_for_data;
use crate::error::EngineError;
use crate::kafka::KafkaPorts;
use crate::lock::DirLock;
use crate::options::EnginesOptions;
use crate::ports::{CLICKHOUSE_PORT, CLICKHOUSE_TCP_PORT, KAFKA_CONTROLLER_PORT, KAFKA_PORT, Ports};
use crate::{clickhouse, kafka};

/// Running engines. Dropping them kills them; [`Engines::stop`] lets them end in order.
#[derive(Debug)]
pub struct Engines {
    kafka: Option<(Supervised, KafkaPorts)>,
    clickhouse: Option<(Supervised, ClickHousePorts)>,
    // Last, so that the folder is free only when the engines are gone.
    _data_lock: DirLock,
}

impl Engines {
    /// Fetches what is missing, starts the wanted engines side by side and returns when they answer.
    ///
    /// # Errors
    /// When another process works on the data folder, a port is taken, the machine lacks something, or an engine does
    /// not come up in time. Nothing is left running then.
    pub async fn start(options: &EnginesOptions) -> Result<Self, EngineError> {
        let data_lock = DirLock::take(&options.data_dir)?;
        room_for_data(options)?;
        let logs = options.logs_dir();
        std::fs::create_dir_all(&logs).map_err(|error| EngineError::io("cannot create", &logs, error))?;
        let owned = options.clone();
        let ports = blocking(move || claim(&owned)).await?;
        crate::fetch::fetch(options).await?;
        let (kafka, clickhouse) =
            tokio::try_join!(start_kafka(options, ports.0), start_clickhouse(options, ports.1))?;
        Ok(Self { kafka, clickhouse, _data_lock: data_lock })
    }

    /// `host:port` of the broker, when it was wanted.
    #[must_use]
    pub fn kafka_brokers(&self) -> Option<String> {
        self.kafka.as_ref().map(|(_, ports)| format!("127.0.0.1:{}", ports.broker))
    }

    /// Address of the HTTP interface, when ClickHouse was wanted.
    #[must_use]
    pub fn clickhouse_url(&self) -> Option<String> {
        self.clickhouse.as_ref().map(|(_, ports)| format!("http://127.0.0.1:{}", ports.http))
    }

    /// Port of ClickHouse's native interface, when it was wanted.
    #[must_use]
    pub fn clickhouse_tcp_port(&self) -> Option<u16> {
        self.clickhouse.as_ref().map(|(_, ports)| ports.tcp)
    }

    /// The status of each engine, now and from now on.
    #[must_use]
    pub fn status(&self) -> Vec<watch::Receiver<ChildStatus>> {
        self.children().map(Supervised::status).collect()
    }

    /// Process ids by name, of those that run at this moment.
    #[must_use]
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.children().filter_map(|child| Some((child.name().to_owned(), child.pid()?))).collect()
    }

    /// Log files by name.
    #[must_use]
    pub fn log_files(&self) -> Vec<(String, PathBuf)> {
        self.children().map(|child| (child.name().to_owned(), child.log_file().to_path_buf())).collect()
    }

    /// Ends both side by side; each has `grace` before it is killed. Leaves no process.
    pub async fn stop(self, grace: Duration) {
        let children = [self.kafka.map(|(child, _)| child), self.clickhouse.map(|(child, _)| child)];
        let [kafka, clickhouse] = children.map(|child| async move {
            if let Some(child) = child {
                child.stop(grace).await;
            }
        });
        tokio::join!(kafka, clickhouse);
    }

    fn children(&self) -> impl Iterator<Item = &Supervised> {
        let kafka = self.kafka.iter().map(|(child, _)| child);
        kafka.chain(self.clickhouse.iter().map(|(child, _)| child))
    }
}

fn claim(options: &EnginesOptions) -> Result<(KafkaPorts, ClickHousePorts), EngineError> {
    let mut ports = Ports::open(&options.data_dir);
    let mut claim = |wanted: bool, option, port| if wanted { ports.claim(option, port) } else { Ok(0) };
    let (kafka, clickhouse) = (options.start_kafka, options.start_clickhouse);
    Ok((
        KafkaPorts {
            broker: claim(kafka, KAFKA_PORT, options.kafka.port)?,
            controller: claim(kafka, KAFKA_CONTROLLER_PORT, options.kafka.controller_port)?,
        },
        ClickHousePorts {
            http: claim(clickhouse, CLICKHOUSE_PORT, options.clickhouse.http_port)?,
            tcp: claim(clickhouse, CLICKHOUSE_TCP_PORT, options.clickhouse.tcp_port)?,
        },
    ))
}

/// Runs work that waits for disks or programs away from the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Such work is never cancelled, so the only failure is its own panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn start_kafka(
    options: &EnginesOptions,
    ports: KafkaPorts,
) -> Result<Option<(Supervised, KafkaPorts)>, EngineError> {
    if !options.start_kafka {
        return Ok(None);
    }
    let found = kafka::locate(options).await?;
    let owned = options.clone();
    // Formatting runs a Java program for a second: not on a thread of the runtime.
    let spec = blocking(move || kafka::prepare(&owned, &found, ports)).await?;
    Ok(Some((Supervised::start(spec).await?, ports)))
}

async fn start_clickhouse(
    options: &EnginesOptions,
    ports: ClickHousePorts,
) -> Result<Option<(Supervised, ClickHousePorts)>, EngineError> {
    if !options.start_clickhouse {
        return Ok(None);
    }
    let found = clickhouse::locate(options).await?;
    let spec = clickhouse::prepare(options, &found, ports)?;
    Ok(Some((Supervised::start(spec).await?, ports)))
}
