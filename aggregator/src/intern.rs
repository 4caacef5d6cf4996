//! Series: the dimensions of a key enter as texts, a small number leaves.
//!
//! Promise: the same texts always have the same number until [`Interner::clear`]; two different
//! series never share one. Memory is bounded by its owner, who clears it when [`Interner::bytes`]
//! passes a bound, between two batches.

use crate::dedup::hash64;
use hashbrown::HashTable;
use std::hint::black_box;

/// The series of one partition, of N dimensions each.
#[derive(Debug, Default)]
pub struct Interner<const N: usize> {
    /// Each series: where each of its texts ends, 16 bits each, and the texts one after the other.
    arena: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
    /// A part of the hash and the number of each: with the first, looking touches few series but the right one.
    table: HashTable<(u32, u32)>,
    /// What is being looked for, as in the arena.
    wanted_arena: Vec<u8>,
    wanted: Vec<Wanted>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    hash: u64,
    /// Its place in the arena of what is looked for.
    start: usize,
    end: usize,
}

impl<const N: usize> Interner<N> {
    /// Bytes before the texts of a series.
    const ENDS: usize = N * size_of::<u16>();

    /// The number of the series that has these texts, each of at most 8,191 bytes.
    pub fn number(&mut self, texts: [&str; N]) -> u32 {
        self.wanted.clear();
        self.wanted_arena.clear();
        self.want(texts);
        self.known(0).unwrap_or_else(|| self.insert(0))
    }

    /// The numbers of many series at once. Looking in steps, each for all of them, lets waits for memory overlap.
    pub fn numbers<'t>(&mut self, texts: impl Iterator<Item = [&'t str; N]>, numbers: &mut Vec<u32>) {
        self.wanted.clear();
        self.wanted_arena.clear();
        texts.for_each(|texts| self.want(texts));
        let likely =
            |hash| self.table.find(hash, |(known, _)| *known == tag(hash)).map(|(_, number)| *number);
        numbers.clear();
        numbers.extend(self.wanted.iter().map(|wanted| likely(wanted.hash).unwrap_or(u32::MAX)));
        for number in &*numbers {
            black_box(self.starts.get(*number as usize).map(|start| self.arena[*start]));
        }
        for (at, number) in numbers.iter_mut().enumerate() {
            // Another series may have the same tag, and an earlier one of these may have been the first of its series.
            if *number == u32::MAX || !self.is(*number, at) {
                *number = self.known(at).unwrap_or_else(|| self.insert(at));
            }
        }
    }

    fn want(&mut self, texts: [&str; N]) {
        let arena = &mut self.wanted_arena;
        let (start, mut length) = (arena.len(), 0);
        let ends = texts.map(|text| {
            length += text.len();
            (length as u16).to_le_bytes()
        });
        arena.extend_from_slice(ends.as_flattened());
        for text in texts.iter().filter(|text| !text.is_empty()) {
            arena.extend_from_slice(text.as_bytes());
        }
        self.wanted.push(Wanted { hash: hash64(&arena[start..]), start, end: arena.len() });
    }

    fn known(&self, at: usize) -> Option<u32> {
        let hash = self.wanted[at].hash;
        let same = |(known, number): &(u32, u32)| *known == tag(hash) && self.is(*number, at);
        self.table.find(hash, same).map(|(_, number)| *number)
    }

    fn is(&self, number: u32, at: usize) -> bool {
        let Wanted { start, end, .. } = self.wanted[at];
        let known = self.starts[number as usize];
        // Where texts end stands first: what begins alike and is as long is the same series.
        self.arena.get(known..known + end - start) == Some(&self.wanted_arena[start..end])
    }

    fn insert(&mut self, at: usize) -> u32 {
        let Wanted { hash, start, end } = self.wanted[at];
        let number = self.starts.len() as u32;
        self.starts.push(self.arena.len());
        self.arena.extend_from_slice(&self.wanted_arena[start..end]);
        let (arena, starts) = (&self.arena, &self.starts);
        self.table.insert_unique(hash, (tag(hash), number), |(_, number)| {
            let start = starts[*number as usize];
            let length = Self::ENDS + Self::end(arena, start, N - 1);
            hash64(&arena[start..start + length])
        });
        number
    }

    /// Where a text of the series that begins here ends, among its texts.
    fn end(arena: &[u8], start: usize, dimension: usize) -> usize {
        let at = start + dimension * size_of::<u16>();
        u16::from_le_bytes([arena[at], arena[at + 1]]).into()
    }

    /// The dimensions of a series.
    pub fn texts(&self, number: u32) -> [&[u8]; N] {
        let start = self.starts[number as usize];
        let texts = &self.arena[start + Self::ENDS..];
        let mut begin = 0;
        std::array::from_fn(|dimension| {
            let end = Self::end(&self.arena, start, dimension);
            &texts[std::mem::replace(&mut begin, end)..end]
        })
    }

    /// Bytes held, near enough for a bound.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.starts.len() * (size_of::<usize>() + 2 * size_of::<(u32, u32)>())
    }

    /// Forgets every series; numbers given out before mean nothing afterwards.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Bits of a hash by which a table neither chooses a slot nor tells slots apart.
fn tag(hash: u64) -> u32 {
    (hash >> 24) as u32
}
