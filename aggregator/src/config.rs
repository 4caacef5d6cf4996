//! Section `aggregator` of the configuration: parsed settings enter, checked settings leave.

use crate::{pace::MOST_RECORDS, recovery::Policy};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Section `aggregator`. Durations are texts such as `500ms` or `1m`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct AggregatorConfig {
    /// Length of a window; divides an hour.
    pub window: SignedDuration,
    /// Time that a counted event waits to become visible; up to ten times that while its partition is behind, and longer
    /// where `inserts_per_second` asks for it.
    pub flush_interval: SignedDuration,
    /// Inserts that all partitions of this process together begin in a second, of rollups and as many of raw calls;
    /// with more partitions each stores less often.
    pub inserts_per_second: u32,
    /// Kafka consumer group.
    pub group: String,
    /// Name of this process in the group, the same after a restart and unique, so that it gets its
    /// partitions back at once; empty: a new member at each start.
    pub instance: String,
    /// After this long without a heartbeat the group gives a process's partitions to others.
    pub session_timeout: SignedDuration,
    /// An event is a duplicate when its id occurred among this many offsets before it, in its partition.
    /// Costs 24 bytes for each of the power of two above it, per partition, and twice that while `calls` is on.
    pub duplicate_horizon: u32,
    /// Keys × windows in one insert; in a process with one partition or two as many as four or two such inserts have.
    pub max_batch_keys: usize,
    /// Records in one insert; in a process with one partition or two likewise.
    pub max_batch_records: u64,
    /// Bytes fetched ahead, per partition.
    pub fetch_ahead_bytes: u64,
    /// Longest time that one insert may run in ClickHouse.
    pub insert_timeout: SignedDuration,
    /// Records in a row that cannot be counted before the partition stops and asks for an operator.
    pub poison_flood: u64,
    /// Whether every attempt is also written to the table behind the view `calls`.
    pub calls: bool,
    /// Price book; without one only costs that events tell themselves are counted.
    pub prices: Option<String>,
}

impl Default for AggregatorConfig {
    fn default() -> Self {
        Self {
            window: SignedDuration::from_mins(1),
            flush_interval: SignedDuration::from_millis(300),
            inserts_per_second: 20,
            group: "callmeter-aggregator".into(),
            instance: String::new(),
            session_timeout: SignedDuration::from_secs(6),
            duplicate_horizon: 1_000_000,
            max_batch_keys: 50_000,
            max_batch_records: 1_000_000,
            fetch_ahead_bytes: 8 << 20,
            insert_timeout: SignedDuration::from_secs(30),
            poison_flood: 10_000,
            calls: true,
            prices: None,
        }
    }
}

impl AggregatorConfig {
    /// Everything that is wrong with it, each with its key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, problem: &str| {
            if !fine {
                problems.push(format!("aggregator.{problem}"));
            }
        };
        let window = self.window.as_secs();
        check(
            self.window.subsec_nanos() == 0 && (1..=3600).contains(&window) && 3600 % window == 0,
            "window must be whole seconds that divide an hour, such as 1m",
        );
        let within = |value: SignedDuration, low: i64, high: i64| {
            (SignedDuration::from_millis(low)..=SignedDuration::from_millis(high)).contains(&value)
        };
        check(within(self.flush_interval, 10, 60_000), "flush_interval must be 10ms to 1m");
        check((1..=1_000).contains(&self.inserts_per_second), "inserts_per_second must be 1 to 1000");
        check(within(self.session_timeout, 300, 300_000), "session_timeout must be 300ms to 5m");
        check(within(self.insert_timeout, 1_000, 600_000), "insert_timeout must be 1s to 10m");
        check(self.duplicate_horizon <= 100_000_000, "duplicate_horizon must be at most 100000000");
        check((1..=500_000).contains(&self.max_batch_keys), "max_batch_keys must be 1 to 500000");
        check(
            (1..=MOST_RECORDS).contains(&self.max_batch_records),
            "max_batch_records must be 1 to 4000000, so that no sum of a batch overflows",
        );
        check(
            (65_536..=1 << 30).contains(&self.fetch_ahead_bytes),
            "fetch_ahead_bytes must be 64 KiB to 1 GiB",
        );
        check(self.poison_flood > 0, "poison_flood must be above 0");
        check(!self.group.is_empty(), "group must not be empty");
        problems
    }

    pub(crate) fn window_s(&self) -> u32 {
        self.window.as_secs() as u32
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { horizon: self.duplicate_horizon, ..Policy::default() }
    }
}

/// A checked, positive duration as the standard library has it.
pub(crate) fn std_duration(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}
