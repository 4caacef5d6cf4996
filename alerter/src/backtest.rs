//! Back-tests: rules and a stretch of stored history enter, when they would have fired, for whom and for how long leaves.
//!
//! `store` streams the stored rollups, the [`Player`] evaluates them as the live alerter would have, [`episodes`] makes
//! stretches of firing out of changes of state, and [`report`] holds them against those that did fire. Promise: nothing is
//! written; of the history only what the rules' windows reach back to is held in memory.
//!
//! Rules are evaluated in the last second of every stored window (or of every so many, by their interval): the one moment
//! at which what ClickHouse holds of the past is what it held then. The live alerter also looks in between, so that
//! it may fire up to one stored window sooner, and on what lasted less than one. Calls that were counted late are
//! seen in time here; an alert that exceeded already at the beginning begins there. Not replayed are rules whose numbers
//! are in no rollups (quotas, the pipeline's lag), and of money only what events told and flat prices is counted,
//! not what depends on the month's use.

pub mod episodes;
pub mod report;
mod store;

use crate::{
    StoreError,
    replay::{
        history::HistoryError,
        player::{Pace, Player},
    },
    rules::RuleSet,
};
use callmeter_schemas::config::ClickHouseConfig;
use episodes::Episodes;
use jiff::Timestamp;
use report::Report;
use std::time::Duration;
use store::{Chunk, History};

/// Rollups that are read at once.
const CHUNK: Duration = Duration::from_secs(6 * 3_600);
/// Longest stretch of history.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// What to test, and on which history.
#[derive(Clone, Debug)]
pub struct Order {
    /// The rules.
    pub rules: RuleSet,
    /// Beginning of the history.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// How often groups without an interval of their own are evaluated.
    pub interval: Duration,
    /// Length of the stored windows.
    pub stored: Duration,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The history has no length, or too much of it.
    #[error("the history must end after it begins, and within {} days", LONGEST.as_secs() / 86_400)]
    Stretch,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More than can be held in memory.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Evaluates rules over stored history; `tell` hears up to when, after every part.
pub async fn run(
    order: Order,
    clickhouse: &ClickHouseConfig,
    mut tell: impl FnMut(Timestamp),
) -> Result<Report, BacktestError> {
    let (from, until) = order.stretch()?;
    let history = History::new(clickhouse, &order.rules, order.stored);
    let mut stage = Stage::new(&order, from);
    // What the first evaluation's windows hold lies before the beginning.
    let mut at = from - seconds(history.reach()).min(from);
    while at < until {
        let end = at.saturating_add(seconds(CHUNK)).min(until);
        let mut rows = history.rows(Chunk { from: at, until: end })?;
        while let Some(row) = rows.next().await? {
            stage.play_until(row.window_start);
            stage.player.add(&row)?;
        }
        stage.play_until(end);
        tell(time(end));
        at = end;
    }
    let live = history.live(&order.rules, time(from), time(until)).await?;
    Ok(Report::new(&order, (time(from), time(until)), stage.episodes, live, stage.over_limit))
}

impl Order {
    /// Beginning and end, seconds since 1970 and at edges of stored windows.
    fn stretch(&self) -> Result<(u32, u32), BacktestError> {
        let stored = i64::from(seconds(self.stored).max(1));
        let edge = |time: Timestamp| u32::try_from(time.as_second().div_euclid(stored) * stored);
        let (Ok(from), Ok(until)) = (edge(self.from), edge(self.until)) else {
            return Err(BacktestError::Stretch);
        };
        let sound = from < until && u64::from(until - from) <= LONGEST.as_secs();
        if sound { Ok((from, until)) } else { Err(BacktestError::Stretch) }
    }
}

/// Rules at work.
struct Stage {
    player: Player,
    episodes: Episodes,
    over_limit: u64,
}

impl Stage {
    fn new(order: &Order, from: u32) -> Self {
        let pace = Pace {
            interval: order.interval,
            step: order.stored,
            ahead: Duration::from_secs(1),
            stored: order.stored,
            start: time(from.saturating_add(seconds(order.stored))),
        };
        let player = Player::new(order.rules.clone(), pace);
        Self { player, episodes: Episodes::default(), over_limit: 0 }
    }

    /// Every round that looks at nothing later than what was added, when the next window begins at `start`.
    fn play_until(&mut self, start: u32) {
        let start = time(start);
        while self.player.next() <= start {
            let round = self.player.round(self.player.next());
            self.over_limit += round.over_limit;
            round.transitions.iter().for_each(|transition| self.episodes.take(transition));
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn time(second: u32) -> Timestamp {
    Timestamp::from_second(i64::from(second)).unwrap_or(Timestamp::MAX)
}
