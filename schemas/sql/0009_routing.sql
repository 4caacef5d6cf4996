-- A notification goes to one integration of one receiver: of its kind, the one at place target. withheld_ids are transitions
-- that it knows already and was not told again, because they were silenced or inhibited then.
ALTER TABLE notifications
    ADD COLUMN IF NOT EXISTS integration LowCardinality(String) DEFAULT 'webhook',
    ADD COLUMN IF NOT EXISTS withheld_ids Array(String);

-- One row is one silence: nobody is told of alerts that all of its matchers hold for, from starts_at up to ends_at.
-- A change, such as an earlier end, is the row written again.
CREATE TABLE IF NOT EXISTS silences
(
    silence_id String,
    matchers   Array(String),
    author     String,
    reason     String,
    starts_at  DateTime64(3, 'UTC'),
    ends_at    DateTime64(3, 'UTC'),
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY silence_id;

-- Which of several alerters acts. A term begins with a row whose number is one more than the last, which only one can
-- write; its holder then writes it again with the next beat about once a second. released: the holder has ended it.
CREATE TABLE IF NOT EXISTS alerter_terms
(
    term     UInt64,
    holder   String,
    beat     UInt64,
    released UInt8,
    at       DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(beat)
ORDER BY term;
