//! The words of a rebuild: what the operator asks for, what happens meanwhile, and why it may fail.

use super::{
    plan::{From, Plan, PlanError},
    recount::RecountError,
};
use crate::{AggregatorConfig, AggregatorError, clickhouse::brief, fetch::FetchError};
use callmeter_schemas::config::{ClickHouseConfig, KafkaConfig};
use jiff::SignedDuration;
use std::sync::{Arc, atomic::AtomicBool};

/// What the operator asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where it begins; `None`: go on with the table that an earlier rebuild left.
    pub from: Option<From>,
    /// How far an event's time may lie ahead of the moment at which its record was appended.
    pub ahead: SignedDuration,
    /// Table for what is recounted.
    pub into: String,
    /// `None`: compare only. Else what is recounted takes the place of live.
    pub swap: Option<Swap>,
    /// Set when the rebuild is to end as soon as it can, with nothing held and nothing replaced.
    pub stop: Arc<AtomicBool>,
}

/// How live is replaced.
#[derive(Clone, Debug)]
pub struct Swap {
    /// UTC time, for the name of the table that live becomes.
    pub stamp: String,
    /// Stands in the ledger's row of the rebuild.
    pub note: String,
}

/// What happens meanwhile.
#[derive(Clone, Debug)]
pub enum Tell {
    /// What will be recounted.
    Planned(Plan),
    /// How far one partition is.
    #[allow(missing_docs, reason = "offsets of the partition")]
    Counted { partition: i32, first: i64, next: i64, until: i64 },
    /// A sentence for people.
    Line(String),
}

/// Takes what happens meanwhile.
pub type Teller = Arc<dyn Fn(Tell) + Send + Sync>;

/// Where everything is.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is a section of the configuration")]
pub struct Access {
    pub aggregator: AggregatorConfig,
    pub kafka: KafkaConfig,
    pub clickhouse: ClickHouseConfig,
}

/// Why a rebuild failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum RebuildError {
    #[error(transparent)]
    Setup(#[from] AggregatorError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Recount(#[from] RecountError),
    #[error("kafka: {0}")]
    Kafka(#[from] FetchError),
    #[error("kafka does not say what the topic's id is; is it reachable (setting kafka.brokers)?")]
    NoIdentity,
    #[error("clickhouse: {}", brief(.0))]
    ClickHouse(#[from] clickhouse::error::Error),
    #[error(
        "--into {0}: choose a name of letters, digits and '_' that does not end in _held or _replacement"
    )]
    Name(String),
    #[error("table {0} exists and was not made by a rebuild; choose another name with --into")]
    Occupied(String),
    #[error("there is no table {0} that an earlier rebuild left; run `callmeter rebuild --from …` first")]
    NoTable(String),
    #[error(
        "table {0} was counted with price book {1:?}, and now it is {2:?}; run `callmeter rebuild --from …` anew"
    )]
    OtherBook(String, String, String),
    #[error(
        "no price book is configured (aggregator.prices), and book {0} is in force: everything would be counted without prices. \
         Run it with the configuration of the aggregators"
    )]
    NoBook(String),
    #[error(
        "inserts are held by another rebuild, or by one that was killed; when none runs: `callmeter rebuild --abort`"
    )]
    Held,
    #[error(
        "clickhouse gave no clear answer when counting was to be held ({0}): `callmeter rebuild --abort` lets it go on, in case it is"
    )]
    MaybeHeld(String),
    #[error(
        "clickhouse gave no clear answer to the exchange ({1}): it took place if the view rebuilds has a row of now, and what was replaced is then in {0}"
    )]
    MaybeExchanged(String, String),
    #[error("an insert that began before counting was held does not end")]
    Busy,
    #[error("partition {0} went on under another identity meanwhile; run the rebuild anew")]
    Replaced(i32),
    #[error("what would take the place of deltas does not add up; nothing was exchanged")]
    Unequal,
    #[error(
        "table {0} was changed meanwhile, perhaps by another rebuild; nothing was exchanged. Run it anew, two at a time with an --into each"
    )]
    Disturbed(String),
    #[error("stopped; nothing was replaced")]
    Stopped,
    #[error("a task of the rebuild failed")]
    Task,
    #[error("{0}counting is still held: {1}; when clickhouse answers, run `callmeter rebuild --abort`")]
    StillHeld(String, String),
}
