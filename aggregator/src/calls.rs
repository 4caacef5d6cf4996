//! Raw attempts of one partition, on a thread of its own: records enter, rows of `raw_calls` leave.
//!
//! It reads the log for itself, with a fetch, a position and a duplicate memory of its own, so that
//! nothing that happens here can delay or endanger the rollups, and its verdict on duplicates is theirs.
//! Promise: every event of the log is written at least once while the log holds it, in offset order;
//! rows written twice are one row in the view `calls`. Not promised: that a call is visible here as
//! soon as it is counted.

use crate::{
    call_rows::{COLUMNS, CallRows, Found},
    clickhouse::{Standing, brief},
    judge::{Judged, Verdict},
    lane::Assignment,
    plan::Fields,
    reader::Reader,
};
use bytes::Bytes;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
/// Time that a call waits to be written; longer where many partitions share the pace.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// How often the position is saved: an insert of its own, and a crash only writes so much again.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Rows and bytes of one insert.
const MAX_ROWS: usize = 50_000;
const MAX_BYTES: usize = 8 << 20;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Writes a partition's attempts until told to stop.
pub(crate) fn write(mut assignment: Assignment) {
    while !assignment.is_over() {
        if let Some(reader) = begin(&mut assignment) {
            follow(&mut assignment, reader);
        }
        pause(&assignment, Duration::from_secs(1));
    }
}

/// Finds where to go on and starts to read there; `None` when something is away.
fn begin(assignment: &mut Assignment) -> Option<Reader> {
    let Standing { source, marker, genesis, .. } = standing(assignment)?;
    assignment.source = source;
    let (lane, partition) = (&assignment.lane, assignment.partition);
    let position = match unless_over(assignment, lane.store.calls_position(assignment.owner()))? {
        Ok(position) => position,
        Err(error) => {
            tracing::warn!(partition, error = %brief(&error), "position of raw calls not readable");
            return None;
        }
    };
    let (low, high) = match lane.fetcher.bounds(partition) {
        Ok(bounds) => bounds,
        Err(error) => {
            tracing::warn!(partition, %error, "bounds of the log not readable");
            return None;
        }
    };
    if marker.is_some_and(|marker| marker > high) {
        // Truncated: its rows would take the place of those that stood at the same offsets before. An operator decides.
        return None;
    }
    let from = position.or(genesis).unwrap_or(low).clamp(low, high);
    if let Some(position) = position.filter(|position| *position != from) {
        tracing::error!(
            partition,
            position,
            from,
            "the log does not hold all raw calls that were not written yet"
        );
        lane.metrics.calls_skipped.inc_by((from - position).max(0) as u64);
    }
    let horizon = lane.config.duplicate_horizon;
    let remember_from = low.max(from - i64::from(horizon));
    Reader::start(&lane.fetcher, &lane.schemas, partition, remember_from, from, horizon)
        .inspect_err(|error| tracing::warn!(partition, %error, "cannot read the log yet"))
        .ok()
}

/// Where counting stands; `None` when ClickHouse does not say.
fn standing(assignment: &Assignment) -> Option<Standing> {
    let Assignment { lane, log, partition, .. } = assignment;
    unless_over(assignment, lane.standings.of(log, *partition))?
}

/// Reads and writes until told to stop, until the log is lost or until another source counts.
fn follow(assignment: &mut Assignment, mut reader: Reader) {
    let (mut rows, mut scratch) = (CallRows::default(), Vec::new());
    let mut began: Option<Instant> = None;
    let mut next = 0;
    let (mut saved, mut saved_at) = (0, Instant::now());
    while !assignment.is_over() {
        let read = reader.read(TICK, i64::MAX, |judged| {
            for Judged { record, verdict } in judged {
                let mut fields = Fields::default();
                if let Verdict::Event { facts, duplicate, wait_ignored } = verdict
                    // It was read before, so that this cannot fail.
                    && assignment.lane.schemas.read(record.value, &mut scratch, &mut fields).is_ok()
                {
                    let found = Found { duplicate: *duplicate, wait_ignored: *wait_ignored };
                    rows.push(assignment.owner(), record, &fields, facts, found);
                }
                next = record.offset + 1;
            }
            began.get_or_insert_with(Instant::now);
        });
        let due = assignment.lane.pace.at_least(&assignment.lane.config, FLUSH_AFTER);
        if is_due(&rows, began.map(|began| began.elapsed()), due, read.is_err()) {
            store(assignment, &mut rows);
            began = None;
        }
        if let Err(error) = read {
            tracing::warn!(partition = assignment.partition, %error, "reading raw calls failed");
            return;
        }
        if began.is_none() && next > saved && saved_at.elapsed() >= SAVE_EVERY {
            // A log that goes on under another source does so from here on, so that no call stands under both.
            let current =
                standing(assignment).map_or_else(|| assignment.source.clone(), |standing| standing.source);
            let is_another = current != assignment.source;
            assignment.source = current;
            save(assignment, next);
            if is_another {
                return;
            }
            (saved, saved_at) = (next, Instant::now());
        }
    }
}

/// Whether what was read is to be written now. When the log is lost it is: nobody can read it a second time.
fn is_due(rows: &CallRows, age: Option<Duration>, due: Duration, is_lost: bool) -> bool {
    let full = rows.len() >= MAX_ROWS || rows.bytes() >= MAX_BYTES;
    full || age.is_some_and(|age| is_lost || age >= due)
}

/// Remembers how far the rows are. A failure is no harm: the next position says the same and more.
fn save(assignment: &Assignment, next: i64) {
    let position = assignment.lane.store.save_calls_position(assignment.owner(), next);
    if let Some(Err(error)) = unless_over(assignment, position) {
        tracing::warn!(partition = assignment.partition, error = %brief(&error), "position of raw calls not saved");
    }
}

/// Writes the rows, again and again until ClickHouse has them.
fn store(assignment: &Assignment, rows: &mut CallRows) {
    if rows.len() == 0 {
        return;
    }
    let (lane, written) = (&assignment.lane, rows.len() as u64);
    let block = Bytes::from(rows.take_block());
    let mut wait = Duration::from_millis(100);
    while !assignment.is_over() {
        let insert = lane.store.insert_calls(COLUMNS, block.clone());
        match unless_over(assignment, insert) {
            None => return,
            Some(Ok(())) => {
                lane.metrics.calls_rows.inc_by(written);
                return;
            }
            Some(Err(error)) => {
                lane.metrics.calls_failures.inc();
                tracing::warn!(partition = assignment.partition, error = %brief(&error), "raw calls not written yet");
            }
        }
        pause(assignment, wait);
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// What ClickHouse answers; `None` when told to stop before it does, so that a ClickHouse which hangs does
/// not hold up the revoke.
fn unless_over<T>(assignment: &Assignment, question: impl Future<Output = T>) -> Option<T> {
    let over = async {
        while !assignment.is_over() {
            tokio::time::sleep(TICK).await;
        }
    };
    assignment.lane.runtime.block_on(async {
        tokio::select! {
            answer = question => Some(answer),
            () = over => None,
        }
    })
}

fn pause(assignment: &Assignment, wait: Duration) {
    let until = Instant::now() + wait;
    while !assignment.is_over() && Instant::now() < until {
        std::thread::sleep(TICK.min(wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_wait_for_a_second_to_be_written_but_not_when_their_log_is_lost() {
        let due = |age_ms: Option<u64>, is_lost| {
            is_due(&CallRows::default(), age_ms.map(Duration::from_millis), FLUSH_AFTER, is_lost)
        };
        assert!(!due(None, false) && !due(Some(999), false) && due(Some(1000), false));
        assert!(due(Some(0), true) && due(Some(999), true));
        // Nothing was read.
        assert!(!due(None, true));
    }
}
