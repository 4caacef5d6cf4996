//! The alerter: rollups enter as answers to questions, pages leave.
//!
//! The path of an alert: rule files become rules ([`rules`]), rules become few grouped questions
//! ([`query`]), answers become values ([`measure`]), values become changes of state ([`evaluate`]),
//! changes become notifications of groups ([`dispatch`]), notifications become messages of each kind of
//! receiver ([`message`], [`signing`]) that are delivered or given up. All of that is pure and takes the time
//! as an argument; `pipeline` is the loop that asks, stores, waits and sends.
//!
//! Promise: every change of state is in ClickHouse before anybody is told of it, but for the news that
//! ClickHouse is away; and every notification keeps its webhook-id over attempts and restarts. Of several
//! alerters on one database one acts, and another takes over within seconds ([`leadership`]).

pub mod config;
pub mod metrics;

pub mod filter;
pub mod quantity;
mod rule_file;
pub mod rules;
pub mod vocabulary;

pub mod alert;
pub mod evaluate;
pub mod health;
pub mod measure;
pub mod progress;
pub mod query;
pub mod schedule;
pub mod template;
pub mod transition;

pub mod backtest;
pub mod fault;
pub mod matchers;
pub mod replay;
pub mod routing;
pub mod ruletest;
pub mod time_interval;

pub mod dispatch;
pub mod inhibition;
mod knowledge;
pub mod message;
pub mod retry;
pub mod signing;
pub mod silence;
pub mod status;
pub mod suppression;

pub mod leadership;

pub mod address;
mod clickhouse;
mod clock;
mod lease;
mod notify;
mod operators;
mod pipeline;
mod resolve;
mod restore;
mod routing_file;
mod rows;
mod rule_files;
mod send_test;

pub use callmeter_documents::Problem as RuleProblem;
pub use clickhouse::StoreError;
pub use config::{AlerterConfig, check_routing, check_rules};
pub use metrics::AlerterMetrics;
pub use operators::{OperatorError, Operators, Until, Wish};
pub use rules::RuleSet;
pub use send_test::{SendTestError, Tested, send_test};

use callmeter_schemas::config::ClickHouseConfig;
use std::future::Future;

/// Why the alerter did not start.
#[derive(Debug, thiserror::Error)]
pub enum AlerterError {
    /// Rule or routing files have mistakes.
    #[error("{}", lines(.0))]
    Files(Vec<RuleProblem>),
    /// The section `alerter` has mistakes.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The task of a receiver ended although nobody told it to.
    #[error("a receiver's task ended by itself; see the log above")]
    NotifierEnded,
}

fn lines(problems: &[RuleProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Evaluates rules and notifies receivers until `shutdown`.
///
/// Starts only with files free of mistakes; waits for ClickHouse as long as it takes. A rustls
/// provider must be installed in the process when a receiver is reached over TLS.
pub async fn run(
    config: AlerterConfig,
    clickhouse: ClickHouseConfig,
    metrics: AlerterMetrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AlerterError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(AlerterError::Config(problems));
    }
    restore::start(config, &clickhouse, metrics, shutdown).await
}
