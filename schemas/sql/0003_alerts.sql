-- Up to where each Kafka partition has been counted, written by the aggregators about once a second.
-- counted_up_to is broker append time, and the current time when the end of the log is reached.
CREATE TABLE IF NOT EXISTS partition_progress
(
    source        LowCardinality(String),
    partition     Int32,
    counted_up_to DateTime64(3, 'UTC'),
    lag_records   Int64,
    observed_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(observed_at)
ORDER BY (source, partition);

-- One row is one change of state of one alert. transition_id follows from fingerprint, starts_at and
-- state, so that a row that is written again replaces itself.
CREATE TABLE IF NOT EXISTS alert_transitions
(
    transition_id String,
    workspace     LowCardinality(String),
    rule_group    LowCardinality(String),
    rule          LowCardinality(String),
    fingerprint   String,
    labels        Map(String, String),
    annotations   Map(String, String),
    state         Enum8('pending' = 1, 'firing' = 2, 'resolved' = 3),
    value         Float64,
    threshold     Float64,
    at            DateTime64(3, 'UTC'),
    starts_at     DateTime64(3, 'UTC'),
    ends_at       Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree
ORDER BY (rule_group, rule, fingerprint, at, transition_id);

-- One row is one step of one notification to one receiver: planned before anything is sent, then one
-- row per delivery attempt. notification_id is the webhook-id and constant over attempts.
CREATE TABLE IF NOT EXISTS notifications
(
    notification_id String,
    group_key       String,
    receiver        LowCardinality(String),
    target          UInt16,
    reason          LowCardinality(String),
    transition_ids  Array(String),
    attempt         UInt32,
    at              DateTime64(3, 'UTC'),
    outcome         Enum8('planned' = 1, 'delivered' = 2, 'failed' = 3, 'gave_up' = 4),
    status          UInt16,
    detail          String
)
ENGINE = ReplacingMergeTree
ORDER BY (receiver, target, group_key, notification_id, outcome, attempt, at);

-- One row is one change of state of one alert; notified says whether any receiver has accepted it.
CREATE OR REPLACE VIEW alerts AS
SELECT
    rule, fingerprint, labels, state, value, at,
    transition_id IN (SELECT arrayJoin(transition_ids) FROM notifications WHERE outcome = 'delivered') AS notified,
    workspace, rule_group, annotations, threshold, starts_at, ends_at, transition_id
FROM alert_transitions FINAL;
