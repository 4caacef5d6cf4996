//! What every partition's worker needs: the log, the store and the switches, gathered once.
//!
//! Promise: nothing here changes while the process runs; workers share it without locks.

use crate::{
    books::Books,
    clickhouse::{Standing, Store},
    config::AggregatorConfig,
    dead_letters::DeadLetters,
    fetch::Fetcher,
    gather::Gather,
    ledger::Starts,
    metrics::AggregatorMetrics,
    pace::Pace,
    progress::Board,
    rows::Owner,
    schema::Schemas,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread::JoinHandle,
};

/// What the workers of one lane share. The rollups and the raw calls are a lane each, with a fetcher each.
#[derive(Clone)]
pub(crate) struct Lane {
    /// Settings.
    pub config: AggregatorConfig,
    /// Client that fetches for this lane alone.
    pub fetcher: Arc<Fetcher>,
    /// Known schemas.
    pub schemas: Arc<Schemas>,
    /// Prices in force.
    pub books: Arc<Books>,
    /// Tables.
    pub store: Store,
    /// Where partitions stand.
    pub standings: Gather<Standing>,
    /// Records that the ledgers of partitions do not tell of.
    pub missing: Gather<i64>,
    /// Starts of ClickHouse, after each of which ledgers are compared.
    pub starts: Arc<Starts>,
    /// Writer of dead letters.
    pub dead_letters: DeadLetters,
    /// Metrics.
    pub metrics: AggregatorMetrics,
    /// How often batches are stored.
    pub pace: Arc<Pace>,
    /// Where markers are shown.
    pub board: Arc<Board>,
    /// Where markers go for the lag display.
    pub commits: Sender<(i32, i64)>,
    /// Runs what talks to ClickHouse and Kafka.
    pub runtime: tokio::runtime::Handle,
}

/// One partition as a worker of a lane has it.
pub(crate) struct Assignment {
    /// What the lane shares.
    pub lane: Lane,
    /// Identity of the log.
    pub log: String,
    /// Under which its rows stand: the log itself, or what an operator began for it when it was truncated.
    pub source: String,
    /// Kafka partition.
    pub partition: i32,
    /// Set when the worker must end.
    pub stop: Arc<AtomicBool>,
}

impl Assignment {
    /// Whether the worker must end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whose rows the worker writes.
    pub(crate) fn owner(&self) -> Owner<'_> {
        Owner { src: &self.source, part: self.partition }
    }
}

/// A running worker; dropping it without [`Worker::stop`] leaves it running until the process ends.
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker on a thread of its own.
    pub(crate) fn start(
        lane: &Lane,
        name: &str,
        log: &str,
        partition: i32,
        work: impl FnOnce(Assignment) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let assignment = Assignment {
            lane: lane.clone(),
            log: log.to_owned(),
            source: log.to_owned(),
            partition,
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{name}-{partition}"))
            .spawn(move || work(assignment))?;
        Ok(Self { stop, thread })
    }

    /// Tells the worker to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the worker ended although nobody told it to: a defect that must end the process.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished() && !self.stop.load(Ordering::Relaxed)
    }

    /// Waits until it ended.
    pub(crate) fn join(self) {
        self.stop();
        let _ = self.thread.join();
    }
}
