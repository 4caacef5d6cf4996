//! The recovery decisions of one Kafka partition: what happened enters, what to do next leaves.
//!
//! This is the whole protocol of `marked deltas`: the marker in ClickHouse is the only truth, an
//! insert compares it and moves it, and after any doubt it is read again; while nothing is inserted it is looked at now
//! and then. Promise: pure; never more than one action is outstanding; a batch is inserted only while the marker is believed to stand at
//! its first offset, and ClickHouse checks that belief inside the insert.

mod reason;

pub use reason::StopReason;
use std::{ops::RangeInclusive, time::Duration};

/// A range of offsets of one partition, `first` included, `next` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First offset.
    pub first: i64,
    /// Offset after the last.
    pub next: i64,
}

/// What came of asking ClickHouse to insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It landed.
    Inserted,
    /// The marker did not stand at the batch's first offset; nothing landed.
    Fenced,
    /// Another insert of this partition is running; nothing landed.
    AlreadyRunning,
    /// Timeout, reset, refusal or any other error: it may have landed, and may still land.
    Unknown,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The group gave this process the partition.
    Assigned,
    /// The marker was read: its offset, or none; and the log's first and end offsets.
    MarkerRead {
        /// Next offset to count.
        marker: Option<i64>,
        /// First offset that the log still holds.
        low: i64,
        /// Offset after the log's last record.
        high: i64,
        /// Nothing of it was ever counted, and its log took another's place: its topic was made anew, or these are other brokers.
        replaced: bool,
    },
    /// Marker or log bounds could not be read.
    Unreadable,
    /// A batch is ready to be stored. Sent only after [`Action::Consume`] or [`Action::Advance`].
    Sealed(Range),
    /// ClickHouse answered an insert or a genesis.
    Answered(Answer),
    /// The running insert was killed, or it could not be.
    Killed,
    /// A wait is over.
    Waited,
    /// Nothing was sealed for [`Policy::look_when_idle`].
    Idle,
    /// The log no longer serves the offset that was to be fetched next.
    LogLost,
    /// So many records in a row were poison that counting on would hide a defect.
    PoisonFlood {
        /// First offset of the flood.
        from: i64,
    },
    /// The group took the partition away, or the process stops.
    Revoked,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read marker and log bounds, then report [`Event::MarkerRead`] or [`Event::Unreadable`].
    ReadMarker,
    /// Write the genesis row and the first marker, if none exists.
    WriteGenesis(i64),
    /// Forget all batches and fetch: remember ids from `remember_from` on, count from `count_from` on.
    Consume {
        /// First offset to fetch.
        remember_from: i64,
        /// First offset to count: the marker.
        count_from: i64,
    },
    /// Store the dead letters and then the batch of this range.
    Insert(Range),
    /// The range is counted; the next batch may be sealed.
    Advance(Range),
    /// Wait, then report [`Event::Waited`].
    Wait(Duration),
    /// Kill this partition's running insert and wait until it is gone.
    KillInsert,
    /// Consume no more and say so loudly: an operator must decide. After [`Policy::look_again`] report [`Event::Waited`].
    Stop(StopReason),
    /// Drop the batches and stop fetching; the partition is no longer ours.
    Release,
    /// Nothing to do.
    Idle,
}

/// How patient and how mindful a partition is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Offsets of the duplicate memory.
    pub horizon: u32,
    /// First wait after a doubt; it doubles up to `longest_wait`.
    pub first_wait: Duration,
    /// Longest wait.
    pub longest_wait: Duration,
    /// Waits for another running insert before it is killed.
    pub waits_before_kill: u32,
    /// How often a stopped partition looks whether an operator decided.
    pub look_again: Duration,
    /// How often an idle partition looks whether somebody else moved the marker: no insert would be fenced.
    pub look_when_idle: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            horizon: 1_000_000,
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(2),
            waits_before_kill: 6,
            look_again: Duration::from_secs(5),
            look_when_idle: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unassigned,
    /// Finding out where to begin.
    Attaching,
    WritingGenesis,
    /// Everything below the marker is counted and nothing is in flight.
    Ready {
        marker: i64,
    },
    /// As ready, and the marker is being read. A batch that is sealed meanwhile takes the place of the look: its insert
    /// compares the marker.
    Verifying {
        marker: i64,
    },
    Inserting(Range),
    /// Doubt about a range: after the wait, or at once, the marker is read.
    Doubting {
        range: Range,
        wait_over: bool,
    },
    /// Another insert runs; after the wait the range is sent again.
    Yielding {
        range: Range,
        waits: u32,
    },
    Killing(Range),
    /// After the wait the marker is read: an operator may have decided.
    Stopped,
}

/// A flood of poison that stopped a partition. Neither marker nor log show it, so that it is remembered.
#[derive(Clone, Copy, Debug)]
struct Flood {
    from: i64,
    /// Where the marker stood, and where the insert that ran would have moved it: anywhere else an operator put it.
    held: Range,
}

/// The state of one partition.
#[derive(Clone, Debug)]
pub struct Partition {
    policy: Policy,
    state: State,
    wait: Duration,
    flood: Option<Flood>,
}

impl Partition {
    /// A partition that nobody gave to this process yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, state: State::Unassigned, wait: policy.first_wait, flood: None }
    }

    /// The marker, when the partition is being counted.
    pub fn marker(&self) -> Option<i64> {
        match self.state {
            State::Ready { marker } | State::Verifying { marker } => Some(marker),
            State::Inserting(range)
            | State::Doubting { range, .. }
            | State::Yielding { range, .. }
            | State::Killing(range) => Some(range.first),
            _ => None,
        }
    }

    /// Takes what happened and says what to do.
    pub fn step(&mut self, event: Event) -> Action {
        match (self.state, event) {
            (_, Event::Revoked) => {
                self.flood = None;
                self.to(State::Unassigned, Action::Release)
            }
            (State::Unassigned, Event::Assigned) | (State::Stopped, Event::Waited) => self.attach(),
            (State::Unassigned | State::Stopped, _) => Action::Idle,
            // After a wait, so that a log that is lost again and again is not asked without pause.
            (_, Event::LogLost) => {
                self.state = State::Attaching;
                self.back_off()
            }
            (_, Event::PoisonFlood { from }) => self.flooded(from),
            (State::Attaching, Event::MarkerRead { marker: None, replaced: true, .. }) => {
                self.stop(StopReason::LogReplaced)
            }
            (State::Attaching, Event::MarkerRead { marker: None, low, .. }) => {
                self.to(State::WritingGenesis, Action::WriteGenesis(low))
            }
            (State::Attaching, Event::MarkerRead { marker: Some(marker), low, high, .. }) => {
                self.begin(marker, low, high)
            }
            (State::Attaching, Event::Unreadable) => self.back_off(),
            (State::Attaching, Event::Waited) => Action::ReadMarker,
            (State::WritingGenesis, Event::Answered(Answer::Inserted)) => self.attach(),
            (State::WritingGenesis, Event::Answered(_)) => {
                self.state = State::Attaching;
                self.back_off()
            }
            (State::Ready { marker } | State::Verifying { marker }, Event::Sealed(range)) => {
                self.sealed(marker, range)
            }
            (State::Ready { marker }, Event::Idle) => {
                self.to(State::Verifying { marker }, Action::ReadMarker)
            }
            (State::Verifying { marker }, Event::Unreadable) => {
                self.to(State::Ready { marker }, Action::Idle)
            }
            (State::Verifying { marker }, Event::MarkerRead { marker: found, low, high, .. }) => {
                self.verify(marker, found, low..=high)
            }
            (State::Inserting(range), Event::Answered(answer)) => self.answered(range, answer, 0),
            (State::Yielding { range, waits }, Event::Answered(answer)) => {
                self.answered(range, answer, waits)
            }
            (State::Yielding { range, waits }, Event::Waited) => {
                if waits < self.policy.waits_before_kill {
                    return Action::Insert(range);
                }
                self.to(State::Killing(range), Action::KillInsert)
            }
            (State::Killing(range), Event::Killed) => self.doubt(range),
            (State::Doubting { range, wait_over: false }, Event::Waited) => {
                self.to(State::Doubting { range, wait_over: true }, Action::ReadMarker)
            }
            (State::Doubting { range, .. }, Event::Unreadable) => self.doubt(range),
            (State::Doubting { range, .. }, Event::MarkerRead { marker, .. }) => self.settle(range, marker),
            _ => Action::Idle,
        }
    }

    fn to(&mut self, state: State, action: Action) -> Action {
        self.state = state;
        action
    }

    fn attach(&mut self) -> Action {
        self.to(State::Attaching, Action::ReadMarker)
    }

    fn stop(&mut self, reason: StopReason) -> Action {
        self.to(State::Stopped, Action::Stop(reason))
    }

    fn flooded(&mut self, from: i64) -> Action {
        let held = match self.state {
            State::Ready { marker } | State::Verifying { marker } => {
                Some(Range { first: marker, next: marker })
            }
            State::Inserting(range)
            | State::Doubting { range, .. }
            | State::Yielding { range, .. }
            | State::Killing(range) => Some(range),
            State::Unassigned | State::Attaching | State::WritingGenesis | State::Stopped => None,
        };
        self.flood = held.map(|held| Flood { from, held });
        self.stop(StopReason::PoisonFlood { from })
    }

    fn begin(&mut self, marker: i64, low: i64, high: i64) -> Action {
        if marker < low {
            return self.stop(StopReason::MarkerBelowLog { marker, low });
        }
        if marker > high {
            return self.stop(StopReason::MarkerAboveLog { marker, high });
        }
        // A log that ends before the flood did was truncated: the poison is gone, and nothing is left to pass over.
        let stands =
            |flood: &Flood| [flood.held.first, flood.held.next].contains(&marker) && flood.held.next < high;
        if let Some(flood) = self.flood.filter(stands) {
            return self.stop(StopReason::PoisonFlood { from: flood.from });
        }
        self.flood = None;
        self.wait = self.policy.first_wait;
        let remember_from = low.max(marker - i64::from(self.policy.horizon));
        self.to(State::Ready { marker }, Action::Consume { remember_from, count_from: marker })
    }

    fn sealed(&mut self, marker: i64, range: Range) -> Action {
        if range.first == marker {
            return self.to(State::Inserting(range), Action::Insert(range));
        }
        // The batch does not continue the marker: only a defect can make one, and counting it would be worse.
        self.attach()
    }

    /// Nothing is given up while the marker stands where it stood, and the log still holds what follows it.
    fn verify(&mut self, marker: i64, found: Option<i64>, log: RangeInclusive<i64>) -> Action {
        if found == Some(marker) && log.contains(&marker) {
            return self.to(State::Ready { marker }, Action::Idle);
        }
        self.attach()
    }

    fn answered(&mut self, range: Range, answer: Answer, waits: u32) -> Action {
        match answer {
            Answer::Inserted => self.advance(range),
            Answer::Fenced => self.to(State::Doubting { range, wait_over: true }, Action::ReadMarker),
            Answer::AlreadyRunning => {
                self.state = State::Yielding { range, waits: waits + 1 };
                self.back_off()
            }
            Answer::Unknown => self.doubt(range),
        }
    }

    fn advance(&mut self, range: Range) -> Action {
        self.wait = self.policy.first_wait;
        self.to(State::Ready { marker: range.next }, Action::Advance(range))
    }

    fn doubt(&mut self, range: Range) -> Action {
        self.state = State::Doubting { range, wait_over: false };
        self.back_off()
    }

    /// The marker alone decides: it moved to the end, it did not move, or somebody else moved it.
    fn settle(&mut self, range: Range, marker: Option<i64>) -> Action {
        match marker {
            Some(marker) if marker == range.next => self.advance(range),
            Some(marker) if marker == range.first => self.to(State::Inserting(range), Action::Insert(range)),
            _ => self.attach(),
        }
    }

    fn back_off(&mut self) -> Action {
        let wait = self.wait;
        self.wait = (wait * 2).min(self.policy.longest_wait);
        Action::Wait(wait)
    }
}

#[cfg(test)]
mod tests;
