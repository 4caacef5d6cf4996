//! The end of a history: no more faults, one owner and an operator who resumes what is stopped; everything must be counted.

use super::{
    coverage::{Fact, State},
    world::World,
};

/// Turns within which everything is counted once the last fault is over.
const CALM_TURNS: u32 = 600;

impl World {
    /// Whether the owner rests at the end of a truncated log although it is not all counted: a late batch of the lost tail
    /// landed, or it looked just before an operator's decision landed. It finds out when it stores the next record.
    fn is_idle_behind(&self) -> bool {
        let (owner, high) = (&self.owners[0], self.log().high());
        let successor = owner.source != self.clickhouse.effective(owner.log);
        owner.is_idle() && owner.position == high && (successor || self.marker() > high)
    }

    /// The last fault is over: one owner, an operator who resumes what is stopped, and everything must be counted.
    pub(super) fn calm_down(&mut self) {
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
            if round > CALM_TURNS {
                let (marker, high) = (self.marker(), self.log().high());
                return self.violate(|| format!("counting came to rest at {marker} of {high}"));
            }
        }
    }
}
