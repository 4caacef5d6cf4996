//! The text of a query: its kind enters, SQL with named parameters leaves.
//!
//! Promise: pure. Every source answers with the same columns in the same order, those of [`super::Group`].

use super::{MAX_GROUPS, Query};
use crate::{
    filter::{Choice, Condition},
    vocabulary::{Dimension, Period, Source},
};

/// Seconds that ClickHouse may work on one question: less than the alerter waits for it.
const MAX_SECONDS: u32 = 25;
const NO_CLASSES: &str = "CAST(map(), 'Map(String, UInt64)')";
const NO_LATENCY: &str = "CAST(map(), 'Map(UInt16, UInt64)')";
const UNKNOWN: &str = "CAST(NULL, 'Nullable(Float64)')";
const NO_MONEY: &str = "toDecimal128(0, 12)";

pub(super) fn text(query: &Query) -> String {
    let select = match query.key.source {
        Source::Calls | Source::Spend => calls(query),
        Source::Budget(period) => budget(query, period),
        Source::Quota => quota(query),
        Source::Pipeline => String::new(),
    };
    // Of more groups than can be held no more are begun, so that memory has a bound too; the answer is refused then.
    let groups = match query.key.source {
        Source::Calls => {
            format!(", max_rows_to_group_by = {}, group_by_overflow_mode = 'any'", MAX_GROUPS + 1)
        }
        _ => String::new(),
    };
    format!("{select} SETTINGS max_execution_time = {MAX_SECONDS}, timeout_overflow_mode = 'throw'{groups}")
}

/// Sums over the calls of the window, and of the window before.
fn calls(query: &Query) -> String {
    let quantiles =
        query.quantiles.iter().map(|quantile| format!("latencyQuantile({}, latency)", quantile.word()));
    let past = if query.key.before.is_zero() {
        "toUInt8(0)"
    } else {
        "toUInt8(window_start <= toDateTime({until_before:UInt32}, 'UTC'))"
    };
    format!(
        "SELECT past, values, calls, errors, errors_by_class, retried, latency_us_sum, \
         arraySum(mapValues(latency)) AS measured, CAST([{quantiles}], 'Array(Float64)') AS quantiles, \
         bytes_in, bytes_out, cost, first_seen, last_seen, {UNKNOWN} AS remaining_ratio, {UNKNOWN} AS exhausts_in \
         FROM (SELECT {past} AS past, {values} AS values, sum(calls) AS calls, sum(errors) AS errors, \
         {classes} AS errors_by_class, sum(attempts_retried) AS retried, sum(latency_us_sum) AS latency_us_sum, \
         {latency} AS latency, sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, sum(cost) AS cost, \
         toUInt32(min(window_start)) AS first_seen, toUInt32(max(window_start) + {stored}) AS last_seen \
         FROM {facts} GROUP BY {by} LIMIT {limit})",
        quantiles = quantiles.collect::<Vec<_>>().join(", "),
        values = values(query),
        classes = if query.classes { "sumMap(errors_by_class)" } else { NO_CLASSES },
        latency = if query.latency { "sumMap(latency)" } else { NO_LATENCY },
        stored = super::whole_seconds(query.stored),
        facts = facts(query),
        by = ["past"].into_iter().chain(words(query)).collect::<Vec<_>>().join(", "),
        limit = MAX_GROUPS + 1,
    )
}

/// What is summed up: counted calls, priced usage, and calls that only make a group known.
fn facts(query: &Query) -> String {
    let spends = query.key.source == Source::Spend;
    let filter = conditions(query, |dimension| !spends || dimension != Dimension::Currency);
    let window = window(query);
    let priced = conditions(query, |dimension| spends && dimension == Dimension::Currency);
    let knows = !query.key.look_back.is_zero();
    if !spends && !knows {
        return format!("deltas WHERE kind = 'data' AND {window}{filter}");
    }
    // Of priced usage the currency is a plain text, so that it is one everywhere.
    let column = |word| if spends && word == "currency" { "toString(currency) AS currency" } else { word };
    let columns = words(query).map(column).collect::<Vec<_>>().join(", ");
    let mut parts = vec![format!(
        "SELECT {columns}, window_start, calls, errors, errors_by_class, attempts_retried, latency_us_sum, latency, \
         bytes_in, bytes_out, cost FROM deltas WHERE kind = 'data' AND {window}{filter}"
    )];
    // Columns of further parts have no names: with those of the table, conditions would mean these.
    let nothing = |cost: &str| format!("0, 0, {NO_CLASSES}, 0, 0, {NO_LATENCY}, 0, 0, {cost}");
    if spends {
        parts.push(format!(
            "SELECT {columns}, window_start, {} FROM {}",
            nothing("share"),
            usage(&window, &filter)
        ));
    }
    if knows {
        parts.push(format!(
            "SELECT {columns}, window_start, {} FROM deltas WHERE kind = 'data' AND calls > 0 \
             AND window_start > toDateTime({{known_since:UInt32}}, 'UTC') \
             AND window_start <= toDateTime({{since:UInt32}}, 'UTC'){filter}",
            nothing(NO_MONEY)
        ));
    }
    format!("({}) WHERE 1{priced}", parts.join(" UNION ALL "))
}

/// The window's units of each price line at the price of their hour.
fn usage(window: &str, filter: &str) -> String {
    const CELL: &str = "workspace, hour, customer, integration, line, endpoint, tier, environment";
    format!(
        "(SELECT *, usage_costs.cost * units / greatest(quantity, 1) AS share FROM \
         (SELECT toStartOfHour(window_start) AS hour, window_start, workspace, customer, integration, line, endpoint, \
         tier, environment, sum(counted) AS units FROM deltas ARRAY JOIN mapKeys(usage) AS line, \
         mapValues(usage) AS counted WHERE kind = 'data' AND {window}{filter} GROUP BY window_start, {CELL}) AS used \
         INNER JOIN (SELECT {CELL}, currency, cost, quantity FROM usage_costs WHERE {months}) AS usage_costs \
         USING ({CELL}))",
        months = months(window),
    )
}

/// The months in which the windows lie.
fn months(window: &str) -> String {
    let month = |name: &str| format!("toStartOfMonth(toDateTime({{{name}:UInt32}}, 'UTC'))");
    let mut months = format!("month BETWEEN {} AND {}", month("since"), month("until"));
    if window.contains("until_before") {
        months =
            format!("({months} OR month BETWEEN {} AND {})", month("since_before"), month("until_before"));
    }
    months
}

fn window(query: &Query) -> String {
    let between = |since: &str, until: &str| {
        format!(
            "window_start > toDateTime({{{since}:UInt32}}, 'UTC') AND window_start <= toDateTime({{{until}:UInt32}}, 'UTC')"
        )
    };
    let now = between("since", "until");
    if query.key.before.is_zero() {
        return now;
    }
    format!("({now} OR {})", between("since_before", "until_before"))
}

/// Cost of the day or the month so far.
fn budget(query: &Query, period: Period) -> String {
    let day = match period {
        Period::Day => " AND day = toDate(toDateTime({until:UInt32}, 'UTC'))",
        Period::Month => "",
    };
    format!(
        "SELECT toUInt8(0) AS past, {values} AS values, sum(calls) AS calls, {zeros}, sum(cost) AS cost, {seen}, \
         {UNKNOWN} AS remaining_ratio, {UNKNOWN} AS exhausts_in FROM costs \
         WHERE month = toStartOfMonth(toDateTime({{until:UInt32}}, 'UTC')){day}{filter} GROUP BY {by} LIMIT {limit}",
        values = values(query),
        zeros = zeros(),
        seen = "toUInt32(0) AS first_seen, toUInt32(0) AS last_seen",
        filter = conditions(query, |_| true),
        by = words(query).collect::<Vec<_>>().join(", "),
        limit = MAX_GROUPS + 1,
    )
}

/// The worst limit of each group.
fn quota(query: &Query) -> String {
    format!(
        "SELECT toUInt8(0) AS past, {values} AS values, toUInt64(0) AS calls, {zeros}, {NO_MONEY} AS cost, {seen}, \
         CAST(min(toFloat64(remaining) / nullIf(toFloat64(`limit`), 0)), 'Nullable(Float64)') AS remaining_ratio, \
         CAST(min(if(isNull(remaining), NULL, if(isNull(exhausts_at), inf, \
         greatest(toFloat64(exhausts_at) - toFloat64(now64(3)), 0)))), 'Nullable(Float64)') AS exhausts_in \
         FROM quota WHERE observed_at > toDateTime({{since:UInt32}}, 'UTC'){filter} GROUP BY {by} LIMIT {limit}",
        values = values(query),
        zeros = zeros(),
        seen = "toUInt32(min(observed_at)) AS first_seen, toUInt32(max(observed_at)) AS last_seen",
        filter = conditions(query, |_| true),
        by = words(query).collect::<Vec<_>>().join(", "),
        limit = MAX_GROUPS + 1,
    )
}

/// The columns between calls and cost, where a source has none of them.
fn zeros() -> String {
    format!(
        "toUInt64(0) AS errors, {NO_CLASSES} AS errors_by_class, toUInt64(0) AS retried, toUInt64(0) AS latency_us_sum, \
         toUInt64(0) AS measured, CAST([], 'Array(Float64)') AS quantiles, toUInt64(0) AS bytes_in, toUInt64(0) AS bytes_out"
    )
}

fn words(query: &Query) -> impl Iterator<Item = &'static str> + '_ {
    query.key.dimensions.iter().map(|dimension| dimension.word())
}

fn values(query: &Query) -> String {
    format!("[{}]", words(query).map(|word| format!("toString({word})")).collect::<Vec<_>>().join(", "))
}

/// The filters by some of the dimensions.
fn conditions(query: &Query, chosen: impl Fn(Dimension) -> bool) -> String {
    let filter =
        query.key.filter.iter().map(|(dimension, chosen)| (*dimension, condition(dimension.word(), chosen)));
    let narrowed = query.narrowed.keys().map(|dimension| (*dimension, within(dimension.word())));
    let all = filter.chain(narrowed).filter(|(dimension, _)| chosen(*dimension));
    all.map(|(_, condition)| format!(" AND {condition}")).collect()
}

fn condition(word: &str, chosen: &Condition) -> String {
    let not = |not: bool| if not { "NOT " } else { "" };
    match chosen {
        Condition::Values(Choice { not: out, .. }) => format!("{}{}", not(*out), within(word)),
        Condition::Form { not: out, .. } => format!("{}match({word}, {{{word}:String}})", not(*out)),
    }
}

fn within(word: &str) -> String {
    format!("{word} IN {{{word}:Array(String)}}")
}
