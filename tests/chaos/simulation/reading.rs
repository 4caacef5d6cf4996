//! Reading and counting of an owner: records of the log enter its batch, sealed batches and doubts about the log leave.

use super::{
    Guard,
    clickhouse::Block,
    coverage::{Fact, State},
    owner::{EMPTY, Owner},
    plan::FLOOD,
    world::World,
};
use callmeter_aggregator::recovery::{Event, Range};

impl Owner {
    /// Takes a record and says what it is.
    fn take(&mut self, offset: i64, id: usize, poison: bool, horizon: i64) {
        let counts = offset >= self.fill.range.first;
        if counts {
            self.fill.range.next = offset + 1;
        }
        if poison {
            if counts {
                self.fill.poison += 1;
                self.poison_run += 1;
            }
            return;
        }
        if self.seen.len() <= id {
            self.seen.resize(id + 8, -1);
        }
        let twice = horizon > 0 && self.seen[id] >= 0 && offset - self.seen[id] <= horizon;
        self.seen[id] = offset;
        if counts {
            self.poison_run = 0;
            self.fill.duplicates += i64::from(twice);
            self.fill.counted += i64::from(!twice);
        }
    }
}

impl World {
    pub(super) fn consume(&mut self, who: usize, remember_from: i64, count_from: i64) {
        let wanted = count_from - self.horizon();
        let rebuilds = self.keeps(Guard::Memory);
        let Owner { told: version, low, .. } = self.owners[who];
        if remember_from != low.max(wanted) {
            self.violate(|| format!("owner {who} remembers from {remember_from}, the log begins at {low}"));
        }
        if remember_from > wanted.max(0) {
            self.short_memory = true;
            self.saw(Fact::ShortMemory);
        }
        let owner = &mut self.owners[who];
        owner.forget();
        (owner.reading, owner.version, owner.floor) = (true, version, remember_from);
        owner.position = if rebuilds { remember_from } else { count_from };
        let range = Range { first: count_from, next: count_from };
        owner.fill = Block { range, version, floor: remember_from, ..EMPTY };
    }

    /// Reads a few records, or seals what was read.
    pub(super) fn read(&mut self, who: usize, roll: u64) {
        let owner = &mut self.owners[who];
        let filled = owner.fill.range.next - owner.fill.range.first;
        let counts = matches!(owner.state, State::Ready | State::Verifying);
        if counts && owner.sealed.is_none() && filled > 0 && (roll & 3 == 0 || filled > 8) {
            return self.seal(who);
        }
        if !self.is_readable(who) {
            self.saw(Fact::LogLostSeen);
            self.owners[who].reading = false;
            return self.event(who, Event::LogLost);
        }
        // A full batch waits until the one before is stored.
        if filled > 8 {
            return;
        }
        let horizon = self.horizon();
        let log = self.logs.last().expect("a log is always there");
        let owner = &mut self.owners[who];
        let until = log.high().min(owner.position + 1 + (roll >> 2 & 3) as i64);
        for offset in owner.position..until {
            let record = log.records[offset as usize];
            owner.take(offset, usize::from(record.id), record.poison, horizon);
            if owner.poison_run >= FLOOD {
                break;
            }
        }
        owner.position = until;
        if owner.poison_run >= FLOOD {
            let from = owner.fill.range.next - i64::from(FLOOD);
            owner.flooded = Some(from);
            self.event(who, Event::PoisonFlood { from });
        }
    }

    /// Whether the log still is the one that was read, and holds the next offset or ends there.
    fn is_readable(&mut self, who: usize) -> bool {
        let now = self.logs.len() - 1;
        let Owner { version, position, log, fill, .. } = self.owners[who];
        let mut same = true;
        if version != now {
            let wrong_log = self.logs[now].identity != log;
            same = !wrong_log && position.max(fill.range.first) <= self.cut_since(version);
            if wrong_log {
                self.saw(Fact::WrongLog);
            }
            self.owners[who].version = now;
            self.owners[who].fill.version = now;
        }
        (same || !self.keeps(Guard::Identity))
            && (self.logs[now].low..=self.logs[now].high()).contains(&position)
    }

    fn seal(&mut self, who: usize) {
        let off_by_one = i64::from(!self.keeps(Guard::RangeEnd));
        let owner = &mut self.owners[who];
        let mut block = owner.fill;
        block.range.next += off_by_one;
        let first = block.range.next;
        owner.fill = Block {
            range: Range { first, next: first },
            version: block.version,
            floor: block.floor,
            ..EMPTY
        };
        owner.sealed = Some(block);
        self.event(who, Event::Sealed(block.range));
    }
}
