//! How soon a page comes: outages enter one after the other, the time from sending their calls to the webhook leaves.
//!
//! `cargo bench --bench pages -- [--runs 100] [--interval 1s]` starts genuine Kafka and ClickHouse, `callmeter ingest`, `aggregate`
//! and `alert` on their defaults, a rule without `for` and a route without `group_wait`. Each run is the first outage of one
//! customer. Promise: each outage is told once, under one webhook-id, or there is no result.

use anyhow::{Context, ensure};
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use callmeter_harness::{
    spread::quantile,
    stack::{READY, RUNTIME, Stack, eventually},
};
use clap::Parser;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Longest wait for one page.
const LONGEST: Duration = Duration::from_secs(60);
/// Calls of one outage.
const CALLS: u32 = 20;

const RULES: &str = "
groups:
- name: outages
  rules:
  - {alert: Outage, metric: error_rate, window: 5m, group_by: [customer], op: '>', threshold: 0.5, min_samples: 20}
";

/// How soon a page comes
#[derive(Debug, Parser)]
struct Args {
    /// Outages, one after the other
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// alerter.interval
    #[arg(long, default_value = "1s")]
    interval: String,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The webhook-id and the body of a webhook.
type Arrived = (String, Value);

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    RUNTIME.block_on(measure(&args))
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let mut stack = Stack::start(|_| {}).await;
    let (url, mut arrived) = receiver().await?;
    let routing = format!(
        "route: {{receiver: here, group_by: [alertname, customer], group_wait: 0s}}\n\
         receivers: [{{name: here, webhook_configs: [{{url: '{url}'}}]}}]\n"
    );
    let folder = stack.folder.path().to_owned();
    std::fs::write(folder.join("rules.yaml"), RULES)?;
    std::fs::write(folder.join("routing.yaml"), routing)?;
    let ingest = stack.ingest().await;
    eventually("ingest has seen the topic's partitions", READY, || stack.is_ready(&ingest)).await;
    stack.role("aggregate", &[]).await;
    let settings = [
        ("ALERTER__RULES", "rules.yaml"),
        ("ALERTER__ROUTING", "routing.yaml"),
        ("ALERTER__INTERVAL", args.interval.as_str()),
        ("ALERTER__PRIVATE_RECEIVERS", "127.0.0.0/8"),
        // Only the rule pages.
        ("ALERTER__JUDGE_FAULTS", "false"),
    ];
    stack.role("alert", &settings).await;
    let (mut times, mut ids) = (Vec::new(), HashMap::new());
    // The first one waits for all roles to begin and is not counted.
    for run in 0..=args.runs {
        let customer = format!("customer-{run}");
        let began = Instant::now();
        send(&stack, &ingest, &customer).await?;
        let id = page_of(&customer, &mut arrived).await?;
        times.push(began.elapsed());
        ensure!(
            ids.insert(id, customer.clone()).is_none(),
            "{customer} is told under an id that was used before"
        );
        eprint!("\r{run} of {} outages", args.runs);
    }
    eprintln!();
    stack.stop().await;
    let counted = times.get(1..).unwrap_or_default();
    println!(
        "{} outages, alerter.interval {}: from sending the calls to the webhook, ms",
        args.runs, args.interval
    );
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0)] {
        let time = quantile(counted, share).unwrap_or_default();
        println!("{name:<8} {:>6.0}", time.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// Sends the failed calls of one outage; returns when they are acknowledged.
async fn send(stack: &Stack, ingest: &str, customer: &str) -> anyhow::Result<()> {
    let event = |call: u32| json!({"id": format!("{customer}-{call}"), "customer": customer, "integration": "stripe", "status": 503});
    let events: Vec<Value> = (0..CALLS).map(event).collect();
    let body = Value::from(events).to_string().into_bytes();
    let (status, answer) = stack.send(&format!("{ingest}/v1/events"), "application/json", body).await;
    ensure!(status == 202, "{status}: {answer}");
    Ok(())
}

/// The webhook-id of the next page, which must be about this customer.
async fn page_of(customer: &str, arrived: &mut mpsc::Receiver<Arrived>) -> anyhow::Result<String> {
    loop {
        let next = tokio::time::timeout(LONGEST, arrived.recv()).await;
        let (id, body) =
            next.with_context(|| format!("no page of {customer}"))?.context("the receiver ended")?;
        // On a busy machine the pipeline may say of itself that it lags.
        if body["groupLabels"]["alertname"] == "Outage" {
            ensure!(body["groupLabels"]["customer"] == customer, "a page of somebody else: {body}");
            return Ok(id);
        }
    }
}

/// A receiver of webhooks and what it takes.
async fn receiver() -> anyhow::Result<(String, mpsc::Receiver<Arrived>)> {
    let (sender, arrived) = mpsc::channel(100);
    let app = Router::new().route("/", post(take)).with_state(sender);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((url, arrived))
}

async fn take(State(arrived): State<mpsc::Sender<Arrived>>, headers: HeaderMap, body: Bytes) {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    // Nobody listens any more once all runs are over.
    let _ = arrived.send((id, body)).await;
}
