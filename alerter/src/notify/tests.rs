//! Deliveries to a receiver on this machine.

use super::*;
use crate::{
    address::Network,
    dispatch::{Integration, NotifyReason, Withheld},
    rules::Texts,
};
use axum::{Router, extract::State, http::HeaderMap, response::IntoResponse, routing::post};
use callmeter_schemas::config::Secret;
use reqwest::StatusCode;
use std::sync::Mutex;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

type Heard = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that answers one status after the other, the last one for ever.
async fn receiver(statuses: &'static [u16]) -> (String, Heard) {
    let heard: Heard = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = async move |State(heard): State<Heard>, headers: HeaderMap, body: String| {
        let mut heard = heard.lock().expect("not poisoned");
        let status = statuses[heard.len().min(statuses.len() - 1)];
        heard.push((headers, body));
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [("location", "/elsewhere"), ("retry-after", "0")], "because").into_response()
    };
    let app = Router::new().route("/hook", post(answer)).with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/hook"), heard)
}

fn notification(target: usize) -> Notification {
    Notification {
        id: format!("msg_{target}"),
        group_key: "{}:{}".into(),
        group_labels: Texts::new(),
        receiver: "ops".into(),
        integration: Integration { kind: "webhook".into(), place: 0 },
        target,
        reason: NotifyReason::FirstNotification,
        alerts: Vec::new(),
        withheld: Withheld::new(),
    }
}

fn endpoint(url: &str) -> Endpoint {
    let keys = vec![SigningKey::parse(SECRET).expect("valid")];
    Endpoint { url: Secret::new(url), keys }
}

fn start(urls: &[&str]) -> Result<(Notifier, mpsc::Receiver<Report>), TargetError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = Policy { private: Network::parse("127.0.0.0/8").into_iter().collect(), encrypted: true };
    let (sender, reports) = mpsc::channel(16);
    let endpoints = urls.iter().map(|url| endpoint(url)).collect();
    Ok((Notifier::start(endpoints, &policy, "http://callmeter.example", &sender)?, reports))
}

/// What became of one notification, attempt by attempt.
async fn outcomes(statuses: &'static [u16]) -> (Vec<(u32, Outcome, u16)>, Heard) {
    let (url, heard) = receiver(statuses).await;
    let (mut notifier, mut reports) = start(&[&url]).expect("allowed");
    notifier.send(notification(0)).expect("room");
    notifier.close();
    let mut seen = Vec::new();
    while let Some(report) = reports.recv().await {
        seen.push((report.attempt, report.outcome, report.status));
    }
    (seen, heard)
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_under_the_same_id_with_a_signature_that_verifies() {
    let (seen, heard) = outcomes(&[503, 200]).await;
    assert_eq!(seen, [(1, Outcome::Failed, 503), (2, Outcome::Delivered, 200)]);
    let heard = heard.lock().expect("not poisoned");
    for (headers, body) in heard.iter() {
        let header = |name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(
            (header("webhook-id"), header("content-type")),
            ("msg_0".into(), "application/json".into())
        );
        let timestamp = header("webhook-timestamp").parse().expect("seconds");
        let keys = [SigningKey::parse(SECRET).expect("valid")];
        assert_eq!(Some(header("webhook-signature")), signing::signature(&keys, "msg_0", timestamp, body));
    }
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn redirects_are_not_followed_refusals_not_repeated_and_410_says_stop() {
    for (status, wanted) in [
        (&[307_u16], (1, Outcome::GaveUp, 307)),
        (&[404], (1, Outcome::GaveUp, 404)),
        (&[410], (1, Outcome::Gone, 410)),
    ] {
        let (seen, heard) = outcomes(status).await;
        assert_eq!(seen, [wanted]);
        assert_eq!(heard.lock().expect("not poisoned").len(), 1);
    }
}

#[tokio::test]
async fn after_410_nothing_that_waits_is_sent() {
    let (url, heard) = receiver(&[410, 200]).await;
    let (mut notifier, mut reports) = start(&[&url]).expect("allowed");
    notifier.send(notification(0)).expect("room");
    notifier.send(notification(0)).expect("room");
    notifier.close();
    for _ in 0..2 {
        assert_eq!(reports.recv().await.expect("a report").outcome, Outcome::Gone);
    }
    assert_eq!(heard.lock().expect("not poisoned").len(), 1);
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let hanging = format!("http://{}/", hanging.local_addr().expect("an address"));
    let (url, _) = receiver(&[200]).await;
    let (notifier, mut reports) = start(&[&hanging, &url]).expect("allowed");
    notifier.send(notification(0)).expect("room");
    notifier.send(notification(1)).expect("room");
    let report =
        tokio::time::timeout(Duration::from_secs(5), reports.recv()).await.expect("in time").expect("one");
    assert_eq!((report.notification.target, report.outcome), (1, Outcome::Delivered));
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    for url in [
        "http://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[::ffff:10.0.0.1]/",
        "https://0x0a000001/",
        "https://[fd00:ec2::254]/",
    ] {
        assert!(matches!(start(&[url]), Err(TargetError::Refused(_))), "{url}");
    }
    for url in ["ftp://a.example/", "a.example", ""] {
        assert!(matches!(start(&[url]), Err(TargetError::Url)), "{url}");
    }
    let policy = Policy { private: Vec::new(), encrypted: true };
    let answer =
        reqwest::dns::Resolve::resolve(&resolve::Guarded(policy), "localhost".parse().expect("a name")).await;
    assert!(answer.err().is_some_and(|error| error.to_string().contains("is not a public address")));
}
