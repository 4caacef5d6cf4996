//! `GET /v1/alerts` on the alerter's admin listener: a query enters, open alerts in JSON leave.
//!
//! Any alerter answers, also one that stands by: alerts are read from ClickHouse. Promise: mistakes and outages are
//! RFC 9457 problems, and few questions are asked at a time.

use crate::config::Config;
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use callmeter_alerter::{
    Operators,
    status::{Wanted, WantedError},
};
use reqwest::Url;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Questions that are asked of ClickHouse at a time.
const QUESTIONS: usize = 4;

struct Shared {
    operators: Operators,
    questions: Semaphore,
}

/// What the role `alert` adds to its admin listener.
pub(crate) fn routes(config: &Config) -> Router {
    let operators =
        Operators::new(&config.clickhouse, config.alerter.routing.as_deref(), &config.alerter.rules);
    let shared = Shared { operators, questions: Semaphore::new(QUESTIONS) };
    Router::new().route("/v1/alerts", get(alerts)).with_state(Arc::new(shared))
}

async fn alerts(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let wanted = match wanted(&query.unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "the query is not understood", error),
    };
    let Ok(_place) = shared.questions.try_acquire() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many questions", "ask again in a second");
    };
    match shared.operators.alerts(&wanted).await {
        Ok(alerts) => answer(StatusCode::OK, "application/json", &json!({"alerts": alerts})),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "alerts cannot be read", error),
    }
}

fn wanted(query: &str) -> Result<Wanted, WantedError> {
    let url = Url::parse(&format!("http://alerter/?{query}"))
        .map_err(|error| WantedError { name: "query".to_owned(), message: error.to_string() })?;
    let pairs: Vec<_> = url.query_pairs().collect();
    Wanted::read(pairs.iter().map(|(name, text)| (name.as_ref(), text.as_ref())))
}

fn problem(status: StatusCode, title: &str, detail: impl ToString) -> Response {
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail.to_string()});
    let mut answer = answer(status, "application/problem+json", &body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

fn answer(status: StatusCode, kind: &'static str, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_encoded() {
        let read = wanted("filter=customer%3D~%22a%7Cb%22&silenced=false").expect("a query");
        assert_eq!(
            (read.matchers.texts(), read.silenced),
            (vec![r#"customer=~"a|b""#.to_owned()], Some(false))
        );
        assert_eq!(
            wanted("silenced=0").expect_err("a mistake").to_string(),
            "silenced: true or false is expected"
        );
        assert_eq!(wanted("").expect("everything"), Wanted::default());
    }
}
