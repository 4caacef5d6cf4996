//! The consumer group: who has the partition, or believes so.
//!
//! It gives the partition to several at once for a while, and takes it from whoever happens to hear of it.

use super::{
    coverage::{Fact, State},
    world::World,
};
use callmeter_aggregator::recovery::Event;

impl World {
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
    pub(super) fn rebalance(&mut self) {
        let to = self.anybody();
        for who in 0..self.plan.owners {
            if who != to && self.owners[who].paused == 0 && self.dice.chance(160) {
                self.revoke(who);
            }
        }
        self.assign(to);
    }

    pub(super) fn kill_process(&mut self) {
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
}
