//! Memory of seen ids: (offset, workspace, id) enters in log order, new or duplicate leaves.
//!
//! An event is a duplicate when its (workspace, id) occurred among the previous N offsets of its
//! partition, counted or not. Promise: the verdict is a pure function of the log, so that any process
//! which reads the N offsets before a marker decides alike. Identities are 128-bit hashes: two
//! different ids collide with probability about N / 2^128 per event. Memory is bounded by
//! [`BYTES_PER_OFFSET`] × N per partition.

use hashbrown::HashTable;
use std::hint::black_box;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// Bytes that each remembered offset costs: 16 in the ring, and at most 10 in the table
/// (5 per slot, at least 7/16 full after growth).
pub const BYTES_PER_OFFSET: usize = 28;

/// Identity of an event within its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn table_hash(self) -> u64 {
        self.0 as u64
    }
}

/// The ids of the last N offsets of one partition.
#[derive(Debug)]
pub struct Memory {
    /// Offsets that the ring holds: the horizon and the offset being decided; 0 remembers nothing.
    slots: usize,
    /// Identity by offset modulo the slots; 0 where an offset held none. It grows as offsets come.
    ring: Vec<u128>,
    /// Places in the ring, each the latest offset of its identity.
    table: HashTable<u32>,
    /// Offset after the last one seen; `None` before the first.
    next: Option<i64>,
    first: i64,
}

impl Memory {
    /// A memory of `horizon` offsets; 0 remembers nothing and calls nothing a duplicate.
    pub fn new(horizon: u32) -> Self {
        let slots = if horizon == 0 { 0 } else { horizon as usize + 1 };
        Self { slots, ring: Vec::new(), table: HashTable::new(), next: None, first: 0 }
    }

    /// Forgets everything, as before the first offset.
    pub fn clear(&mut self) {
        *self = Self { slots: self.slots, ..Self::new(0) };
    }

    /// Looks where the verdict on an event will look, and where what it replaces stood: done for many events before
    /// [`Self::is_duplicate`] takes the first of them, it lets waits for memory overlap. It changes nothing.
    pub fn look_ahead(&self, offset: i64, identity: Identity) {
        let touch = |hash| black_box(self.table.find(hash, |_| false).is_some());
        touch(identity.table_hash());
        if let Some(old) = self.slots.checked_sub(1).and_then(|_| self.ring.get(self.place(offset) as usize))
        {
            touch(Identity(*old).table_hash());
        }
    }

    /// Takes the event at an offset, which must be above all earlier ones; true when it is a duplicate.
    pub fn is_duplicate(&mut self, offset: i64, identity: Identity) -> bool {
        if self.slots == 0 {
            return false;
        }
        self.advance_to(offset);
        let place = self.place(offset);
        let ring = &mut self.ring;
        ring[place as usize] = identity.0;
        let found = self.table.find_mut(identity.table_hash(), |seen| ring[*seen as usize] == identity.0);
        if let Some(seen) = found {
            *seen = place;
            return true;
        }
        let ring = &self.ring;
        self.table
            .insert_unique(identity.table_hash(), place, |seen| Identity(ring[*seen as usize]).table_hash());
        false
    }

    fn place(&self, offset: i64) -> u32 {
        ((offset - self.first) as u64 % self.slots as u64) as u32
    }

    /// Makes room for every offset up to and including this one, forgetting what falls out.
    fn advance_to(&mut self, offset: i64) {
        let next = *self.next.get_or_insert_with(|| {
            self.first = offset;
            offset
        });
        debug_assert!(offset >= next, "offsets grow");
        if offset - next >= self.slots as i64 {
            self.clear();
            self.first = offset;
            self.ring.push(0);
        } else {
            for passed in next..=offset {
                self.vacate(passed);
            }
        }
        self.next = Some(offset + 1);
    }

    fn vacate(&mut self, offset: i64) {
        let place = self.place(offset);
        let Some(old) = self.ring.get_mut(place as usize) else { return self.ring.push(0) };
        let old = Identity(std::mem::take(old));
        if old.0 == 0 {
            return;
        }
        // Only the latest offset of an identity stands in the table; an older one was replaced there.
        if let Ok(entry) = self.table.find_entry(old.table_hash(), |seen| *seen == place) {
            entry.remove();
        }
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
