//! Latency buckets: a latency in µs enters, a bucket number leaves; buckets add up.
//!
//! Log-linear, as in HdrHistogram: below 128 µs one bucket per µs, above that 64 buckets per
//! doubling. Promise: the middle of a bucket is off by at most 1/128 (0.8 %) from any latency in it,
//! and the layout never changes, because buckets are stored. `latencyBucketMs` in
//! `sql/0001_rollups.sql` is the same layout in SQL.

/// Largest latency that an event may carry, µs: 2^40 - 1, about 12.7 days.
pub const MAX_LATENCY_US: u64 = (1 << 40) - 1;

/// Bucket of a latency in µs; latencies above [`MAX_LATENCY_US`] fall into the last bucket.
pub fn bucket_of(latency_us: u64) -> u16 {
    let value = latency_us.min(MAX_LATENCY_US);
    if value < 128 {
        return value as u16;
    }
    let shift = 63 - value.leading_zeros() as u64 - 6;
    (shift * 64 + (value >> shift)) as u16
}

/// Smallest and largest latency in µs that fall into a bucket, both included.
pub fn bounds_of(bucket: u16) -> (u64, u64) {
    if bucket < 128 {
        return (u64::from(bucket), u64::from(bucket));
    }
    let shift = u64::from(bucket) / 64 - 1;
    let low = (u64::from(bucket) - shift * 64) << shift;
    (low, low + (1 << shift) - 1)
}

/// The middle of a bucket, ms.
pub fn middle_ms(bucket: u16) -> f64 {
    let (low, high) = bounds_of(bucket);
    (low as f64 + (high - low) as f64 / 2.0) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_latency_lies_in_its_bucket_and_near_its_middle(latency in 0..=MAX_LATENCY_US) {
            let bucket = bucket_of(latency);
            let (low, high) = bounds_of(bucket);
            prop_assert!(low <= latency && latency <= high);
            let error = (middle_ms(bucket) * 1000.0 - latency as f64).abs();
            prop_assert!(error <= latency as f64 * 0.01);
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for bucket in 0..bucket_of(MAX_LATENCY_US) {
            assert_eq!(bounds_of(bucket).1 + 1, bounds_of(bucket + 1).0);
        }
    }
}
