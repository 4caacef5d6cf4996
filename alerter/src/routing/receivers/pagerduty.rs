//! `pagerduty_configs`: one entry enters, which service is triggered and with what leaves.
//!
//! Promise: pure; what is not acted on is refused by name.

use super::{
    http::{self, Http},
    parts::{self, Source, keys},
};
use crate::{message::Template, routing::global::Global};
use callmeter_documents::{Fields, Problems};
use std::time::Duration;

/// PagerDuty's Events API v2.
const EVENTS_API: &str = "https://events.pagerduty.com/v2/enqueue";
const REFUSED: &[(&str, &str)] = &[
    ("service_key", "not supported: Events API v1; make an Events API v2 integration and use routing_key"),
    ("service_key_file", "not supported: Events API v1; use routing_key_file"),
    ("images", "not supported yet"),
    ("links", "not supported yet"),
];

/// One service.
#[derive(Clone, Debug, PartialEq)]
pub struct PagerDuty {
    /// Integration key of the service.
    pub routing_key: Source,
    /// Address of the Events API.
    pub url: String,
    /// Shown as the sender.
    pub client: Option<Template>,
    /// Where the sender's name leads.
    pub client_url: Option<Template>,
    /// The incident's title, instead of the usual one.
    pub description: Option<Template>,
    /// Severity, instead of that of the alerts' label.
    pub severity: Option<Template>,
    /// What is affected.
    pub source: Option<Template>,
    /// Class of the event.
    pub class: Option<Template>,
    /// Part of the source.
    pub component: Option<Template>,
    /// Group of parts.
    pub group: Option<Template>,
    /// Further facts.
    pub details: Vec<(String, Template)>,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// How it is spoken to.
    pub http: Http,
}

pub(super) fn read(fields: &mut Fields<'_>, global: &Global, problems: &mut Problems) -> Option<PagerDuty> {
    parts::refuse(fields, REFUSED, problems);
    let routing_key = parts::need_source(fields, keys!("routing_key"), problems);
    let url = fields.text("url", problems).or_else(|| global.pagerduty_url.clone());
    Some(PagerDuty {
        url: url.unwrap_or_else(|| EVENTS_API.to_owned()),
        client: parts::template(fields, "client", problems),
        client_url: parts::template(fields, "client_url", problems),
        description: parts::template(fields, "description", problems),
        severity: parts::template(fields, "severity", problems),
        source: parts::template(fields, "source", problems),
        class: parts::template(fields, "class", problems),
        component: parts::template(fields, "component", problems),
        group: parts::template(fields, "group", problems),
        details: parts::templates(fields, "details", problems),
        timeout: parts::timeout(fields, problems),
        http: http::take(fields, problems),
        routing_key: routing_key?,
    })
}
