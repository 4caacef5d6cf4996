//! The broker: records are appended and lost, topics are made anew.

use super::{
    clickhouse::{Rows, Source},
    coverage::Fact,
    log::Log,
    world::World,
};

/// Logs of one history: more would be versions of versions.
const MOST_LOGS: usize = 6;
/// Records of a log: offsets stay small and histories readable.
const MOST_RECORDS: i64 = 400;

impl World {
    pub(super) fn log(&self) -> &Log {
        self.logs.last().expect("a log is always there")
    }

    pub(super) fn log_mut(&mut self) -> &mut Log {
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
    pub(super) fn repeat(&mut self) {
        let back = self.dice.below(self.horizon() as usize + 4) as i64;
        let of = self.log().high() - 1 - back;
        if of >= 0 && self.may_grow() {
            let id = self.log().records[of as usize].id;
            self.log_mut().append(id, false);
            self.saw(Fact::Repeated);
            self.tell(|| format!("event {id} is sent again"));
        }
    }

    pub(super) fn poison(&mut self, many: usize) {
        for _ in 0..many {
            if self.may_grow() {
                self.log_mut().append(0, true);
                self.saw(Fact::Poisoned);
                self.tell(|| "poison is appended".to_owned());
            }
        }
    }

    pub(super) fn marker(&self) -> i64 {
        let source = self.clickhouse.effective(self.log().identity);
        self.clickhouse.sources[source].marker.unwrap_or(0)
    }

    /// Retention deletes what was counted.
    pub(super) fn retain(&mut self) {
        let (low, marker) = (self.log().low, self.marker().min(self.log().high()));
        if marker > low {
            let low = low + 1 + self.dice.below((marker - low) as usize) as i64;
            self.log_mut().low = low;
            self.saw(Fact::Retained);
            self.tell(|| format!("retention: the log begins at {low}"));
        }
    }

    /// Retention deletes whatever is old, counted or not.
    pub(super) fn retain_all(&mut self) {
        let (low, high) = (self.log().low, self.log().high());
        let low = low + self.dice.below((high - low + 1) as usize) as i64;
        if low > self.marker() {
            self.saw(Fact::RetentionLoss);
        }
        self.log_mut().low = low;
        self.tell(|| format!("retention: the log begins at {low}, whatever was counted"));
    }

    pub(super) fn truncate(&mut self) {
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

    pub(super) fn recreate(&mut self) {
        if self.logs.len() >= MOST_LOGS {
            return;
        }
        let identity = self.log().identity + 1;
        self.logs.push(Log::new(identity));
        self.clickhouse.sources.push(Source::new(identity, 0));
        self.saw(Fact::Recreated);
        self.tell(|| format!("the topic is re-created: log {identity}"));
    }
}
