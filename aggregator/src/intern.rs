//! Series: the dimensions of a key enter as texts, a small number leaves.
//!
//! Promise: the same texts always have the same number until [`Interner::clear`]; two different
//! series never share one. Memory is bounded by its owner, who clears it when [`Interner::bytes`]
//! passes a bound, between two batches.

use crate::dedup::hash64;
use hashbrown::HashTable;

#[derive(Clone, Copy, Debug)]
struct Series<const N: usize> {
    hash: u64,
    /// Where its texts begin, one after the other, and where each of them ends.
    start: usize,
    ends: [u16; N],
}

/// The series of one partition, of N dimensions each.
#[derive(Debug, Default)]
pub struct Interner<const N: usize> {
    arena: Vec<u8>,
    series: Vec<Series<N>>,
    table: HashTable<u32>,
    /// What is being looked for: like the arena and the series in it.
    wanted_texts: Vec<u8>,
    wanted: Vec<Series<N>>,
}

impl<const N: usize> Interner<N> {
    /// The number of the series that has these texts, each of at most 8,191 bytes.
    pub fn number(&mut self, texts: [&str; N]) -> u32 {
        self.wanted.clear();
        self.wanted_texts.clear();
        self.want(texts);
        self.known(0).unwrap_or_else(|| self.insert(0))
    }

    /// The numbers of many series at once. Looking in steps, each for all of them, lets waits for memory overlap.
    pub fn numbers<'t>(&mut self, texts: impl Iterator<Item = [&'t str; N]>, numbers: &mut Vec<u32>) {
        self.wanted.clear();
        self.wanted_texts.clear();
        texts.for_each(|texts| self.want(texts));
        let (table, series) = (&self.table, &self.series);
        let likely = |hash| table.find(hash, |number| series[*number as usize].hash == hash).copied();
        numbers.clear();
        numbers.extend(self.wanted.iter().map(|wanted| likely(wanted.hash).unwrap_or(u32::MAX)));
        for (at, number) in numbers.iter_mut().enumerate() {
            // Another series may have the same hash, and an earlier one of these may have been the first of its series.
            if *number == u32::MAX || !self.is(*number, at) {
                *number = self.known(at).unwrap_or_else(|| self.insert(at));
            }
        }
    }

    fn want(&mut self, texts: [&str; N]) {
        let start = self.wanted_texts.len();
        let ends = texts.map(|text| {
            self.wanted_texts.extend_from_slice(text.as_bytes());
            (self.wanted_texts.len() - start) as u16
        });
        self.wanted.push(Series { hash: hash64(&self.wanted_texts[start..]), start, ends });
    }

    fn known(&self, at: usize) -> Option<u32> {
        let hash = self.wanted[at].hash;
        let same = |number: &u32| self.series[*number as usize].hash == hash && self.is(*number, at);
        self.table.find(hash, same).copied()
    }

    fn is(&self, number: u32, at: usize) -> bool {
        let (known, wanted) = (&self.series[number as usize], &self.wanted[at]);
        let length = usize::from(wanted.ends[N - 1]);
        known.ends == wanted.ends
            && self.arena[known.start..known.start + length]
                == self.wanted_texts[wanted.start..wanted.start + length]
    }

    fn insert(&mut self, at: usize) -> u32 {
        let wanted = self.wanted[at];
        let texts = &self.wanted_texts[wanted.start..wanted.start + usize::from(wanted.ends[N - 1])];
        let number = self.series.len() as u32;
        self.series.push(Series { start: self.arena.len(), ..wanted });
        self.arena.extend_from_slice(texts);
        let series = &self.series;
        self.table.insert_unique(wanted.hash, number, |number| series[*number as usize].hash);
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
