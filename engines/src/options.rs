//! What a caller chooses. Enters: values from the configuration. Leaves: the same values, with sane defaults and the
//! paths that derive from them. Nothing here touches the disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How to run the engines of one machine.
#[derive(Debug, Clone)]
pub struct EnginesOptions {
    /// Where everything lives that must survive a restart: data, generated configuration, logs, chosen ports.
    pub data_dir: PathBuf,
    /// Where fetched packages are kept; `None` is `$XDG_CACHE_HOME/callmeter`, else `~/.cache/callmeter`.
    pub cache_dir: Option<PathBuf>,
    /// The program that runs [`crate::clickhouse_child_main`] for [`crate::CLICKHOUSE_CHILD_COMMAND`];
    /// `None` is this very program.
    pub executable: Option<PathBuf>,
    /// Whether Kafka is wanted: `false` when the configuration names brokers of its own.
    pub start_kafka: bool,
    /// Whether ClickHouse is wanted: `false` when the configuration names a server of its own.
    pub start_clickhouse: bool,
    /// How long one engine may take until it answers; a cold disk needs several seconds.
    pub ready_timeout: Duration,
    /// Kafka's part.
    pub kafka: KafkaOptions,
    /// ClickHouse's part.
    pub clickhouse: ClickHouseOptions,
}

/// Kafka's part of [`EnginesOptions`].
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Port of the broker; 0 picks a free one and remembers it in the data folder.
    pub port: u16,
    /// Port under which clients are told to reach the broker, when something stands before it; `None` is its own.
    pub advertised_port: Option<u16>,
    /// Port of the controller, used by the broker only; 0 picks a free one.
    pub controller_port: u16,
    /// Trades peak throughput for an earlier start and less memory: good for tests.
    pub fast_start: bool,
    /// Upper bound of the Java heap in MiB.
    pub max_heap_mib: u32,
    /// Bytes kept per partition before the oldest segment goes.
    pub retention_bytes: u64,
    /// Age after which a segment goes, whatever its size.
    pub retention: Duration,
}

/// ClickHouse's part of [`EnginesOptions`].
#[derive(Debug, Clone)]
pub struct ClickHouseOptions {
    /// Port of the HTTP interface; 0 picks a free one and remembers it in the data folder.
    pub http_port: u16,
    /// Port of the native interface; 0 picks a free one.
    pub tcp_port: u16,
    /// Upper bound of the server's memory; queries beyond it fail instead of the machine.
    pub max_memory_bytes: u64,
    /// Password of [`crate::ADMIN_USER`].
    pub password: Password,
    /// Password of [`crate::READ_USER`].
    pub read_password: Password,
}

/// A password that never shows in a log: its `Debug` form is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl EnginesOptions {
    /// Everything at its default below `data_dir`, with the passwords of the two ClickHouse users.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, password: Password, read_password: Password) -> Self {
        Self {
            data_dir: data_dir.into(),
            cache_dir: None,
            executable: None,
            start_kafka: true,
            start_clickhouse: true,
            ready_timeout: Duration::from_secs(60),
            kafka: KafkaOptions::default(),
            clickhouse: ClickHouseOptions {
                http_port: 8123,
                tcp_port: 0,
                max_memory_bytes: 2 << 30,
                password,
                read_password,
            },
        }
    }

    /// Where the log of the child `name` goes.
    #[must_use]
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.data_dir.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        if let Some(chosen) = &self.cache_dir {
            return chosen.clone();
        }
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        xdg.unwrap_or_else(|| home().join(".cache")).join("callmeter")
    }

    pub(crate) fn kafka_dir(&self) -> PathBuf {
        self.data_dir.join("kafka")
    }

    pub(crate) fn clickhouse_dir(&self) -> PathBuf {
        self.data_dir.join("clickhouse")
    }

    pub(crate) fn logs_dir(&self) -> PathBuf {
        self.data_dir.join("logs")
    }
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            port: 9092,
            advertised_port: None,
            controller_port: 0,
            fast_start: false,
            max_heap_mib: 256,
            retention_bytes: 2 << 30,
            retention: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The path as an absolute one, because children may run in another folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
