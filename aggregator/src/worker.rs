//! The counting of one partition, on a thread of its own: records enter, stored batches leave.
//!
//! The thread folds the next batch while the sealed one is being stored; what to do after each answer
//! is decided by [`crate::recovery`]. Promise: at most one insert is in flight; the batch that
//! is being filled begins where the sealed one ends; everything is dropped when the partition goes.

use crate::{
    clickhouse::brief,
    filling::{Filling, Sealed},
    lane::Assignment,
    ledger,
    look::{Report, look},
    metrics::Outcome,
    progress::Counted,
    recovery::{Action, Answer, Event, Partition, Range, StopReason},
    rows,
    seeded::{self, Bug},
};
use std::{
    mem::discriminant,
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
        stopped: None,
        compared_at: 0,
        idle_since: Instant::now(),
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
    answers_in: mpsc::Sender<Report>,
    answers: mpsc::Receiver<Report>,
    task: Option<JoinHandle<()>>,
    /// The batch that takes records.
    filling: Filling,
    /// The batch on its way to ClickHouse.
    sealed: Option<Sealed>,
    /// Why the partition is among those that wait for an operator.
    stopped: Option<StopReason>,
    /// The starts of ClickHouse that had been seen when the ledger was compared last; 0 when it was not since counting began.
    compared_at: u64,
    /// When a batch was sealed last, or when the partition was last said to be idle.
    idle_since: Instant,
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
            Action::Wait(wait) => self.wait(wait),
            Action::KillInsert => self.kill_insert(),
            Action::Stop(reason) => self.stop(reason),
            Action::Release => {
                self.cancel();
                self.go_on();
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
            if let Ok(report) = self.answers.try_recv() {
                return self.learn(report);
            }
            let left = self.filling.due_in(&self.assignment, self.pace());
            if self.may_seal() && left == Some(Duration::ZERO) {
                self.idle_since = Instant::now();
                let sealed = self.sealed.insert(self.filling.seal(&self.assignment));
                return Event::Sealed(sealed.range);
            }
            if self.is_idle() {
                self.idle_since = Instant::now();
                return Event::Idle;
            }
            let starts = self.assignment.lane.starts.seen();
            if self.partition.marker().is_some() && self.compared_at != starts {
                self.compared_at = starts;
                ledger::check(&self.assignment);
            }
            if let Some(event) = self.read_on(left) {
                return event;
            }
        }
    }

    /// The age at which a batch is stored.
    fn pace(&self) -> Duration {
        let lane = &self.assignment.lane;
        lane.pace.age(&lane.config)
    }

    /// Whether a batch may be stored: it continues the marker, and nothing is in flight.
    fn may_seal(&self) -> bool {
        self.sealed.is_none() && self.partition.marker().is_some()
    }

    /// Whether nothing was stored for so long that somebody else may have moved the marker.
    fn is_idle(&self) -> bool {
        let long = self.assignment.lane.config.policy().look_when_idle;
        self.may_seal() && self.idle_since.elapsed() >= long
    }

    /// One step of reading while the batch has so much time left; an event when the log itself needs a decision.
    fn read_on(&mut self, left: Option<Duration>) -> Option<Event> {
        if self.filling.has_room(&self.assignment) {
            return self.filling.read_on(&self.assignment, self.patience(left));
        }
        // Nothing to read or no room for it: the answer to what is in flight is all that matters.
        let report = self.answers.recv_timeout(TICK).ok()?;
        Some(self.learn(report))
    }

    /// Takes over the source that counts. What was read and sealed under another one is not settled by its marker.
    fn learn(&mut self, report: Report) -> Event {
        let Some(source) = report.source.filter(|source| *source != self.assignment.source) else {
            return report.event;
        };
        tracing::info!(source, partition = self.assignment.partition, "the log is counted under this source");
        self.assignment.source = source;
        if self.partition.marker().is_some() { Event::LogLost } else { report.event }
    }

    /// How long reading may wait for a record.
    fn patience(&self, left: Option<Duration>) -> Duration {
        if self.sealed.is_some() {
            return BUSY_TICK;
        }
        left.map_or(TICK, |left| left.min(TICK))
    }

    fn insert(&mut self, range: Range) {
        let Some(sealed) = self.sealed.as_ref().filter(|sealed| sealed.range == range) else { return };
        let (letters, block) = (Arc::clone(&sealed.letters), sealed.block.clone());
        let lettered = Arc::clone(&sealed.lettered);
        let lane = self.assignment.lane.clone();
        let (source, part) = (self.assignment.source.clone(), self.assignment.partition);
        self.later(async move {
            if seeded::is(Bug::LettersAfterInsert) {
                let answer = lane.store.insert(rows::Owner { src: &source, part }, range, block).await;
                let _ = lane.dead_letters.write(&letters).await;
                return Event::Answered(answer);
            }
            // Poison first: once the batch has landed nobody would look at its records again.
            if !lettered.load(Ordering::Relaxed) {
                if let Err(error) = lane.dead_letters.write(&letters).await {
                    tracing::warn!(partition = part, %error, "dead letters not stored, batch held back");
                    return Event::Answered(Answer::Unknown);
                }
                lettered.store(true, Ordering::Relaxed);
            }
            let began = Instant::now();
            let answer = lane.store.insert(rows::Owner { src: &source, part }, range, block).await;
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
        let (log, part) = (self.assignment.log.clone(), self.assignment.partition);
        self.later(async move { look(&lane, log, part).await.unwrap_or(Event::Unreadable.into()) });
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
                tracing::warn!(partition = part, error = %brief(&error), "running insert not killed");
            }
            Event::Killed
        });
    }

    fn consume(&mut self, remember_from: i64, count_from: i64) {
        tracing::info!(partition = self.assignment.partition, remember_from, count_from, "counting");
        self.sealed = None;
        self.go_on();
        self.compared_at = 0;
        self.filling.begin(&self.assignment, remember_from, count_from);
        self.assignment
            .lane
            .board
            .set(self.assignment.partition, Counted { marker: count_from, appended_ms: 0 });
    }

    fn stop(&mut self, reason: StopReason) {
        let Assignment { lane, source, partition, .. } = &self.assignment;
        // What is found again at every look is told once; how much of the log is gone may grow meanwhile.
        let known = self.stopped.replace(reason);
        if known.is_none_or(|known| discriminant(&known) != discriminant(&reason)) {
            tracing::error!(
                source,
                partition,
                %reason,
                "partition stopped: nothing of it is counted until an operator decides (callmeter partitions)"
            );
        }
        lane.metrics.stopped.inc_by(i64::from(known.is_none()));
        lane.board.stop(*partition, reason.marker(), &reason.to_string());
        self.sealed = None;
        self.filling = Filling::new(&self.assignment);
        self.wait(self.assignment.lane.config.policy().look_again);
    }

    /// The partition no longer waits for an operator.
    fn go_on(&mut self) {
        let waited = self.stopped.take().is_some();
        self.assignment.lane.metrics.stopped.dec_by(i64::from(waited));
    }

    fn wait(&mut self, wait: Duration) {
        self.later(async move {
            tokio::time::sleep(wait).await;
            Event::Waited
        });
    }

    /// Runs one action beside the thread; its event comes back as an answer.
    fn later<T: Into<Report>>(&mut self, action: impl Future<Output = T> + Send + 'static) {
        self.cancel();
        let answers = self.answers_in.clone();
        self.task = Some(self.assignment.lane.runtime.spawn(async move {
            let report = action.await.into();
            // The worker is gone when its partition is: nobody waits for the answer then.
            let _ = answers.send(report);
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
