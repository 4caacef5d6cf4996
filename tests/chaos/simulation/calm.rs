//! The end of a history: no more faults, one owner and an operator who resumes what is stopped; everything must be counted.

use super::{coverage::State, world::World};

/// Turns within which everything is counted once the last fault is over.
const CALM_TURNS: u32 = 600;

impl World {
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
            if round > CALM_TURNS {
                let (marker, high) = (self.marker(), self.log().high());
                return self.violate(|| format!("counting came to rest at {marker} of {high}"));
            }
        }
    }
}
