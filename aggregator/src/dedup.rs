//! Memory of seen ids: (offset, workspace, id) enters in log order, new or duplicate leaves.
//!
//! An event is a duplicate when its (workspace, id) occurred among the previous N offsets of its
//! partition, counted or not. Promise: the verdict is a pure function of the log, so that any process
//! which reads the N offsets before a marker decides alike. Identities are 128-bit hashes: two
//! different ids collide with probability about N / 2^128 per event. Memory is bounded by
//! [`BYTES_PER_OFFSET`] × N per partition.
//!
//! Offsets stand in generations of N / 8, each with an exact index of its own; the oldest leaves as a whole. Nearly every
//! id is new, and a filter says so without a look at any of them.

mod filter;
mod generation;

use filter::Filter;
use generation::Generation;
use std::{collections::VecDeque, hint::black_box, ops::BitOr};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// Bytes that each remembered offset costs: 16 for the identity, at most 10 in its generation's index, at most 8 in the
/// filter; and as much for the generation that is being filled.
pub const BYTES_PER_OFFSET: usize = 34 * 9 / 8;

/// Full generations within the horizon. With the oldest, which leaves, and the one being filled there are two more.
const GENERATIONS: usize = 8;

/// Identity of an event within its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity(u128);

impl Identity {
    /// Hash of workspace and id: the hash of the first seeds that of the second and is mixed into it whole, so that
    /// ("a", "bc") and ("ab", "c") differ like any other two.
    pub fn of(workspace: &str, id: &str) -> Self {
        let workspace = xxh3_128(workspace.as_bytes());
        let id = xxh3_128_with_seed(id.as_bytes(), workspace as u64);
        // Zero marks an offset without an identity.
        Self((id ^ workspace.rotate_left(64)).max(1))
    }

    /// For the index of a generation.
    fn index_hash(self) -> u64 {
        self.0 as u64
    }

    /// For the filter.
    fn filter_hash(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// The ids of the last N offsets of one partition.
#[derive(Debug)]
pub struct Memory {
    /// Offsets that are looked back; 0 remembers nothing.
    horizon: i64,
    /// Offsets of one generation.
    span: i64,
    /// Generations in the order of their offsets; the last one is being filled.
    generations: VecDeque<Generation>,
    /// Number of the generation that is being filled, from the first one on.
    number: usize,
    filter: Filter,
}

impl Memory {
    /// A memory of `horizon` offsets; 0 remembers nothing and calls nothing a duplicate.
    pub fn new(horizon: u32) -> Self {
        let span = (horizon as usize).div_ceil(GENERATIONS);
        Self {
            horizon: i64::from(horizon),
            span: span as i64,
            generations: VecDeque::new(),
            number: 0,
            filter: Filter::new(span),
        }
    }

    /// Looks where the verdict on an event will look: done for many events before [`Self::is_duplicate`] takes the first
    /// of them, it lets waits for memory overlap. It changes nothing.
    pub fn look_ahead(&self, identity: Identity) {
        black_box(self.filter.generations(identity.filter_hash()));
        if let Some(filling) = self.generations.back() {
            black_box(filling.touch(identity));
        }
    }

    /// Takes the event at an offset, which must be above all earlier ones; true when it is a duplicate.
    pub fn is_duplicate(&mut self, offset: i64, identity: Identity) -> bool {
        if self.horizon == 0 {
            return false;
        }
        self.advance_to(offset);
        let candidates = self.filter.generations(identity.filter_hash());
        let duplicate = candidates != 0 && self.is_known(offset, identity, candidates);
        self.filter.insert(identity.filter_hash(), self.number);
        if let Some(filling) = self.generations.back_mut() {
            filling.insert(offset, identity, candidates & filter::bit(self.number) != 0);
        }
        duplicate
    }

    /// Whether a generation that the filter names holds the identity, not too long ago.
    fn is_known(&self, offset: i64, identity: Identity, candidates: u16) -> bool {
        self.numbered()
            .filter(|(number, _)| filter::bit(*number) & candidates != 0)
            .find_map(|(_, generation)| generation.latest(identity))
            .is_some_and(|seen| offset - seen <= self.horizon)
    }

    /// Begins the generation of this offset when it is not the one being filled, and forgets those beyond the horizon.
    fn advance_to(&mut self, offset: i64) {
        let Some(filling) = self.generations.back() else {
            return self.generations.push_back(Generation::new(offset, 0));
        };
        debug_assert!(offset >= filling.first(), "offsets grow");
        if offset - filling.first() < self.span {
            return;
        }
        let oldest = offset - self.horizon;
        let mut fresh = None;
        while let Some(first) = self.generations.pop_front_if(|first| first.first() + self.span <= oldest) {
            fresh = Some(first);
        }
        let mut fresh = fresh.unwrap_or_else(|| Generation::new(offset, self.span as usize));
        fresh.begin(offset);
        self.generations.push_back(fresh);
        self.number += 1;
        let kept = self.numbered().map(|(number, _)| filter::bit(number)).fold(0, u16::bitor);
        self.filter.keep(kept & !filter::bit(self.number));
    }

    /// Every generation with its number, the latest first.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Generation)> {
        (0..=self.number).rev().zip(self.generations.iter().rev())
    }
}

/// A 64-bit hash for in-memory tables that hold no identity.
pub(crate) fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word.
    fn defined(log: &[(i64, u8)], horizon: i64) -> Vec<bool> {
        let earlier = |at: usize| {
            let (offset, id) = log[at];
            log[..at].iter().any(|(seen, other)| *other == id && offset - seen <= horizon)
        };
        (0..log.len()).map(earlier).collect()
    }

    proptest! {
        #[test]
        fn duplicates_are_what_the_definition_says(
            steps in prop::collection::vec((1..4_i64, 0..12_u8), 0..300),
            horizon in 1..20_u32,
        ) {
            let mut offset = 100;
            let log: Vec<_> = steps.into_iter().map(|(gap, id)| { offset += gap; (offset, id) }).collect();
            let mut memory = Memory::new(horizon);
            let seen: Vec<bool> = log.iter()
                .map(|(offset, id)| memory.is_duplicate(*offset, Identity::of("w", &id.to_string())))
                .collect();
            prop_assert_eq!(seen, defined(&log, i64::from(horizon)));
        }

        #[test]
        fn a_memory_rebuilt_from_the_horizon_before_decides_alike(
            ids in prop::collection::vec(0..9_u8, 60), cut in 0..60_usize, horizon in 1..20_u32,
        ) {
            let identity = |id: &u8| Identity::of("w", &id.to_string());
            let mut whole = Memory::new(horizon);
            let all: Vec<bool> = ids.iter().enumerate().map(|(at, id)| whole.is_duplicate(at as i64, identity(id))).collect();
            let mut rebuilt = Memory::new(horizon);
            let start = cut.saturating_sub(horizon as usize);
            let again: Vec<bool> = (start..ids.len()).map(|at| rebuilt.is_duplicate(at as i64, identity(&ids[at]))).collect();
            prop_assert_eq!(&all[cut..], &again[cut - start..]);
        }
    }

    #[test]
    fn the_same_id_in_another_workspace_is_another_event() {
        let mut memory = Memory::new(10);
        assert!(!memory.is_duplicate(0, Identity::of("a", "bc")));
        assert!(!memory.is_duplicate(1, Identity::of("ab", "c")));
        assert!(memory.is_duplicate(2, Identity::of("a", "bc")));
    }
}
