//! One query over windows that slide: rows and the time enter, the query's answer leaves.
//!
//! Each stored window is added to its group once when it comes into a window of the query and taken away once when it
//! falls out, so that an answer costs what changed and not what the windows hold. Promise: pure; the edges
//! are those that the query gives ClickHouse as parameters.

use crate::{
    query::{Answer, Group, Query},
    replay::{
        edges::{self, Edges, Span},
        limits::Limits,
        row::{Key, Sums},
    },
    vocabulary::Source,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// One query and what its windows hold.
#[derive(Debug)]
pub(crate) struct Tally {
    query: Query,
    edges: Edges,
    /// Group of every key that the history knows; `None` where the query does not read the key.
    group_of_key: Vec<Option<usize>>,
    places: HashMap<Vec<String>, usize>,
    groups: Vec<Total>,
    /// What may still come into a window or fall out of it, by window start and group.
    held: BTreeMap<u32, HashMap<usize, Cell>>,
    /// The last answer, while it holds.
    answer: Option<Answer>,
}

/// Rows that were added together.
#[derive(Debug, Default)]
struct Cell {
    rows: u64,
    sums: Sums,
}

#[derive(Debug)]
struct Total {
    values: Vec<String>,
    now: Cell,
    /// In the window that it is compared with.
    before: Cell,
    /// Starts of its stored windows, and whether there were calls.
    starts: BTreeMap<u32, bool>,
}

impl Tally {
    pub(crate) fn new(query: Query) -> Self {
        Self {
            query,
            edges: Edges::default(),
            group_of_key: Vec::new(),
            places: HashMap::new(),
            groups: Vec::new(),
            held: BTreeMap::new(),
            answer: None,
        }
    }

    /// Learns a key; keys are numbered in the order in which they are learnt.
    pub(crate) fn learn(&mut self, key: &Key) {
        let counts = self.query.source().is_in_rollups() && self.query.reads(key);
        let group = counts.then(|| self.group(key));
        self.group_of_key.push(group);
    }

    fn group(&mut self, key: &Key) -> usize {
        let dimensions = self.query.dimensions().iter();
        let values: Vec<String> =
            dimensions.map(|dimension| key.get(dimension).cloned().unwrap_or_default()).collect();
        if let Some(place) = self.places.get(&values) {
            return *place;
        }
        let place = self.groups.len();
        self.places.insert(values.clone(), place);
        let (now, before) = (Cell::default(), Cell::default());
        self.groups.push(Total { values, now, before, starts: BTreeMap::new() });
        place
    }

    /// Adds a row of a learnt key; one that no window of the query can reach any more changes nothing.
    /// Returns whether a further cell is held for it.
    pub(crate) fn add(&mut self, window_start: u32, key: usize, sums: &Sums) -> bool {
        let Some(group) = self.group_of_key.get(key).copied().flatten() else { return false };
        let start = edges::start_of(&self.query, window_start);
        if start <= self.edges.oldest() {
            return false;
        }
        let sums = self.seen(sums);
        if let Some(total) = self.groups.get_mut(group) {
            for (span, cell) in [(self.edges.now, &mut total.now), (self.edges.before, &mut total.before)] {
                if span.holds(start) {
                    cell.add(1, &sums);
                }
            }
            *total.starts.entry(start).or_default() |= sums.calls > 0;
        }
        self.answer = None;
        let cells = self.held.entry(start).or_default();
        let before = cells.len();
        cells.entry(group).or_default().add(1, &sums);
        cells.len() > before
    }

    /// What the query asks of a row.
    fn seen(&self, sums: &Sums) -> Sums {
        if self.query.is_budget() {
            return Sums { calls: sums.calls, cost: sums.cost, ..Sums::default() };
        }
        let latency = if self.query.asks_latency() { sums.latency.clone() } else { BTreeMap::new() };
        let errors_by_class =
            if self.query.asks_classes() { sums.errors_by_class.clone() } else { BTreeMap::new() };
        Sums { latency, errors_by_class, ..*sums }
    }

    /// The answer at `now`, which never goes back; and how many cells are no longer held.
    pub(crate) fn answer(&mut self, limits: &Limits, now: Timestamp) -> (&Answer, usize) {
        let edges = edges::of(&self.query, now);
        if self.query.source() == Source::Quota {
            let groups = limits.groups(&self.query, edges.now.since, now);
            return (self.answer.insert(self.query.answer(groups)), 0);
        }
        let from = std::mem::replace(&mut self.edges, edges);
        let slid = self.slide(from.now, edges.now, |total| &mut total.now)
            | self.slide(from.before, edges.before, |total| &mut total.before);
        let kept = self.held.split_off(&edges.oldest().saturating_add(1));
        let released = std::mem::replace(&mut self.held, kept).values().map(HashMap::len).sum();
        // Which groups are known changes with time alone.
        let current = self.answer.take().filter(|_| !slid && edges.known_since.is_none());
        let answer = match current {
            Some(answer) => answer,
            None => {
                let groups = self.shown();
                self.query.answer(groups)
            }
        };
        (self.answer.insert(answer), released)
    }

    /// Moves one window on; returns whether that changed a sum.
    fn slide(&mut self, from: Span, to: Span, cell: fn(&mut Total) -> &mut Cell) -> bool {
        let mut changed = false;
        let out = Span { since: from.since, until: from.until.min(to.since) };
        let into = Span { since: from.until.max(to.since), until: to.until };
        for (span, apply) in [(out, Cell::subtract as fn(&mut Cell, &Cell)), (into, Cell::merge)] {
            if span.is_empty() {
                continue;
            }
            for (group, held) in self.held.range(span.range()).flat_map(|(_, cells)| cells) {
                if let Some(total) = self.groups.get_mut(*group) {
                    apply(cell(total), held);
                }
                changed = true;
            }
        }
        changed
    }

    /// Every group that has rows in a window, or is known from before it.
    fn shown(&mut self) -> Vec<Group> {
        let edges = self.edges;
        let mut shown = Vec::new();
        for total in &mut self.groups {
            total.starts = total.starts.split_off(&edges.oldest().saturating_add(1));
            for past in [false, true] {
                let (span, cell) = if past { (edges.before, &total.before) } else { (edges.now, &total.now) };
                if let Some((first, last)) = total.seen(span, edges.known(past)) {
                    let stamps = self.query.stamps(first, last);
                    shown.push(total.group(past, cell, stamps, &self.query));
                }
            }
        }
        shown
    }
}

impl Total {
    /// Start of the first and of the last stored window with rows in a window, or with calls among those known.
    fn seen(&self, span: Span, known: Span) -> Option<(u32, u32)> {
        let range = |span: Span| (!span.is_empty()).then(|| self.starts.range(span.range()));
        let within = || range(span).into_iter().flatten();
        let called = || range(known).into_iter().flatten().filter(|(_, called)| **called);
        let first = within().next().into_iter().chain(called().next()).map(|(start, _)| *start).min()?;
        let last =
            within().next_back().into_iter().chain(called().next_back()).map(|(start, _)| *start).max()?;
        Some((first, last))
    }

    fn group(&self, past: bool, cell: &Cell, (first_seen, last_seen): (u32, u32), query: &Query) -> Group {
        let sums = &cell.sums;
        Group {
            past,
            values: self.values.clone(),
            quantiles: query.quantiles().map(|quantile| sums.latency_quantile(quantile)).collect(),
            first_seen,
            last_seen,
            ..sums.into()
        }
    }
}

impl Cell {
    fn add(&mut self, rows: u64, sums: &Sums) {
        self.rows += rows;
        self.sums.add(sums);
    }

    fn merge(&mut self, cell: &Self) {
        self.add(cell.rows, &cell.sums);
    }

    fn subtract(&mut self, cell: &Self) {
        self.rows = self.rows.saturating_sub(cell.rows);
        self.sums.subtract(&cell.sums);
    }
}

impl From<&Sums> for Group {
    fn from(sums: &Sums) -> Self {
        Self {
            calls: sums.calls,
            errors: sums.errors,
            errors_by_class: sums.errors_by_class.iter().map(|(class, count)| (*class, *count)).collect(),
            retried: sums.retried,
            latency_us_sum: sums.latency_us,
            measured: sums.measured(),
            bytes_in: sums.bytes_in,
            bytes_out: sums.bytes_out,
            cost: sums.cost,
            ..Self::default()
        }
    }
}
