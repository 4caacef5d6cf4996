//! A history in memory: rows enter in any order, answers to queries leave as ClickHouse would give them.
//!
//! What leaves is [`Answer`]s of [`Query`]s at a time that never goes back. Promise: pure, and bounded: keys and held
//! cells beyond the bounds are an error and never left out in silence.
//!
//! Rows that lie ahead of the time asked for wait for their time; rows that are older than a query's window
//! no longer matter to it. A row that comes late, but within the window, counts from then on, as it does live.

use crate::{
    query::{Answer, MAX_GROUPS, Query},
    replay::{
        limits::{Limit, Limits},
        row::{Key, Row},
        tally::Tally,
    },
};
use jiff::Timestamp;
use std::collections::HashMap;

/// Most stored windows × groups that all queries hold together: at about 300 bytes, some 3 GB.
pub const MAX_CELLS: usize = 10_000_000;

/// A history that is larger than can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Combinations of dimensions.
    #[error("more than {MAX_GROUPS} combinations of dimensions: narrow filter or group_by of the rules")]
    TooManyKeys,
    /// Stored windows of groups.
    #[error(
        "more than {MAX_CELLS} windows of groups at a time: shorten the rules' window or narrow group_by"
    )]
    TooManyCells,
}

/// Rows and the queries that are asked of them.
#[derive(Debug)]
pub struct History {
    keys: HashMap<Key, usize>,
    tallies: Vec<Tally>,
    limits: Limits,
    cells: usize,
}

impl History {
    /// A history without rows.
    pub fn new(queries: Vec<Query>) -> Self {
        let tallies = queries.into_iter().map(Tally::new).collect();
        Self { keys: HashMap::new(), tallies, limits: Limits::default(), cells: 0 }
    }

    /// Adds what was told of a limit; unlike rows not before its time.
    pub fn add_limit(&mut self, limit: &Limit) -> Result<(), HistoryError> {
        self.limits.add(limit);
        if self.limits.len() > MAX_GROUPS { Err(HistoryError::TooManyKeys) } else { Ok(()) }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) -> Result<(), HistoryError> {
        let key = match self.keys.get(&row.key) {
            Some(key) => *key,
            None => self.learn(&row.key)?,
        };
        for tally in &mut self.tallies {
            self.cells += usize::from(tally.add(row.window_start, key, &row.sums));
        }
        if self.cells > MAX_CELLS { Err(HistoryError::TooManyCells) } else { Ok(()) }
    }

    fn learn(&mut self, key: &Key) -> Result<usize, HistoryError> {
        let number = self.keys.len();
        if number >= MAX_GROUPS {
            return Err(HistoryError::TooManyKeys);
        }
        self.tallies.iter_mut().for_each(|tally| tally.learn(key));
        self.keys.insert(key.clone(), number);
        Ok(number)
    }

    /// The answer of the query at a place of those given; `None` if there is no such place.
    ///
    /// `now` must not lie before the last one: the answer would be that of the last one.
    pub fn answer(&mut self, place: usize, now: Timestamp) -> Option<&Answer> {
        let (answer, released) = self.tallies.get_mut(place)?.answer(&self.limits, now);
        self.cells = self.cells.saturating_sub(released);
        Some(answer)
    }
}

#[cfg(test)]
mod tests;
