-- What calls meant: money by its fate, usage to be priced, waits that the vendor asked for, and quotas.
--   quota    what one batch saw of one quota in one window, through one customer: kind of deltas beside the data,
--            so that it lands with the marker. calls counts answers that told of the quota, errors those
--            that were refused; quota_latest is the newest of them (larger observed_us, then offset, wins).
-- endpoint, tier, environment and currency are empty on quota rows; policy and scope on all others.
-- The kinds of later files stand here too: files are run again, and a kind that rows have cannot be taken away.
ALTER TABLE deltas
    MODIFY COLUMN kind Enum8('genesis' = 1, 'mark' = 2, 'batch' = 3, 'data' = 4, 'quota' = 5, 'gap' = 6, 'rebuild' = 7);

ALTER TABLE deltas
    ADD COLUMN IF NOT EXISTS policy LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS scope String CODEC(ZSTD(1)),
    MODIFY ORDER BY (kind, src, part, batch_first, toDate(window_start), workspace, customer, integration, endpoint, tier, environment, currency, window_start, policy, scope);

-- cost_failed is money for attempts whose class is not ok, cost_retried for successful attempts after the first: no
-- attempt is in both. usage counts units by line of the price book, for prices that depend on the month's
-- use; usage_failed and usage_retried are the parts of it with the same meaning. price_book stands on
-- batch rows. Unknown numbers of quota_latest are -1.
ALTER TABLE deltas
    ADD COLUMN IF NOT EXISTS billable_calls SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS unpriced SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_failed SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_retried SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS usage SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS usage_failed SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS usage_retried SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS batchable_calls SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS batch_size SimpleAggregateFunction(max, UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS retry_after_asked SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS retry_after_ignored SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS price_book SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS quota_latest SimpleAggregateFunction(max, Tuple(observed_us Int64, offset Int64, limit Int64, remaining Int64, reset_us Int64)) CODEC(ZSTD(1));

ALTER TABLE raw_calls
    ADD COLUMN IF NOT EXISTS billable Nullable(UInt8),
    ADD COLUMN IF NOT EXISTS retry_at Nullable(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS batch_size Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS retry_after_ignored UInt8;

-- One row is one window and one key. Every number may be summed over any subset of rows. Grouping here costs
-- less than FINAL while deltas are not merged yet, and nothing for columns that a query does not read.
CREATE OR REPLACE VIEW rollups AS
SELECT
    workspace, window_start, customer, integration, endpoint, tier, environment,
    sum(d.calls) AS calls,
    sum(d.errors) AS errors,
    sumMap(d.errors_by_class) AS errors_by_class,
    sum(d.attempts_retried) AS attempts_retried,
    sum(d.latency_us_sum) / 1000 AS latency_ms_sum,
    sumMap(d.latency) AS latency,
    sum(d.queue_us_sum) / 1000 AS queue_ms_sum,
    sum(d.bytes_in) AS bytes_in,
    sum(d.bytes_out) AS bytes_out,
    sum(d.items) AS items,
    sum(d.records) AS records,
    currency,
    sum(d.cost) AS cost,
    sum(d.latency_us_sum) AS latency_us_sum,
    sum(d.queue_us_sum) AS queue_us_sum,
    sum(d.billable_calls) AS billable_calls,
    sum(d.unpriced) AS unpriced,
    sum(d.cost_failed) AS cost_failed,
    sum(d.cost_retried) AS cost_retried,
    sumMap(d.usage) AS usage,
    sumMap(d.usage_failed) AS usage_failed,
    sumMap(d.usage_retried) AS usage_retried,
    sum(d.batchable_calls) AS batchable_calls,
    max(d.batch_size) AS batch_size,
    sum(d.retry_after_asked) AS retry_after_asked,
    sum(d.retry_after_ignored) AS retry_after_ignored
FROM deltas AS d
WHERE kind = 'data'
GROUP BY workspace, window_start, customer, integration, endpoint, tier, environment, currency;

CREATE OR REPLACE VIEW calls AS SELECT * FROM raw_calls FINAL;

-- One row is one committed batch of one Kafka partition. consumed = counted + duplicates + dead_lettered.
-- price_book is the id of the price book by which the batch was priced; empty: none.
CREATE OR REPLACE VIEW ledger AS
SELECT
    src AS source, part AS partition, batch_first AS first_offset, max(next_offset) AS next_offset,
    sum(consumed) AS consumed, sum(calls) AS counted, sum(duplicates) AS duplicates,
    sum(dead_lettered) AS dead_lettered, sum(commits) AS commits, max(d.price_book) AS price_book
FROM deltas AS d
WHERE kind = 'batch'
GROUP BY src, part, batch_first;
