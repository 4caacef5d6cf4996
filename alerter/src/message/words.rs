//! The words of messages that people read: a notification enters; what, who, since when, how bad
//! against which threshold, and the query to look at leave.
//!
//! Promise: pure. Texts are plain: whoever writes them into markup escapes them.

use super::facts::{common, common_annotations, firing};
use crate::{
    dispatch::Notification,
    rules::Texts,
    template::{humanize_duration, significant},
    transition::{State, Transition},
    vocabulary::Dimension,
};
use jiff::{SignedDuration, Timestamp};

/// Labels that say nothing of whom an alert is about.
const NOT_SUBJECT: [&str; 3] = ["alertname", "severity", "workspace"];
/// How much of the time before the first alert the query shows.
const BEFORE: SignedDuration = SignedDuration::from_mins(30);

/// Bytes of a link; a longer one is left out, since the beginning of a link leads nowhere.
const MAX_LINK: usize = 1_000;

/// What one alert says.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Whether it fires.
    pub(super) firing: bool,
    /// Whom it is about.
    pub(super) who: String,
    /// What its rule says of it, or the rule's name.
    pub(super) what: String,
    /// How bad against which threshold, and since when.
    pub(super) how: String,
}

/// The first line: how many, what, who.
pub(super) fn headline(notification: &Notification) -> String {
    let firing = firing(notification);
    let common = concerned(notification);
    let named = common.get("alertname").or_else(|| notification.group_labels.get("alertname"));
    let name = named.map_or_else(|| format!("{} alerts", notification.alerts.len()), Clone::clone);
    let who = subject(&common);
    let state = match firing {
        0 => "RESOLVED".to_owned(),
        1 => "FIRING".to_owned(),
        _ => format!("FIRING:{firing}"),
    };
    let dash = if who.is_empty() { "" } else { " — " };
    format!("[{state}] {name}{dash}{who}")
}

/// The labels that all share that fire; when none does, that all share.
fn concerned(notification: &Notification) -> Texts {
    let fires = firing(notification) > 0;
    let alerts = notification.alerts.iter().filter(|alert| !fires || alert.state == State::Firing);
    common(alerts.map(|alert| &alert.labels))
}

/// Every alert, those that fire first.
pub(super) fn lines(notification: &Notification) -> Vec<Line> {
    let mut lines: Vec<Line> = notification.alerts.iter().map(line).collect();
    lines.sort_by_key(|line| !line.firing);
    lines
}

fn line(alert: &Transition) -> Line {
    let what = alert.annotations.get("summary").or_else(|| alert.annotations.get("description"));
    Line {
        firing: alert.state == State::Firing,
        who: subject(&alert.labels),
        what: what.unwrap_or(&alert.rule).clone(),
        how: format!("{}, {}", measured(alert), when(alert)),
    }
}

/// Whom labels are about: the values of dimensions, then what else there is.
fn subject(labels: &Texts) -> String {
    let dimensions = dimensions().filter_map(|name| labels.get(name).cloned());
    let others = labels
        .iter()
        .filter(|(name, _)| !NOT_SUBJECT.contains(&name.as_str()) && Dimension::parse(name).is_none());
    let others = others.map(|(name, value)| format!("{name}={value}"));
    let parts: Vec<String> = dimensions.chain(others).filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

fn dimensions() -> impl Iterator<Item = &'static str> {
    Dimension::WORDS.iter().copied().filter(|name| !NOT_SUBJECT.contains(name))
}

fn measured(alert: &Transition) -> String {
    let last = if alert.state == State::Firing { "" } else { "last " };
    format!("{last}value {}, threshold {}", significant(alert.value), significant(alert.threshold))
}

fn when(alert: &Transition) -> String {
    match alert.ends_at {
        None => format!("since {} UTC", moment(alert.starts_at)),
        Some(end) => {
            let lasted = end.duration_since(alert.starts_at).as_secs_f64().max(0.0);
            let (from, until) = (moment(alert.starts_at), end.strftime("%H:%M:%S"));
            format!("from {from} to {until} UTC ({})", humanize_duration(lasted))
        }
    }
}

fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Links that the rules give: a run book and a board; nothing but http and https.
pub(super) fn links(notification: &Notification) -> Vec<(&'static str, String)> {
    let mut common = common_annotations(notification);
    let named = [("Runbook", "runbook_url"), ("Dashboard", "dashboard_url")];
    let links = named.into_iter().filter_map(|(title, name)| Some((title, common.remove(name)?)));
    links.filter(|(_, url)| is_link(url)).collect()
}

/// Whether a text may become a link.
pub(super) fn is_link(url: &str) -> bool {
    let named = url.starts_with("https://") || url.starts_with("http://");
    named
        && url.len() <= MAX_LINK
        && !url.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// The question to ask ClickHouse next; `None` when the alerts are not about calls.
pub(super) fn query(notification: &Notification) -> Option<String> {
    let common = concerned(notification);
    let first = notification.alerts.iter().map(|alert| alert.starts_at).min()?;
    let from = first.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let mut conditions: Vec<String> = Dimension::WORDS
        .iter()
        .filter_map(|name| Some(format!("{name} = {}", quoted(common.get(*name)?))))
        .collect();
    if conditions.is_empty() {
        return None;
    }
    conditions.push(format!("window_start >= '{}'", from.strftime("%Y-%m-%d %H:%M:00")));
    Some(format!(
        "SELECT window_start, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95_ms\n\
         FROM rollups WHERE {}\nGROUP BY window_start ORDER BY window_start",
        conditions.join(" AND ")
    ))
}

/// A text as ClickHouse reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
