//! One query over a window that slides: rows and the time enter, the query's answer leaves.
//!
//! Each stored window is added to its group once when it comes into the query's window and taken away once when it
//! falls out, so that an answer costs what changed and not what the window holds. Promise: pure; the edges
//! are those that the query gives ClickHouse as parameters.

use crate::{
    query::{Answer, Group, Param, Query},
    replay::row::{Key, Sums},
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One query and what its window holds.
#[derive(Debug)]
pub(crate) struct Tally {
    query: Query,
    /// Window starts in the answer lie above the first and up to the second, seconds since 1970.
    edges: (u32, u32),
    /// Group of every key that the history knows; `None` where the filter leaves the key out.
    group_of_key: Vec<Option<usize>>,
    places: HashMap<Vec<String>, usize>,
    groups: Vec<Total>,
    /// What may still come into the window or fall out of it, by window start and group.
    held: BTreeMap<u32, HashMap<usize, Cell>>,
    answer: Answer,
    /// Group behind each place of the answer.
    answered: Vec<usize>,
    changed: BTreeSet<usize>,
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
    cell: Cell,
    /// Place in the answer, while there are rows.
    place: Option<usize>,
}

impl Tally {
    pub(crate) fn new(query: Query) -> Self {
        Self {
            answer: query.answer(Vec::new()),
            query,
            edges: (0, 0),
            group_of_key: Vec::new(),
            places: HashMap::new(),
            groups: Vec::new(),
            held: BTreeMap::new(),
            answered: Vec::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Learns a key; keys are numbered in the order in which they are learnt.
    pub(crate) fn learn(&mut self, key: &Key) {
        let group = self.is_asked_for(key).then(|| self.group(key));
        self.group_of_key.push(group);
    }

    fn is_asked_for(&self, key: &Key) -> bool {
        let value = |dimension| key.get(dimension).cloned().unwrap_or_default();
        self.query.filter().iter().all(|(dimension, choice)| choice.contains(&value(dimension)))
    }

    fn group(&mut self, key: &Key) -> usize {
        let dimensions = self.answer.dimensions.iter();
        let values: Vec<String> =
            dimensions.map(|dimension| key.get(dimension).cloned().unwrap_or_default()).collect();
        if let Some(place) = self.places.get(&values) {
            return *place;
        }
        let place = self.groups.len();
        self.places.insert(values.clone(), place);
        self.groups.push(Total { values, cell: Cell::default(), place: None });
        place
    }

    /// Adds a row of a learnt key; one whose window has fallen out of the query's window changes nothing.
    /// Returns whether a further cell is held for it.
    pub(crate) fn add(&mut self, window_start: u32, key: usize, sums: &Sums) -> bool {
        let Some(group) = self.group_of_key.get(key).copied().flatten() else { return false };
        let (since, until) = self.edges;
        if window_start <= since {
            return false;
        }
        let sums = self.seen(sums);
        if window_start <= until {
            if let Some(total) = self.groups.get_mut(group) {
                total.cell.add(1, &sums);
            }
            self.changed.insert(group);
        }
        let cells = self.held.entry(window_start).or_default();
        let before = cells.len();
        cells.entry(group).or_default().add(1, &sums);
        cells.len() > before
    }

    /// What the query asks of a row.
    fn seen(&self, sums: &Sums) -> Sums {
        let latency = if self.query.asks_latency() { sums.latency.clone() } else { BTreeMap::new() };
        let errors_by_class =
            if self.query.asks_classes() { sums.errors_by_class.clone() } else { BTreeMap::new() };
        Sums { latency, errors_by_class, ..*sums }
    }

    /// The answer at `now`, which never goes back; and how many cells are no longer held.
    pub(crate) fn answer(&mut self, now: Timestamp) -> (&Answer, usize) {
        let (since, until) = edges(&self.query, now);
        let kept = self.held.split_off(&since.saturating_add(1));
        let passed = std::mem::replace(&mut self.held, kept);
        let released = passed.values().map(HashMap::len).sum();
        let (_, before) = self.edges;
        for (group, cell) in passed.range(..=before).flat_map(|(_, cells)| cells) {
            if let Some(total) = self.groups.get_mut(*group) {
                total.cell.subtract(cell);
            }
            self.changed.insert(*group);
        }
        if until > before {
            for (group, cell) in
                self.held.range(before.saturating_add(1)..=until).flat_map(|(_, cells)| cells)
            {
                if let Some(total) = self.groups.get_mut(*group) {
                    total.cell.add(cell.rows, &cell.sums);
                }
                self.changed.insert(*group);
            }
        }
        self.edges = (since, until.max(before));
        for group in std::mem::take(&mut self.changed) {
            self.refresh(group);
        }
        (&self.answer, released)
    }

    /// Brings one group of the answer up to its total; a group without rows is not in it.
    fn refresh(&mut self, group: usize) {
        let Some(total) = self.groups.get_mut(group) else { return };
        if total.cell.rows == 0 {
            let Some(place) = total.place.take() else { return };
            self.answer.groups.swap_remove(place);
            self.answered.swap_remove(place);
            if let Some(moved) = self.answered.get(place).and_then(|moved| self.groups.get_mut(*moved)) {
                moved.place = Some(place);
            }
            return;
        }
        let place = match total.place {
            Some(place) => place,
            None => {
                let place = self.answer.groups.len();
                total.place = Some(place);
                self.answer.groups.push(Group { values: total.values.clone(), ..Group::default() });
                self.answered.push(group);
                place
            }
        };
        if let Some(shown) = self.answer.groups.get_mut(place) {
            let values = std::mem::take(&mut shown.values);
            let quantiles = self.answer.quantiles.iter();
            let sums = &total.cell.sums;
            let quantiles = quantiles.map(|quantile| sums.latency_quantile(*quantile)).collect();
            *shown = Group { values, quantiles, ..sums.into() };
        }
    }
}

impl Cell {
    fn add(&mut self, rows: u64, sums: &Sums) {
        self.rows += rows;
        self.sums.add(sums);
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
            errors_by_class: sums
                .errors_by_class
                .iter()
                .map(|(class, count)| (class.as_str().to_owned(), *count))
                .collect(),
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

/// Above which window start, and up to which, the query looks at `now`.
fn edges(query: &Query, now: Timestamp) -> (u32, u32) {
    let params = query.params(now);
    let edge = |wanted| {
        params.iter().find_map(|(name, param)| match param {
            Param::Seconds(seconds) if *name == wanted => Some(*seconds),
            _ => None,
        })
    };
    (edge("since").unwrap_or(0), edge("until").unwrap_or(0))
}
