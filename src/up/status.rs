//! The status of `up`: ClickHouse's answers and the children's states enter, a calm display leaves.
//!
//! On a terminal a few lines update in place; elsewhere plain lines are added. Promise: every number shown was read
//! from ClickHouse as any user could read it.

mod render;

pub(crate) use render::{milliseconds, money, quota, summary};

use super::{crew::Crew, receiver::Inbox, store::Run};
use crate::config::Config;
use callmeter_aggregator::clickhouse::client;
use callmeter_engines::{Engines, child::ChildStatus};
use clickhouse::{Client, Row};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::{
    io::IsTerminal,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, watch};

const REFRESH: Duration = Duration::from_secs(1);
/// Looks from one reading of the quotas to the next: they read a month.
const QUOTAS_EVERY: u64 = 5;
/// Between two plain lines, where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// What is watched.
pub(crate) struct Watch {
    client: Client,
    children: Vec<watch::Receiver<ChildStatus>>,
    webhooks: broadcast::Receiver<String>,
    greeting: String,
    /// The latest look; the terminal and the board both show it.
    looks: watch::Sender<Look>,
}

/// One look at everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) totals: Totals,
    /// Events committed per second since the look before.
    pub(crate) rate: f64,
    pub(crate) rollups: Vec<Line>,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) restarts: u32,
    /// Why ClickHouse could not be asked.
    pub(crate) problem: Option<String>,
}

/// Sums over everything stored.
#[derive(Clone, Debug, Default, Row, Deserialize)]
pub(crate) struct Totals {
    pub(crate) consumed: u64,
    pub(crate) counted: u64,
    pub(crate) duplicates: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) rows: u64,
    pub(crate) lag: i64,
    pub(crate) firing: u64,
}

/// One integration over the last minutes.
#[derive(Clone, Debug, Row, Deserialize)]
pub(crate) struct Line {
    pub(crate) integration: String,
    pub(crate) customers: u64,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) cost: String,
}

/// One of the limits that are nearest to their end.
#[derive(Clone, Debug, Row, Deserialize)]
pub(crate) struct Quota {
    pub(crate) integration: String,
    pub(crate) policy: String,
    pub(crate) scope: String,
    pub(crate) full: u64,
    pub(crate) left: u64,
    pub(crate) per_minute: f64,
    /// UTC time of day; empty when it will not run out.
    pub(crate) exhausts: String,
}

impl Totals {
    /// Events committed per second since earlier totals.
    fn rate_since(&self, before: &Self, since: Duration) -> f64 {
        self.consumed.saturating_sub(before.consumed) as f64 / since.as_secs_f64().max(0.1)
    }
}

impl Line {
    /// Errors of a hundred calls.
    pub(crate) fn error_percent(&self) -> f64 {
        100.0 * self.errors as f64 / self.calls.max(1) as f64
    }
}

const TOTALS: &str = "SELECT sum(l.consumed) AS consumed, sum(l.counted) AS counted, sum(l.duplicates) AS duplicates, \
    sum(l.dead_lettered) AS dead_lettered, \
    ifNull((SELECT count() FROM deltas WHERE kind = 'data'), 0) AS rows, \
    ifNull((SELECT sum(lag_records) FROM partition_progress FINAL), 0) AS lag, \
    ifNull((SELECT countIf(last = 'firing') FROM \
        (SELECT argMax(toString(state), at) AS last FROM alerts GROUP BY rule, fingerprint)), 0) AS firing \
    FROM ledger AS l";

const ROLLUPS: &str = "SELECT integration, uniqExact(customer) AS customers, sum(r.calls) AS calls, sum(r.errors) AS errors, \
    latencyQuantile(0.5, sumMap(r.latency)) AS p50_ms, latencyQuantile(0.95, sumMap(r.latency)) AS p95_ms, \
    toString(sum(r.cost)) AS cost FROM rollups AS r WHERE window_start > now() - INTERVAL 5 MINUTE \
    GROUP BY integration ORDER BY calls DESC LIMIT 8";

const QUOTAS: &str = "SELECT integration, policy, scope, assumeNotNull(`limit`) AS full, assumeNotNull(remaining) AS left, \
    used_per_minute AS per_minute, ifNull(if(toDate(exhausts_at) = today(), formatDateTime(exhausts_at, '%H:%i:%S'), \
    formatDateTime(exhausts_at, '%b %e %H:%i')), '') AS exhausts FROM quota \
    WHERE `limit` > 0 AND remaining IS NOT NULL AND observed_at > now() - INTERVAL 1 HOUR \
    ORDER BY left / full, integration, policy, scope LIMIT 3";

impl Watch {
    /// A watch over a running `up`.
    pub(crate) fn new(
        config: &Config,
        run: &Run,
        engines: &Engines,
        crew: &Crew,
        inbox: &Inbox,
        logs: PathBuf,
    ) -> Self {
        Self {
            client: client(&config.clickhouse),
            children: engines.status().into_iter().chain(crew.status()).collect(),
            webhooks: inbox.lines(),
            greeting: render::greeting(run, &logs),
            looks: watch::Sender::default(),
        }
    }

    /// The latest look, now and from now on.
    pub(crate) fn looks(&self) -> watch::Receiver<Look> {
        self.looks.subscribe()
    }

    /// Looks and shows until dropped.
    pub(crate) async fn show(&self) {
        let shown = async {
            if std::io::stderr().is_terminal() {
                self.show_in_place().await;
            } else {
                self.show_lines().await;
            }
        };
        tokio::join!(self.keep_looking(), shown);
    }

    /// The only place that asks ClickHouse, however many show the answer.
    async fn keep_looking(&self) {
        let (mut look, mut looked) = (self.look(None).await, Instant::now());
        let mut tick = tokio::time::interval(REFRESH);
        for ticks in 0_u64.. {
            tick.tick().await;
            look = self.look(Some((&look, looked.elapsed()))).await;
            looked = Instant::now();
            if ticks.is_multiple_of(QUOTAS_EVERY) {
                // What is not known is not shown; the next look tells why.
                look.quotas = self.client.query(QUOTAS).fetch_all().await.unwrap_or_default();
            }
            self.looks.send_replace(look.clone());
        }
    }

    async fn look(&self, before: Option<(&Look, Duration)>) -> Look {
        let restarts = self.children.iter().map(|child| child.borrow().restarts).sum();
        let asked = async {
            let totals: Totals = self.client.query(TOTALS).fetch_one().await?;
            let rollups: Vec<Line> = self.client.query(ROLLUPS).fetch_all().await?;
            Ok::<_, clickhouse::error::Error>((totals, rollups))
        };
        match asked.await {
            Ok((totals, rollups)) => {
                let rate = before.map_or(0.0, |(before, since)| totals.rate_since(&before.totals, since));
                let quotas = before.map(|(before, _)| before.quotas.clone()).unwrap_or_default();
                Look { totals, rate, rollups, quotas, restarts, problem: None }
            }
            Err(error) => Look {
                problem: Some(error.to_string().chars().take(100).collect()),
                restarts,
                ..before.map(|(before, _)| before.clone()).unwrap_or_default()
            },
        }
    }

    async fn show_in_place(&self) {
        eprintln!("{}", self.greeting);
        let screen = MultiProgress::new();
        let lines: Vec<ProgressBar> = (0..render::HEIGHT).map(|_| screen.add(plain_line())).collect();
        let (mut webhooks, mut looks) = (self.webhooks.resubscribe(), self.looks());
        loop {
            tokio::select! {
                Ok(()) = looks.changed() => {
                    let block = render::block(&looks.borrow_and_update());
                    for (line, text) in lines.iter().zip(block) {
                        line.set_message(text);
                    }
                }
                // Lines that were missed while the terminal was slow are in the history of alerts.
                Ok(text) = webhooks.recv() => { let _ = screen.println(text); }
            }
        }
    }

    async fn show_lines(&self) {
        eprintln!("{}", self.greeting);
        let (mut webhooks, mut looks) = (self.webhooks.resubscribe(), self.looks());
        // The sender lives in this watch; what was counted before this start is no rate.
        let _ = looks.changed().await;
        let (mut printed, mut printed_at) = (looks.borrow_and_update().totals.clone(), Instant::now());
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + PLAIN_EVERY, PLAIN_EVERY);
        let mut table_at = 1;
        for ticks in 1.. {
            tokio::select! {
                _ = tick.tick() => {
                    let mut look = looks.borrow().clone();
                    // A line stands for all the time since the line before.
                    look.rate = look.totals.rate_since(&printed, printed_at.elapsed());
                    (printed, printed_at) = (look.totals.clone(), Instant::now());
                    eprintln!("{}", render::summary(&look));
                    if ticks >= table_at && !look.rollups.is_empty() {
                        render::table(&look).iter().for_each(|line| eprintln!("{line}"));
                        // Once soon, then every few minutes.
                        table_at = ticks + 30;
                    }
                }
                Ok(text) = webhooks.recv() => eprintln!("{text}"),
            }
        }
    }
}

fn plain_line() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    // The template is a constant that cannot fail; the default style is a fair second.
    line.set_style(
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line
}
