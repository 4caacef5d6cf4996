//! The status page of `up`: one look enters, a page leaves.
//!
//! Promise: what it shows is what the terminal shows; names from events are escaped.

use super::{
    status::{Look, Watch, milliseconds, money},
    store::DataFolder,
};
use crate::{admin, config::Config};
use axum::{Router, extract::State, response::Html, routing::get};
use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

const REFRESH: Duration = Duration::from_secs(2);

/// A page that waits to be served.
pub(crate) struct Board {
    listener: TcpListener,
    url: String,
}

/// Opens the page's listener.
pub(crate) async fn open(config: &Config, folder: &DataFolder) -> anyhow::Result<Board> {
    let address = folder.address("board.listen", &config.board.listen)?;
    let listener = admin::bind(&address, "board.listen").await?;
    Ok(Board { listener, url: format!("http://{address}") })
}

impl Board {
    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self, watch: &Watch) {
        let shown = Arc::new(Mutex::new(Look::default()));
        let app = Router::new().route("/", get(page)).with_state(Arc::clone(&shown));
        let served = async { axum::serve(self.listener, app).await };
        let looked = async {
            let (mut look, mut at) = (watch.look(None).await, Instant::now());
            loop {
                tokio::time::sleep(REFRESH).await;
                look = watch.look(Some((&look, at.elapsed()))).await;
                at = Instant::now();
                look.clone_into(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
            }
        };
        tokio::select! { _ = served => {}, () = looked => {} }
    }
}

async fn page(State(shown): State<Arc<Mutex<Look>>>) -> Html<String> {
    let look = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Html(render(&look))
}

fn render(look: &Look) -> String {
    let mut rows = String::new();
    for line in &look.rollups {
        let share = 100.0 * line.errors as f64 / line.calls.max(1) as f64;
        let class = if share >= 5.0 { "bad" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            rows,
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{}</td><td>{share:.1} %</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&line.integration),
            line.customers,
            line.calls,
            milliseconds(line.p50_ms),
            milliseconds(line.p95_ms),
            escape(&money(&line.cost)),
        );
    }
    let summary = escape(&super::status::summary(look)).replace("   ", " · ");
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>callmeter</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}}\
         table{{border-collapse:collapse;width:100%}}td,th{{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #ddd}}\
         td:first-child,th:first-child{{text-align:left}}.bad td{{background:#fde8e8}}\
         @media(prefers-color-scheme:dark){{body{{color:#ddd;background:#181818}}td,th{{border-color:#333}}.bad td{{background:#4a1f1f}}}}\
         </style><h1>callmeter</h1><p>{summary}</p><table><tr><th>last 5 minutes</th><th>customers</th><th>calls</th>\
         <th>errors</th><th>p50 ms</th><th>p95 ms</th><th>cost</th></tr>{rows}</table></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
