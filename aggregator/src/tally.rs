//! How often what occurred in each cell: pairs of a cell and a key enter in any order, counts by cell and key leave.
//!
//! An occurrence is one write at the end of a list, whose last line is always in the cache; the cell is not touched.
//! Sorting waits until the batch is sealed. Promise: counts do not depend on the order of the pairs.

/// What occurred in the cells of one batch.
#[derive(Debug, Default)]
pub struct Tally {
    /// Place of the cell and key of each occurrence.
    occurred: Vec<(u32, u16)>,
}

/// The counts of each cell, sorted by key.
#[derive(Debug, Default)]
pub struct Counts {
    /// Where the counts of each cell end.
    ends: Vec<usize>,
    /// Keys of all cells.
    pub keys: Vec<u16>,
    /// How often each occurred.
    pub calls: Vec<u64>,
}

impl Tally {
    /// Notes that a key occurred in the cell at a place.
    pub fn add(&mut self, place: u32, key: u16) {
        self.occurred.push((place, key));
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.occurred.clear();
    }

    /// The counts of so many cells.
    pub fn counts(&self, cells: usize) -> Counts {
        let (ends, mut sorted) = self.by_cell(cells);
        // Room for keys that all differ: what stays empty is only address space, and growing would copy all of it.
        let mut counts = Counts {
            ends: Vec::with_capacity(cells),
            keys: Vec::with_capacity(sorted.len()),
            calls: Vec::with_capacity(sorted.len()),
        };
        let mut begin = 0;
        for end in ends {
            let keys = &mut sorted[begin..end];
            keys.sort_unstable();
            for same in keys.chunk_by(u16::eq) {
                counts.keys.push(same[0]);
                counts.calls.push(same.len() as u64);
            }
            counts.ends.push(counts.keys.len());
            begin = end;
        }
        counts
    }

    /// Keys by cell, and where those of each cell end: a counting sort.
    fn by_cell(&self, cells: usize) -> (Vec<usize>, Vec<u16>) {
        let mut ends = vec![0; cells];
        self.occurred.iter().for_each(|(place, _)| ends[*place as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut keys = vec![0; self.occurred.len()];
        for (place, key) in &self.occurred {
            let end = &mut ends[*place as usize];
            keys[*end] = *key;
            *end += 1;
        }
        (ends, keys)
    }
}

impl Counts {
    /// Keys of the cell at a place, and how often each occurred.
    pub fn of(&self, place: usize) -> impl Iterator<Item = (u16, u64)> {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = begin..self.ends[place];
        self.keys[range.clone()].iter().copied().zip(self.calls[range].iter().copied())
    }

    /// How many keys each cell has.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(begins).map(|(end, begin)| end - begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(occurred in prop::collection::vec((0..5_u32, 0..4_u16), 0..100)) {
            let (mut tally, mut defined) = (Tally::default(), vec![BTreeMap::new(); 6]);
            for (place, key) in occurred {
                tally.add(place, key);
                *defined[place as usize].entry(key).or_default() += 1;
            }
            let counts = tally.counts(6);
            let told: Vec<BTreeMap<u16, u64>> = (0..6).map(|place| counts.of(place).collect()).collect();
            prop_assert_eq!(counts.sizes().collect::<Vec<_>>(), defined.iter().map(BTreeMap::len).collect::<Vec<_>>());
            prop_assert_eq!(told, defined);
            prop_assert!((0..6).all(|place| counts.of(place).is_sorted()));
        }
    }
}
