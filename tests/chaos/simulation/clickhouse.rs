//! ClickHouse as it was seen to behave: requests enter, landed rows and answers leave.
//!
//! One running insert per source (its query id), the marker compared when an insert starts, all of its rows visible when
//! it ends or none. Requests on the wire are unordered, and live on when nobody waits for them any more.

use super::{Guard, coverage::Fact, owner::Pending, world::World};
use callmeter_aggregator::recovery::{Answer, Range};

/// Rows of one batch: what an owner counted in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) range: Range,
    pub(super) counted: i64,
    pub(super) duplicates: i64,
    pub(super) poison: i64,
    /// Version of the log that its records were read from.
    pub(super) version: usize,
    /// From where on the owner remembered ids.
    pub(super) floor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// The first marker; `operator`: of a log that takes another's place.
    Genesis {
        at: i64,
        operator: bool,
    },
    Batch(Block),
    /// An operator's gap; `chosen` when the log still holds its records.
    Gap {
        range: Range,
        chosen: bool,
        version: usize,
    },
    /// An operator's new source of a truncated log; `marker` is that of the source before.
    Successor {
        at: i64,
        marker: i64,
        version: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) source: usize,
    pub(super) rows: Rows,
}

impl Request {
    /// Whether it is an operator's decision about a whole log.
    fn is_of_whole_log(&self) -> bool {
        matches!(self.rows, Rows::Genesis { operator: true, .. })
    }
}

/// What ClickHouse holds of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) log: u8,
    pub(super) number: u8,
    pub(super) genesis: Option<i64>,
    pub(super) marker: Option<i64>,
    /// Version of the log that the marker is about.
    pub(super) version: usize,
}

impl Source {
    pub(super) fn new(log: u8, number: u8) -> Self {
        Self { log, number, genesis: None, marker: None, version: 0 }
    }
}

/// One range of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) source: usize,
    pub(super) range: Range,
    /// `None`: a gap.
    pub(super) block: Option<Block>,
}

/// Server and wire.
#[derive(Debug)]
pub(super) struct ClickHouse {
    pub(super) wire: Vec<Request>,
    pub(super) running: Vec<Request>,
    pub(super) sources: Vec<Source>,
    pub(super) ledger: Vec<Span>,
    /// Logs that took another's place and of which another partition was accepted.
    pub(super) begun: Vec<u8>,
    pub(super) ids: u32,
}

impl ClickHouse {
    pub(super) fn new() -> Self {
        Self {
            wire: Vec::new(),
            running: Vec::new(),
            sources: Vec::new(),
            ledger: Vec::new(),
            begun: Vec::new(),
            ids: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.wire.clear();
        self.running.clear();
        self.sources.clear();
        self.ledger.clear();
        self.begun.clear();
        self.ids = 0;
    }

    /// The source under which a log is counted: its base or the newest successor.
    pub(super) fn effective(&self, log: u8) -> usize {
        let mut found = 0;
        for (at, source) in self.sources.iter().enumerate() {
            if source.log == log {
                found = at;
            }
        }
        found
    }

    /// Whether nothing of this log was ever counted while another log was; what other partitions have of it changes nothing.
    pub(super) fn is_replaced(&self, log: u8) -> bool {
        let counted = |mine: bool| {
            self.sources.iter().any(|source| (source.log == log) == mine && source.genesis.is_some())
        };
        !counted(true) && counted(false)
    }
}

impl World {
    pub(super) fn send(&mut self, source: usize, rows: Rows) -> u32 {
        self.clickhouse.ids += 1;
        let id = self.clickhouse.ids;
        self.tell(|| format!("request {id} to source {source}: {rows:?}"));
        self.clickhouse.wire.push(Request { id, source, rows });
        id
    }

    /// One request reaches the server.
    pub(super) fn arrive(&mut self) {
        if self.clickhouse.wire.is_empty() {
            return;
        }
        let at = self.dice.below(self.clickhouse.wire.len());
        let request = self.clickhouse.wire.swap_remove(at);
        self.saw(Fact::Arrived);
        if self.keeps(Guard::Mutex) && self.shuts_out(&request) {
            self.tell(|| format!("request {} is shut out: another one runs", request.id));
            return self.answer(request.id, Answer::AlreadyRunning);
        }
        if self.compares() && !self.is_expected(&request) {
            self.tell(|| format!("request {} is fenced", request.id));
            return self.answer(request.id, Answer::Fenced);
        }
        self.tell(|| format!("request {} starts", request.id));
        self.clickhouse.running.push(request);
    }

    /// Whether another insert under the same query id runs.
    fn shuts_out(&self, request: &Request) -> bool {
        let apart = |one: &Request| {
            !self.keeps(Guard::WholeLog) && one.is_of_whole_log() != request.is_of_whole_log()
        };
        self.clickhouse.running.iter().any(|one| one.source == request.source && !apart(one))
    }

    fn compares(&self) -> bool {
        self.keeps(Guard::Compare) && self.keeps(Guard::Doubt)
    }

    /// The comparison inside the insert.
    fn is_expected(&self, request: &Request) -> bool {
        let source = &self.clickhouse.sources[request.source];
        match request.rows {
            Rows::Genesis { .. } => source.marker.is_none(),
            Rows::Batch(block) => source.marker == Some(block.range.first),
            Rows::Gap { range, .. } => source.marker == Some(range.first),
            Rows::Successor { marker, .. } => {
                source.marker == Some(marker) && self.clickhouse.effective(source.log) == request.source
            }
        }
    }

    /// A request on the wire comes to nothing: lost, or refused before it started.
    pub(super) fn lose(&mut self, fact: Fact) {
        if self.clickhouse.wire.is_empty() {
            return;
        }
        let at = self.dice.below(self.clickhouse.wire.len());
        let request = self.clickhouse.wire.swap_remove(at);
        self.saw(fact);
        self.tell(|| format!("request {}: {fact:?}", request.id));
        self.answer(request.id, Answer::Unknown);
    }

    /// One running insert ends.
    pub(super) fn end(&mut self, lands: bool) {
        if self.clickhouse.running.is_empty() {
            return;
        }
        let at = self.dice.below(self.clickhouse.running.len());
        let request = self.clickhouse.running.swap_remove(at);
        if lands {
            self.land(request);
            return self.answer(request.id, Answer::Inserted);
        }
        self.saw(Fact::NotLanded);
        self.tell(|| format!("request {} does not land", request.id));
        self.answer(request.id, Answer::Unknown);
    }

    /// Everything that runs ends, landed or not, and all answers are lost.
    pub(super) fn restart(&mut self) {
        if !self.clickhouse.running.is_empty() {
            self.saw(Fact::Restarted);
        }
        self.tell(|| "the server restarts".to_owned());
        while let Some(request) = self.clickhouse.running.pop() {
            if self.dice.chance(128) {
                self.land(request);
            }
            self.answer(request.id, Answer::Unknown);
        }
    }

    /// Kills what runs for a source; it may land just before.
    pub(super) fn kill_query(&mut self, source: usize) {
        while let Some(at) = self.clickhouse.running.iter().position(|one| one.source == source) {
            let request = self.clickhouse.running.swap_remove(at);
            let landed = self.dice.chance(128);
            self.saw(if landed { Fact::KilledLanded } else { Fact::QueryKilled });
            self.tell(|| format!("request {} is killed, landed: {landed}", request.id));
            if landed {
                self.land(request);
            }
            self.answer(request.id, if landed { Answer::Inserted } else { Answer::Unknown });
        }
    }

    /// The answer reaches whoever still waits for it.
    fn answer(&mut self, id: u32, answer: Answer) {
        for owner in &mut self.owners {
            if let Pending::Answer { id: waited, arrived: arrived @ None } = &mut owner.pending
                && *waited == id
            {
                *arrived = Some(answer);
            }
        }
        self.answer_operators(id, answer);
    }

    /// The connection of an owner that waits breaks; its request lives on.
    pub(super) fn time_out(&mut self, who: usize) {
        if let Pending::Answer { id, arrived } = &mut self.owners[who].pending
            && *arrived != Some(Answer::Unknown)
        {
            let id = *id;
            *arrived = Some(Answer::Unknown);
            // What breaks connections often holds up the process as well.
            if self.dice.chance(64) {
                self.owners[who].paused = self.dice.below(self.plan.pause);
            }
            self.saw(Fact::TimedOut);
            self.tell(|| format!("owner {who} hears nothing of request {id}"));
        }
    }
}
