//! The columns of a block as the insert names them.
//!
//! Promise: columns stand in a block in this order, those that say nothing left out (tests hold it).

/// Structure of the block, for `input('…')`; types as sent, which ClickHouse casts to the table's.
pub const STRUCTURE: &str = "kind Int8, src String, part Int32, batch_first Int64, window_start UInt32, \
    workspace String, customer String, integration String, endpoint String, tier String, environment String, \
    currency String, next_offset Int64, commits UInt64, consumed UInt64, duplicates UInt64, dead_lettered UInt64, \
    calls UInt64, attempts_retried UInt64, latency_us_sum UInt64, queue_us_sum UInt64, bytes_in UInt64, bytes_out UInt64, \
    items UInt64, records UInt64, billable_calls UInt64, errors UInt64, errors_by_class Map(String, UInt64), \
    latency Map(UInt16, UInt64), cost Decimal(38, 12), unpriced UInt64, \
    cost_failed Decimal(38, 12), cost_retried Decimal(38, 12), usage Map(String, UInt64), \
    usage_failed Map(String, UInt64), usage_retried Map(String, UInt64), batchable_calls UInt64, batch_size UInt32, \
    retry_after_asked UInt64, retry_after_ignored UInt64, price_book String, policy String, scope String, \
    quota_latest Tuple(observed_us Int64, offset Int64, limit Int64, remaining Int64, reset_us Int64)";

/// Columns, for the insert.
pub const COLUMNS: &str = "kind, src, part, batch_first, window_start, workspace, customer, integration, \
    endpoint, tier, environment, currency, next_offset, commits, consumed, duplicates, dead_lettered, calls, \
    attempts_retried, latency_us_sum, queue_us_sum, bytes_in, bytes_out, items, records, billable_calls, errors, \
    errors_by_class, latency, cost, unpriced, cost_failed, cost_retried, usage, usage_failed, usage_retried, \
    batchable_calls, batch_size, retry_after_asked, retry_after_ignored, price_book, policy, scope, quota_latest";
