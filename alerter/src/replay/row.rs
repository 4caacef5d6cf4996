//! One stored window of one key: what a row of `deltas` holds, as far as rules can see it.
//!
//! Promise: pure. Sums add and subtract without loss, so that a window can slide over them; like
//! ClickHouse's `sum`, they wrap beyond 64 bits.

use crate::vocabulary::{Dimension, Quantile};
use callmeter_schemas::{ErrorClass, histogram::middle_ms};
use std::collections::BTreeMap;

/// What a row belongs to; a dimension that is not named is empty.
pub type Key = BTreeMap<Dimension, String>;

/// One stored window of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Start of the stored window, seconds since 1970 UTC.
    pub window_start: u32,
    /// Whose calls.
    pub key: Key,
    /// What they add up to.
    pub sums: Sums,
}

/// What calls add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Attempts.
    pub calls: u64,
    /// Attempts that were not `ok`.
    pub errors: u64,
    /// The same by class.
    pub errors_by_class: BTreeMap<ErrorClass, u64>,
    /// Attempts after the first.
    pub retried: u64,
    /// Added latency, µs.
    pub latency_us: u64,
    /// Calls by latency bucket; the layout is that of `callmeter_schemas::histogram`.
    pub latency: BTreeMap<u16, u64>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Money, units of 10^-12 of the key's currency.
    pub cost: i128,
}

impl Sums {
    /// Adds what another row holds.
    pub fn add(&mut self, other: &Self) {
        self.merge(other, u64::wrapping_add);
        self.cost = self.cost.wrapping_add(other.cost);
    }

    /// Takes away what was added before.
    pub fn subtract(&mut self, other: &Self) {
        self.merge(other, u64::wrapping_sub);
        self.cost = self.cost.wrapping_sub(other.cost);
        self.errors_by_class.retain(|_, count| *count > 0);
        self.latency.retain(|_, count| *count > 0);
    }

    fn merge(&mut self, other: &Self, apply: fn(u64, u64) -> u64) {
        let numbers = [
            (&mut self.calls, other.calls),
            (&mut self.errors, other.errors),
            (&mut self.retried, other.retried),
            (&mut self.latency_us, other.latency_us),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
        ];
        for (mine, theirs) in numbers {
            *mine = apply(*mine, theirs);
        }
        merge_counts(&mut self.errors_by_class, &other.errors_by_class, apply);
        merge_counts(&mut self.latency, &other.latency, apply);
    }

    /// Calls that carried a latency.
    pub fn measured(&self) -> u64 {
        self.latency.values().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// The nearest-rank quantile of latency, ms; NaN when nothing was measured. It is `latencyQuantile` of
    /// `schemas/sql`.
    pub fn latency_quantile(&self, quantile: Quantile) -> f64 {
        let wanted = (quantile.share() * self.measured() as f64).ceil().max(1.0);
        let mut seen = 0_u64;
        for (bucket, count) in &self.latency {
            seen = seen.wrapping_add(*count);
            if seen as f64 >= wanted {
                return middle_ms(*bucket);
            }
        }
        f64::NAN
    }
}

fn merge_counts<K: Copy + Ord>(
    mine: &mut BTreeMap<K, u64>,
    theirs: &BTreeMap<K, u64>,
    apply: fn(u64, u64) -> u64,
) {
    for (place, count) in theirs {
        let mine = mine.entry(*place).or_default();
        *mine = apply(*mine, *count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_schemas::histogram::bucket_of;

    #[test]
    fn quantiles_are_of_nearest_rank() {
        let mut sums = Sums::default();
        assert!(sums.latency_quantile(Quantile::P50).is_nan());
        sums.latency = (1..=20).map(|ms| (bucket_of(ms * 10_000), 1)).collect();
        for (quantile, ms) in
            [(Quantile::P50, 100), (Quantile::P90, 180), (Quantile::P95, 190), (Quantile::P99, 200)]
        {
            assert_eq!(sums.latency_quantile(quantile), middle_ms(bucket_of(ms * 1_000)), "{quantile:?}");
        }
    }
}
