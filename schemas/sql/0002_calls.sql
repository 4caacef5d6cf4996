-- Every attempt, kept 90 days by its own time. Rows may be written more than once: the Kafka position
-- makes them one again, so read the view `calls`, which merges on reading.
CREATE TABLE IF NOT EXISTS raw_calls
(
    workspace    LowCardinality(String),
    customer     String,
    integration  LowCardinality(String),
    time         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    source       LowCardinality(String),
    partition    Int32,
    offset       Int64 CODEC(Delta, ZSTD(1)),
    appended_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duplicate    UInt8,
    id           String CODEC(ZSTD(1)),
    endpoint     LowCardinality(String),
    tier         LowCardinality(String),
    environment  LowCardinality(String),
    host         LowCardinality(String),
    method       LowCardinality(String),
    path         String CODEC(ZSTD(1)),
    status       Nullable(UInt16),
    error_class  LowCardinality(String),
    error        String CODEC(ZSTD(1)),
    latency_ms   Nullable(Float64),
    queue_ms     Nullable(Float64),
    attempt      UInt32,
    retry_of     String CODEC(ZSTD(1)),
    run_id       String CODEC(ZSTD(1)),
    data_type    LowCardinality(String),
    operation    LowCardinality(String),
    items        Nullable(UInt64),
    records      Nullable(UInt64),
    bytes_in     Nullable(UInt64),
    bytes_out    Nullable(UInt64),
    cost         Nullable(Decimal(38, 12)),
    currency     LowCardinality(String),
    quota        String CODEC(ZSTD(1)),
    headers      Map(String, String) CODEC(ZSTD(1)),
    attributes   Map(String, String) CODEC(ZSTD(1)),
    extra        Map(String, String) CODEC(ZSTD(1)),
    trace_id     String CODEC(ZSTD(1)),
    INDEX by_run run_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_id id TYPE bloom_filter GRANULARITY 4,
    INDEX by_trace trace_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (workspace, customer, integration, time, source, partition, offset)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Up to where raw_calls has been written, per Kafka partition. Its rows and raw_calls are not atomic:
-- after a crash the same calls are written again, which changes nothing.
CREATE TABLE IF NOT EXISTS calls_positions
(
    source      LowCardinality(String),
    partition   Int32,
    next_offset SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (source, partition);
