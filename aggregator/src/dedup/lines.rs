//! Where an identity may stand: hashes enter, places in the ring of identities leave.
//!
//! A set-associative table: a hash chooses one cache line of 16 entries, each the end of an offset and a few bits of another
//! part of the hash, the latest first. Half of a line is in use on average, and what the horizon has passed is pushed out at
//! the end, so that nothing is ever deleted. Promise: an identity that was taken within the horizon and found room is found again; the
//! ring is asked for others about once in a hundred events.

use std::hint::black_box;

/// Entries of a cache line.
const LINE: usize = 64 / size_of::<u32>();
/// Entries of a line that are in use on average.
const IN_USE: usize = 8;
/// Laps of the ring that entries tell apart: by then a line has taken so many identities that none of the first is left in it.
const LAPS: u32 = 4;

/// What a line says of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It was taken within the horizon.
    Known,
    /// It was not, and has a place now.
    New,
    /// It was not, and every entry of its line is in use.
    Full,
}

/// The lines of one ring.
#[derive(Debug)]
pub(super) struct Lines {
    /// Of a line the latest first: tag above, end of the offset below; 0 where nothing was yet.
    entries: Vec<u32>,
    /// Entries before the first whole cache line.
    skew: usize,
    /// Lines less one: their number is a power of two.
    last: usize,
    horizon: u32,
    /// Bits of an entry that hold the offset's end.
    offset_bits: u32,
}

impl Lines {
    /// Lines for a ring of so many offsets, a power of two of at most 2^27, of which `horizon` count.
    pub(super) fn new(offsets: usize, horizon: u32) -> Self {
        let lines = (offsets / IN_USE).max(1);
        // Zeroed memory is the system's until it is used.
        let entries = vec![0_u32; (lines + 1) * LINE];
        // It is at most a line; where it cannot be told, lines straddle and answers are the same.
        let skew = entries.as_ptr().align_offset(64).min(LINE);
        let offset_bits = offsets.trailing_zeros() + LAPS.trailing_zeros();
        Self { entries, skew, last: lines - 1, horizon, offset_bits }
    }

    /// Forgets every identity.
    pub(super) fn clear(&mut self) {
        self.entries.fill(0);
    }

    /// Fetches the line of an identity.
    pub(super) fn look_ahead(&self, identity: u128) {
        black_box(self.entries[self.start(identity)]);
    }

    /// Takes an identity at an offset. `stands_at` says whether it is the one at the place of an offset with this end.
    pub(super) fn take(
        &mut self,
        offset: i64,
        identity: u128,
        stands_at: impl Fn(usize) -> bool,
    ) -> Sighting {
        let (start, mask, bits) = (self.start(identity), (1 << self.offset_bits) - 1, self.offset_bits);
        let (end, tag) = (offset as u32 & mask, self.tag(identity));
        // At least 1: the place of this very offset still holds what stood there a lap ago.
        let age = |entry: u32| (end.wrapping_sub(entry).wrapping_sub(1) & mask) + 1;
        let line = &mut self.entries[start..start + LINE];
        // No early end: this way a few instructions look at all of them.
        let alike = line.iter().fold(false, |alike, entry| alike | (*entry >> bits == tag));
        let is_it = |entry: &u32| {
            *entry >> bits == tag && age(*entry) <= self.horizon && stands_at((*entry & mask) as usize)
        };
        let known = if alike { line.iter().position(is_it) } else { None };
        let oldest = line[LINE - 1];
        if known.is_none() && oldest != 0 && age(oldest) <= self.horizon {
            return Sighting::Full;
        }
        line.copy_within(..known.unwrap_or(LINE - 1), 1);
        line[0] = tag << bits | end;
        if known.is_some() { Sighting::Known } else { Sighting::New }
    }

    fn start(&self, identity: u128) -> usize {
        self.skew + (identity as usize & self.last) * LINE
    }

    /// Never 0, by bits that do not choose the line.
    fn tag(&self, identity: u128) -> u32 {
        let tags = (1_u64 << (u32::BITS - self.offset_bits)) - 1;
        1 + (((identity >> 96) as u64 * tags) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_nothing_but_ones_is_an_entry_like_any_other() {
        let mut lines = Lines::new(4, 3);
        // Its tag and the end of its offset have every bit set.
        assert_eq!(lines.take(15, u128::MAX, |_| false), Sighting::New);
        assert_eq!(lines.entries.iter().max(), Some(&u32::MAX));
        assert_eq!(lines.take(16, u128::MAX, |_| true), Sighting::Known);
    }
}
