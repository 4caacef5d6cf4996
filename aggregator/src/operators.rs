//! What operators see of the partitions, and what they decide: settings enter, facts and recorded decisions leave.
//!
//! Promise: a decision is recorded under the same guards as an insert of the aggregator; when this says that it was not
//! recorded, it was not.

use crate::{
    clickhouse::{Store, brief},
    config::{AggregatorConfig, std_duration},
    decision::{Decision, Log, Seen},
    fetch::{FetchError, Fetcher},
    identity,
    recovery::Answer,
};
use callmeter_schemas::{
    config::{ClickHouseConfig, KafkaConfig},
    topics,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How often a decision is sent while the partition's insert runs or ClickHouse gives no clear answer.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Why an operator was not served.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Kafka did not answer.
    #[error("kafka: {0}")]
    Kafka(#[from] FetchError),
    /// Kafka does not know the topic.
    #[error(
        "kafka does not say what the id of {0} is; is kafka.brokers right, and was `callmeter migrate` run?"
    )]
    NoTopic(&'static str),
    /// ClickHouse did not answer.
    #[error("clickhouse: {0}")]
    ClickHouse(String),
    /// Somebody else moved the marker.
    #[error(
        "its marker moved meanwhile, so that this was not recorded; look again with `callmeter partitions list`"
    )]
    Moved,
    /// It may have been recorded.
    #[error("clickhouse gave no clear answer; `callmeter partitions list` tells whether it was recorded")]
    Unclear,
}

impl From<clickhouse::error::Error> for OperatorError {
    fn from(error: clickhouse::error::Error) -> Self {
        Self::ClickHouse(brief(&error))
    }
}

/// What operators see with and decide by.
pub struct Operators {
    store: Store,
    fetcher: Arc<Fetcher>,
}

impl Operators {
    /// With the settings of the aggregator; nothing is contacted yet.
    pub fn new(
        config: &AggregatorConfig,
        kafka: &KafkaConfig,
        clickhouse: &ClickHouseConfig,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            store: Store::new(clickhouse, std_duration(config.insert_timeout)),
            fetcher: Fetcher::new(kafka, topics::CALLS, config.fetch_ahead_bytes)?,
        })
    }

    /// The log and its partitions as they are now.
    pub async fn look(&self) -> Result<Log, OperatorError> {
        let fetcher = Arc::clone(&self.fetcher);
        let asked = tokio::task::spawn_blocking(move || {
            let name = identity::source(&fetcher, topics::CALLS);
            Ok::<_, FetchError>((name, fetcher.partitions()?))
        });
        let (name, known) = asked.await.map_err(|_| OperatorError::Unclear)??;
        let name = name.ok_or(OperatorError::NoTopic(topics::CALLS))?;
        let mut told = self.store.told(&name).await?;
        let mut standings = self.store.standings(&name, &known).await?;
        // Markers first: against older bounds a log that is just being counted would look truncated.
        let fetcher = Arc::clone(&self.fetcher);
        let asked = tokio::task::spawn_blocking(move || {
            let bounds = bounds(&fetcher)?;
            Ok::<_, FetchError>((bounds, identity::source(&fetcher, topics::CALLS)))
        });
        let (bounds, now) = asked.await.map_err(|_| OperatorError::Unclear)??;
        if now.as_ref() != Some(&name) {
            return Err(OperatorError::Moved);
        }
        let mut partitions = Vec::new();
        for (partition, (low, high)) in bounds {
            let Some(standing) = standings.remove(&partition) else { continue };
            partitions.push(Seen {
                partition,
                source: standing.source,
                marker: standing.marker,
                low,
                high,
                replaced: standing.replaced,
                told: told.remove(&partition).unwrap_or_default(),
            });
        }
        let before = self.store.log_before(&name).await?;
        Ok(Log { name, before, partitions })
    }

    /// Records a decision about a log.
    pub async fn record(&self, log: &Log, decision: &Decision) -> Result<(), OperatorError> {
        self.land(decision).await?;
        // The alert ends at once. Should this fail, the aggregator says the same with its next look.
        for gap in &decision.gaps {
            let _ = self.store.take_back(&log.name, gap.partition).await;
        }
        Ok(())
    }

    async fn land(&self, decision: &Decision) -> Result<(), OperatorError> {
        let mut is_unclear = false;
        for _ in 0..TRIES {
            match self.store.decide(decision).await {
                Answer::Inserted => return Ok(()),
                Answer::Fenced if is_unclear => match self.store.has_landed(decision).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(OperatorError::Moved),
                    Err(_) => {}
                },
                Answer::Fenced => return Err(OperatorError::Moved),
                Answer::AlreadyRunning => {}
                Answer::Unknown => is_unclear = true,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(OperatorError::Unclear)
    }
}

/// What the log of each partition holds.
fn bounds(fetcher: &Fetcher) -> Result<BTreeMap<i32, (i64, i64)>, FetchError> {
    fetcher.partitions()?.into_iter().map(|partition| Ok((partition, fetcher.bounds(partition)?))).collect()
}
