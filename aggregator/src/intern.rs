//! Series: the dimensions of a key enter as texts, a small number leaves.
//!
//! Promise: the same texts always have the same number until [`Interner::clear`]; two different
//! series never share one. Memory is bounded by its owner, who clears it when [`Interner::bytes`]
//! passes a bound, between two batches.

use crate::dedup::hash64;
use hashbrown::HashTable;

#[derive(Debug)]
struct Series<const N: usize> {
    hash: u64,
    /// Where its texts begin in the arena, and where each of them ends.
    start: usize,
    ends: [u16; N],
}

/// The series of one partition, of N dimensions each.
#[derive(Debug, Default)]
pub struct Interner<const N: usize> {
    arena: Vec<u8>,
    series: Vec<Series<N>>,
    table: HashTable<u32>,
    scratch: Vec<u8>,
}

impl<const N: usize> Interner<N> {
    /// The number of the series that has these texts, each of at most 8,191 bytes.
    pub fn number(&mut self, texts: [&str; N]) -> u32 {
        self.scratch.clear();
        let mut ends = [0; N];
        for (text, end) in texts.iter().zip(&mut ends) {
            self.scratch.extend_from_slice(text.as_bytes());
            *end = self.scratch.len() as u16;
        }
        let hash = hash64(&self.scratch);
        let (arena, series, scratch) = (&self.arena, &self.series, &self.scratch);
        let same = |number: &u32| {
            let known = &series[*number as usize];
            known.hash == hash
                && known.ends == ends
                && arena[known.start..known.start + scratch.len()] == scratch[..]
        };
        if let Some(number) = self.table.find(hash, same) {
            return *number;
        }
        let number = self.series.len() as u32;
        self.series.push(Series { hash, start: self.arena.len(), ends });
        self.arena.extend_from_slice(&self.scratch);
        let series = &self.series;
        self.table.insert_unique(hash, number, |number| series[*number as usize].hash);
        number
    }

    /// One dimension of a series.
    pub fn text(&self, number: u32, dimension: usize) -> &[u8] {
        let series = &self.series[number as usize];
        let begin = if dimension == 0 { 0 } else { series.ends[dimension - 1] as usize };
        &self.arena[series.start + begin..series.start + series.ends[dimension] as usize]
    }

    /// Bytes held, near enough for a bound.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.series.len() * (size_of::<Series<N>>() + 6)
    }

    /// Forgets every series; numbers given out before mean nothing afterwards.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
