//! Chance that can be repeated: a seed enters, the same numbers leave on every machine and in every version.
//!
//! SplitMix64 (Steele, Lea, Flood 2014) and not `rand`: `StdRng` may change between releases, which would make printed
//! seeds worthless, and costs a hundred times more in a debug build.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin with neighbouring states; one round tears them apart.
        Self(Self(seed).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 when the bound is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (((self.next() >> 32) * bound as u64) >> 32) as usize
    }

    /// True in so many of 256 cases.
    pub(super) fn chance(&mut self, of_256: u64) -> bool {
        self.next() >> 56 < of_256
    }
}
