//! A test of receivers: a receiver's name enters, what became of a test message at each of its targets
//! leaves.
//!
//! Promise: the message goes the way of every page, but for the store: the same secrets, addresses,
//! limits and words. One attempt is made per target; none waits for another.

use crate::{
    AlerterConfig, AlerterError, RuleProblem, check_routing,
    clock::now,
    config,
    message::test_alert,
    notify::{Notifier, Outcome, Report},
    routing::receivers::TargetName,
};
use serde::Serialize;
use std::time::Instant;
use tokio::sync::mpsc;

/// What became of the test at one target.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// Name of the target.
    pub target: String,
    /// Whether it took the message.
    pub delivered: bool,
    /// Status of HTTP or code of SMTP; 0 without an answer.
    pub status: u16,
    /// Why it failed.
    pub detail: String,
    /// How long it took, in ms.
    pub took_ms: u64,
}

/// Why no test was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendTestError {
    /// No routing file is configured.
    #[error("alerter.routing is not set, so that there are no receivers")]
    NoRouting,
    /// No receiver has this name.
    #[error("there is no receiver `{0}`; there are: {1}")]
    NoReceiver(String, String),
    /// The receiver has nothing to be reached by.
    #[error("the receiver `{0}` has no targets")]
    NoTargets(String),
    /// The routing file or what it names has mistakes.
    #[error(transparent)]
    Files(#[from] AlerterError),
}

/// Sends a test to every target of a receiver.
///
/// A rustls provider must be installed in the process when a target is reached over TLS.
pub async fn send_test(config: &AlerterConfig, receiver: &str) -> Result<Vec<Tested>, SendTestError> {
    let path = config.routing.as_deref().ok_or(SendTestError::NoRouting)?;
    let routing = check_routing(path).map_err(files)?;
    let Some(found) = routing.receivers.iter().find(|found| found.name == receiver) else {
        let names: Vec<&str> = routing.receivers.iter().map(|found| found.name.as_str()).collect();
        return Err(SendTestError::NoReceiver(receiver.to_owned(), names.join(", ")));
    };
    let endpoints = config::endpoints(path, [found], config).map_err(files)?;
    let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
    if names.is_empty() {
        return Err(SendTestError::NoTargets(receiver.to_owned()));
    }
    let (sender, mut reports) = mpsc::channel(names.len());
    let mut notifier = Notifier::start(endpoints, Vec::new(), &sender);
    drop(sender);
    let began = Instant::now();
    for name in &names {
        // A queue that holds nothing yet has room.
        let _ = notifier.send(test_alert::notification(name, now()));
    }
    notifier.close();
    let mut tested = Vec::new();
    while let Some(report) = reports.recv().await {
        tested.push(Tested::new(report, began.elapsed().as_millis() as u64));
    }
    tested.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(tested)
}

fn files(problems: Vec<RuleProblem>) -> SendTestError {
    SendTestError::Files(AlerterError::Files(problems))
}

impl Tested {
    fn new(report: Report, took_ms: u64) -> Self {
        let target = TargetName::of(&report.notification).to_string();
        let Report { outcome, status, detail, .. } = report;
        let delivered = outcome == Outcome::Delivered;
        Self { target, delivered, status, detail: if delivered { String::new() } else { detail }, took_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, http::StatusCode, routing::post};

    #[tokio::test]
    async fn every_target_is_tried_once_and_none_hides_the_other() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new()
            .route(
                "/fine",
                post(async |body: String| match body.contains("This is a test") {
                    true => StatusCode::NO_CONTENT,
                    false => StatusCode::BAD_REQUEST,
                }),
            )
            .route("/busy", post(async || StatusCode::SERVICE_UNAVAILABLE));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = std::env::temp_dir().join(format!("callmeter-send-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("routing.yaml");
        let text = format!(
            "route: {{receiver: other}}\nreceivers:\n- name: other\n- name: ops\n  webhook_configs:\n  \
             - url: http://{address}/fine\n  - url: http://{address}/busy\n"
        );
        std::fs::write(&file, text).expect("written");
        let config = AlerterConfig {
            routing: Some(file.to_string_lossy().into_owned()),
            private_receivers: vec!["127.0.0.0/8".into()],
            ..AlerterConfig::default()
        };
        let tested = send_test(&config, "ops").await.expect("sent");
        let seen: Vec<_> =
            tested.iter().map(|one| (one.target.as_str(), one.delivered, one.status)).collect();
        assert_eq!(seen, [("ops/webhook/0", true, 204), ("ops/webhook/1", false, 503)]);
        let mistakes = [send_test(&config, "opps").await, send_test(&config, "other").await];
        let mistakes =
            mistakes.map(|mistake| mistake.err().map(|error| error.to_string()).unwrap_or_default());
        assert_eq!(
            mistakes,
            ["there is no receiver `opps`; there are: other, ops", "the receiver `other` has no targets"]
        );
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
