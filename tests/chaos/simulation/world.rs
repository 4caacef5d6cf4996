//! One history: a seed enters, what it broke and what it covered leave.
//!
//! Promise: nothing but the seed decides what happens; text is only made when it is asked for.

use super::{
    Guard,
    clickhouse::{ClickHouse, Rows, Source},
    coverage::{Coverage, Fact, State},
    dice::Dice,
    log::Log,
    operator::Operator,
    owner::Owner,
    plan::{Move, OWNERS, Plan},
};
use callmeter_aggregator::recovery::{Event, Policy};
use std::fmt::Write;

/// Logs of one history: more would be versions of versions.
const MOST_LOGS: usize = 6;
/// Records of a log: offsets stay small and histories readable.
const MOST_RECORDS: i64 = 400;

/// Everything that there is: logs, ClickHouse, owners and operators.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) plan: Plan,
    pub(super) without: Option<Guard>,
    /// All versions of all logs; the last one is there now.
    pub(super) logs: Vec<Log>,
    next_id: u16,
    pub(super) clickhouse: ClickHouse,
    pub(super) owners: Vec<Owner>,
    pub(super) operators: [Operator; 2],
    /// What a consumer that trusts committed offsets would have committed.
    pub(super) committed: Option<i64>,
    pub(super) unreadable: u64,
    /// No more faults.
    pub(super) calm: bool,
    /// Retention cut a memory: verdicts are then those of a shorter one.
    pub(super) short_memory: bool,
    pub(super) coverage: Coverage,
    pub(super) moves: u64,
    pub(super) broken: Option<String>,
    pub(super) text: Option<String>,
}

impl World {
    pub(super) fn new(without: Option<Guard>) -> Self {
        let mut dice = Dice::new(0);
        Self {
            plan: Plan::draw(&mut dice),
            dice,
            without,
            logs: Vec::new(),
            next_id: 0,
            clickhouse: ClickHouse::new(),
            owners: (0..OWNERS).map(|_| Owner::new(Policy::default())).collect(),
            operators: [Operator::Idle; 2],
            committed: None,
            unreadable: 0,
            calm: false,
            short_memory: false,
            coverage: Coverage::new(),
            moves: 0,
            broken: None,
            text: None,
        }
    }

    fn begin(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
        self.plan = Plan::draw(&mut self.dice);
        self.unreadable = self.plan.unreadable;
        self.logs.clear();
        self.logs.push(Log::new(0));
        self.next_id = 0;
        self.clickhouse.clear();
        self.clickhouse.sources.push(Source::new(0, 0));
        for owner in &mut self.owners {
            owner.reset(self.plan.policy);
            (owner.log, owner.source) = (0, 0);
        }
        self.operators = [Operator::Idle; 2];
        (self.committed, self.calm, self.short_memory) = (None, false, false);
        (self.moves, self.broken) = (0, None);
    }

    /// A whole history, up to what breaks or until all is counted.
    pub(super) fn live(&mut self, seed: u64) {
        self.begin(seed);
        self.assign(0);
        while self.moves < self.plan.moves as u64 && self.broken.is_none() {
            self.moves += 1;
            let next = self.plan.pick(&mut self.dice);
            self.happens(next);
        }
        if self.broken.is_none() {
            self.calm_down();
        }
    }

    fn happens(&mut self, next: Move) {
        match next {
            Move::Turn(who) => self.turn(usize::from(who)),
            Move::Operate => self.operate(),
            Move::Arrive => self.arrive(),
            Move::Land => self.end(true),
            Move::Fail => self.end(false),
            Move::Lose => self.lose(Fact::LostOnWire),
            Move::Refuse => self.lose(Fact::Refused),
            Move::TimeOut => {
                let who = self.anybody();
                self.time_out(who);
            }
            Move::Restart => self.restart(),
            Move::Append => self.append(),
            Move::Repeat => self.repeat(),
            Move::Poison => self.poison(1),
            Move::Flood => self.poison(6),
            Move::Retain => self.retain(),
            Move::RetainAll => self.retain_all(),
            Move::Truncate => self.truncate(),
            Move::Recreate => self.recreate(),
            Move::Rebalance => self.rebalance(),
            Move::Assign => {
                let who = self.anybody();
                self.assign(who);
            }
            Move::Revoke => {
                let who = self.anybody();
                self.revoke(who);
            }
            Move::KillProcess => self.kill_process(),
            Move::Pause => {
                let who = self.anybody();
                self.owners[who].paused = 1 + self.dice.below(self.plan.pause);
                self.saw(Fact::Paused);
                self.tell(|| format!("owner {who} is paused"));
            }
            Move::Watch => self.watch(),
        }
    }

    fn anybody(&mut self) -> usize {
        self.dice.below(self.plan.owners)
    }

    pub(super) fn horizon(&self) -> i64 {
        i64::from(self.plan.policy.horizon)
    }

    /// Whether a guard stands; the negative controls take one away.
    pub(super) fn keeps(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    pub(super) fn saw(&mut self, fact: Fact) {
        self.coverage.fact(fact);
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.text.is_some() {
            let line = text();
            if let Some(text) = &mut self.text {
                let _ = writeln!(text, "{:>4}  {line}", self.moves);
            }
        }
    }

    pub(super) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            let what = what();
            self.tell(|| format!("VIOLATION: {what}"));
            self.broken = Some(what);
        }
    }

    /// Gives the partition to an owner, whoever else has it.
    pub(super) fn assign(&mut self, who: usize) {
        if self.owners[who].state != State::Unassigned {
            return;
        }
        match self.owners.iter().filter(|owner| owner.state != State::Unassigned).count() {
            0 => {}
            1 => self.saw(Fact::TwoOwners),
            _ => self.saw(Fact::ThreeOwners),
        }
        let log = self.log().identity;
        let base = self.clickhouse.sources.iter().position(|source| source.log == log);
        self.owners[who].log = log;
        self.owners[who].source = base.expect("every log has a base source");
        self.event(who, Event::Assigned);
    }

    pub(super) fn revoke(&mut self, who: usize) {
        if self.owners[who].state != State::Unassigned {
            self.event(who, Event::Revoked);
        }
    }

    /// The group gives the partition to one owner; whoever is paused or unlucky does not hear of it yet.
    fn rebalance(&mut self) {
        let to = self.anybody();
        for who in 0..self.plan.owners {
            if who != to && self.owners[who].paused == 0 && self.dice.chance(160) {
                self.revoke(who);
            }
        }
        self.assign(to);
    }

    fn kill_process(&mut self) {
        let who = self.anybody();
        self.saw(Fact::ProcessKilled);
        self.tell(|| format!("owner {who} is killed"));
        self.owners[who].reset(self.plan.policy);
        if self.dice.chance(160) {
            self.assign(who);
        }
    }

    /// The pipelines ask for the topic's id and begin anew with another log.
    pub(super) fn watch(&mut self) {
        for who in 0..self.plan.owners {
            if self.owners[who].paused == 0 && self.owners[who].log != self.log().identity {
                self.revoke(who);
                self.assign(who);
            }
        }
    }

    pub(super) fn log(&self) -> &Log {
        self.logs.last().expect("a log is always there")
    }

    fn log_mut(&mut self) -> &mut Log {
        self.logs.last_mut().expect("a log is always there")
    }

    /// First version of a log.
    pub(super) fn first_version(&self, identity: u8) -> usize {
        self.logs.iter().position(|log| log.identity == identity).unwrap_or(0)
    }

    /// Up to where a version still is what the log holds.
    pub(super) fn cut_since(&self, version: usize) -> i64 {
        self.logs.iter().skip(version + 1).map(|log| log.cut).min().unwrap_or(i64::MAX)
    }

    pub(super) fn was_truncated(&self, identity: u8) -> bool {
        self.logs.iter().filter(|log| log.identity == identity).count() > 1
    }

    /// Whether a record may be appended. A truncated log that grows past a marker of its lost records before anybody looks
    /// cannot be told from one that was never truncated, in Kafka's offsets alone: such histories are not made.
    fn may_grow(&self) -> bool {
        let (now, log) = (self.logs.len() - 1, self.log());
        if log.high() >= MOST_RECORDS {
            return false;
        }
        let source = &self.clickhouse.sources[self.clickhouse.effective(log.identity)];
        if log.cut == 0 || source.version >= now && source.number > 0 {
            return true;
        }
        let mut reach = i64::MAX;
        let mut of = |version: usize, next: i64| {
            if version < now && next > self.cut_since(version) {
                reach = reach.min(next);
            }
        };
        of(source.version, source.marker.unwrap_or(0));
        for request in self.clickhouse.wire.iter().chain(&self.clickhouse.running) {
            if let Rows::Batch(block) = request.rows {
                of(block.version, block.range.next);
            }
        }
        for owner in &self.owners {
            of(owner.version, owner.fill.range.next);
            if let Some(block) = owner.sealed {
                of(block.version, block.range.next);
            }
        }
        log.high() + 1 < reach
    }

    pub(super) fn append(&mut self) {
        if self.may_grow() {
            self.next_id += 1;
            let id = self.next_id;
            self.log_mut().append_new(id);
            self.saw(Fact::Appended);
            self.tell(|| format!("event {id} is appended"));
        }
    }

    /// A producer sends an event again, within the horizon or beyond.
    fn repeat(&mut self) {
        let back = self.dice.below(self.horizon() as usize + 4) as i64;
        let of = self.log().high() - 1 - back;
        if of >= 0 && self.may_grow() {
            let id = self.log().records[of as usize].id;
            self.log_mut().append(id, false);
            self.saw(Fact::Repeated);
            self.tell(|| format!("event {id} is sent again"));
        }
    }

    fn poison(&mut self, many: usize) {
        for _ in 0..many {
            if self.may_grow() {
                self.log_mut().append(0, true);
                self.saw(Fact::Poisoned);
                self.tell(|| "poison is appended".to_owned());
            }
        }
    }

    fn marker(&self) -> i64 {
        let source = self.clickhouse.effective(self.log().identity);
        self.clickhouse.sources[source].marker.unwrap_or(0)
    }

    /// Retention deletes what was counted.
    fn retain(&mut self) {
        let (low, marker) = (self.log().low, self.marker().min(self.log().high()));
        if marker > low {
            let low = low + 1 + self.dice.below((marker - low) as usize) as i64;
            self.log_mut().low = low;
            self.saw(Fact::Retained);
            self.tell(|| format!("retention: the log begins at {low}"));
        }
    }

    /// Retention deletes whatever is old, counted or not.
    fn retain_all(&mut self) {
        let (low, high) = (self.log().low, self.log().high());
        let low = low + self.dice.below((high - low + 1) as usize) as i64;
        if low > self.marker() {
            self.saw(Fact::RetentionLoss);
        }
        self.log_mut().low = low;
        self.tell(|| format!("retention: the log begins at {low}, whatever was counted"));
    }

    fn truncate(&mut self) {
        let mut cut = self.log().high() - 1 - self.dice.below(12) as i64;
        // Aimed at where a batch begins, which is where offsets can be taken for each other.
        if let Some(span) = self.clickhouse.ledger.last().filter(|_| self.dice.chance(128)) {
            cut = span.range.first;
        }
        if self.logs.len() >= MOST_LOGS || cut < self.log().low.max(1) || cut >= self.log().high() {
            return;
        }
        self.saw(Fact::Truncated);
        if cut < self.marker() {
            self.saw(Fact::TruncatedBelow);
        }
        let log = self.log().truncated(cut);
        self.logs.push(log);
        self.tell(|| format!("the log is truncated at {cut}"));
    }

    fn recreate(&mut self) {
        if self.logs.len() >= MOST_LOGS {
            return;
        }
        let identity = self.log().identity + 1;
        self.logs.push(Log::new(identity));
        self.clickhouse.sources.push(Source::new(identity, 0));
        self.saw(Fact::Recreated);
        self.tell(|| format!("the topic is re-created: log {identity}"));
    }

    /// Whether the owner rests at the end of a truncated log although it is not all counted: a late batch of the lost tail
    /// landed, or it looked just before an operator's decision landed. It finds out when it stores the next record.
    fn is_idle_behind(&self) -> bool {
        let (owner, high) = (&self.owners[0], self.log().high());
        let successor = owner.source != self.clickhouse.effective(owner.log);
        owner.is_idle() && owner.position == high && (successor || self.marker() > high)
    }

    /// The last fault is over: one owner, an operator who resumes what is stopped, and everything must be counted.
    fn calm_down(&mut self) {
        self.tell(|| "calm".to_owned());
        (self.calm, self.unreadable) = (true, 0);
        for owner in &mut self.owners {
            owner.paused = 0;
        }
        self.watch();
        for who in 1..self.plan.owners {
            self.revoke(who);
        }
        self.assign(0);
        for _ in 0..7 {
            self.append();
        }
        for round in 0.. {
            self.moves += 1;
            while !self.clickhouse.wire.is_empty() {
                self.arrive();
            }
            while !self.clickhouse.running.is_empty() {
                self.end(true);
            }
            self.turn(0);
            if self.owners[0].state == State::Stopped {
                self.operate();
            }
            if self.broken.is_some() {
                return;
            }
            if self.owners[0].is_idle() && self.marker() == self.log().high() {
                return self.check_end();
            }
            if self.is_idle_behind() {
                self.saw(Fact::IdleBehind);
                self.revoke(0);
                self.assign(0);
            }
            if self.broken.is_some() {
                return;
            }
            if self.owners[0].is_idle() && self.marker() == self.log().high() {
                return self.check_end();
            }
            // A late batch of the lost tail landed: an idle owner finds out only when it looks at the marker again.
            if self.owners[0].is_idle() && self.marker() > self.log().high() {
                self.saw(Fact::IdleBehind);
                self.revoke(0);
                self.assign(0);
            }
            if round > 1500 {
                let (marker, high) = (self.marker(), self.log().high());
                return self.violate(|| format!("counting came to rest at {marker} of {high}"));
            }
        }
    }
}
