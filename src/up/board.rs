//! The status page of `up`: one look enters, a page leaves.
//!
//! Promise: what it shows is what the terminal shows; names from events are escaped.

use super::{
    status::{Look, Watch, milliseconds, money, quota},
    store::DataFolder,
};
use crate::{admin, config::Config};
use axum::{Router, extract::State, response::Html, routing::get};
use std::fmt::Write;
use tokio::{net::TcpListener, sync::watch::Receiver};

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
        let app = Router::new().route("/", get(page)).with_state(watch.looks());
        if let Err(error) = axum::serve(self.listener, app).await {
            tracing::error!(%error, "board ended");
        }
    }
}

async fn page(State(looks): State<Receiver<Look>>) -> Html<String> {
    Html(render(&looks.borrow()))
}

fn render(look: &Look) -> String {
    let mut rows = String::new();
    for line in &look.rollups {
        let share = line.error_percent();
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
    let quotas: String =
        look.quotas.iter().map(|each| format!("<li>{}</li>", escape(&quota(each)))).collect();
    let quotas =
        if quotas.is_empty() { quotas } else { format!("<h2>Tightest quotas</h2><ul>{quotas}</ul>") };
    let summary = escape(&super::status::summary(look)).replace("   ", " · ");
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>callmeter</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}}\
         table{{border-collapse:collapse;width:100%}}td,th{{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #ddd}}\
         td:first-child,th:first-child{{text-align:left}}.bad td{{background:#fde8e8}}\
         @media(prefers-color-scheme:dark){{body{{color:#ddd;background:#181818}}td,th{{border-color:#333}}.bad td{{background:#4a1f1f}}}}\
         </style><h1>callmeter</h1><p>{summary}</p><table><tr><th>last 5 minutes</th><th>customers</th><th>calls</th>\
         <th>errors</th><th>p50 ms</th><th>p95 ms</th><th>cost</th></tr>{rows}</table>{quotas}</html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
