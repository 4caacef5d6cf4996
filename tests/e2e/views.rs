//! The views on quotas, retries and silent throttling: rows of `deltas` enter, what the views say of them is compared
//! with values found by hand. Money is in `costs`.
//!
//! Promise: rows stand relative to the server's clock, and no expected value changes with the second of the test.

mod costs;

use callmeter_harness::stack::{Stack, with_stack};
use callmeter_schemas::histogram::bucket_of;
use std::time::Duration;

/// Lines of a query: its columns, separated by spaces; NULL is `\N`.
async fn lines(stack: &Stack, columns: &str, rest: &str) -> Vec<String> {
    let sql = format!("SELECT formatRowNoNewline('TSV', {columns}) AS answer FROM {rest}");
    let rows = stack.rows(&sql).await;
    rows.iter().map(|row| row["answer"].as_str().expect("a text").replace('\t', " ")).collect()
}

/// The start of a minute of which at least half a minute is left, seconds since 1970.
async fn fresh_minute(stack: &Stack) -> i64 {
    loop {
        let now = stack.number("SELECT toInt64(toUnixTimestamp(now()))").await;
        if now % 60 < 30 {
            return now - now % 60;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What one customer's answers told of one quota in one minute.
struct Told {
    minutes_ago: i64,
    customer: &'static str,
    quota: &'static str,
    calls: u64,
    refused: u64,
    /// Second of the minute and offset of the newest answer, then limit, remaining, and reset in seconds from now.
    newest: [i64; 5],
}

fn told(minutes_ago: i64, customer: &'static str, quota: &'static str, newest: [i64; 5]) -> Told {
    Told { minutes_ago, customer, quota, calls: 1, refused: 0, newest }
}

async fn insert_told(stack: &Stack, minute: i64, rows: &[Told]) {
    let value = |row: &Told| {
        let start = minute - 60 * row.minutes_ago;
        let [second, offset, limit, remaining, reset] = row.newest;
        let reset_us = if reset == UNKNOWN { -1 } else { (minute + reset) * 1_000_000 };
        format!(
            "('quota', {start}, 'w', '{}', 'crm', '{}', 'app-1', {}, {}, ({}, {offset}, {limit}, {remaining}, {reset_us}))",
            row.customer,
            row.quota,
            row.calls,
            row.refused,
            (start + second) * 1_000_000,
        )
    };
    let values: Vec<String> = rows.iter().map(value).collect();
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, window_start, workspace, customer, integration, policy, scope, calls, errors, \
             quota_latest) VALUES {}",
            values.join(", ")
        ))
        .await;
}

const UNKNOWN: i64 = -1;

/// The view's columns with moments in seconds from the minute.
fn quota_columns(minute: i64) -> String {
    format!(
        "policy, scope, `limit`, remaining, toUnixTimestamp(reset_at) - {minute}, round(used_per_minute, 2), \
         toUnixTimestamp(exhausts_at) - {minute}, toUnixTimestamp(observed_at) - {minute}, customers, learned, refused"
    )
}

#[test]
fn quotas_say_what_is_left_until_when_and_who_uses_it() {
    with_stack(async |stack| {
        let minute = fresh_minute(stack).await;
        let rows = [
            // Newest first, as after an outage of one partition: the order of rows means nothing.
            told(1, "b", "daily", [10, 3, 2000, 1400, 3600]),
            // Of one moment, the larger offset.
            told(1, "a", "daily", [10, 4, 2000, 1300, 3600]),
            told(2, "b", "daily", [10, 8, 2000, 1500, 3600]),
            // An older answer with a larger offset is older all the same.
            told(3, "a", "daily", [5, 12, 2000, 870, 3600]),
            Told { refused: 1, ..told(3, "b", "daily", [10, 9, 2000, 800, 3600]) },
            told(4, "a", "daily", [10, 2, 2000, 900, 3600]),
            told(5, "a", "daily", [10, 1, 2000, 1000, 3600]),
            // Not of the ten minutes before the newest, and of another customer two hours ago.
            told(120, "c", "daily", [10, 1, 2000, 1999, 3600]),
            told(5, "a", "turned", [10, 1, 100, 0, -60]),
            told(5, "a", "empty", [10, 1, 100, 0, 600]),
            Told { calls: 100, ..told(1, "a", "untold", [10, 1, UNKNOWN, 50, UNKNOWN]) },
            // A bucket that fills as fast as it is emptied has no end in sight, and a month's allowance has.
            Told { calls: 300, ..told(2, "a", "bucket", [10, 1, 40, 30, UNKNOWN]) },
            Told { calls: 300, ..told(1, "a", "bucket", [10, 2, 40, 35, UNKNOWN]) },
            told(3, "a", "month", [10, 1, 1000, 500, UNKNOWN]),
            told(1, "a", "month", [10, 2, 1000, 300, UNKNOWN]),
            Told { calls: 10, ..told(1, "a", "slow", [10, 1, 1000, 500, 600]) },
            // An answer that took an hour.
            told(65, "a", "late", [3600, 1, 10, 5, 600]),
            told(32 * 24 * 60, "a", "forgotten", [0, 1, 10, 5, 600]),
            // A clock an hour ahead says nothing, and what was told long ago is not used any more.
            told(-60, "a", "daily", [10, 99, 2000, 1999, 7200]),
            told(20 * 24 * 60, "a", "quiet", [0, 1, 10, 3, UNKNOWN]),
        ];
        insert_told(stack, minute, &rows).await;
        // daily: 100 + 100 + 0 + 200 fell in 4 minutes, and 1300 last 13 minutes. untold: 10 a minute by count.
        let wanted = [
            r"bucket app-1 40 35 \N 60 \N -50 1 0 0",
            r"daily app-1 2000 1300 3600 100 730 -50 2 0 1",
            r"empty app-1 100 0 600 0.1 -290 -290 1 0 0",
            r"late app-1 10 5 600 0.1 \N -300 0 0 0",
            r"month app-1 1000 300 \N 100 130 -50 1 0 0",
            r"quiet app-1 10 3 \N 0 \N -1728000 0 0 0",
            r"slow app-1 1000 500 600 1 \N -50 1 0 0",
            r"turned app-1 100 100 -60 0.1 \N -290 1 0 0",
            r"untold app-1 \N 50 \N 10 \N -50 1 0 0",
        ];
        let columns = quota_columns(minute);
        let all = "quota WHERE workspace = 'w' ORDER BY policy";
        assert_eq!(lines(stack, &columns, all).await, wanted);

        let users = "quota_customers WHERE policy = 'daily' AND customer != 'c' ORDER BY customer";
        let by_customer = lines(stack, "customer, calls, round(share, 3), refused", users).await;
        assert_eq!(by_customer, ["a 4 0.571 0", "b 3 0.429 1"]);

        // The same rows once more, as no aggregator would write them: the newest word stays what it was.
        insert_told(stack, minute, &rows).await;
        let newest = "policy, scope, `limit`, remaining";
        let first: Vec<String> =
            wanted.iter().map(|line| line.split(' ').take(4).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines(stack, newest, all).await, first);
    });
}

/// Rows of calls: minutes ago, customer, endpoint, calls, error classes with their numbers.
async fn insert_calls(stack: &Stack, minute: i64, rows: &[(i64, &str, &str, u64, &str)]) {
    let values: Vec<String> = rows
        .iter()
        .map(|(ago, customer, endpoint, calls, classes)| {
            let start = minute - 60 * ago;
            format!("('data', {start}, 'w', '{customer}', 'mute', '{endpoint}', {calls}, {classes})")
        })
        .collect();
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, calls, errors_by_class) \
             VALUES {}",
            values.join(", ")
        ))
        .await;
}

#[test]
fn a_limit_that_is_never_told_is_learned_from_refusals() {
    with_stack(async |stack| {
        let minute = fresh_minute(stack).await;
        // Accepted in minutes with refusals: 10, 9 and 20. A minute's rows are not merged.
        insert_calls(
            stack,
            minute,
            &[
                (20, "calm", "/a", 15, "{'rate_limited': 5}"),
                (12, "calm", "/a", 5, "{'quota_exhausted': 1}"),
                (12, "calm", "/b", 7, "{'rate_limited': 2, 'timeout': 3}"),
                (3, "calm", "/a", 30, "{'rate_limited': 10}"),
                (2, "calm", "/a", 7, "{}"),
                (0, "calm", "/a", 4, "{}"),
                (1, "knows", "/a", 15, "{'rate_limited': 5}"),
                (1, "broken", "/a", 15, "{'upstream_5xx': 5}"),
                (25 * 60, "past", "/a", 15, "{'rate_limited': 5}"),
                (0, "fast", "/a", 5, "{}"),
                (2, "barred", "/a", 8, "{'quota_exhausted': 8}"),
                (0, "barred", "/a", 1, "{}"),
            ],
        )
        .await;
        for ago in 1..10 {
            insert_calls(stack, minute, &[(ago, "fast", "/a", 100, "{'rate_limited': 80}")]).await;
        }
        stack
            .execute(&format!(
                "INSERT INTO deltas (kind, window_start, workspace, customer, integration, policy, calls, quota_latest) VALUES \
                 ('quota', {minute} - 90000, 'w', 'knows', 'mute', 'told', 1, ({minute} * 1000000 - 90000000000, 1, 10, 5, -1)), \
                 ('quota', {minute}, 'w', 'calm', 'mute', 'untold', 1, ({minute} * 1000000, 1, -1, -1, -1))"
            ))
            .await;
        // fast: 905 calls in ten minutes are 90.5 a minute, and 20 of them last 13 of the minute's 60 seconds.
        let wanted =
            [r"learned calm 10 6 60 4.1 \N -180 1 1 18", r"learned fast 20 15 60 90.5 13 -60 1 1 720"];
        let learned = "quota WHERE learned AND scope != 'barred' ORDER BY scope";
        assert_eq!(lines(stack, &quota_columns(minute), learned).await, wanted);
        // Nothing got through: the limit is taken as one, and that is used.
        let barred = "quota WHERE scope = 'barred' AND exhausts_at BETWEEN now() - 30 AND now()";
        assert_eq!(lines(stack, "policy, `limit`, remaining", barred).await, ["learned 1 0"]);
        let told = "quota WHERE NOT learned ORDER BY policy";
        assert_eq!(lines(stack, "policy, `limit`", told).await, [r"told 10", r"untold \N"]);
    });
}

/// One customer of one vendor: calls and ms in the five minutes judged, ms in each of the twelve before, errors.
struct Pace {
    integration: &'static str,
    customer: &'static str,
    calls: u64,
    ms: u64,
    before_ms: Option<u64>,
    errors: u64,
}

fn pace(integration: &'static str, customer: &'static str, before_ms: u64, ms: u64) -> Pace {
    Pace { integration, customer, calls: 30, ms, before_ms: Some(before_ms), errors: 0 }
}

async fn insert_paces(stack: &Stack, bucket: i64, paces: &[Pace]) {
    let mut values = Vec::new();
    for Pace { integration, customer, calls, ms, before_ms, errors } in paces {
        let mut add = |start: i64, calls: u64, ms: u64, errors: u64| {
            let place = bucket_of(ms * 1000);
            values.push(format!(
                "('data', {start}, 'w', '{customer}', '{integration}', 'GET /a', {calls}, {errors}, {{{place}: {calls}}})"
            ));
        };
        // Two minutes of the five, and one in each before.
        add(bucket, calls - calls / 2, *ms, *errors);
        add(bucket + 240, calls / 2, *ms, 0);
        if let Some(before_ms) = before_ms {
            (1..=12).for_each(|five| add(bucket - 300 * five + 60, 10, *before_ms, 0));
        }
    }
    let values = values.join(", ");
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, calls, errors, latency) \
             VALUES {values}"
        ))
        .await;
}

#[test]
fn a_vendor_that_silently_slows_down_for_one_customer_is_marked() {
    with_stack(async |stack| {
        let bucket = stack.number("SELECT toInt64(intDiv(toUnixTimestamp(now()), 300) * 300 - 600)").await;
        let paces = [
            pace("one", "a", 100, 400),
            pace("one", "b", 100, 120),
            pace("one", "c", 110, 110),
            // Slow for everybody is the vendor's trouble, not a limit.
            pace("all", "a", 100, 400),
            pace("all", "b", 100, 380),
            // Of others with few calls nothing is concluded, nor of those who were not there before.
            pace("lone", "a", 100, 400),
            Pace { calls: 10, ..pace("lone", "b", 100, 400) },
            Pace { before_ms: None, ..pace("lone", "c", 0, 400) },
            Pace { errors: 1, ..pace("errors", "a", 100, 400) },
            pace("ramp", "a", 210, 400),
            pace("quick", "a", 50, 140),
            Pace { calls: 19, ..pace("few", "a", 100, 400) },
            Pace { before_ms: None, ..pace("new", "a", 0, 400) },
        ];
        insert_paces(stack, bucket, &paces).await;
        let columns = format!(
            "integration, customer, endpoint, toUnixTimestamp(bucket_start) - {bucket}, calls, round(p50_ms, -1), \
             round(before_ms, -1), error_class"
        );
        let marked =
            lines(stack, &columns, "throttled_soft WHERE workspace = 'w' ORDER BY integration").await;
        let wanted =
            ["lone a GET /a 0 30 400 100 throttled_soft", "one a GET /a 0 30 400 100 throttled_soft"];
        assert_eq!(marked, wanted);
    });
}
