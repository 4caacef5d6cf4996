//! The counting of one partition, on a thread of its own: records enter, stored batches leave.
//!
//! The thread folds the next batch while the sealed one is being stored; what to do after each answer
//! is decided by [`crate::recovery`]. Promise: at most one insert is in flight; the batch that
//! is being filled begins where the sealed one ends; everything is dropped when the partition goes.

use crate::{
    config::std_duration,
    filling::{Filling, Sealed},
    lane::Assignment,
    metrics::Outcome,
    progress::Counted,
    recovery::{Action, Answer, Event, Partition, Range},
    rows,
};
use std::{
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Longest sleep of the thread, so that it notices an answer or its end soon.
const TICK: Duration = Duration::from_millis(50);
/// The same while an answer is awaited that the next batch depends on.
const BUSY_TICK: Duration = Duration::from_millis(10);
/// Counts a partition until it is told to stop.
pub(crate) fn count(assignment: Assignment) {
    let policy = assignment.lane.config.policy();
    let (answers_in, answers) = mpsc::channel();
    let filling = Filling::new(&assignment);
    let mut worker = Worker {
        assignment,
        partition: Partition::new(policy),
        answers_in,
        answers,
        task: None,
        filling,
        sealed: None,
        stopped: false,
    };
    let mut event = Event::Assigned;
    loop {
        let action = worker.partition.step(event);
        if !worker.act(action) {
            return;
        }
        event = worker.next_event();
    }
}

struct Worker {
    assignment: Assignment,
    partition: Partition,
    answers_in: mpsc::Sender<Event>,
    answers: mpsc::Receiver<Event>,
    task: Option<JoinHandle<()>>,
    /// The batch that takes records.
    filling: Filling,
    /// The batch on its way to ClickHouse.
    sealed: Option<Sealed>,
    /// Whether the partition is among those that wait for an operator.
    stopped: bool,
}

impl Worker {
    /// Does what the decisions ask for; false when the worker is done.
    fn act(&mut self, action: Action) -> bool {
        tracing::trace!(partition = self.assignment.partition, ?action, "next");
        match action {
            Action::ReadMarker => self.read_marker(),
            Action::WriteGenesis(offset) => self.write_genesis(offset),
            Action::Consume { remember_from, count_from } => self.consume(remember_from, count_from),
            Action::Insert(range) => self.insert(range),
            Action::Advance(range) => self.advance(range),
            Action::Wait(wait) => self.later(async move {
                tokio::time::sleep(wait).await;
                Event::Waited
            }),
            Action::KillInsert => self.kill_insert(),
            Action::Stop(reason) => self.stop(&reason.to_string()),
            Action::Release => {
                self.cancel();
                self.assignment.lane.metrics.stopped.dec_by(i64::from(self.stopped));
                return false;
            }
            Action::Idle => {}
        }
        true
    }

    /// Reads and folds until something happens that needs a decision.
    fn next_event(&mut self) -> Event {
        loop {
            if self.assignment.is_over() {
                return Event::Revoked;
            }
            if let Ok(event) = self.answers.try_recv() {
                return event;
            }
            if self.is_due() {
                let sealed = self.sealed.insert(self.filling.seal(&self.assignment));
                return Event::Sealed(sealed.range);
            }
            if let Some(event) = self.read_on() {
                return event;
            }
        }
    }

    /// Whether the batch should be stored now: nothing is in flight, and it is old or full.
    fn is_due(&self) -> bool {
        let age = std_duration(self.assignment.lane.config.flush_interval);
        self.sealed.is_none() && self.filling.is_due(&self.assignment, age)
    }

    /// One step of reading; an event when the log itself needs a decision.
    fn read_on(&mut self) -> Option<Event> {
        if self.filling.has_room(&self.assignment) {
            return self.filling.read_on(&self.assignment, self.patience());
        }
        // Nothing to read or no room for it: the answer to what is in flight is all that matters.
        self.answers.recv_timeout(TICK).ok()
    }

    /// How long reading may wait for a record.
    fn patience(&self) -> Duration {
        if self.sealed.is_some() {
            return BUSY_TICK;
        }
        let age = std_duration(self.assignment.lane.config.flush_interval);
        self.filling.age().map_or(TICK, |old| age.saturating_sub(old).min(TICK))
    }

    fn insert(&mut self, range: Range) {
        let Some(sealed) = self.sealed.as_ref().filter(|sealed| sealed.range == range) else { return };
        let (letters, block) = (Arc::clone(&sealed.letters), sealed.block.clone());
        let lettered = Arc::clone(&sealed.lettered);
        let lane = self.assignment.lane.clone();
        let (source, part) = (self.assignment.source.clone(), self.assignment.partition);
        self.later(async move {
            // Poison first: once the batch has landed nobody would look at its records again.
            if !lettered.load(Ordering::Relaxed) {
                if let Err(error) = lane.dead_letters.write(&letters).await {
                    tracing::warn!(partition = part, %error, "dead letters not stored, batch held back");
                    return Event::Answered(Answer::Unknown);
                }
                lettered.store(true, Ordering::Relaxed);
            }
            let began = Instant::now();
            let answer = lane.store.insert(rows::Owner { src: &source, part }, range.first, block).await;
            lane.metrics.insert_seconds.observe(began.elapsed().as_secs_f64());
            lane.metrics.answered(answer);
            Event::Answered(answer)
        });
    }

    fn advance(&mut self, range: Range) {
        let Some(sealed) = self.sealed.take() else { return };
        let Assignment { lane, partition, .. } = &self.assignment;
        lane.metrics.committed(Outcome::counted, sealed.counted);
        lane.metrics.committed(Outcome::duplicate, sealed.duplicates);
        lane.metrics.committed(Outcome::dead_lettered, sealed.letters.len() as u64);
        lane.metrics.rows.inc_by(sealed.rows);
        lane.board.set(*partition, Counted { marker: range.next, appended_ms: sealed.appended_ms });
        // The group member is gone only at shutdown, when the lag display no longer matters.
        let _ = lane.commits.send((*partition, range.next));
    }

    fn read_marker(&mut self) {
        let lane = self.assignment.lane.clone();
        let (source, part) = (self.assignment.source.clone(), self.assignment.partition);
        self.later(async move {
            let marker = match lane.store.marker(rows::Owner { src: &source, part }).await {
                Ok(marker) => marker,
                Err(error) => {
                    tracing::warn!(partition = part, error = %crate::clickhouse::brief(&error), "marker not readable");
                    return Event::Unreadable;
                }
            };
            let fetcher = Arc::clone(&lane.fetcher);
            match tokio::task::spawn_blocking(move || fetcher.bounds(part)).await {
                Ok(Ok((low, high))) => Event::MarkerRead { marker, low, high },
                Ok(Err(error)) => {
                    tracing::warn!(partition = part, %error, "bounds of the log not readable");
                    Event::Unreadable
                }
                Err(_) => Event::Unreadable,
            }
        });
    }

    fn write_genesis(&mut self, offset: i64) {
        let lane = self.assignment.lane.clone();
        let (source, part) = (self.assignment.source.clone(), self.assignment.partition);
        self.later(async move {
            let owner = rows::Owner { src: &source, part };
            let answer = lane.store.genesis(owner, rows::of_genesis(owner, offset).into()).await;
            tracing::info!(source, partition = part, offset, ?answer, "first marker of a new log");
            Event::Answered(answer)
        });
    }

    fn kill_insert(&mut self) {
        let store = self.assignment.lane.store.clone();
        let (source, part) = (self.assignment.source.clone(), self.assignment.partition);
        self.later(async move {
            if let Err(error) = store.kill(rows::Owner { src: &source, part }).await {
                tracing::warn!(partition = part, error = %crate::clickhouse::brief(&error), "running insert not killed");
            }
            Event::Killed
        });
    }

    fn consume(&mut self, remember_from: i64, count_from: i64) {
        tracing::info!(partition = self.assignment.partition, remember_from, count_from, "counting");
        self.sealed = None;
        self.filling.begin(&self.assignment, remember_from, count_from);
        self.assignment
            .lane
            .board
            .set(self.assignment.partition, Counted { marker: count_from, appended_ms: 0 });
    }

    fn stop(&mut self, reason: &str) {
        tracing::error!(
            source = self.assignment.source,
            partition = self.assignment.partition,
            reason,
            "partition stopped: nothing of it is counted until an operator decides"
        );
        self.assignment.lane.metrics.stopped.inc();
        self.stopped = true;
        self.cancel();
        self.sealed = None;
        self.filling = Filling::new(&self.assignment);
    }

    /// Runs one action beside the thread; its event comes back as an answer.
    fn later(&mut self, action: impl Future<Output = Event> + Send + 'static) {
        self.cancel();
        let answers = self.answers_in.clone();
        self.task = Some(self.assignment.lane.runtime.spawn(async move {
            let event = action.await;
            // The worker is gone when its partition is: nobody waits for the answer then.
            let _ = answers.send(event);
        }));
    }

    /// Ends the action that runs, if any, and forgets what it answered.
    fn cancel(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        (self.answers_in, self.answers) = mpsc::channel();
    }
}
