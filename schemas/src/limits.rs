//! Bounds of one event: named constants that admission and the fold share.
//!
//! Promise: what is within them can be summed for longer than anybody will run this.

/// Longest `id`, in bytes.
pub const ID_BYTES: usize = 256;
/// Longest dimension (workspace, customer, integration, endpoint, tier, environment), in bytes.
pub const DIMENSION_BYTES: usize = 256;
/// Longest of the other texts (path, error, run id …), in bytes.
pub const TEXT_BYTES: usize = 2_048;
/// Most entries in each of headers, attributes and unknown members.
pub const MAP_ENTRIES: usize = 64;
/// Most quota observations on one event.
pub const QUOTA_ENTRIES: usize = 16;
/// Counts and byte sizes are below this, so that 2^23 events of the largest still fit 64 bits.
pub const COUNT_BOUND: u64 = 1 << 40;
/// Highest attempt number.
pub const ATTEMPT_MAX: u32 = 1_000_000;
/// Most calls that a vendor may take as one.
pub const BATCH_SIZE_MAX: u32 = 1_000_000;
/// Earliest time of an event, µs since 1970 UTC: 2000-01-01.
pub const TIME_MIN_US: i64 = 946_684_800_000_000;
/// First time that is too late, µs since 1970 UTC: 2100-01-01, within ClickHouse's `DateTime`.
pub const TIME_END_US: i64 = 4_102_444_800_000_000;
/// Largest encoded event, in bytes; far below Kafka's default record bound of 1 MiB.
pub const EVENT_BYTES: usize = 256 * 1024;
