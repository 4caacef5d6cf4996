//! Memory of seen ids: (offset, workspace, id) enters in log order, new or duplicate leaves.
//!
//! An event is a duplicate when its (workspace, id) occurred among the previous N offsets of its
//! partition, counted or not. Promise: the verdict is a pure function of the log, so that any process
//! which reads the N offsets before a marker decides alike. Identities are 128-bit hashes: two
//! different ids collide with probability about N / 2^128 per event. Memory is bounded: 24 bytes for each
//! offset of the power of two above N, 25 for each of a million.
//!
//! Identities stand in a ring, by offset; a table of cache lines says where in it one may stand, for one look at memory.

mod lines;

use hashbrown::HashTable;
use lines::{Lines, Sighting};
use std::num::NonZero;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// Identity of an event within its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(NonZero<u128>);

impl Identity {
    /// Hash of workspace and id: the hash of the first seeds that of the second and is mixed into it whole, so that
    /// ("a", "bc") and ("ab", "c") differ like any other two.
    pub fn of(workspace: &str, id: &str) -> Self {
        let workspace = xxh3_128(workspace.as_bytes());
        let id = xxh3_128_with_seed(id.as_bytes(), workspace as u64);
        // Zero marks an offset without an identity.
        Self(NonZero::new(id ^ workspace.rotate_left(64)).unwrap_or(NonZero::<u128>::MIN))
    }
}

/// The ids of the last N offsets of one partition.
#[derive(Debug)]
pub struct Memory {
    /// Offsets that are looked back; 0 remembers nothing.
    horizon: i64,
    /// Offset after the last one that was taken.
    next: Option<i64>,
    /// Identities by offset, modulo its length; 0 where an offset held no event.
    ring: Vec<u128>,
    lines: Lines,
    /// Identities whose line was full, with the last offset of each: a few in ten thousand.
    spilled: HashTable<(u128, i64)>,
    /// Number of them at which those beyond the horizon are swept out.
    sweep_at: usize,
}

impl Memory {
    /// A memory of `horizon` offsets; 0 remembers nothing and calls nothing a duplicate.
    pub fn new(horizon: u32) -> Self {
        let offsets = (horizon as usize + 1).next_power_of_two();
        Self {
            horizon: i64::from(horizon),
            next: None,
            ring: vec![0; offsets],
            lines: Lines::new(offsets, horizon),
            spilled: HashTable::new(),
            sweep_at: 64,
        }
    }

    /// Looks where the verdict on an event will look: done for many events before [`Self::is_duplicate`] takes the first
    /// of them, it lets waits for memory overlap. It changes nothing.
    pub fn look_ahead(&self, identity: Identity) {
        self.lines.look_ahead(identity.0.get());
    }

    /// Takes the event at an offset, which must be above all earlier ones; true when it is a duplicate.
    pub fn is_duplicate(&mut self, offset: i64, identity: Identity) -> bool {
        if self.horizon == 0 {
            return false;
        }
        self.skip_to(offset);
        let (Self { ring, lines, .. }, identity) = (&mut *self, identity.0.get());
        let last = ring.len() - 1;
        let sighting = lines.take(offset, identity, |place| ring[place & last] == identity);
        self.put(offset, identity);
        match sighting {
            Sighting::Known => true,
            // One that spilled once is looked for there as long as it is held, also when its line has room again.
            Sighting::New => !self.spilled.is_empty() && self.is_spilled(offset, identity),
            Sighting::Full => self.spill(offset, identity),
        }
    }

    /// Empties the places of offsets that held no event; forgets everything when that is all that still counts.
    fn skip_to(&mut self, offset: i64) {
        let next = self.next.replace(offset + 1).unwrap_or(offset);
        debug_assert!(offset >= next, "offsets grow");
        if offset - next >= self.horizon {
            self.ring.fill(0);
            self.lines.clear();
            self.spilled.clear();
            return;
        }
        for skipped in next..offset {
            self.put(skipped, 0);
        }
    }

    fn put(&mut self, offset: i64, identity: u128) {
        let last = self.ring.len() - 1;
        self.ring[offset as usize & last] = identity;
    }

    /// Whether an identity spilled within the horizon.
    fn is_spilled(&self, offset: i64, identity: u128) -> bool {
        let found = self.spilled.find(identity as u64, |(known, _)| *known == identity);
        found.is_some_and(|(_, seen)| offset - seen <= self.horizon)
    }

    /// Notes an identity whose line is full; true when it spilled before, within the horizon.
    fn spill(&mut self, offset: i64, identity: u128) -> bool {
        let horizon = self.horizon;
        if let Some((_, seen)) = self.spilled.find_mut(identity as u64, |(known, _)| *known == identity) {
            return offset - std::mem::replace(seen, offset) <= horizon;
        }
        if self.spilled.len() >= self.sweep_at {
            self.spilled.retain(|(_, seen)| offset - *seen <= horizon);
            self.sweep_at = 64.max(2 * self.spilled.len());
        }
        self.spilled.insert_unique(identity as u64, (identity, offset), |(known, _)| *known as u64);
        false
    }
}

/// A 64-bit hash for in-memory tables that hold no identity.
pub(crate) fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Spreads a key over the bits by which an in-memory table chooses a slot and tells slots apart.
pub(crate) fn spread(key: impl Into<u64>) -> u64 {
    // Fibonacci hashing; hashbrown takes its tag from the top bits and the slot from the low ones.
    let mixed = key.into().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word.
    fn defined(log: &[(i64, u16)], horizon: i64) -> Vec<bool> {
        let earlier = |at: usize| {
            let (offset, id) = log[at];
            log[..at].iter().any(|(seen, other)| *other == id && offset - seen <= horizon)
        };
        (0..log.len()).map(earlier).collect()
    }

    fn judged(memory: &mut Memory, log: &[(i64, u16)]) -> Vec<bool> {
        log.iter()
            .map(|(offset, id)| memory.is_duplicate(*offset, Identity::of("w", &id.to_string())))
            .collect()
    }

    proptest! {
        #[test]
        fn duplicates_are_what_the_definition_says(
            steps in prop::collection::vec((1..4_i64, 0..12_u16), 0..300),
            horizon in 1..20_u32,
        ) {
            let mut offset = 100;
            let log: Vec<_> = steps.into_iter().map(|(gap, id)| { offset += gap; (offset, id) }).collect();
            prop_assert_eq!(judged(&mut Memory::new(horizon), &log), defined(&log, i64::from(horizon)));
        }

        #[test]
        fn so_they_are_over_many_laps_and_long_gaps_with_full_lines(
            steps in prop::collection::vec((prop_oneof![9 => 1..3_i64, 1 => 1..600_i64], 0..300_u16), 2_000),
            horizon in 100..250_u32,
        ) {
            let mut offset = 0;
            let log: Vec<_> = steps.into_iter().map(|(gap, id)| { offset += gap; (offset, id) }).collect();
            prop_assert_eq!(judged(&mut Memory::new(horizon), &log), defined(&log, i64::from(horizon)));
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

    #[test]
    fn what_spills_from_full_lines_is_remembered_as_long_as_the_rest() {
        let horizon = 130_000;
        let mut memory = Memory::new(horizon as u32);
        let mut take = |offset: i64, id: i64| memory.is_duplicate(offset, Identity::of("w", &id.to_string()));
        // Each id comes twice, the second time at the last offset that still tells, or one after it.
        for (distance, wanted) in [(horizon, true), (horizon + 1, false)] {
            let first = 1_000_000 * distance;
            for at in 0..distance {
                assert!(!take(first + at, first + at), "offset {at} is new");
            }
            for at in 0..distance {
                assert_eq!(take(first + distance + at, first + at), wanted, "offset {at} again");
            }
        }
        assert!((10..1_000).contains(&memory.spilled.len()), "{} spilled", memory.spilled.len());
    }
}
