//! One history: a seed enters, what it broke and what it covered leave.
//!
//! Promise: nothing but the seed decides what happens; text is only made when it is asked for.

use super::{
    Guard,
    clickhouse::{ClickHouse, Source},
    coverage::{Coverage, Fact},
    dice::Dice,
    log::Log,
    operator::Operator,
    owner::Owner,
    plan::{Move, OWNERS, Plan},
};
use callmeter_aggregator::recovery::Policy;
use std::fmt::Write;

/// Everything that there is: logs, ClickHouse, owners and operators.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) plan: Plan,
    pub(super) without: Option<Guard>,
    /// All versions of all logs; the last one is there now.
    pub(super) logs: Vec<Log>,
    pub(super) next_id: u16,
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

    pub(super) fn anybody(&mut self) -> usize {
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
}
