//! Scratch.
use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use callmeter_alerter::{AlerterConfig, AlerterMetrics};
#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("provider");
    let args: Vec<String> = std::env::args().collect();
    let status: u16 = args[1].parse().expect("status");
    let seconds: u64 = args[2].parse().expect("seconds");
    let app = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: String| async move {
            println!(
                "HOOK {} id={:?} sig={} body={}",
                status,
                headers["webhook-id"],
                headers.contains_key("webhook-signature"),
                body
            );
            StatusCode::from_u16(status).expect("status")
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:18500").await.expect("bind");
    tokio::spawn(async move { axum::serve(listener, app).await });
    std::fs::write("/tmp/chdb-alerter/routing.yaml", "route: {receiver: ops, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}\nreceivers:\n- name: ops\n  webhook_configs:\n  - {url: 'http://127.0.0.1:18500/hook', signing_secret: whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD}\n").expect("write");
    let config = AlerterConfig {
        rules: vec!["/work/main/rules/*.yaml".into()],
        routing: Some("/tmp/chdb-alerter/routing.yaml".into()),
        private_receivers: vec!["127.0.0.0/8".into()],
        ..AlerterConfig::default()
    };
    let clickhouse = serde_json::from_value(
        serde_json::json!({"url": "http://127.0.0.1:18433", "database": "scratch", "user": "default"}),
    )
    .expect("config");
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = AlerterMetrics::register(&mut registry);
    let stop = async move { tokio::time::sleep(std::time::Duration::from_secs(seconds)).await };
    tokio::spawn(callmeter_alerter::run(config, clickhouse, metrics, stop))
        .await
        .expect("join")
        .expect("run");
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    println!(
        "{}",
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.contains("bucket"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}
