//! The aggregator: call events enter from Kafka, exact rollups leave into ClickHouse.
//!
//! The path of a record: [`group`] says that its partition is ours, [`fetch`] takes it from the log,
//! [`schema`] finds how to read it and [`plan`] reads it, [`facts`] checks it, [`dedup`] knows whether it
//! came before and [`waits`] whether its vendor had asked to wait, [`pricing`] charges it, [`fold`] adds it to its
//! key's window and [`quotas`] keeps what it said of them, [`rows`] makes the one block that stores the batch with
//! its marker, [`clickhouse`] inserts that block, and [`recovery`] decides what every answer means. [`pipeline`]
//! tells it in one place. Beside it, `calls` writes every attempt on a lane of its own, and [`rebuild`] counts the log anew
//! into another table.
//!
//! Promise: each record is counted, found duplicate or dead-lettered exactly once, whatever dies. Not
//! promised: order of visibility between partitions.

pub mod config;
pub mod metrics;
pub mod pipeline;

pub mod cell;
mod cells;
pub mod dedup;
pub mod facts;
pub mod fold;
pub mod intern;
pub mod judge;
pub mod native;
pub mod plan;
pub mod pricing;
pub mod quotas;
pub mod recovery;
pub mod rows;
pub mod schema;
pub mod tally;
pub mod waits;

mod books;
mod call_rows;
mod calls;
pub mod clickhouse;
mod dead_letters;
pub mod decision;
pub mod fetch;
mod filling;
mod gather;
mod general;
pub mod group;
mod identity;
mod lane;
mod ledger;
mod look;
pub mod operators;
mod pace;
mod progress;
mod publish;
mod reader;
pub mod rebuild;
mod seeded;
mod worker;

#[cfg(test)]
mod samples;

pub use config::AggregatorConfig;
pub use metrics::AggregatorMetrics;
pub use pipeline::{AggregatorError, run};
