-- Counted deltas, their markers and their batches, in one table and one partition, so that a
-- single-block insert lands whole or not at all.
--   genesis  where counting of one Kafka partition began (batch_first)
--   mark     the next offset to count (next_offset); compared inside every insert
--   batch    what one committed insert consumed (batch_first .. next_offset); commits is 1
--   data     what one batch added to one key of one window; sums over any subset are meaningful
-- A later file adds columns and the kind quota, and holds the views. src, part and batch_first are empty on data rows, so that deltas of one key merge across partitions.
-- Never drop, expire or change rows of kind genesis, mark or batch.
CREATE TABLE IF NOT EXISTS deltas
(
    kind             Enum8('genesis' = 1, 'mark' = 2, 'batch' = 3, 'data' = 4),
    src              LowCardinality(String) CODEC(ZSTD(1)),
    part             Int32 CODEC(ZSTD(1)),
    batch_first      Int64 CODEC(ZSTD(1)),
    window_start     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    workspace        LowCardinality(String) CODEC(ZSTD(1)),
    customer         String CODEC(ZSTD(1)),
    integration      LowCardinality(String) CODEC(ZSTD(1)),
    endpoint         LowCardinality(String) CODEC(ZSTD(1)),
    tier             LowCardinality(String) CODEC(ZSTD(1)),
    environment      LowCardinality(String) CODEC(ZSTD(1)),
    currency         LowCardinality(String) CODEC(ZSTD(1)),
    next_offset      SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    commits          SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    consumed         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    duplicates       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    dead_lettered    SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    calls            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    errors           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    errors_by_class  SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    attempts_retried SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    latency_us_sum   SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    latency          SimpleAggregateFunction(sumMap, Map(UInt16, UInt64)) CODEC(ZSTD(1)),
    queue_us_sum     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    bytes_in         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    bytes_out        SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    items            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    records          SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cost             SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY tuple()
ORDER BY (kind, src, part, batch_first, toDate(window_start), workspace, customer, integration, endpoint, tier, environment, currency, window_start);

-- Up to where each Kafka partition has been counted.
CREATE OR REPLACE VIEW markers AS
SELECT
    src AS source, part AS partition,
    maxIf(next_offset, kind = 'mark') AS next_offset,
    minIf(batch_first, kind = 'genesis') AS genesis
FROM deltas
WHERE kind IN ('genesis', 'mark')
GROUP BY src, part;

-- The middle, in ms, of one latency bucket. The layout is that of schemas/src/histogram.rs.
CREATE OR REPLACE FUNCTION latencyBucketMs AS (bucket) -> if(bucket < 128,
    toFloat64(bucket),
    toFloat64(bitShiftLeft(toUInt64(bucket - (intDiv(bucket, 64) - 1) * 64), intDiv(bucket, 64) - 1))
        + (bitShiftLeft(toUInt64(1), intDiv(bucket, 64) - 1) - 1) / 2) / 1000;

-- latencyQuantile(0.95, sumMap(latency)) is the nearest-rank quantile in ms, off by at most 0.8 %; NaN when nothing was measured.
CREATE OR REPLACE FUNCTION latencyQuantile AS (q, histogram) -> if(empty(histogram), nan,
    latencyBucketMs(mapKeys(mapSort(histogram))[
        arrayFirstIndex((seen, wanted) -> seen >= wanted,
            arrayCumSum(mapValues(mapSort(histogram))),
            arrayWithConstant(length(histogram), greatest(1, ceil(q * arraySum(mapValues(histogram))))))]));
