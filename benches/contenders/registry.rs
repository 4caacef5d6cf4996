//! A schema registry with one schema: an id is asked for, the call event's schema is answered.

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use callmeter_schemas::avro;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

/// Serves on a free port until the task is aborted; its address is returned.
pub(crate) async fn serve() -> anyhow::Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = Router::new().route("/schemas/ids/{id}", get(schema));
    let task = tokio::spawn(async move {
        // It ends with its task; a client that went away ends nothing.
        let _ = axum::serve(listener, routes).await;
    });
    Ok((url, task))
}

async fn schema(Path(id): Path<u32>) -> Result<String, StatusCode> {
    if id == avro::SCHEMA_ID {
        Ok(json!({ "schema": avro::CALL_EVENT_SCHEMA }).to_string())
    } else {
        Err(StatusCode::NOT_FOUND)
    }
}
