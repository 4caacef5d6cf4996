//! The aggregator's story: the group says which partitions are ours; each is counted, and its attempts
//! are written, by a worker of its own; how far they are is published.
//!
//! join → identify the log → for each partition: read the marker → fetch → judge → fold → seal → store with
//! the marker → advance. What enters is the calls topic, what leaves is rows in ClickHouse and dead letters
//! in Kafka. Promise: when this returns, every worker has ended; what was not stored will be counted again from the
//! marker by whoever comes next.

use crate::{
    books::Books,
    calls,
    clickhouse::Store,
    config::{AggregatorConfig, std_duration},
    dead_letters::DeadLetters,
    fetch::{FetchError, Fetcher},
    group::{Change, Member, Membership},
    identity,
    lane::{Lane, Worker},
    ledger, look,
    metrics::{AggregatorMetrics, PartitionLabel},
    progress::Board,
    publish::publish,
    schema::{SchemaError, Schemas},
    worker,
};
use callmeter_documents::Problem;
use callmeter_schemas::{
    config::{ClickHouseConfig, KafkaConfig},
    topics,
};
use rdkafka::error::KafkaError;
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
};

/// How often progress is published.
const PUBLISH_EVERY: Duration = Duration::from_secs(2);
/// How often Kafka is asked whether the topic is still the one that is counted.
const IDENTIFY_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before asking an absent Kafka again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Why the aggregator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AggregatorError {
    /// A Kafka client could not be made.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The fetching client could not be made.
    #[error("kafka: {0}")]
    Fetch(#[from] FetchError),
    /// A configured schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A schema file cannot be read.
    #[error("kafka.schemas: cannot read {file}: {problem}")]
    SchemaFile {
        /// The file.
        file: String,
        /// Why not.
        problem: String,
    },
    /// The price book has mistakes.
    #[error("aggregator.prices:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Prices(Vec<Problem>),
    /// The group member ended although nobody told it to.
    #[error("kafka: this process is no longer a member of its consumer group; see the log above")]
    Left,
    /// A worker's thread could not start, or ended by itself.
    #[error("partition {0}: its worker ended: {1}")]
    Worker(i32, String),
}

/// Counts until `shutdown` is done.
pub async fn run(
    config: AggregatorConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    metrics: AggregatorMetrics,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), AggregatorError> {
    let (changes_in, changes) = mpsc::unbounded_channel();
    let member = Member::join(&kafka, topics::CALLS, &membership(&config), changes_in)?;
    let rollups = lane(&config, &kafka, &clickhouse, metrics, member.commits.clone())?;
    let raw_calls = match config.calls {
        true => Some(Lane { fetcher: fetcher(&config, &kafka)?, ..rollups.clone() }),
        false => None,
    };
    let aside = rollups.clone();
    let mut crew = Crew {
        rollups,
        raw_calls,
        workers: BTreeMap::new(),
        log: String::new(),
        publishing: None,
        asking: None,
    };
    let result = tokio::select! {
        result = crew.follow(changes) => result,
        () = follow_prices(&aside) => Ok(()),
        () = aside.starts.watch(&aside.store) => Ok(()),
        () = shutdown => Ok(()),
    };
    // Workers block on the runtime, and leaving the group waits for its thread: neither may hold up an async thread.
    let _ = tokio::task::spawn_blocking(move || {
        crew.dismiss_all();
        drop(member);
    })
    .await;
    result
}

fn membership(config: &AggregatorConfig) -> Membership {
    Membership {
        group: config.group.clone(),
        instance: config.instance.clone(),
        session_timeout: std_duration(config.session_timeout),
    }
}

fn fetcher(config: &AggregatorConfig, kafka: &KafkaConfig) -> Result<Arc<Fetcher>, FetchError> {
    Fetcher::new(kafka, topics::CALLS, config.fetch_ahead_bytes)
}

/// What workers need, by the configuration; markers go to `commits` for the lag display.
pub(crate) fn lane(
    config: &AggregatorConfig,
    kafka: &KafkaConfig,
    clickhouse: &ClickHouseConfig,
    metrics: AggregatorMetrics,
    commits: Sender<(i32, i64)>,
) -> Result<Lane, AggregatorError> {
    let mut further = BTreeMap::new();
    for (id, file) in &kafka.schemas {
        let text = std::fs::read_to_string(file).map_err(|error| AggregatorError::SchemaFile {
            file: file.clone(),
            problem: error.to_string(),
        })?;
        further.insert(id.clone(), text);
    }
    let store = Store::new(clickhouse, std_duration(config.insert_timeout));
    Ok(Lane {
        config: config.clone(),
        fetcher: fetcher(config, kafka)?,
        schemas: Arc::new(Schemas::new(&further)?),
        books: Arc::new(Books::load(config.prices.as_deref()).map_err(AggregatorError::Prices)?),
        standings: look::standings(store.clone()),
        missing: ledger::missing(store.clone()),
        starts: Arc::default(),
        store,
        dead_letters: DeadLetters::new(kafka)?,
        metrics,
        pace: Arc::default(),
        board: Arc::new(Board::default()),
        commits,
        runtime: tokio::runtime::Handle::current(),
    })
}

/// Follows the price book for as long as the process counts.
async fn follow_prices(lane: &Lane) {
    lane.books.follow(&lane.store, &lane.metrics).await;
    std::future::pending::<()>().await;
}

/// The workers of this process, by partition.
struct Crew {
    rollups: Lane,
    raw_calls: Option<Lane>,
    workers: BTreeMap<i32, Vec<Worker>>,
    /// Identity of the log that is counted; empty before the first assignment.
    log: String,
    /// The progress being published.
    publishing: Option<JoinHandle<()>>,
    /// The question for the log's identity that is under way.
    asking: Option<JoinHandle<Option<String>>>,
}

impl Crew {
    async fn follow(&mut self, mut changes: UnboundedReceiver<Change>) -> Result<(), AggregatorError> {
        let mut publish = tokio::time::interval(PUBLISH_EVERY);
        let mut identify = tokio::time::interval(IDENTIFY_EVERY);
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Change::Assigned(partitions)) => self.hire(&partitions).await?,
                    Some(Change::Revoked(partitions)) => self.dismiss(&partitions),
                    None => return Err(AggregatorError::Left),
                },
                _ = publish.tick() => {
                    self.look_after()?;
                    self.publish();
                }
                _ = identify.tick() => self.identify_again().await?,
            }
        }
    }

    async fn hire(&mut self, partitions: &[i32]) -> Result<(), AggregatorError> {
        // What was asked before may be older than what is found out now.
        self.asking = None;
        self.log = self.identify().await;
        self.start(partitions)
    }

    fn start(&mut self, partitions: &[i32]) -> Result<(), AggregatorError> {
        for &partition in partitions {
            let failed = |error: std::io::Error| AggregatorError::Worker(partition, error.to_string());
            let mut workers = vec![
                Worker::start(&self.rollups, "count", &self.log, partition, worker::count).map_err(failed)?,
            ];
            if let Some(lane) = &self.raw_calls {
                workers
                    .push(Worker::start(lane, "calls", &self.log, partition, calls::write).map_err(failed)?);
            }
            self.workers.insert(partition, workers);
        }
        self.count_assigned();
        tracing::info!(?partitions, "partitions assigned");
        Ok(())
    }

    /// The log's identity, asked for until Kafka answers.
    async fn identify(&self) -> String {
        loop {
            if let Ok(Some(log)) = self.ask_identity().await {
                return log;
            }
            tracing::warn!(topic = topics::CALLS, "kafka does not say what the topic's id is; asking again");
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Begins anew when the topic is another one than before, which no rebalance may tell. The answer is taken when it is
    /// there: a Kafka that says nothing holds nothing up.
    async fn identify_again(&mut self) -> Result<(), AggregatorError> {
        let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) else {
            if self.asking.is_none() && !self.workers.is_empty() {
                self.asking = Some(self.ask_identity());
            }
            return Ok(());
        };
        let Ok(Some(log)) = asking.await else { return Ok(()) };
        if log == self.log || self.workers.is_empty() {
            return Ok(());
        }
        tracing::error!(before = self.log, now = log, "the topic was made anew: another log begins");
        let partitions: Vec<i32> = self.workers.keys().copied().collect();
        self.dismiss(&partitions);
        self.log = log;
        self.start(&partitions)
    }

    fn ask_identity(&self) -> JoinHandle<Option<String>> {
        let fetcher = Arc::clone(&self.rollups.fetcher);
        tokio::task::spawn_blocking(move || identity::source(&fetcher, topics::CALLS))
    }

    fn dismiss(&mut self, partitions: &[i32]) {
        tracing::info!(?partitions, "partitions revoked");
        let leaving = partitions.iter().filter_map(|partition| self.workers.get(partition));
        leaving.flatten().for_each(Worker::stop);
        for partition in partitions {
            let workers = self.workers.remove(partition).unwrap_or_default();
            // The partition may come back at once: its fetch must have ended by then.
            tokio::task::block_in_place(|| workers.into_iter().for_each(Worker::join));
            // Only now does nobody write them any more.
            self.rollups.board.remove(*partition);
            self.rollups.metrics.lag.remove(&PartitionLabel { partition: *partition });
        }
        self.count_assigned();
    }

    fn dismiss_all(&mut self) {
        self.workers.values().flatten().for_each(Worker::stop);
        std::mem::take(&mut self.workers).into_values().flatten().for_each(Worker::join);
        self.publishing.iter().for_each(JoinHandle::abort);
    }

    fn count_assigned(&self) {
        self.rollups.metrics.assigned.set(self.workers.len() as i64);
        self.rollups.pace.share(self.workers.len());
    }

    /// A worker never ends by itself: one that did would leave its partition uncounted in silence.
    fn look_after(&self) -> Result<(), AggregatorError> {
        match self.workers.iter().find(|(_, workers)| workers.iter().any(Worker::has_failed)) {
            Some((partition, _)) => Err(AggregatorError::Worker(*partition, "see the log above".into())),
            None => Ok(()),
        }
    }

    /// Publishes on a task of its own: a Kafka that does not answer must not hold up a rebalance.
    fn publish(&mut self) {
        if self.publishing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.publishing = Some(tokio::spawn(publish(self.rollups.clone(), self.log.clone())));
        }
    }
}
