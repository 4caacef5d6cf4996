//! An alert fires and resolves at a receiver, neither a restart nor a takeover forgets or repeats, and every metric is measured.

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use callmeter_harness::stack::{Stack, eventually, with_stack};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const SECRET: &[u8; 24] = b"twenty-four bytes secret";

const RULES: &str = r#"
groups:
  - name: outage
    interval: 1s
    rules:
      - alert: ErrorRateHigh
        metric: error_rate
        window: 2m
        group_by: [customer, integration]
        op: ">"
        threshold: 0.5
        min_samples: 5
        labels: {severity: page}
        annotations: {summary: "{{ $labels.customer }} {{ $labels.integration }} at {{ $value }}"}
"#;

/// Every webhook: its id and its body. Unsigned or wrongly signed ones fail the test.
type Arrived = Arc<Mutex<Vec<(String, Value)>>>;

async fn receiver() -> (String, Arrived) {
    let arrived = Arrived::default();
    let app = Router::new().route("/", post(take)).with_state(Arc::clone(&arrived));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, arrived)
}

async fn take(State(arrived): State<Arrived>, headers: HeaderMap, body: Bytes) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(&body);
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let body = serde_json::from_slice(&body).expect("JSON");
    arrived.lock().expect("not poisoned").push((header("webhook-id"), body));
}

#[test]
fn an_outage_pages_once_and_resolves_across_a_restart() {
    with_stack(async |stack| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let (receiver, arrived) = receiver().await;
        let write = |name: &str, text: String| {
            let file = stack.folder.path().join(name);
            std::fs::write(&file, text).expect("written");
            file.display().to_string()
        };
        let rules = write("rules.yaml", RULES.into());
        let routing = write(
            "routing.yaml",
            format!(
                "route: {{receiver: here, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers:\n  - name: here\n    webhook_configs:\n      - url: {receiver}\n        signing_secret: whsec_{}\n",
                STANDARD.encode(SECRET),
            ),
        );
        let ingest = stack.ingest().await;
        stack.role("aggregate", &[]).await;
        let settings = [
            ("ALERTER__RULES", rules.as_str()),
            ("ALERTER__ROUTING", routing.as_str()),
            ("ALERTER__INTERVAL", "1s"),
            ("ALERTER__PRIVATE_RECEIVERS", "127.0.0.0/8"),
            // One rule's alerts are told here.
            ("ALERTER__JUDGE_FAULTS", "false"),
        ];
        let alerter = stack.role("alert", &settings).await;

        report(stack, &ingest, 503, 20).await;
        let fired = webhook(&arrived, 0).await;
        assert_eq!(fired["status"], "firing");
        assert_eq!(fired["alerts"][0]["labels"]["customer"], "acme");
        assert_eq!(fired["alerts"][0]["annotations"]["summary"], "acme stripe at 1");
        assert_eq!(fired["version"], "4");

        // Killed and started again, it knows that the page went out, and still resolves it.
        stack.kill(alerter);
        stack.restart(alerter);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(pages(&arrived).len(), 1, "a restart does not page again");
        report(stack, &ingest, 200, 100).await;
        let resolved = webhook(&arrived, 1).await;
        assert_eq!(resolved["status"], "resolved");
        assert_eq!(resolved["alerts"][0]["fingerprint"], fired["alerts"][0]["fingerprint"]);

        let history = "SELECT rule, toString(state) AS state, notified FROM alerts WHERE rule = 'ErrorRateHigh' AND state != 'pending' ORDER BY at";
        eventually("both transitions are known to be notified", Duration::from_secs(10), async || {
            let rows = stack.rows(history).await;
            let wanted = ["firing", "resolved"]
                .map(|state| json!({"rule": "ErrorRateHigh", "state": state, "notified": 1}));
            if rows == wanted { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;
    });
}

#[test]
fn of_two_alerters_one_pages_the_other_takes_over_and_both_obey_a_silence() {
    with_stack(async |stack| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let (receiver, arrived) = receiver().await;
        let write = |name: &str, text: String| {
            let file = stack.folder.path().join(name);
            std::fs::write(&file, text).expect("written");
            file.display().to_string()
        };
        let rules = write("rules.yaml", RULES.into());
        let routing = write(
            "routing.yaml",
            format!(
                "route: {{receiver: nobody, group_wait: 0s, group_interval: 1s, routes: [{{matchers: [severity=page], receiver: here, group_by: [alertname, customer]}}]}}\n\
             receivers:\n  - name: nobody\n  - name: here\n    webhook_configs:\n      - url: {receiver}\n        signing_secret: whsec_{}\n",
                STANDARD.encode(SECRET),
            ),
        );
        let ingest = stack.ingest().await;
        stack.role("aggregate", &[]).await;
        let settings = [
            ("ALERTER__RULES", rules.as_str()),
            ("ALERTER__ROUTING", routing.as_str()),
            ("ALERTER__INTERVAL", "1s"),
            ("ALERTER__PRIVATE_RECEIVERS", "127.0.0.0/8"),
            // The receiver hears of the rules alone.
            ("ALERTER__JUDGE_FAULTS", "false"),
        ];
        let first = stack.role("alert", &settings).await;
        let acts = "callmeter_alerter_active";
        eventually("the first alerter acts", Duration::from_secs(30), async || {
            if stack.metric(first, acts).await? == 1.0 { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        let second = stack.role("alert", &settings).await;

        let id = silences(
            stack,
            &["add", "customer=hushed", "--duration", "1h", "--reason", "a test", "--author", "me"],
        );
        report_of(stack, &ingest, "hushed", 503, 20).await;
        report(stack, &ingest, 503, 20).await;
        let fired = webhook(&arrived, 0).await;
        assert_eq!(fired["alerts"][0]["labels"]["customer"], "acme");
        // Their records stand in different partitions: whichever is stored first is seen first.
        eventually("the other alert is listed as silenced", Duration::from_secs(10), async || {
            let listed = stack.command("alerts list --json --silenced true").output().expect("it runs");
            let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
            let told = (&listed[0]["labels"]["customer"], &listed[0]["silenced_by"]);
            if told == (&json!("hushed"), &json!([id])) { Ok(()) } else { Err(listed.to_string()) }
        })
        .await;

        assert_eq!(stack.metric(second, acts).await, Ok(0.0));
        stack.kill(first);
        eventually("the second alerter acts", Duration::from_secs(30), async || {
            if stack.metric(second, acts).await? == 1.0 { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        silences(stack, &["expire", &id]);
        let unhushed = webhook(&arrived, 1).await;
        assert_eq!(unhushed["alerts"][0]["labels"]["customer"], "hushed");
        report(stack, &ingest, 200, 100).await;
        let resolved = webhook(&arrived, 2).await;
        assert_eq!(
            (&resolved["status"], &resolved["alerts"][0]["fingerprint"]),
            (&json!("resolved"), &fired["alerts"][0]["fingerprint"])
        );
    });
}

/// What `callmeter silences` prints.
fn silences(stack: &Stack, args: &[&str]) -> String {
    let output = stack.command("silences").args(args).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Rules that fire as soon as their metric is measured at all, one per metric and one per form of a query.
const EVERY_METRIC: &str = r#"
groups:
- name: every
  interval: 1s
  defaults: {window: 5m, op: ">=", group_by: [customer, integration]}
  rules:
  - {alert: calls, metric: calls, threshold: 1}
  - {alert: errors, metric: errors, threshold: 1, filter: {error_class: upstream_5xx}}
  - {alert: error_rate, metric: error_rate, threshold: 0.5, filter: {customer: {regex: "ac.*"}}}
  - {alert: latency_p50, metric: latency_p50, threshold: 100, filter: {endpoint: {not: {regex: "POST .*"}}}}
  - {alert: latency_p75, metric: latency_p75, threshold: 100, filter: {endpoint: {regex: "(?i)[^!]*"}}}
  - {alert: latency_p90, metric: latency_p90, threshold: 100}
  - {alert: latency_p95, metric: latency_p95, threshold: 100}
  - {alert: latency_p99, metric: latency_p99, threshold: 100}
  - {alert: latency_p999, metric: latency_p999, threshold: 100}
  - {alert: latency_mean, metric: latency_mean, threshold: 100}
  - {alert: throttled_share, metric: throttled_share, threshold: 0}
  - {alert: retried_share, metric: retried_share, threshold: 0.5}
  - {alert: retry_amplification, metric: retry_amplification, threshold: 2}
  - {alert: bytes_in, metric: bytes_in, threshold: 1}
  - {alert: bytes_out, metric: bytes_out, threshold: 1}
  - {alert: no_traffic_for, metric: no_traffic_for, window: 1d, threshold: 2s}
  - {alert: cost, metric: cost, threshold: "0.01"}
  - {alert: spend_rate, metric: spend_rate, threshold: 0.01}
  - {alert: budget_spent, metric: budget_spent, threshold: 0.0001, budget: {amount: "100", period: month}}
  - {alert: budget_of_day, metric: budget_spent, threshold: 0.0001, budget: {amount: "100", period: day}}
  - {alert: quota_remaining_ratio, metric: quota_remaining_ratio, op: "<", threshold: 0.1, group_by: [integration, policy]}
  - {alert: quota_exhausts_in, metric: quota_exhausts_in, threshold: 0, group_by: [scope], filter: {policy: daily}}
  - {alert: pipeline_lag, metric: pipeline_lag, threshold: 0, group_by: []}
  - {alert: compared, metric: calls, threshold: 1, compare: {with: 1h, as: difference}}
  - {alert: cost_compared, metric: cost, threshold: "0.01", compare: {with: 1d, as: difference}, look_back: 2d}
  - {alert: silent, metric: calls, window: 2s, op: "<", threshold: 1, look_back: 1h}
  - {alert: no_data, metric: error_rate, window: 4s, threshold: 2, no_data: alert}
"#;

#[test]
fn every_metric_is_measured_and_alerts_of_a_rule_that_is_taken_away_end() {
    with_stack(async |stack| {
        let file = stack.folder.path().join("every.yaml");
        std::fs::write(&file, EVERY_METRIC).expect("written");
        let rules = file.display().to_string();
        let ingest = stack.ingest().await;
        let window = ("AGGREGATOR__WINDOW", "2s");
        stack.role("aggregate", &[window]).await;
        stack.role("alert", &[window, ("ALERTER__RULES", rules.as_str())]).await;
        let event = json!({
            "customer": "acme", "integration": "stripe", "status": 503, "latency_ms": 200.0, "attempt": 2,
            "bytes_in": 10, "bytes_out": 20, "cost": {"amount": "0.05", "currency": "USD"},
            "quota": [{"policy": "daily", "scope": "app-1", "limit": 1000, "remaining": 10}],
        });
        let (status, answer) =
            stack.send(&format!("{ingest}/v1/events"), "application/json", event.to_string().into()).await;
        assert_eq!(status, 202, "{answer}");

        let wanted: Vec<&str> = EVERY_METRIC
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- {alert: ")?.split(',').next())
            // A first attempt is what amplification is measured by, and there is none.
            .filter(|name| *name != "retry_amplification")
            .collect();
        eventually("every rule fires", Duration::from_secs(60), async || {
            let fired = stack.rows("SELECT DISTINCT rule FROM alerts WHERE state = 'firing'").await;
            let missing: Vec<_> =
                wanted.iter().filter(|name| !fired.contains(&json!({"rule": name}))).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} do not fire")) }
        })
        .await;

        let fewer = EVERY_METRIC.replace("  - {alert: cost, metric: cost, threshold: \"0.01\"}\n", "");
        std::fs::write(&file, fewer).expect("written");
        eventually("its alert ends", Duration::from_secs(20), async || {
            let ended =
                stack.number("SELECT count() FROM alerts WHERE rule = 'cost' AND state = 'resolved'").await;
            if ended == 1 { Ok(()) } else { Err(format!("{ended} ended")) }
        })
        .await;
        let others = "SELECT count() FROM alerts WHERE rule = 'budget_spent' AND state = 'resolved'";
        assert_eq!(stack.number(others).await, 0, "a reload ends no other alert");
    });
}

async fn report(stack: &Stack, ingest: &str, status: u16, calls: u32) {
    report_of(stack, ingest, "acme", status, calls).await;
}

async fn report_of(stack: &Stack, ingest: &str, customer: &str, status: u16, calls: u32) {
    let event = |_| json!({"id": format!("{:x}", free_number()), "customer": customer, "integration": "stripe", "status": status});
    let events: Vec<Value> = (0..calls).map(event).collect();
    let (status, answer) = stack
        .send(&format!("{ingest}/v1/events"), "application/json", json!(events).to_string().into())
        .await;
    assert_eq!(status, 202, "{answer}");
}

/// A number that was not used before in this process.
fn free_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The webhooks of the rule: on a busy machine the pipeline may say of itself that it lags.
fn pages(arrived: &Arrived) -> Vec<Value> {
    let arrived = arrived.lock().expect("not poisoned");
    let of_rule = arrived.iter().filter(|(_, body)| body["groupLabels"]["alertname"] == "ErrorRateHigh");
    of_rule.map(|(_, body)| body.clone()).collect()
}

async fn webhook(arrived: &Arrived, at: usize) -> Value {
    eventually("a webhook arrives", Duration::from_secs(60), async || {
        let count = pages(arrived).len();
        if count > at { Ok(()) } else { Err(format!("{count} arrived")) }
    })
    .await;
    pages(arrived).swap_remove(at)
}
