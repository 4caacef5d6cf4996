//! Operators: what they see of a partition enters, the decision that `callmeter partitions resume` records leaves.
//!
//! Two may act at once, on what was true some time ago; their decisions pass through the guards of any other insert. A
//! command looks, plans, sends and ends, whatever came of it.

use super::{
    Guard,
    clickhouse::Rows,
    coverage::{Fact, State},
    plan::{FLOOD, OWNERS},
    world::World,
};
use callmeter_aggregator::recovery::{Answer, Range};

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Idle,
    /// It asks for source and marker of the log, and what bounds it was told of before, if it was.
    Looks {
        log: u8,
        told: Option<Bounds>,
    },
    /// It asks for the log's bounds.
    Bounds {
        log: u8,
        source: usize,
        marker: Option<i64>,
        replaced: bool,
    },
    Sends {
        source: usize,
        rows: Rows,
    },
    Waits {
        id: u32,
        source: usize,
        rows: Rows,
    },
}

/// First and end offset of a version of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    version: usize,
    low: i64,
    high: i64,
}

impl World {
    /// One step of one of the operators.
    pub(super) fn operate(&mut self) {
        let who = self.dice.below(self.operators.len());
        self.operators[who] = match self.operators[who] {
            Operator::Idle => self.begin_to_operate(who),
            Operator::Looks { log, told } => {
                let source = self.clickhouse.effective(log);
                let (marker, replaced) = (self.clickhouse.sources[source].marker, self.looks_replaced(log));
                match told {
                    Some(bounds) => self.decided(log, bounds, source, marker, replaced),
                    None => Operator::Bounds { log, source, marker, replaced },
                }
            }
            Operator::Bounds { log, source, marker, replaced } => {
                self.decided(log, self.bounds(), source, marker, replaced)
            }
            Operator::Sends { source, rows } => Operator::Waits { id: self.send(source, rows), source, rows },
            // A command that hears nothing for long gives up; its request lives on.
            Operator::Waits { .. } if self.dice.chance(8) => Operator::Idle,
            waits @ Operator::Waits { .. } => waits,
        };
    }

    fn begin_to_operate(&mut self, who: usize) -> Operator {
        let stopped = self.owners.iter().any(|owner| owner.state == State::Stopped);
        if !(stopped || self.plan.chooses) {
            return Operator::Idle;
        }
        if self.operators.iter().enumerate().any(|(at, other)| at != who && *other != Operator::Idle) {
            self.saw(Fact::TwoOperators);
        }
        self.tell(|| format!("operator {who} begins"));
        let told = (!self.keeps(Guard::Order)).then(|| self.bounds());
        Operator::Looks { log: self.log().identity, told }
    }

    fn bounds(&self) -> Bounds {
        Bounds { version: self.logs.len() - 1, low: self.log().low, high: self.log().high() }
    }

    fn decided(
        &mut self,
        log: u8,
        bounds: Bounds,
        source: usize,
        marker: Option<i64>,
        replaced: bool,
    ) -> Operator {
        match self.decide(log, bounds, source, marker, replaced) {
            Some(Rows::Genesis { .. }) if self.dies_in_between(log) => Operator::Idle,
            Some(rows) => Operator::Sends { source, rows },
            None => {
                self.saw(Fact::OperatorRefused);
                Operator::Idle
            }
        }
    }

    /// Whether the log looks as if it took another's place, to who asks for its marker.
    pub(super) fn looks_replaced(&self, log: u8) -> bool {
        let forgets = !self.keeps(Guard::InPart) && self.clickhouse.begun.contains(&log);
        self.clickhouse.is_replaced(log) && !forgets
    }

    /// A log is accepted partition by partition: another one often comes first, and the command may die after it.
    fn dies_in_between(&mut self, log: u8) -> bool {
        if !self.dice.chance(128) {
            return false;
        }
        self.tell(|| format!("log {log} is accepted in another partition"));
        self.saw(Fact::AcceptedInPart);
        self.clickhouse.begun.push(log);
        self.dice.chance(64)
    }

    /// What to record; `None` when nothing is wrong.
    fn decide(
        &mut self,
        log: u8,
        bounds: Bounds,
        source: usize,
        marker: Option<i64>,
        replaced: bool,
    ) -> Option<Rows> {
        let Bounds { version, low, high } = bounds;
        if self.logs[version].identity != log {
            return None;
        }
        let Some(marker) = marker else {
            return replaced.then_some(Rows::Genesis { at: low, operator: true });
        };
        if marker < low {
            let range = Range { first: marker, next: low };
            return Some(Rows::Gap { range, chosen: false, version });
        }
        if marker > high {
            return Some(Rows::Successor { at: high, marker, version });
        }
        let end = self.passes_over(source, marker).min(high);
        let range = Range { first: marker, next: end };
        (end > marker).then_some(Rows::Gap { range, chosen: true, version })
    }

    /// Up to where records are to be passed over, if anywhere.
    fn passes_over(&mut self, source: usize, marker: i64) -> i64 {
        let mut from = None;
        for owner in &self.owners[..OWNERS] {
            if owner.state == State::Stopped && owner.source == source {
                from = from.or(owner.flooded);
            }
        }
        let log = self.log();
        match from {
            Some(from) => log.end_of_poison(from.max(marker)).max(from + i64::from(FLOOD)),
            None if self.plan.chooses && !self.calm => marker + self.dice.below(5) as i64,
            None => marker,
        }
    }

    /// A clear answer ends the command; otherwise it sends the same again.
    pub(super) fn answer_operators(&mut self, id: u32, answer: Answer) {
        for at in 0..self.operators.len() {
            let Operator::Waits { id: waited, source, rows } = self.operators[at] else { continue };
            if waited != id {
                continue;
            }
            self.operators[at] = match answer {
                Answer::Inserted | Answer::Fenced => Operator::Idle,
                Answer::AlreadyRunning | Answer::Unknown => Operator::Sends { source, rows },
            };
            if matches!(answer, Answer::Fenced | Answer::AlreadyRunning) {
                self.saw(Fact::OperatorFenced);
            }
        }
    }
}
