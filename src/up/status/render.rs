//! How the status reads: one look enters, lines of text leave. Pure.

use super::{Line, Look, Quota};
use crate::up::store::Run;
use std::path::Path;

/// Lines of the block that updates in place.
pub(super) const HEIGHT: usize = 16;

/// What is said once everything runs.
pub(super) fn greeting(run: &Run, logs: &Path) -> String {
    format!(
        "\ncallmeter is up. Everything stays on this machine; Ctrl-C stops all.\n\n\
         Send an event of your own:\n\
         \x20 curl {ingest}/v1/events -H 'Authorization: Bearer {key}' \\\n\
         \x20   -d '{{\"id\":\"my-1\",\"customer\":\"me\",\"integration\":\"hubspot\",\"status\":200,\"latency_ms\":12}}'\n\
         See it:\n\
         \x20 curl '{clickhouse}/?database={database}' -u {user}:{password} \\\n\
         \x20   -d \"SELECT window_start, customer, integration, calls FROM rollups WHERE workspace = 'default'\"\n\n\
         Board {board}   SQL {clickhouse}/play   Logs {logs}\n",
        ingest = run.ingest_url,
        key = run.api_key,
        clickhouse = run.clickhouse_url,
        database = run.clickhouse_database,
        user = run.clickhouse_user,
        password = run.clickhouse_password,
        board = run.board_url,
        logs = logs.display(),
    )
}

/// The whole block, always [`HEIGHT`] lines.
pub(super) fn block(look: &Look) -> Vec<String> {
    let mut lines = vec![summary(look), String::new()];
    match look.rollups.is_empty() {
        true => lines.push("waiting for the first rollups".into()),
        false => lines.extend(table(look)),
    }
    if !look.quotas.is_empty() {
        lines.extend(["".into(), "tightest quotas".into()]);
        lines.extend(look.quotas.iter().map(quota));
    }
    lines.resize(HEIGHT, String::new());
    lines
}

/// Everything in one line.
pub(crate) fn summary(look: &Look) -> String {
    if let Some(problem) = &look.problem {
        return format!("clickhouse does not answer: {problem}");
    }
    let totals = &look.totals;
    let mut line = format!(
        "{:.0} events/s   {} counted   {} duplicates   {} dead-lettered   lag {}   {} rollup rows   {} alerts firing",
        look.rate,
        totals.counted,
        totals.duplicates,
        totals.dead_lettered,
        totals.lag,
        totals.rows,
        totals.firing
    );
    if look.restarts > 0 {
        line.push_str(&format!("   {} restarts", look.restarts));
    }
    line
}

/// The last five minutes by integration.
pub(crate) fn table(look: &Look) -> Vec<String> {
    let head = format!(
        "{:<12} {:>9} {:>9} {:>8} {:>9} {:>9} {:>12}",
        "last 5 min", "customers", "calls", "errors", "p50 ms", "p95 ms", "cost"
    );
    std::iter::once(head).chain(look.rollups.iter().map(row)).collect()
}

fn row(line: &Line) -> String {
    format!(
        "{:<12} {:>9} {:>9} {:>7.1}% {:>9} {:>9} {:>12}",
        line.integration,
        line.customers,
        line.calls,
        line.error_percent(),
        milliseconds(line.p50_ms),
        milliseconds(line.p95_ms),
        money(&line.cost)
    )
}

/// One limit in words.
pub(crate) fn quota(quota: &Quota) -> String {
    let Quota { integration, policy, scope, full, left, per_minute, exhausts } = quota;
    let shared = if scope.is_empty() { String::new() } else { format!(" of {scope}") };
    let end = match (left, exhausts.as_str()) {
        (0, _) => "used up".into(),
        (_, "") => format!("{per_minute:.0} a minute"),
        (_, at) => format!("{per_minute:.0} a minute, used up at {at} UTC"),
    };
    format!("{integration} {policy}{shared}: {left} of {full} left, {end}")
}

/// Whole milliseconds; nothing was measured when it is no number.
pub(crate) fn milliseconds(value: f64) -> String {
    if value.is_nan() { "-".into() } else { format!("{value:.0}") }
}

/// An exact amount cut, not rounded, to what fits a table.
pub(crate) fn money(exact: &str) -> String {
    match exact.split_once('.') {
        _ if exact == "0" => "-".into(),
        Some((whole, fraction)) => format!("{whole}.{:0<4}", &fraction[..fraction.len().min(4)]),
        None => exact.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::status::Totals;

    #[test]
    fn the_block_reads_at_a_glance_and_keeps_its_height() {
        let line = Line {
            integration: "stripe".into(),
            customers: 28,
            calls: 1200,
            errors: 60,
            p50_ms: 181.4,
            p95_ms: 420.6,
            cost: "0.654321".into(),
        };
        let totals = Totals {
            consumed: 7205,
            counted: 7200,
            duplicates: 5,
            dead_lettered: 0,
            rows: 840,
            lag: 3,
            firing: 1,
        };
        let quota = |scope: &str, left, exhausts: &str| Quota {
            integration: "hubspot".into(),
            policy: "daily".into(),
            scope: scope.into(),
            full: 250_000,
            left,
            per_minute: 41.6,
            exhausts: exhausts.into(),
        };
        let quotas =
            vec![quota("globex", 0, "11:00:00"), quota("acme", 900, "11:22:03"), quota("", 240_000, "")];
        let look = Look { totals, rate: 199.6, rollups: vec![line], quotas, restarts: 0, problem: None };
        let lines = block(&look);
        assert_eq!(lines.len(), HEIGHT);
        assert_eq!(
            lines[..9],
            [
                "200 events/s   7200 counted   5 duplicates   0 dead-lettered   lag 3   840 rollup rows   1 alerts firing",
                "",
                "last 5 min   customers     calls   errors    p50 ms    p95 ms         cost",
                "stripe              28      1200     5.0%       181       421       0.6543",
                "",
                "tightest quotas",
                "hubspot daily of globex: 0 of 250000 left, used up",
                "hubspot daily of acme: 900 of 250000 left, 42 a minute, used up at 11:22:03 UTC",
                "hubspot daily: 240000 of 250000 left, 42 a minute",
            ]
        );
    }
}
