//! The batch that is being filled: records of one partition enter, a sealed batch leaves.
//!
//! Promise: a sealed batch's block, letters and counts are those of exactly its range; the next batch begins where it
//! ends. When to seal is the worker's business.

use crate::{
    dead_letters::letter,
    fold::{Batch, Desk},
    judge::{Judged, Verdict},
    lane::Assignment,
    pricing::Pricing,
    reader::Reader,
    recovery::{Event, Range},
    rows,
    seeded::{self, Bug},
};
use bytes::Bytes;
use callmeter_schemas::DeadLetter;
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

/// Pause before a read that could not start is tried again.
const START_AGAIN: Duration = Duration::from_millis(500);
/// How many times as old a batch may become while its partition is behind.
const AGES_BEHIND: u32 = 10;
/// Bytes of series after which they are forgotten between two batches.
const DESK_BYTES: usize = 64 << 20;

/// What of the log is counted.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Offset before which reading ends.
    pub(crate) until: i64,
    /// Ranges whose records are remembered and not counted.
    pub(crate) skipped: Vec<Range>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { until: i64::MAX, skipped: Vec::new() }
    }
}

impl Scope {
    fn holds(&self, offset: i64) -> bool {
        let skipped = || self.skipped.iter().any(|range| (range.first..range.next).contains(&offset));
        offset < self.until && !skipped()
    }
}

#[derive(Default)]
enum Reading {
    #[default]
    Nothing,
    /// To be started, again and again until it succeeds.
    Wanted {
        remember_from: i64,
        count_from: i64,
    },
    Running(Box<Reader>),
}

/// A batch on its way to ClickHouse.
pub(crate) struct Sealed {
    pub(crate) range: Range,
    pub(crate) block: Bytes,
    pub(crate) letters: Arc<Vec<DeadLetter>>,
    /// Whether the letters were acknowledged: a batch that is held back for long repeats its insert alone.
    pub(crate) lettered: Arc<AtomicBool>,
    pub(crate) counted: u64,
    pub(crate) duplicates: u64,
    pub(crate) rows: u64,
    pub(crate) appended_ms: i64,
}

/// The batch that takes records, and where they come from.
pub(crate) struct Filling {
    reading: Reading,
    batch: Batch,
    /// When the batch took its first record; decides only when it is stored, never what.
    began: Option<Instant>,
    desk: Desk,
    /// Poison in a row.
    poison_run: u64,
    scope: Scope,
    /// First offset that was read for the memories.
    remember_from: i64,
}

impl Filling {
    /// Reads nothing until it is told to begin.
    pub(crate) fn new(assignment: &Assignment) -> Self {
        Self {
            reading: Reading::Nothing,
            batch: Batch::default(),
            began: None,
            desk: desk(assignment),
            poison_run: 0,
            scope: Scope::default(),
            remember_from: 0,
        }
    }

    /// Forgets everything and reads from here on.
    pub(crate) fn begin(&mut self, assignment: &Assignment, remember_from: i64, count_from: i64) {
        // The old fetch must have ended before a new one of this partition starts.
        *self = Self { scope: std::mem::take(&mut self.scope), ..Self::new(assignment) };
        self.batch = Batch::new(count_from);
        self.remember_from = remember_from;
        self.reading = Reading::Wanted { remember_from, count_from };
    }

    /// Counts this much of the log and no more.
    pub(crate) fn limit(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Offset after the last record that the batch took.
    pub(crate) fn next(&self) -> i64 {
        self.batch.next
    }

    /// Offset after the last record that was read, also of those that only fill the memories.
    pub(crate) fn position(&self) -> i64 {
        match &self.reading {
            Reading::Running(reader) => reader.position(),
            _ => self.batch.next,
        }
    }

    /// How long the batch may go on taking records: until it is as old as this, or several times that while the log has more,
    /// or full: nothing when it should be stored, `None` when it took none.
    pub(crate) fn due_in(&self, assignment: &Assignment, oldest: Duration) -> Option<Duration> {
        let Reading::Running(reader) = &self.reading else { return None };
        if self.is_full(assignment) {
            return Some(Duration::ZERO);
        }
        let age = self.began?.elapsed();
        // What waits to be read is late already, and fewer, larger inserts catch up sooner.
        let oldest = if reader.is_behind() { oldest.saturating_mul(AGES_BEHIND) } else { oldest };
        Some(oldest.saturating_sub(age))
    }

    /// Whether there is a log to read and room for what it holds.
    pub(crate) fn has_room(&self, assignment: &Assignment) -> bool {
        !matches!(self.reading, Reading::Nothing) && !self.is_full(assignment)
    }

    /// Whether the batch must be stored before it takes more.
    pub(crate) fn is_full(&self, assignment: &Assignment) -> bool {
        self.batch.is_full(&assignment.lane.pace.bounds(&assignment.lane.config))
    }

    /// Starts to read, or reads and folds what arrives within `patience`; an event when the log needs a decision.
    pub(crate) fn read_on(&mut self, assignment: &Assignment, patience: Duration) -> Option<Event> {
        if let Reading::Wanted { remember_from, count_from } = self.reading {
            self.start(assignment, remember_from, count_from);
            return None;
        }
        self.fold(assignment, patience)
    }

    fn start(&mut self, assignment: &Assignment, remember_from: i64, count_from: i64) {
        let Assignment { lane, partition, .. } = assignment;
        let horizon = lane.config.duplicate_horizon;
        let remember_from = if seeded::is(Bug::MemoryNotRebuilt) { count_from } else { remember_from };
        match Reader::start(&lane.fetcher, &lane.schemas, *partition, remember_from, count_from, horizon) {
            Ok(reader) => self.reading = Reading::Running(Box::new(reader)),
            Err(error) => {
                tracing::warn!(partition, %error, "cannot read the log yet");
                std::thread::sleep(START_AGAIN);
            }
        }
    }

    fn fold(&mut self, assignment: &Assignment, timeout: Duration) -> Option<Event> {
        let Reading::Running(reader) = &mut self.reading else { return None };
        let (batch, desk, poison_run) = (&mut self.batch, &mut self.desk, &mut self.poison_run);
        let (scope, mut beyond) = (&self.scope, false);
        let result = reader.read(timeout, scope.until, |judged| {
            beyond |= judged.last().is_some_and(|last| last.record.offset >= scope.until);
            let counted = || judged.iter().filter(|judged| scope.holds(judged.record.offset));
            batch.take(counted(), desk);
            for Judged { verdict, .. } in counted() {
                *poison_run = if matches!(verdict, Verdict::Poison(..)) { *poison_run + 1 } else { 0 };
            }
        });
        if self.began.is_none() && !self.batch.is_empty() {
            self.began = Some(Instant::now());
        }
        if self.poison_run >= assignment.lane.config.poison_flood {
            return Some(Event::PoisonFlood { from: self.batch.next - self.poison_run as i64 });
        }
        if beyond {
            // What was read too far cannot be unread: whoever goes on later reads it again.
            let count_from = self.scope.until;
            let horizon = i64::from(assignment.lane.config.duplicate_horizon);
            let remember_from = self.remember_from.max(count_from - horizon);
            self.reading = Reading::Wanted { remember_from, count_from };
        }
        let error = result.err()?;
        tracing::warn!(partition = assignment.partition, %error, "reading failed");
        self.reading = Reading::Nothing;
        Some(Event::LogLost)
    }

    /// Closes the batch and begins the next one where it ends.
    pub(crate) fn seal(&mut self, assignment: &Assignment) -> Sealed {
        self.began = None;
        let batch = &mut self.batch;
        let Assignment { source, partition, lane, .. } = assignment;
        // Before its poison leaves, which it counts.
        let (block, counted) =
            (rows::of_batch(assignment.owner(), batch, &self.desk).into(), batch.counted());
        let poison = std::mem::take(&mut batch.poison).into_iter();
        let sealed = Sealed {
            range: Range { first: batch.first, next: batch.next },
            block,
            letters: Arc::new(poison.map(|poison| letter(source, *partition, poison)).collect()),
            lettered: Arc::default(),
            counted,
            duplicates: batch.duplicates,
            rows: (batch.cells.len() + batch.quotas.cells.len()) as u64 + 2,
            appended_ms: batch.appended_ms,
        };
        batch.begin_next(&lane.pace.bounds(&lane.config));
        // Between two batches: a batch is priced by one book, the one that its ledger row names.
        if self.desk.pricing.book().id() != assignment.lane.books.current().id() {
            self.desk = desk(assignment);
        } else if self.desk.bytes() > DESK_BYTES {
            self.desk.forget();
        }
        sealed
    }
}

fn desk(assignment: &Assignment) -> Desk {
    let lane = &assignment.lane;
    Desk::new(lane.config.window_s(), Pricing::new(lane.books.current()))
}
