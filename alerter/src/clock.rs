//! The one place of this crate that looks at the clock.
//!
//! Promise: whole ms, as ClickHouse keeps times, so that what was stored and read back is equal.

use jiff::Timestamp;

/// The current time.
#[allow(clippy::disallowed_methods, reason = "the loop and the deliveries pass this on to everything else")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH)
}
