//! Own telemetry: what the roles say of themselves, to Prometheus and over OTLP.

use axum::{Router, body::Bytes, extract::State, routing::post};
use callmeter_harness::stack::{eventually, with_stack};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

type Bodies = Arc<Mutex<Vec<Bytes>>>;

async fn collector() -> (String, Bodies) {
    let bodies = Bodies::default();
    let take =
        async |State(bodies): State<Bodies>, body: Bytes| bodies.lock().expect("not poisoned").push(body);
    let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&bodies));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, bodies)
}

#[test]
fn metrics_count_and_spans_are_exported_where_the_environment_says() {
    with_stack(async |stack| {
        let (collector, bodies) = collector().await;
        stack.environment = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT".into(), collector),
            ("OTEL_BSP_SCHEDULE_DELAY".into(), "100".into()),
        ];
        let ingest = stack.ingest().await;
        let aggregator = stack.role("aggregate", &[]).await;
        let event = json!({"id": "one", "customer": "acme", "integration": "hubspot"}).to_string();
        let (status, _) = stack.send(&format!("{ingest}/v1/events"), "application/json", event.into()).await;
        assert_eq!(status, 202);
        stack.drained(1).await;
        assert_eq!(stack.metric(0, "callmeter_ingest_events_total{outcome=\"accepted\"}").await, Ok(1.0));
        // The row may be seen before the process that stored it has its answer.
        let counted = "callmeter_aggregator_records_total{outcome=\"counted\"}";
        eventually("the aggregator counts it too", Duration::from_secs(10), async || {
            match stack.metric(aggregator, counted).await? {
                1.0 => Ok(()),
                other => Err(other.to_string()),
            }
        })
        .await;
        let exported = |name: &str| {
            let bodies = bodies.lock().expect("not poisoned");
            bodies.iter().any(|body| body.windows(name.len()).any(|part| part == name.as_bytes()))
        };
        eventually("both roles export spans", Duration::from_secs(20), async || {
            match (exported("callmeter-ingest"), exported("callmeter-aggregate"), exported("insert")) {
                (true, true, true) => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
    });
}
