//! The control: an axum server in a process of its own that parses bodies and does nothing with them.
//!
//! It reads the body as `Bytes` and parses it with `serde_json` into a typed struct whose texts borrow from the body, which
//! is the cheapest form that still reads every member: whoever owns the texts pays more. No key, no check, no Kafka; the
//! answer has the same bytes. Promise: the runtime has the settings of `callmeter ingest`; the address is told on standard
//! output; the process ends with its handle.

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
    routing::post,
    serve::ListenerExt,
};
use nix::unistd::Pid;
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// The word by which the bench calls itself as the control.
pub(crate) const WORD: &str = "serve-parse-only";

/// A text that borrows where it holds no escapes; inside maps serde borrows only through a type of its own.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an event. They are read and dropped.
#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is all that is measured")]
struct Event<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    integration: Option<Cow<'a, str>>,
    #[serde(borrow)]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    status: Option<u16>,
    latency_ms: Option<f64>,
    attempt: Option<u32>,
    #[serde(borrow)]
    run_id: Option<Cow<'a, str>>,
    records: Option<u64>,
    bytes_in: Option<u64>,
    bytes_out: Option<u64>,
    #[serde(borrow)]
    tier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    environment: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cost: Option<Cost<'a>>,
    #[serde(borrow, default)]
    headers: BTreeMap<Text<'a>, Text<'a>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is all that is measured")]
struct Cost<'a> {
    #[serde(borrow)]
    amount: Cow<'a, str>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

/// Serves until the process is ended.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // What it costs is measured, not whether it could be set.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, Router::new().route("/v1/events", post(parse))).await?;
        Ok(())
    })
}

async fn parse(body: Bytes) -> impl IntoResponse {
    let events = if body.first() == Some(&b'[') {
        serde_json::from_slice::<Vec<Event<'_>>>(&body).map(|events| events.len())
    } else {
        serde_json::from_slice::<Event<'_>>(&body).map(|_| 1)
    };
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match events {
        Ok(events) => (StatusCode::ACCEPTED, json, format!(r#"{{"accepted":{events},"rejected":[]}}"#)),
        Err(error) => (StatusCode::BAD_REQUEST, json, error.to_string()),
    }
}

/// The control's process.
pub(crate) struct ParseOnly {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl ParseOnly {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(WORD)
            .stdout(Stdio::piped())
            .spawn()
            .context("control")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { address: line.trim().parse().context("the control told no address")?, child })
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid"))
    }
}

impl Drop for ParseOnly {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
