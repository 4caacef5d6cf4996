//! The recount of one partition: records enter, the rows of live leave into another table.
//!
//! Reader, memories, prices, fold, block and insert are those of live counting, and so are the decisions after every
//! answer ([`crate::recovery`]). Promise: the marker of the table stands at a record that live counted; nothing
//! else is written, and no dead letter.

use super::{Tell, plan};
use crate::{
    clickhouse::brief,
    filling::{Filling, Scope, Sealed},
    lane::Assignment,
    recovery::{Action, Answer, Event, Partition, Range},
    rows,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest wait for a record before progress is told and the end is looked for.
const TICK: Duration = Duration::from_millis(100);
/// Longest time without a record while the log must hold some.
const SILENCE: Duration = Duration::from_secs(60);
/// Doubts in a row, of at most two seconds each, before the table is thought to be out of reach.
const DOUBTS: u32 = 30;

/// Why a recount cannot go on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum RecountError {
    #[error("partition {0}: {1}")]
    Log(i32, String),
    #[error("partition {0}: no record arrived from kafka for 60 s, and offset {1} is the next")]
    Silent(i32, i64),
    #[error("partition {0}: clickhouse does not take the rows; its last answer stands above")]
    Store(i32),
    #[error("partition {0}: stopped; nothing was replaced")]
    Over(i32),
}

/// One partition being recounted.
pub(crate) struct Recount {
    /// Its lane stores into the other table.
    assignment: Assignment,
    partition: Partition,
    filling: Filling,
    /// First offset to count.
    first: i64,
    /// Next offset to count, once it is known.
    next: Option<i64>,
    until: i64,
    sealed: Option<Sealed>,
    doubts: u32,
    tell: Arc<dyn Fn(Tell) + Send + Sync>,
}

impl Recount {
    /// Counts nothing until it is told up to where.
    pub(crate) fn new(assignment: Assignment, first: i64, tell: Arc<dyn Fn(Tell) + Send + Sync>) -> Self {
        let partition = Partition::new(assignment.lane.config.policy());
        let filling = Filling::new(&assignment);
        Self {
            assignment,
            partition,
            filling,
            first,
            next: None,
            until: first,
            sealed: None,
            doubts: 0,
            tell,
        }
    }

    /// Kafka partition.
    pub(crate) fn partition(&self) -> i32 {
        self.assignment.partition
    }

    /// Identity of the log.
    pub(crate) fn source(&self) -> &str {
        &self.assignment.source
    }

    /// Counts up to live's marker, leaving out what live left out. Blocks; not to be called on an async thread.
    pub(crate) fn count_to(&mut self, marker: i64, gaps: &[Range]) -> Result<(), RecountError> {
        self.until = plan::counted_end(marker, gaps).max(self.first);
        self.filling.limit(Scope { until: self.until, skipped: gaps.to_vec() });
        let mut event = match self.next {
            None => Some(Event::Assigned),
            Some(_) => None,
        };
        loop {
            event = match event {
                Some(event) => {
                    let action = self.partition.step(event);
                    self.act(action)?
                }
                None if self.next.is_some_and(|next| next >= self.until) => return Ok(()),
                None => Some(self.fill()?),
            };
        }
    }

    fn act(&mut self, action: Action) -> Result<Option<Event>, RecountError> {
        let Assignment { lane, partition, .. } = &self.assignment;
        let owner = self.assignment.owner();
        let event = match action {
            Action::ReadMarker => self.read_marker()?,
            Action::WriteGenesis(offset) => {
                let block = rows::of_genesis(owner, offset).into();
                Event::Answered(lane.runtime.block_on(lane.store.genesis(owner, block)))
            }
            Action::Insert(range) => {
                let Some(sealed) = self.sealed.as_ref().filter(|sealed| sealed.range == range) else {
                    return Ok(None);
                };
                let insert = lane.store.insert(owner, range, sealed.block.clone());
                let answer = lane.runtime.block_on(insert);
                self.doubts = if answer == Answer::Inserted { 0 } else { self.doubts + 1 };
                Event::Answered(answer)
            }
            Action::Wait(wait) => {
                self.check()?;
                std::thread::sleep(wait);
                Event::Waited
            }
            Action::KillInsert => {
                if let Err(error) = lane.runtime.block_on(lane.store.kill(owner)) {
                    tracing::warn!(partition, error = %brief(&error), "running insert not killed");
                }
                Event::Killed
            }
            Action::Consume { remember_from, count_from } => {
                self.sealed = None;
                self.filling.begin(&self.assignment, remember_from, count_from);
                self.next = Some(count_from);
                return Ok(None);
            }
            Action::Advance(range) => {
                self.sealed = None;
                self.next = Some(range.next);
                return Ok(None);
            }
            Action::Stop(reason) => return Err(RecountError::Log(*partition, reason.to_string())),
            Action::Release | Action::Idle => return Ok(None),
        };
        Ok(Some(event))
    }

    /// The marker of the other table; a table without one begins at the first offset.
    fn read_marker(&mut self) -> Result<Event, RecountError> {
        let Assignment { lane, partition, .. } = &self.assignment;
        let marker = lane.runtime.block_on(lane.store.marker(self.assignment.owner()));
        let bounds = lane.fetcher.bounds(*partition);
        match (marker, bounds) {
            (Ok(marker), Ok((low, high))) => {
                let low = if marker.is_some() { low } else { self.first };
                Ok(Event::MarkerRead { marker, low, high, replaced: false })
            }
            (marker, bounds) => {
                if let Err(error) = marker {
                    tracing::warn!(partition, error = %brief(&error), "marker not readable");
                }
                if let Err(error) = bounds {
                    tracing::warn!(partition, %error, "bounds of the log not readable");
                }
                self.doubts += 1;
                Ok(Event::Unreadable)
            }
        }
    }

    /// Reads until a batch is full or the end is reached.
    fn fill(&mut self) -> Result<Event, RecountError> {
        let (mut at, mut since) = (self.filling.position(), Instant::now());
        loop {
            self.check()?;
            let next = self.filling.next();
            if next >= self.until || self.filling.is_full(&self.assignment) {
                self.tell(next);
                let sealed = self.sealed.insert(self.filling.seal(&self.assignment));
                return Ok(Event::Sealed(sealed.range));
            }
            if self.filling.position() > at {
                (at, since) = (self.filling.position(), Instant::now());
                self.tell(next);
            } else if since.elapsed() > SILENCE {
                return Err(RecountError::Silent(self.partition(), next));
            }
            if let Some(event) = self.filling.read_on(&self.assignment, TICK) {
                return Ok(event);
            }
        }
    }

    fn check(&self) -> Result<(), RecountError> {
        if self.assignment.is_over() {
            return Err(RecountError::Over(self.partition()));
        }
        if self.doubts > DOUBTS {
            return Err(RecountError::Store(self.partition()));
        }
        Ok(())
    }

    fn tell(&self, next: i64) {
        let partition = self.partition();
        (self.tell)(Tell::Counted { partition, first: self.first, next, until: self.until });
    }
}
