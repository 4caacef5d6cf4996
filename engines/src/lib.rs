//! A genuine Apache Kafka and a genuine ClickHouse on one machine, without a container runtime.
//!
//! What enters: [`EnginesOptions`] (a data folder, ports, limits, passwords). What leaves: two running, supervised
//! servers that listen on 127.0.0.1 only, and the addresses at which they answer.
//!
//! The path, in order:
//!
//! 1. [`doctor`] asks the machine what it has: processor flags, programs, disk. The start path asks the same questions
//!    through the same functions, so that the two never disagree.
//! 2. [`fetch()`] brings what is missing: what is already installed first (a `clickhouse` on the path, `KAFKA_HOME`),
//!    else packages by the ordinary clients (`npm`, `mvn`), hash-checked, into the user's cache folder. From then on
//!    nothing touches the network.
//! 3. [`Engines::start`] locks the data folder, claims ports, writes the configuration files, starts the children and
//!    returns when both answer real questions: an open port is not ready.
//! 4. [`child`] keeps them: a child that dies comes back with back-off on the same port; a parent that dies, even by
//!    SIGKILL, takes its children along.
//! 5. [`Engines::stop`] leaves no process.
//!
//! Not guaranteed: a child that hangs while alive is not detected after it was ready once, and a bit that flips in a
//! cached file without changing its size or its modification time is not noticed.

mod cache;
mod chdb;
pub mod child;
mod clickhouse;
mod deathsig;
mod doctor;
mod engines;
mod error;
mod fetch;
mod kafka;
mod lock;
mod machine;
mod options;
mod ports;

pub use chdb::{CLICKHOUSE_CHILD_COMMAND, clickhouse_child_main};
pub use clickhouse::{ADMIN_USER, READ_USER};
pub use doctor::{Check, CheckState, doctor};
pub use engines::Engines;
pub use error::{EngineError, Problem};
pub use fetch::fetch;
pub use options::{ClickHouseOptions, EnginesOptions, KafkaOptions, Password};
