-- What operators decided, beside what was counted, so that both land under the same guards.
--   gap      records that will never be counted: batch_first .. next_offset, lost of them, and why (note). It stands in the
--            ledger between the batches. A log that replaces another begins with a gap of no length, and the note of each
--            genesis of it is how many partitions it had: each of them waits for its own.
--   rebuild  data and quota rows were computed anew from the records batch_first .. next_offset (note says how)
ALTER TABLE deltas
    ADD COLUMN IF NOT EXISTS lost SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS note SimpleAggregateFunction(max, String) CODEC(ZSTD(1));

-- Why a partition waits for an operator; empty while it is counted.
ALTER TABLE partition_progress
    ADD COLUMN IF NOT EXISTS stopped String;

-- One row is one committed batch, or one gap that an operator recorded, of one Kafka partition.
-- consumed = counted + duplicates + dead_lettered; a gap consumed nothing. price_book is the id of the price book by
-- which the batch was priced; empty: none.
CREATE OR REPLACE VIEW ledger AS
SELECT
    src AS source, part AS partition, batch_first AS first_offset, max(next_offset) AS next_offset,
    sum(consumed) AS consumed, sum(calls) AS counted, sum(duplicates) AS duplicates,
    sum(dead_lettered) AS dead_lettered, sum(commits) AS commits, max(d.price_book) AS price_book,
    kind, sum(d.lost) AS lost, max(d.note) AS note
FROM deltas AS d
WHERE kind IN ('batch', 'gap')
GROUP BY src, part, batch_first, kind;

-- One row is one rebuild of what the records of one Kafka partition added.
CREATE OR REPLACE VIEW rebuilds AS
SELECT
    src AS source, part AS partition, batch_first AS first_offset, max(next_offset) AS next_offset, max(d.note) AS note
FROM deltas AS d
WHERE kind = 'rebuild'
GROUP BY src, part, batch_first;
