-- One row is one limit of one vendor as it was last told: workspace × integration × policy × scope of the last 31 days;
-- or (learned = 1) what a customer got through per minute where the vendor only refuses and never tells.
-- Unknown numbers and moments are NULL. Everything is as of now().
CREATE OR REPLACE VIEW quota AS
WITH
    now('UTC') AS at,
    toUnixTimestamp(at) * 1000000 AS at_us,
    -- 2100-01-01, so that a slow pace does not lead beyond the calendar.
    4102444800000000 AS end_us,
    -- A word from a clock that runs far ahead would hide all later ones.
    at + INTERVAL 5 MINUTE AS latest,
    told AS
    (
        SELECT
            workspace, integration, policy, scope,
            argMax(window_start, quota_latest.observed_us) AS last_window,
            uniqExactIf(customer, window_start > at - INTERVAL 1 HOUR) AS users,
            sumIf(errors, window_start > at - INTERVAL 1 HOUR) AS refusals
        FROM deltas
        WHERE kind = 'quota' AND window_start > at - INTERVAL 31 DAY AND window_start <= latest
        GROUP BY workspace, integration, policy, scope
    ),
    -- The last ten minutes of each. The newest word wins, whoever got it and in whichever order words arrived.
    minutes AS
    (
        SELECT
            workspace, integration, policy, scope, users, refusals,
            max(deltas.quota_latest) AS newest_of_minute,
            sum(calls) AS counted
        FROM deltas
        INNER JOIN told USING (workspace, integration, policy, scope)
        WHERE kind = 'quota' AND window_start > last_window - INTERVAL 10 MINUTE AND window_start <= latest
            -- Says nothing new, but only these days are read.
            AND toDate(window_start) IN (SELECT arrayJoin([toDate(last_window), toDate(last_window - INTERVAL 10 MINUTE)]) FROM told)
        GROUP BY workspace, integration, policy, scope, users, refusals, window_start
    ),
    states AS
    (
        SELECT
            workspace, integration, policy, scope, users, refusals,
            max(newest_of_minute) AS newest,
            newest.observed_us AS observed_us,
            if(newest.limit >= 0, newest.limit, NULL) AS full,
            if(newest.reset_us >= 0, newest.reset_us, NULL) AS reset_us,
            ifNull(reset_us <= at_us, 0) AS turned,
            -- After the reset all is there again; how much is only known if the limit is.
            if(turned, full, if(newest.remaining >= 0, newest.remaining, NULL)) AS left,
            arraySort(groupArrayIf(
                (newest_of_minute.observed_us, newest_of_minute.offset, newest_of_minute.remaining),
                newest_of_minute.remaining >= 0)) AS words,
            -- By how much `remaining` fell from minute to minute, whoever used it; where it rose it was reset or refilled.
            arraySum(arrayMap((before, after) -> greatest(before.3 - after.3, 0), arrayPopBack(words), arrayPopFront(words))) AS fallen,
            -- In the time from the first to the last of these words, at least a minute.
            fallen * 60000000 / greatest(words[-1].1 - words[1].1, 60000000) AS fallen_per_minute,
            -- Of what nobody has used for ten minutes nothing is used now.
            if(observed_us < at_us - 600000000, 0, greatest(fallen_per_minute, sum(counted) / 10)) AS pace,
            -- Without a reset time it may be refilled all the while: then only what it lost on the whole leads to its end.
            greatest(words[1].3 - words[-1].3, 0) * 60000000 / greatest(words[-1].1 - words[1].1, 60000000) AS lost_per_minute,
            observed_us + left * 60000000 / nullIf(if(reset_us IS NULL, least(lost_per_minute, pace), pace), 0) AS empty_us
        FROM minutes
        GROUP BY workspace, integration, policy, scope, users, refusals
    ),
    -- Customers who were refused in the last 24 hours and never told a limit.
    refused_customers AS
    (
        SELECT workspace, integration, customer
        FROM deltas
        WHERE kind = 'data' AND window_start > at - INTERVAL 24 HOUR AND window_start <= latest
            AND (mapContains(errors_by_class, 'rate_limited') OR mapContains(errors_by_class, 'quota_exhausted'))
        GROUP BY workspace, integration, customer
    ),
    learned_minutes AS
    (
        SELECT
            workspace, integration, customer, window_start,
            sum(deltas.calls) AS made,
            sum(errors_by_class['rate_limited'] + errors_by_class['quota_exhausted']) AS refusals,
            toUInt64(made - refusals) AS accepted
        FROM deltas
        WHERE kind = 'data' AND window_start > at - INTERVAL 24 HOUR AND window_start <= latest
            AND (workspace, integration, customer) IN (refused_customers)
            AND (workspace, integration, customer) NOT IN (
                SELECT workspace, integration, customer
                FROM deltas
                WHERE kind = 'quota' AND window_start > at - INTERVAL 31 DAY AND quota_latest.limit >= 0)
        GROUP BY workspace, integration, customer, window_start
    ),
    learned_states AS
    (
        SELECT
            workspace, integration, customer,
            toStartOfMinute(at) AS minute,
            -- What got through in a middling minute with refusals (the lower middle of an even number).
            greatest(quantileExactLowIf(0.5)(accepted, refusals > 0), 1) AS full,
            toUInt64(greatest(full - sumIf(accepted, window_start = minute), 0)) AS left,
            sumIf(made, window_start > at - INTERVAL 10 MINUTE) / 10 AS pace,
            maxIf(window_start, refusals > 0) AS last_refusal,
            max(window_start) > at - INTERVAL 1 HOUR AS users,
            sumIf(learned_minutes.refusals, window_start > at - INTERVAL 1 HOUR) AS refusals_of_hour
        FROM learned_minutes
        GROUP BY workspace, integration, customer
    )
SELECT
    workspace, integration, toString(policy) AS policy, scope,
    CAST(full AS Nullable(UInt64)) AS `limit`,
    CAST(left AS Nullable(UInt64)) AS remaining,
    CAST(fromUnixTimestamp64Micro(reset_us, 'UTC') AS Nullable(DateTime64(3, 'UTC'))) AS reset_at,
    pace AS used_per_minute,
    CAST(fromUnixTimestamp64Micro(multiIf(
        turned, NULL,
        left = 0, observed_us,
        empty_us < ifNull(reset_us, end_us), toInt64(empty_us),
        NULL), 'UTC') AS Nullable(DateTime64(3, 'UTC'))) AS exhausts_at,
    CAST(fromUnixTimestamp64Micro(observed_us, 'UTC') AS DateTime64(3, 'UTC')) AS observed_at,
    users AS customers,
    toUInt8(0) AS learned,
    refusals AS refused
FROM states
UNION ALL
SELECT
    workspace, integration, 'learned', customer,
    full,
    left,
    minute + INTERVAL 1 MINUTE,
    pace,
    -- At that pace every minute is too long, from its start.
    multiIf(left = 0, toDateTime64(at, 3), pace > full, minute + toIntervalMillisecond(60000 * full / pace), NULL),
    last_refusal,
    users, 1, refusals_of_hour
FROM learned_states;

-- One row is one customer's part of one told limit in the last hour: who is using it up. share is of all customers' calls on it.
CREATE OR REPLACE VIEW quota_customers AS
SELECT
    workspace, integration, policy, scope, customer,
    sum(deltas.calls) AS calls,
    calls / sum(calls) OVER (PARTITION BY workspace, integration, policy, scope) AS share,
    sum(errors) AS refused
FROM deltas
WHERE kind = 'quota' AND window_start > now('UTC') - INTERVAL 1 HOUR AND window_start <= now('UTC') + INTERVAL 5 MINUTE
GROUP BY workspace, integration, policy, scope, customer;

-- One row is one window, customer and integration: how many attempts each first attempt became, and whether waits that the vendor
-- asked for (Retry-After) were kept. Sum the numbers and divide again; retry_amplification itself cannot be summed.
CREATE OR REPLACE VIEW retries AS
SELECT
    workspace, window_start, customer, integration,
    sum(deltas.calls) AS calls,
    toUInt64(calls - sum(attempts_retried)) AS first_attempts,
    calls / nullIf(first_attempts, 0) AS retry_amplification,
    sum(deltas.retry_after_asked) AS retry_after_asked,
    sum(deltas.retry_after_ignored) AS retry_after_ignored
FROM deltas
WHERE kind = 'data'
GROUP BY workspace, window_start, customer, integration;

-- One row is five minutes of one customer and endpoint in which the vendor silently slowed down for this customer: p50 at least
-- twice that of the hour before and 100 ms more, below 1 % errors, at least 20 calls and 50 in the hour before, and not slow
-- for everybody. Covers the last 24 hours: a WHERE on bucket_start only filters, one on workspace or integration makes it cheaper.
CREATE OR REPLACE VIEW throttled_soft AS
WITH
    toStartOfFiveMinutes(now('UTC') - INTERVAL 25 HOUR) AS since,
    -- Concatenated histograms have the same median as added ones and cost a quarter.
    medians AS
    (
        SELECT
            workspace, customer, integration, endpoint, toStartOfFiveMinutes(window_start) AS bucket_start,
            sum(calls) AS made,
            groupArrayArray(mapKeys(latency)) AS places,
            groupArrayArray(mapValues(latency)) AS counts,
            sum(arraySum(mapValues(latency))) AS measured,
            latencyBucketMs(arraySort(places)[arrayFirstIndex(seen -> 2 * seen >= measured,
                arrayCumSum(arraySort((count, place) -> place, counts, places)))]) AS median
        FROM deltas
        WHERE kind = 'data' AND window_start >= since
        GROUP BY workspace, customer, integration, endpoint, bucket_start
    ),
    -- An hour's median is not below the least of its parts' medians: only these endpoints can have a row.
    suspects AS
    (
        SELECT DISTINCT workspace, integration, endpoint
        FROM
        (
            SELECT workspace, integration, endpoint, made, median, min(median) OVER hour_before AS least, count() OVER hour_before AS parts
            FROM medians
            WINDOW hour_before AS (
                PARTITION BY workspace, customer, integration, endpoint
                ORDER BY bucket_start RANGE BETWEEN 3600 PRECEDING AND 300 PRECEDING)
        )
        WHERE made >= 20 AND parts > 0 AND median >= 2 * least AND median >= least + 100
    ),
    buckets AS
    (
        SELECT
            workspace, customer, integration, endpoint, toStartOfFiveMinutes(window_start) AS bucket_start,
            sum(deltas.calls) AS made,
            sum(errors) AS failed,
            sumMap(deltas.latency) AS spread
        FROM deltas
        WHERE kind = 'data' AND window_start >= since AND (workspace, integration, endpoint) IN (suspects)
        GROUP BY workspace, customer, integration, endpoint, bucket_start
    ),
    hours AS
    (
        SELECT
            *,
            sum(made) OVER hour_before AS made_before,
            sumMap(spread) OVER hour_before AS spread_before
        FROM buckets
        WINDOW hour_before AS (
            PARTITION BY workspace, customer, integration, endpoint
            ORDER BY bucket_start RANGE BETWEEN 3600 PRECEDING AND 300 PRECEDING)
    ),
    -- Beside the others with enough calls in these minutes: everybody's, less one's own.
    peers AS
    (
        SELECT
            *,
            mapFilter((place, count) -> count > 0, mapSubtract(sumMap(spread) OVER everybody, spread)) AS others,
            mapFilter((place, count) -> count > 0, mapSubtract(sumMap(spread_before) OVER everybody, spread_before)) AS others_before
        FROM hours
        WHERE made >= 20
        WINDOW everybody AS (PARTITION BY workspace, integration, endpoint, bucket_start)
    )
SELECT
    bucket_start, workspace, customer, integration, endpoint, made AS calls,
    latencyQuantile(0.5, spread) AS p50_ms,
    latencyQuantile(0.5, spread_before) AS before_ms,
    'throttled_soft' AS error_class
FROM peers
WHERE bucket_start >= now('UTC') - INTERVAL 24 HOUR
    AND made_before >= 50 AND failed * 100 < made
    AND p50_ms >= 2 * before_ms AND p50_ms >= before_ms + 100
    -- NaN where there are no others with calls in both: then this customer is judged alone.
    AND NOT (latencyQuantile(0.5, others) >= 1.5 * latencyQuantile(0.5, others_before));
