//! Cells by series and window: a key enters, the one cell of it leaves, new when the key is.
//!
//! Promise: cells stand in the order in which their keys came first, and no key has two.

use hashbrown::HashTable;
use std::ops::Deref;

/// What is kept for one series in one window.
pub trait Cell {
    /// An empty one of a series and the start of a window, seconds since 1970 UTC.
    fn new(series: u32, window_start: u32) -> Self;
}

/// Cells in order of first appearance.
#[derive(Debug)]
pub struct Cells<C> {
    cells: Vec<C>,
    /// Key and place of each cell: with the key here, looking does not touch the cells.
    table: HashTable<(u64, u32)>,
}

impl<C> Default for Cells<C> {
    fn default() -> Self {
        Self { cells: Vec::new(), table: HashTable::new() }
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
        let key = u64::from(window_start) << 32 | u64::from(series);
        if let Some((_, place)) = self.table.find(hash(key), |(known, _)| *known == key) {
            return *place;
        }
        let place = self.cells.len() as u32;
        self.cells.push(C::new(series, window_start));
        self.table.insert_unique(hash(key), (key, place), |(key, _)| hash(*key));
        place
    }

    /// The cell at a place.
    pub fn at(&mut self, place: u32) -> &mut C {
        &mut self.cells[place as usize]
    }

    /// Forgets every cell and keeps the room of at most so many.
    pub fn clear(&mut self, most: usize) {
        self.cells.clear();
        self.table.clear();
        if self.cells.capacity() > most {
            *self = Self::default();
        }
    }
}

impl<C> Deref for Cells<C> {
    type Target = [C];

    fn deref(&self) -> &[C] {
        &self.cells
    }
}

fn hash(key: u64) -> u64 {
    // Fibonacci hashing; hashbrown takes its tag from the top bits and the slot from the low ones.
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}
