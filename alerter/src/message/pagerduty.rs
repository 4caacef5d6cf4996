//! Events for PagerDuty: a notification enters, an event of the Events API v2 leaves.
//!
//! Promise: pure; within PagerDuty's limits. One group of alerts is one incident: `dedup_key` follows
//! from the group alone, so that whatever is said of the group later finds the incident again.

use super::{
    cut,
    facts::{Facts, common_labels, firing},
    template::{Place, Template},
    words,
};
use crate::{dispatch::Notification, routing::receivers::PagerDuty, transition::digest};
use callmeter_schemas::config::Secret;
use serde_json::{Map, Value, json};

/// Characters of a summary.
const MAX_SUMMARY: usize = 1_024;
/// Characters of one detail; 50 of them stay far below the 512 KiB of an event.
const MAX_DETAIL: usize = 4_000;
/// Alerts that the details list.
const MAX_ALERTS: usize = 50;
/// Characters of one alert in the list.
const MAX_LINE: usize = 300;

/// How severe PagerDuty is told that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

/// Renders one event.
pub fn event(notification: &Notification, external_url: &str, target: &PagerDuty, key: &Secret) -> Value {
    let fires = firing(notification) > 0;
    let dedup_key = format!("callmeter-{}", digest([notification.group_key.as_str()], 32));
    if !fires {
        return json!({"routing_key": key.reveal(), "event_action": "resolve", "dedup_key": dedup_key});
    }
    let facts = Facts::of(notification, external_url);
    let render = |template: &Option<Template>| {
        template.as_ref().map(|template| cut(&template.render(&facts, Place::Plain), MAX_SUMMARY))
    };
    let summary = render(&target.description).unwrap_or_else(|| words::headline(notification));
    let severity =
        render(&target.severity).map_or_else(|| severest(notification), |word| Severity::of(&word));
    let mut payload = Map::new();
    payload.insert("summary".to_owned(), cut(&summary, MAX_SUMMARY).into());
    payload.insert("severity".to_owned(), severity.word().into());
    payload
        .insert("source".to_owned(), render(&target.source).unwrap_or_else(|| source(notification)).into());
    payload.insert("custom_details".to_owned(), details(notification, target, &facts));
    for (name, template) in
        [("class", &target.class), ("component", &target.component), ("group", &target.group)]
    {
        payload.extend(render(template).map(|text| (name.to_owned(), Value::from(text))));
    }
    json!({
        "routing_key": key.reveal(),
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": render(&target.client).unwrap_or_else(|| "Callmeter".to_owned()),
        "client_url": render(&target.client_url).unwrap_or_else(|| external_url.to_owned()),
        "payload": payload,
        "links": links(notification),
    })
}

/// What is affected: an integration if it is one, else Callmeter's rules.
fn source(notification: &Notification) -> String {
    common_labels(notification).remove("integration").unwrap_or_else(|| "callmeter".to_owned())
}

fn links(notification: &Notification) -> Vec<Value> {
    let links = words::links(notification).into_iter();
    links.map(|(text, href)| json!({"href": href, "text": text})).collect()
}

fn details(notification: &Notification, target: &PagerDuty, facts: &Facts<'_>) -> Value {
    let firing = firing(notification);
    let lines = words::lines(notification);
    let line = |line: &words::Line| {
        let state = if line.firing { "" } else { "resolved: " };
        cut(&format!("{state}{}: {} ({})", line.who, line.what, line.how), MAX_LINE)
    };
    let mut alerts: Vec<String> = lines.iter().take(MAX_ALERTS).map(line).collect();
    if lines.len() > MAX_ALERTS {
        alerts.push(format!("… and {} more", lines.len() - MAX_ALERTS));
    }
    let mut details = json!({
        "firing": firing,
        "resolved": notification.alerts.len() - firing,
        "alerts": alerts,
    });
    if let Value::Object(map) = &mut details {
        map.extend(
            words::query(notification).map(|query| ("query".to_owned(), cut(&query, MAX_DETAIL).into())),
        );
        for (name, template) in &target.details {
            let text = template.render(facts, Place::Plain);
            map.insert(cut(name, MAX_LINE), cut(&text, MAX_DETAIL).into());
        }
    }
    details
}

/// The worst among those that fire.
fn severest(notification: &Notification) -> Severity {
    let firing = notification.alerts.iter().filter(|alert| alert.ends_at.is_none());
    let severity =
        firing.filter_map(|alert| alert.labels.get("severity")).map(|word| Severity::of(word)).max();
    severity.unwrap_or(Severity::Error)
}

impl Severity {
    /// What people write into the label `severity`; a word that nobody knows is an error.
    fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "page" | "emergency" | "fatal" | "p1" | "sev1" => Self::Critical,
            "warning" | "warn" | "ticket" | "minor" | "p3" | "sev3" => Self::Warning,
            "info" | "information" | "notice" | "none" | "p4" | "p5" | "sev4" | "sev5" => Self::Info,
            _ => Self::Error,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}
