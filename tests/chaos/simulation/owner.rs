//! One owner: what it hears enters the real [`Partition`], what that asks for is done as the aggregator's worker does it.
//!
//! Its memory of ids is its own, built from what it read, so that the check can tell whether its verdicts are those of
//! the log. It may be slow, paused for long, killed, or believe that a partition is still its own.

use super::{
    Guard,
    clickhouse::{Block, Rows},
    coverage::{Fact, Kind, State},
    world::World,
};
use callmeter_aggregator::recovery::{Action, Answer, Event, Partition, Policy, Range};

/// What an owner waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    /// It asks for source and marker.
    Marker,
    /// It asks for the log's bounds.
    Bounds {
        source: usize,
        marker: Option<i64>,
        replaced: bool,
    },
    /// Both answers came and were not yet looked at.
    Told {
        source: usize,
        event: Event,
    },
    Answer {
        id: u32,
        arrived: Option<Answer>,
    },
    Wait,
    Kill,
    Killed,
}

/// What an owner remembers and does.
#[derive(Debug)]
pub(super) struct Owner {
    partition: Partition,
    pub(super) state: State,
    pub(super) pending: Pending,
    /// Turns that it sleeps through.
    pub(super) paused: usize,
    /// The log that it was given, and the source that counts it.
    pub(super) log: u8,
    pub(super) source: usize,
    /// First offset and version of the log when the marker was read.
    pub(super) low: i64,
    pub(super) told: usize,
    /// Whether its log had taken another's place when it asked last.
    replaced: bool,
    pub(super) reading: bool,
    pub(super) position: i64,
    pub(super) version: usize,
    pub(super) floor: i64,
    /// Latest offset by id; -1: not seen.
    pub(super) seen: Vec<i64>,
    pub(super) poison_run: u8,
    pub(super) fill: Block,
    pub(super) sealed: Option<Block>,
    pub(super) flooded: Option<i64>,
}

pub(super) const EMPTY: Block =
    Block { range: Range { first: 0, next: 0 }, counted: 0, duplicates: 0, poison: 0, version: 0, floor: 0 };

impl Owner {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            partition: Partition::new(policy),
            state: State::Unassigned,
            pending: Pending::Nothing,
            paused: 0,
            log: 0,
            source: 0,
            low: 0,
            told: 0,
            replaced: false,
            reading: false,
            position: 0,
            version: 0,
            floor: 0,
            seen: Vec::new(),
            poison_run: 0,
            fill: EMPTY,
            sealed: None,
            flooded: None,
        }
    }

    /// A process that just started.
    pub(super) fn reset(&mut self, policy: Policy) {
        self.partition = Partition::new(policy);
        (self.state, self.pending, self.paused) = (State::Unassigned, Pending::Nothing, 0);
        self.forget();
    }

    pub(super) fn forget(&mut self) {
        (self.reading, self.sealed, self.poison_run, self.fill) = (false, None, 0, EMPTY);
        self.flooded = None;
        self.seen.clear();
    }

    /// Whether everything that it read is stored.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Ready && self.reading && self.fill.range.first == self.fill.range.next
    }
}

impl World {
    /// What an owner does next, if it is awake and has something to do.
    pub(super) fn turn(&mut self, who: usize) {
        let roll = self.dice.next();
        let owner = &mut self.owners[who];
        if owner.paused > 0 {
            owner.paused -= 1;
            return;
        }
        if owner.state == State::Unassigned {
            return;
        }
        if owner.state == State::Ready
            && owner.sealed.is_none()
            && roll >> 8 & 15 == 0
            && self.keeps(Guard::Idle)
        {
            return self.event(who, Event::Idle);
        }
        let owner = &self.owners[who];
        let waits = matches!(owner.pending, Pending::Nothing | Pending::Answer { arrived: None, .. });
        if owner.reading && (waits || roll & 1 == 0) {
            return self.read(who, roll >> 1);
        }
        if !waits {
            self.proceed(who);
        }
    }

    fn proceed(&mut self, who: usize) {
        let pending = self.owners[who].pending;
        self.owners[who].pending = Pending::Nothing;
        match pending {
            Pending::Nothing => {}
            Pending::Marker | Pending::Bounds { .. } if self.dice.chance(self.unreadable) => {
                self.event(who, Event::Unreadable);
            }
            Pending::Marker => self.owners[who].pending = self.ask_marker(who),
            Pending::Bounds { source, marker, replaced } => self.ask_bounds(who, source, marker, replaced),
            Pending::Told { source, event } => self.learn(who, source, event),
            Pending::Answer { arrived: Some(answer), .. } => self.answered(who, answer),
            Pending::Answer { .. } => self.owners[who].pending = pending,
            Pending::Wait => self.event(who, Event::Waited),
            Pending::Kill => {
                self.owners[who].pending = Pending::Killed;
                if !self.dice.chance(self.unreadable) {
                    self.kill_query(self.owners[who].source);
                }
            }
            Pending::Killed => self.event(who, Event::Killed),
        }
    }

    fn ask_marker(&mut self, who: usize) -> Pending {
        let log = self.owners[who].log;
        self.owners[who].replaced = self.clickhouse.is_replaced(log);
        let source = self.clickhouse.effective(log);
        let mut marker = self.clickhouse.sources[source].marker;
        if !self.keeps(Guard::Marker) && marker.is_some() {
            marker = marker.max(self.committed);
        }
        Pending::Bounds { source, marker, replaced: self.looks_replaced(log) }
    }

    fn ask_bounds(&mut self, who: usize, source: usize, marker: Option<i64>, replaced: bool) {
        let log = self.logs.last().expect("a log is always there");
        if log.identity != self.owners[who].log && self.keeps(Guard::Identity) {
            return self.event(who, Event::Unreadable);
        }
        let event = Event::MarkerRead { marker, low: log.low, high: log.high(), replaced };
        self.owners[who].told = self.logs.len() - 1;
        self.owners[who].pending = Pending::Told { source, event };
    }

    /// Takes over the source that counts. What was read and sealed under another one is not settled by its marker.
    fn learn(&mut self, who: usize, source: usize, event: Event) {
        let owner = &mut self.owners[who];
        let moved = source != owner.source;
        owner.source = source;
        if let Event::MarkerRead { low, .. } = event {
            owner.low = low;
        }
        let counts = owner.partition.marker();
        let verifies = owner.state == State::Verifying;
        if moved {
            self.saw(Fact::MovedSource);
        }
        if let (true, Event::MarkerRead { marker, .. }) = (verifies, event)
            && (moved || marker != counts)
        {
            self.saw(Fact::IdleBehind);
        }
        let lost = moved && counts.is_some() && self.keeps(Guard::Successor);
        self.event(who, if lost { Event::LogLost } else { event });
    }

    fn answered(&mut self, who: usize, answer: Answer) {
        if answer == Answer::Unknown && !self.keeps(Guard::Doubt) && self.owners[who].sealed.is_some() {
            return self.send_batch(who);
        }
        let landed = answer == Answer::Fenced && !self.keeps(Guard::Reseek);
        self.event(who, Event::Answered(if landed { Answer::Inserted } else { answer }));
    }

    /// Steps the real state machine and does what it asks for.
    pub(super) fn event(&mut self, who: usize, event: Event) {
        let owner = &mut self.owners[who];
        let before = owner.state;
        let action = owner.partition.step(event);
        let busy = owner.pending != Pending::Nothing;
        let state = before.after(event, action, owner.partition.marker());
        owner.state = state;
        self.coverage.pair(before, Kind::of(event));
        self.tell(|| format!("owner {who} {before:?}: {event:?} -> {action:?}"));
        // An insert compares the marker: it takes the place of a look at it.
        let cancels = matches!(event, Event::LogLost | Event::PoisonFlood { .. } | Event::Revoked)
            || before == State::Verifying && matches!(event, Event::Sealed(_));
        if busy && !cancels && action != Action::Idle {
            self.violate(|| format!("owner {who} has two actions outstanding"));
        }
        if matches!(action, Action::WriteGenesis(_)) && self.owners[who].replaced {
            self.violate(|| format!("owner {who} begins with a log that took another's place"));
        }
        self.act(who, action);
        if self.owners[who].pending == Pending::Nothing && !matches!(state, State::Unassigned | State::Ready)
        {
            self.violate(|| format!("owner {who} is {state:?} and waits for nothing"));
        }
    }

    fn act(&mut self, who: usize, action: Action) {
        let pending = match action {
            Action::ReadMarker => Pending::Marker,
            Action::WriteGenesis(at) => {
                let id = self.send(self.owners[who].source, Rows::Genesis { at, operator: false });
                Pending::Answer { id, arrived: None }
            }
            Action::Consume { remember_from, count_from } => {
                return self.consume(who, remember_from, count_from);
            }
            Action::Insert(range) => return self.insert(who, range),
            Action::Advance(range) => return self.advance(who, range),
            Action::Wait(_) => Pending::Wait,
            Action::KillInsert => Pending::Kill,
            Action::Stop(reason) => {
                let flooded = self.owners[who].flooded;
                self.owners[who].forget();
                self.owners[who].flooded = flooded;
                self.check_stop(who, reason);
                Pending::Wait
            }
            Action::Release => {
                self.owners[who].forget();
                Pending::Nothing
            }
            Action::Idle => return,
        };
        self.owners[who].pending = pending;
    }

    fn insert(&mut self, who: usize, range: Range) {
        if self.owners[who].sealed.is_none_or(|sealed| sealed.range != range) {
            return self.violate(|| format!("owner {who} is to insert {range:?}, which is not sealed"));
        }
        self.committed = self.committed.max(Some(range.next));
        self.send_batch(who);
    }

    fn send_batch(&mut self, who: usize) {
        let Some(block) = self.owners[who].sealed else { return };
        let id = self.send(self.owners[who].source, Rows::Batch(block));
        self.owners[who].pending = Pending::Answer { id, arrived: None };
    }

    fn advance(&mut self, who: usize, range: Range) {
        let owner = &mut self.owners[who];
        let sealed = owner.sealed.take().is_some_and(|sealed| sealed.range == range);
        let (continues, source) = (owner.fill.range.first == range.next, owner.source);
        if !sealed || !continues {
            self.violate(|| format!("owner {who} advances over {range:?}, which is not what it sealed"));
        }
        let mut ledger = self.clickhouse.ledger.iter().rev();
        if !ledger.any(|span| span.source == source && span.range.next == range.next) {
            self.violate(|| format!("owner {who} advances over {range:?}, which is not stored"));
        }
    }
}
