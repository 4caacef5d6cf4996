//! Cells by series and window: a key enters, the one cell of it leaves, new when the key is.
//!
//! Numbers of series are small and dense, and the events of a batch nearly all lie in two or three windows: those windows have
//! a list of places, in which a look is one load of four bytes. Promise: cells stand in the order in which their keys came
//! first, and no key has two, in however many windows.

use crate::dedup::spread;
use hashbrown::HashTable;
use std::ops::Deref;

/// Windows of a batch that have a list; the cells of further ones stand in a table.
const LISTED: usize = 4;
/// The place of a cell that is not there.
const NOWHERE: u32 = u32::MAX;

/// What is kept for one series in one window.
pub trait Cell {
    /// An empty one of a series and the start of a window, seconds since 1970 UTC.
    fn new(series: u32, window_start: u32) -> Self;
}

/// Cells in order of first appearance.
#[derive(Debug)]
pub struct Cells<C> {
    cells: Vec<C>,
    /// The first windows of the batch; behind them room of earlier batches.
    listed: [Window; LISTED],
    windows: usize,
    /// Key and place of each cell of a further window.
    others: HashTable<(u64, u32)>,
}

/// One window of a batch.
#[derive(Debug, Default)]
struct Window {
    start: u32,
    /// Places by series.
    places: Vec<u32>,
}

impl<C> Default for Cells<C> {
    fn default() -> Self {
        Self { cells: Vec::new(), listed: Default::default(), windows: 0, others: HashTable::new() }
    }
}

impl<C: Cell> Cells<C> {
    /// The cell of a series in a window.
    pub fn of(&mut self, series: u32, window_start: u32) -> &mut C {
        let at = self.place(series, window_start);
        self.at(at)
    }

    /// The place of the cell of a series in a window, for [`Self::at`].
    pub fn place(&mut self, series: u32, window_start: u32) -> u32 {
        let Self { cells, listed, windows, others } = self;
        let known = listed[..*windows].iter().position(|window| window.start == window_start);
        let Some(window) = known.or_else(|| begin(listed, windows, window_start)) else {
            let key = u64::from(window_start) << 32 | u64::from(series);
            if let Some((_, place)) = others.find(spread(key), |(known, _)| *known == key) {
                return *place;
            }
            let place = push(cells, series, window_start);
            others.insert_unique(spread(key), (key, place), |(key, _)| spread(*key));
            return place;
        };
        let places = &mut listed[window].places;
        if places.len() <= series as usize {
            places.resize(series as usize + 1, NOWHERE);
        }
        let place = &mut places[series as usize];
        if *place == NOWHERE {
            *place = push(cells, series, window_start);
        }
        *place
    }

    /// The cell at a place.
    pub fn at(&mut self, place: u32) -> &mut C {
        &mut self.cells[place as usize]
    }

    /// Forgets every cell and keeps the room of at most so many.
    pub fn clear(&mut self, most: usize) {
        self.cells.clear();
        self.listed.iter_mut().for_each(|window| window.places.clear());
        self.windows = 0;
        self.others.clear();
        if self.cells.capacity() > most {
            *self = Self::default();
        }
    }
}

/// Gives a new window a list, if one is left.
fn begin(listed: &mut [Window], windows: &mut usize, start: u32) -> Option<usize> {
    let window = *windows;
    listed.get_mut(window)?.start = start;
    *windows += 1;
    Some(window)
}

fn push<C: Cell>(cells: &mut Vec<C>, series: u32, window_start: u32) -> u32 {
    cells.push(C::new(series, window_start));
    cells.len() as u32 - 1
}

impl<C> Deref for Cells<C> {
    type Target = [C];

    fn deref(&self) -> &[C] {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Key(u32, u32);

    impl Cell for Key {
        fn new(series: u32, window_start: u32) -> Self {
            Self(series, window_start)
        }
    }

    proptest! {
        #[test]
        fn every_key_has_one_cell_in_order_of_appearance_in_however_many_windows(
            batches in prop::collection::vec(prop::collection::vec((0..40_u32, 0..9_u32), 0..60), 1..4),
        ) {
            let mut cells = Cells::<Key>::default();
            for keys in batches {
                let mut defined: Vec<Key> = Vec::new();
                for (series, window_start) in keys {
                    let key = Key(series, window_start);
                    let wanted = defined.iter().position(|known| *known == key).unwrap_or(defined.len());
                    if wanted == defined.len() {
                        defined.push(key);
                    }
                    prop_assert_eq!(cells.place(series, window_start) as usize, wanted);
                }
                prop_assert_eq!(&*cells, &*defined);
                cells.clear(1_000);
            }
        }
    }
}
