//! `callmeter rules backtest`: rule files and a stretch of history enter, when they would have fired leaves.
//!
//! Progress goes to standard error, as a bar where there is a terminal.

use super::args::{BacktestArgs, Moment};
use crate::{commands, config, migrate, table::aligned};
use callmeter_alerter::backtest::{
    self, BacktestError, Order,
    report::{Report, RuleReport, Seen, Told},
};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use std::{fmt::Write, process::ExitCode};

/// Episodes of one rule that are listed; JSON has all.
const LISTED: usize = 20;

/// Does what the command line asks for.
pub(super) fn backtest(args: &BacktestArgs) -> anyhow::Result<ExitCode> {
    let rules = match callmeter_alerter::check_rules(&args.files) {
        Ok(rules) => rules,
        Err(problems) => return Ok(commands::refused(&problems)),
    };
    let config = config::load(args.config.config.as_deref())?;
    let now = now();
    let order = Order {
        rules,
        from: args.from.at(now),
        until: args.to.map_or(now, |to| to.at(now)),
        interval: config.alerter.interval.unsigned_abs(),
        stored: config.alerter.rollup_window.unsigned_abs(),
    };
    let bar = bar(&order);
    let began = order.from.as_second();
    let report = commands::runtime()?.block_on(async {
        migrate::require_version(&config.clickhouse).await?;
        let tell = |at: Timestamp| bar.set_position((at.as_second() - began).max(0) as u64);
        backtest::run(order, &config.clickhouse, tell).await.map_err(|error| match error {
            BacktestError::Store(_) => anyhow::Error::from(error).context(format!(
                "clickhouse at {} (settings clickhouse.url, .user, .password)",
                config.clickhouse.url
            )),
            error => error.into(),
        })
    });
    bar.finish_and_clear();
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report?)?),
        false => print!("{}", text(&report?)),
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::disallowed_methods, reason = "a history ends now unless another end is named")]
fn now() -> Timestamp {
    Timestamp::now()
}

impl Moment {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Ago(duration) => now.saturating_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

/// A bar over the seconds of the history; hidden where standard error is no terminal.
fn bar(order: &Order) -> ProgressBar {
    let seconds = order.until.duration_since(order.from).as_secs().max(0);
    let bar = ProgressBar::new(seconds as u64).with_message(format!("history from {}", minute(order.from)));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}") {
        bar.set_style(style);
    }
    bar
}

/// A table of the rules, and what fired of each.
fn text(report: &Report) -> String {
    let head = ["RULE", "FIRED", "ALERTS", "FIRING", "LONGEST", "DID FIRE", "NEW", "GONE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(report.rules.iter().map(row));
    let mut out = format!("from {} to {}\n\n{}", minute(report.from), minute(report.until), aligned(&rows));
    for rule in report.rules.iter().filter(|rule| !rule.episodes.is_empty()) {
        let _ = writeln!(out, "\n{}", rule.rule);
        rule.episodes.iter().take(LISTED).for_each(|told| out.push_str(&line(told)));
        if let Some(more @ 1..) = rule.episodes.len().checked_sub(LISTED) {
            let _ = writeln!(out, "  and {more} more (--json has all)");
        }
    }
    if report.over_limit + report.dropped > 0 {
        let (over, dropped) = (report.over_limit, report.dropped);
        let _ = writeln!(
            out,
            "\nnot told: {dropped} episodes; {over} times too many alerts of one rule were open"
        );
    }
    out
}

fn row(rule: &RuleReport) -> [String; 8] {
    [
        rule.rule.clone(),
        if rule.replayed { rule.fired.to_string() } else { "not replayed".to_owned() },
        rule.alerts.to_string(),
        length(rule.firing_seconds),
        length(rule.longest_seconds),
        rule.fired_live.to_string(),
        rule.new.to_string(),
        rule.gone.to_string(),
    ]
}

fn line(told: &Told) -> String {
    let labels: Vec<String> = told
        .labels
        .iter()
        .filter(|(name, value)| *name != "alertname" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let end = told.resolved_at.map_or("(still firing)".to_owned(), minute);
    let seen = match told.seen {
        Seen::Both => "",
        Seen::New => "  new: did not fire",
        Seen::Gone => "  gone: did fire",
    };
    format!("  {} to {end}  {}  value {}{seen}\n", minute(told.fired_at), labels.join(" "), told.value)
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn length(seconds: i64) -> String {
    let minutes = seconds / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes:02}m"),
    }
}
