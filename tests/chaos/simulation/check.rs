//! What must hold: rows that land enter, a violation leaves.
//!
//! Everything is recomputed from the log's own definition, never from what an owner remembered.

use super::{
    Guard,
    clickhouse::{Block, Request, Rows, Source, Span},
    coverage::Fact,
    owner::Pending,
    world::World,
};
use callmeter_aggregator::recovery::{Range, StopReason};

impl World {
    /// Makes rows visible, all at once.
    pub(super) fn land(&mut self, request: Request) {
        self.tell(|| format!("request {} lands", request.id));
        match request.rows {
            Rows::Genesis { at, .. } => self.land_genesis(request.source, at),
            Rows::Batch(block) => self.land_batch(request, block),
            Rows::Gap { range, chosen, version } => self.land_gap(request.source, range, chosen, version),
            Rows::Successor { at, marker, version } => {
                self.land_successor(request.source, at, marker, version)
            }
        }
    }

    fn land_genesis(&mut self, source: usize, at: i64) {
        let log = self.clickhouse.sources[source].log;
        let replaced = self.clickhouse.is_replaced(log);
        self.saw(if replaced { Fact::ReplacedResumed } else { Fact::Genesis });
        let version = self.first_version(log);
        let found = &mut self.clickhouse.sources[source];
        let second = found.genesis.is_some();
        (found.genesis, found.version) = (Some(at), version);
        found.marker = found.marker.max(Some(at));
        if second {
            self.violate(|| format!("a second genesis of source {source} at {at}"));
        }
    }

    fn land_batch(&mut self, request: Request, block: Block) {
        let source = self.clickhouse.sources[request.source];
        self.saw(Fact::Landed);
        let waits = |pending: Pending| matches!(pending, Pending::Answer { id, .. } if id == request.id);
        match self.owners.iter().find(|owner| waits(owner.pending)) {
            None => self.saw(Fact::LandedLate),
            Some(owner) if owner.paused > 0 => self.saw(Fact::ZombieLanded),
            Some(_) => {}
        }
        self.check_counts(&block);
        self.check_log(request.source, &source, &block);
        self.extend(request.source, block.range, Some(block), block.version);
    }

    /// Counted and duplicates are those of a single-threaded recompute of exactly this range.
    fn check_counts(&mut self, block: &Block) {
        let Block { range, counted, duplicates, poison, floor, .. } = *block;
        let log = &self.logs[block.version];
        let (mut good, mut twice, mut bad) = (0, 0, 0);
        for offset in range.first..range.next.min(log.high()) {
            if log.records[offset as usize].poison {
                bad += 1;
            } else if log.is_duplicate(offset, floor, self.horizon()) {
                twice += 1;
            } else {
                good += 1;
            }
        }
        if (good, twice, bad) != (counted, duplicates, poison)
            || good + twice + bad != range.next - range.first
        {
            self.violate(|| {
                format!(
                    "the batch {range:?} says counted {counted}, duplicates {duplicates}, poison {poison}; \
                     a recompute says {good}, {twice}, {bad}"
                )
            });
        }
    }

    /// The records are those of the source's log, and no other source of it counts them too.
    fn check_log(&mut self, at: usize, source: &Source, block: &Block) {
        if self.logs[block.version].identity != source.log {
            self.violate(|| format!("records of another log are counted under source {at}: {block:?}"));
        }
        if block.version < source.version
            && block.range.next > self.cut_since(block.version)
            && source.number > 0
        {
            self.violate(|| {
                format!("records that were truncated before source {at} began are counted in it: {block:?}")
            });
        }
        let later = |other: &Source| {
            other.log == source.log
                && other.number > source.number
                && block.version >= other.version
                && other.genesis.is_some_and(|genesis| block.range.next > genesis)
        };
        if self.clickhouse.sources.iter().any(later) {
            self.violate(|| format!("source {at} counts what its successor counts too: {block:?}"));
        }
    }

    fn land_gap(&mut self, source: usize, range: Range, chosen: bool, version: usize) {
        let log = &self.logs[version];
        if !chosen && range.next > log.low {
            let low = log.low;
            self.violate(|| format!("the gap {range:?} covers records that the log holds from {low} on"));
        }
        self.saw(if chosen { Fact::GapChosen } else { Fact::Gap });
        self.extend(source, range, None, version);
    }

    fn land_successor(&mut self, source: usize, at: i64, marker: i64, version: usize) {
        let before = self.clickhouse.sources[source];
        if self.clickhouse.effective(before.log) != source {
            self.violate(|| format!("two operators began a successor of source {source}"));
        }
        if marker <= at {
            self.violate(|| {
                format!("a successor begins at {at}, although the marker {marker} lies within the log")
            });
        }
        self.saw(Fact::Successor);
        if at > self.logs[version].cut {
            self.saw(Fact::WrittenBetween);
        }
        let recounts = |span: &Span| {
            let later = span.block.is_some_and(|block| block.version >= version);
            span.source == source && later && span.range.next > at
        };
        if self.clickhouse.ledger.iter().any(recounts) {
            self.violate(|| {
                format!("a successor of source {source} begins at {at}, below what was counted of this log")
            });
        }
        // The same block moves the marker of the source before: whoever still counts under it is fenced.
        if self.keeps(Guard::Close) {
            let before = self.clickhouse.sources[source].version;
            self.extend(source, Range { first: marker, next: marker + 1 }, None, before);
        }
        let mut next = Source::new(before.log, before.number + 1);
        (next.genesis, next.marker, next.version) = (Some(at), Some(at), version);
        self.clickhouse.sources.push(next);
    }

    /// Adds a range to the ledger: it must begin where the last one ended.
    fn extend(&mut self, at: usize, range: Range, block: Option<Block>, version: usize) {
        let mut tail = self.clickhouse.sources[at].genesis;
        for span in &self.clickhouse.ledger {
            if span.source == at {
                tail = Some(span.range.next);
            }
        }
        if tail != Some(range.first) || range.next <= range.first {
            self.violate(|| format!("gap or overlap in source {at}: {range:?} follows {tail:?}"));
        }
        self.clickhouse.ledger.push(Span { source: at, range, block });
        let source = &mut self.clickhouse.sources[at];
        source.marker = source.marker.max(Some(range.next));
        source.version = source.version.max(version);
    }

    /// A partition may stop only for what really happened.
    pub(super) fn check_stop(&mut self, who: usize, reason: StopReason) {
        let identity = self.owners[who].log;
        let found = self.logs.iter().rfind(|log| log.identity == identity);
        let log = found.expect("an owner's log was there once");
        let low = log.low;
        let marker = self.clickhouse.sources[self.clickhouse.effective(identity)].marker;
        match reason {
            StopReason::MarkerBelowLog { marker: seen, low: told } => {
                self.saw(Fact::StopBelow);
                if marker.is_some_and(|marker| marker >= low) {
                    self.saw(Fact::StopStale);
                } else if told <= seen || told > low {
                    self.violate(|| format!("owner {who} stopped, and no record is lost: {reason:?}"));
                }
            }
            StopReason::MarkerAboveLog { .. } => {
                self.saw(Fact::StopAbove);
                if !self.was_truncated(identity) {
                    self.violate(|| format!("owner {who} stopped, and nothing was truncated: {reason:?}"));
                }
            }
            StopReason::LogReplaced => {
                self.saw(Fact::StopReplaced);
                if identity == 0 {
                    self.violate(|| format!("owner {who} stopped, and nothing was replaced"));
                }
            }
            StopReason::PoisonFlood { from } => {
                // As the owner could know it: when it read the records, or when it looked last.
                let stands = [self.owners[who].version, self.owners[who].told].into_iter().any(|version| {
                    let log = &self.logs[version];
                    from < log.low || log.end_of_poison(from) > from
                });
                self.saw(Fact::StopFlood);
                if !stands {
                    self.violate(|| format!("owner {who} stopped at {from}, where no poison stands"));
                }
            }
        }
    }

    /// At the end: nothing is left to count, and the ledger's totals are those of a single-threaded recompute.
    pub(super) fn check_end(&mut self) {
        if self.short_memory {
            return;
        }
        for at in 0..self.clickhouse.sources.len() {
            let (mut counted, mut wanted) = (0, 0);
            for span in self.clickhouse.ledger.iter().filter(|span| span.source == at) {
                let Some(block) = span.block else { continue };
                counted += block.counted;
                let log = &self.logs[block.version];
                for offset in span.range.first..span.range.next {
                    let twice = log.is_duplicate(offset, 0, self.horizon());
                    wanted += i64::from(!twice && !log.records[offset as usize].poison);
                }
            }
            if counted != wanted {
                self.violate(|| {
                    format!("source {at} counts {counted} events; the log holds {wanted} different ones")
                });
            }
        }
    }
}
