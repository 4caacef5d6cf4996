//! `webhook_configs`: one entry enters, where to post a signed body leaves.
//!
//! Promise: pure; what is not acted on is refused by name.

use super::{
    http::{self, Http},
    parts::{self, Source, keys},
};
use callmeter_documents::{Fields, Problems, scalar};
use std::time::Duration;

/// One webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where to post; may hold a token.
    pub url: Source,
    /// Signing secrets, each `whsec_…`; several while one is being replaced.
    pub secrets: Vec<Source>,
    /// Alerts in one body; 0 is all of them.
    pub max_alerts: usize,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// How it is spoken to.
    pub http: Http,
}

pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Webhook> {
    let url = parts::need_source(fields, keys!("url"), problems);
    let secrets = parts::sources(fields, keys!("signing_secret"), problems);
    let max_alerts = max_alerts(fields, problems);
    let timeout = parts::timeout(fields, problems);
    let http = http::take(fields, problems);
    fields.refuse("payload", "not supported here; json_configs have a body of your own", problems);
    Some(Webhook { url: url?, secrets, max_alerts, timeout, http })
}

fn max_alerts(fields: &mut Fields<'_>, problems: &mut Problems) -> usize {
    let Some(node) = fields.take("max_alerts") else { return 0 };
    scalar(node).and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        problems.add(node.line, &fields.path("max_alerts"), "a whole number is expected here", None);
        0
    })
}
