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
    hashes: Vec<u64>,
}

impl<const N: usize> Interner<N> {
    /// The number of the series that has these texts, each of at most 8,191 bytes.
    pub fn number(&mut self, texts: [&str; N]) -> u32 {
        let hash = Self::hash(texts);
        match self
            .table
            .find(hash, |number| self.series[*number as usize].hash == hash && self.is(*number, texts))
        {
            Some(number) => *number,
            None => self.insert(hash, texts),
        }
    }

    /// The numbers of many series at once: `texts` says the texts of each in turn. Looking in steps, each for all of
    /// them, lets waits for memory overlap.
    pub fn numbers<'t>(
        &mut self,
        count: usize,
        texts: impl Fn(usize) -> [&'t str; N],
        numbers: &mut Vec<u32>,
    ) {
        numbers.clear();
        self.hashes.clear();
        self.hashes.extend((0..count).map(|at| Self::hash(texts(at))));
        let (table, series) = (&self.table, &self.series);
        let known = |hash: &u64| table.find(*hash, |number| series[*number as usize].hash == *hash).copied();
        numbers.extend(self.hashes.iter().map(|hash| known(hash).unwrap_or(u32::MAX)));
        for (at, number) in numbers.iter_mut().enumerate() {
            let texts = texts(at);
            // Another series may have the same hash, and an earlier one of these may have been the first of its series.
            if *number == u32::MAX || !self.is(*number, texts) {
                *number = self.number(texts);
            }
        }
    }

    fn hash(texts: [&str; N]) -> u64 {
        // The multiplication keeps the same texts in another order apart.
        texts.iter().fold(0, |hash, text| hash64(text.as_bytes()) ^ hash.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn is(&self, number: u32, texts: [&str; N]) -> bool {
        texts.iter().enumerate().all(|(dimension, text)| self.text(number, dimension) == text.as_bytes())
    }

    fn insert(&mut self, hash: u64, texts: [&str; N]) -> u32 {
        let (number, start) = (self.series.len() as u32, self.arena.len());
        let ends = texts.map(|text| {
            self.arena.extend_from_slice(text.as_bytes());
            (self.arena.len() - start) as u16
        });
        self.series.push(Series { hash, start, ends });
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
