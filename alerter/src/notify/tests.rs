//! Deliveries to receivers on this machine, most of them badly behaved.

mod auth;
mod email;
mod hostile;
mod server;
mod slack;
mod tls;

use super::{
    attempt::{Delivered, DeliveryError},
    *,
};
use crate::{
    address::Network,
    dispatch::NotifyReason,
    message::samples,
    resolve,
    routing::Routing,
    signing::{self, SigningKey},
};
use server::{Heard, answering};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The targets of a receiver in the routing file's form; this machine may be reached.
fn endpoints(receiver: &str, private: &[&str]) -> Result<Vec<Endpoint>, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!("{{route: {{receiver: ops}}, receivers: [{{name: ops, {receiver}}}]}}");
    let routing = Routing::parse("f", &text).expect("valid");
    let private = private.iter().map(|text| Network::parse(text).expect("a network")).collect();
    let policy = Policy { private, encrypted: true };
    let targets = &routing.receivers[0].targets;
    targets.iter().map(|target| Endpoint::new(target, &policy, "http://callmeter.example")).collect()
}

fn endpoint(receiver: &str) -> Endpoint {
    endpoints(receiver, &["127.0.0.0/8"]).expect("allowed").remove(0)
}

fn webhook(url: &str) -> String {
    format!("webhook_configs: [{{url: '{url}', signing_secret: {SECRET}, timeout: 300ms}}]")
}

/// What one attempt comes to: the outcome if it were the last one, the status and the detail.
async fn attempt(endpoint: &mut Endpoint, notification: &Notification) -> (Outcome, u16, String) {
    match endpoint.sender.attempt(notification).await {
        Ok(Delivered { status, .. }) => (Outcome::Delivered, status, String::new()),
        Err(DeliveryError::Retry { status, detail, .. }) => (Outcome::Failed, status, detail),
        Err(DeliveryError::GiveUp { status, detail }) => (Outcome::GaveUp, status, detail),
        Err(error @ DeliveryError::Gone) => (Outcome::Gone, 410, error.to_string()),
    }
}

/// The same for the second webhook of the receiver.
fn to_second(mut notification: Notification) -> Notification {
    notification.integration.place = 1;
    notification
}

/// A notifier of one receiver.
fn start(receiver: &str) -> (Notifier, mpsc::Receiver<Report>) {
    let endpoints = endpoints(receiver, &["127.0.0.0/8"]).expect("allowed");
    let (sender, reports) = mpsc::channel(16);
    (Notifier::start(endpoints, Vec::new(), &sender), reports)
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_under_the_same_id_with_a_signature_that_verifies() {
    let (url, heard) = answering(&[503, 200]).await;
    let (notifier, mut reports) = start(&webhook(&url));
    notifier.send(samples::firing("acme")).expect("room");
    for wanted in [(1, Outcome::Failed, 503), (2, Outcome::Delivered, 200)] {
        let report = reports.recv().await.expect("a report");
        assert_eq!((report.attempt, report.outcome, report.status), wanted);
    }
    let heard = heard.all();
    for request in &heard {
        assert_eq!(
            (request.header("webhook-id"), request.header("content-type")),
            ("msg_0", "application/json")
        );
        let timestamp = request.header("webhook-timestamp").parse().expect("seconds");
        let keys = [SigningKey::parse(SECRET).expect("valid")];
        let signature = signing::signature(&keys, "msg_0", timestamp, &request.body);
        assert_eq!(signature.as_deref(), Some(request.header("webhook-signature")));
    }
    assert_eq!((heard.len(), &heard[0].body), (2, &heard[1].body));
}

#[tokio::test]
async fn after_410_nothing_that_waits_is_sent() {
    let (url, heard) = answering(&[410, 200]).await;
    let (mut notifier, mut reports) = start(&webhook(&url));
    for _ in 0..2 {
        notifier.send(samples::firing("acme")).expect("room");
    }
    notifier.close();
    for _ in 0..2 {
        assert_eq!(reports.recv().await.expect("a report").outcome, Outcome::Gone);
    }
    assert_eq!(heard.all().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other_and_one_that_fails_delays_no_other_notification() {
    let hanging = server::hanging().await;
    let (url, _) = answering(&[503, 200]).await;
    let receiver =
        format!("webhook_configs: [{{url: '{hanging}', timeout: 60s}}, {{url: '{url}', timeout: 60s}}]");
    let (notifier, mut reports) = start(&receiver);
    let mut second = samples::firing("globex");
    second.id = "msg_1".into();
    notifier.send(samples::firing("acme")).expect("room");
    notifier.send(to_second(samples::firing("acme"))).expect("room");
    notifier.send(to_second(second)).expect("room");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let report = reports.recv().await.expect("a report");
        seen.push((report.notification.id, report.outcome));
    }
    assert_eq!(seen, [("msg_0".into(), Outcome::Failed), ("msg_1".into(), Outcome::Delivered)]);
}

#[tokio::test]
async fn what_waits_for_another_attempt_is_left_for_the_next_start() {
    let (url, heard) = answering(&[503, 200]).await;
    let (mut notifier, mut reports) = start(&webhook(&url));
    notifier.send(samples::firing("acme")).expect("room");
    notifier.close();
    assert_eq!(reports.recv().await.map(|report| report.outcome), Some(Outcome::Failed));
    drop(notifier);
    assert!(reports.recv().await.is_none());
    assert_eq!(heard.all().len(), 1);
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    let webhook = |url: &str| endpoints(&webhook(url), &[]).err().unwrap_or_default();
    for url in [
        "http://10.0.0.1/",
        "http://2130706433/",
        "https://169.254.169.254/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://0x0a000001:8443/",
        "https://[fd00:ec2::254]/",
    ] {
        assert!(webhook(url).starts_with("the url is refused: "), "{url}: {}", webhook(url));
    }
    assert!(webhook("http://8.8.8.8/").contains("use https"));
    for url in ["ftp://a.example/", "a.example", " "] {
        assert_eq!(webhook(url), "the url is not a http or https address", "{url}");
    }
    let mail = "email_configs: [{to: a@b.example, from: a@b.example, smarthost: '[::1]:25'}]";
    assert!(endpoints(mail, &[]).err().is_some_and(|error| error.contains("smarthost is refused")));
    let policy = Policy { private: Vec::new(), encrypted: true };
    let answer =
        reqwest::dns::Resolve::resolve(&resolve::Guarded(policy), "localhost".parse().expect("a name")).await;
    assert!(answer.err().is_some_and(|error| error.to_string().contains("is not a public address")));
}

#[tokio::test]
async fn names_are_judged_when_they_are_connected_to() {
    let (url, heard) = answering(&[200]).await;
    let named = url.replace("127.0.0.1", "localhost");
    let mut refused =
        endpoints(&webhook(&named), &["10.0.0.0/8"]).expect("names are not judged yet").remove(0);
    let (outcome, _, detail) = attempt(&mut refused, &samples::firing("acme")).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(detail.contains("is not a public address"), "{detail}");
    assert_eq!(heard.all().len(), 0);
}
