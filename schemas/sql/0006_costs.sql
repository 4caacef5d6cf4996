-- One row is one version of one line of a price book whose price depends on the month's use. Aggregators write
-- them when a book first comes into force or its file changes; the book published last holds. A flat or package entry has one tier.
CREATE TABLE IF NOT EXISTS price_lines
(
    book           String,
    line           LowCardinality(String),
    integration    LowCardinality(String),
    effective_from DateTime('UTC'),
    pool           Enum8('workspace' = 1, 'customer' = 2),
    currency       LowCardinality(String),
    form           Enum8('flat' = 1, 'tiered' = 2, 'volume' = 3, 'package' = 4),
    free           UInt64,
    up_to          Array(UInt64),
    price          Array(Decimal(38, 12)),
    package        UInt64,
    published_at   DateTime64(3, 'UTC') DEFAULT now64(3),
    CONSTRAINT a_price_for_every_quantity CHECK length(up_to) = length(price) AND up_to[-1] = 18446744073709551615
)
ENGINE = ReplacingMergeTree(published_at)
ORDER BY (line, book, effective_from);

-- One row is one price book that was in force: the text behind the ids in the ledger's price_book.
CREATE TABLE IF NOT EXISTS price_books
(
    book         String,
    text         String CODEC(ZSTD(3)),
    published_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(published_at)
ORDER BY book;

-- One row is one hourly cell of usage of one line, at what it adds to the price of the month: P(use up to and with it)
-- - P(use before it), in the order of hour, customer, endpoint, tier, environment. So cells sum up to P(month's use)
-- to the last digit; form volume corrects earlier cells with negative costs. cost is 0 where no entry holds (unpriced_quantity).
CREATE OR REPLACE VIEW usage_costs AS
WITH
    cells AS
    (
        SELECT
            workspace,
            -- From toDate, so that a WHERE on month reads no other days. It prunes; hour and customer only filter the result.
            toStartOfMonth(toDate(window_start)) AS month,
            toStartOfHour(window_start) AS hour,
            customer, integration, line, endpoint, tier, environment,
            max(currency) AS counted_currency,
            sum(units) AS quantity,
            sum(usage_failed[line]) AS failed_quantity,
            sum(usage_retried[line]) AS retried_quantity
        FROM deltas
        ARRAY JOIN mapKeys(usage) AS line, mapValues(usage) AS units
        WHERE kind = 'data'
        GROUP BY workspace, month, hour, customer, integration, line, endpoint, tier, environment
    ),
    -- From each moment at which an entry of a line begins: the entry in force in the book that was published last among those
    -- that have one in force then. What later books leave out, a line or its past, keeps its prices.
    entries AS
    (
        SELECT
            prices.line AS line, starts.since AS effective_from,
            argMax((prices.pool, prices.currency, prices.form, prices.free, prices.up_to, prices.price, prices.package),
                (prices.published_at, prices.book, prices.effective_from)) AS held,
            held.1 AS pool, held.2 AS currency, held.3 AS form, held.4 AS free, held.5 AS up_to, held.6 AS price, held.7 AS package
        FROM (SELECT * FROM price_lines FINAL) AS prices
        INNER JOIN (SELECT DISTINCT line, effective_from AS since FROM price_lines) AS starts ON prices.line = starts.line
        WHERE prices.effective_from <= starts.since
        GROUP BY prices.line, starts.since
    ),
    -- The entry in force at the month's first instant holds for the month.
    walked AS
    (
        SELECT
            workspace, month, hour, customer, integration, cells.line AS line, endpoint, tier, environment,
            counted_currency, quantity, failed_quantity, retried_quantity, effective_from,
            -- One text sorts in half the time of five columns.
            sum(quantity) OVER (
                PARTITION BY workspace, cells.line, month, if(pool = 'customer', customer, '')
                ORDER BY hour, concat(customer, '\0', endpoint, '\0', tier, '\0', environment, '\0', integration)
                ROWS UNBOUNDED PRECEDING) AS until
        FROM cells
        ASOF LEFT JOIN (SELECT line, effective_from, pool FROM entries) AS held
            ON cells.line = held.line AND toDateTime(cells.month, 'UTC') >= held.effective_from
    ),
    -- All forms are one: begun units, less those below the tier reached, at its price, on top of the price of those below.
    tariffs AS
    (
        SELECT
            line, effective_from, currency, free, up_to, price,
            if(form = 'package', package, 1) AS unit,
            if(form = 'tiered', arrayPushFront(arrayPopBack(up_to), 0), arrayMap(bound -> toUInt64(0), up_to)) AS below,
            arrayMap((each, low, high) -> each * if(form = 'tiered', high - low, 0),
                arrayPopBack(price), arrayPopBack(below), arrayPopBack(up_to)) AS whole_tiers,
            arrayPushFront(arrayCumSum(whole_tiers), toDecimal128(0, 12)) AS below_cost,
            1 AS known
        FROM entries
    ),
    (used) -> intDiv(if(used > free, used - free, 0) + greatest(unit, 1) - 1, greatest(unit, 1)) AS charged,
    (used) -> arrayFirstIndex(bound -> bound >= charged(used), up_to) AS reached,
    (used) -> below_cost[reached(used)] + price[reached(used)] * (charged(used) - below[reached(used)]) AS priceOf
SELECT
    workspace, month, hour, customer, integration, walked.line AS line, endpoint, tier, environment,
    if(known = 1, tariffs.currency, counted_currency) AS currency,
    quantity,
    priceOf(until) - priceOf(toUInt64(until - quantity)) AS cost,
    if(known = 1, 0, quantity) AS unpriced_quantity,
    failed_quantity, retried_quantity
FROM walked
-- Joined after the walk: arrays would make its sort slow.
LEFT ANY JOIN tariffs ON walked.line = tariffs.line AND walked.effective_from = tariffs.effective_from
SETTINGS join_use_nulls = 0;

-- One row is one day and one key: what its calls cost, priced at once or told by events (linear_cost) and as a share of
-- a month's use (metered_cost); unpriced_calls and unpriced_quantity are not in it. Every number may be summed over rows of one
-- currency. A WHERE on day alone still prices every month: add one on month, and only that is read.
CREATE OR REPLACE VIEW costs AS
SELECT
    workspace, month, day, customer, integration, endpoint, tier, environment, currency,
    sum(attempts) AS calls,
    linear_cost + metered_cost AS cost,
    sum(linear) AS linear_cost,
    sum(metered) AS metered_cost,
    sum(unpriced_attempts) AS unpriced_calls,
    sum(unpriced_units) AS unpriced_quantity
FROM
(
    SELECT
        workspace, toStartOfMonth(toDate(window_start)) AS month, toDate(window_start) AS day,
        customer, integration, endpoint, tier, environment, toString(currency) AS currency,
        calls AS attempts, deltas.cost AS linear, toDecimal128(0, 12) AS metered,
        unpriced AS unpriced_attempts, toUInt64(0) AS unpriced_units
    FROM deltas
    WHERE kind = 'data'
    UNION ALL
    SELECT
        workspace, month, toDate(hour), customer, integration, endpoint, tier, environment, currency,
        0, 0, usage_costs.cost, 0, unpriced_quantity
    FROM usage_costs
)
GROUP BY workspace, month, day, customer, integration, endpoint, tier, environment, currency;

-- One row is one day and one key: where money could be saved. failed_cost was paid for attempts that failed, retried_cost for successful
-- attempts after the first: where both are charged, such calls were paid more than once. They are disjoint parts of cost, the metered
-- ones by share of the hour's units (negative where a volume price corrects). batchable_cost may overlap them: what saved_calls cost, calls
-- that would not have been made had each minute's been sent in batches of the vendor's batch_size. Shares are truncated. Filter by
-- month as in costs.
CREATE OR REPLACE VIEW waste AS
WITH
    minutes AS
    (
        SELECT
            workspace, toStartOfMonth(toDate(window_start)) AS month, toStartOfHour(window_start) AS hour, window_start,
            customer, integration, endpoint, tier, toString(deltas.currency) AS currency,
            sum(calls) AS made,
            sum(cost) AS linear,
            sum(cost_failed) AS failed,
            sum(cost_retried) AS retried,
            sum(batchable_calls) AS batchable,
            toUInt64(batchable - intDiv(batchable + greatest(max(batch_size), 1) - 1, greatest(max(batch_size), 1))) AS saved
        FROM deltas
        WHERE kind = 'data'
        GROUP BY workspace, month, hour, window_start, customer, integration, endpoint, tier, currency
    ),
    parts AS
    (
        SELECT
            workspace, month, hour, customer, integration, endpoint, tier, currency, made, batchable, saved,
            linear, failed, retried, linear * saved / greatest(made, 1) AS linear_saved, toDecimal128(0, 12) AS metered
        FROM minutes
        UNION ALL
        SELECT
            workspace, month, hour, customer, integration, endpoint, tier, currency, 0, 0, 0,
            0, cost * failed_quantity / greatest(quantity, 1), cost * retried_quantity / greatest(quantity, 1), 0, cost
        FROM usage_costs
    ),
    hours AS
    (
        SELECT
            workspace, month, hour, customer, integration, endpoint, tier, currency,
            sum(linear) AS linear, sum(metered) AS metered, sum(failed) AS failed, sum(retried) AS retried,
            sum(batchable) AS batchable, sum(saved) AS saved,
            sum(linear_saved) + metered * saved / greatest(sum(made), 1) AS saved_cost
        FROM parts
        GROUP BY workspace, month, hour, customer, integration, endpoint, tier, currency
    )
SELECT
    workspace, month, toDate(hour) AS day, customer, integration, endpoint, tier, currency,
    sum(linear) + sum(metered) AS cost,
    sum(failed) AS failed_cost,
    sum(retried) AS retried_cost,
    sum(batchable) AS batchable_calls,
    sum(saved) AS saved_calls,
    sum(saved_cost) AS batchable_cost
FROM hours
GROUP BY workspace, month, day, customer, integration, endpoint, tier, currency;
