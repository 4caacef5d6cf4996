//! Answers: outcomes enter, HTTP responses leave.
//!
//! Events are answered in JSON, mistakes as RFC 9457 `application/problem+json`. The OTLP route answers as
//! the OTLP/HTTP specification says: `ExportTraceServiceResponse`, mistakes as `google.rpc.Status`, both in
//! the encoding of the request. Promise: no answer repeats a value from a body, and whoever may try again
//! is told when.

use crate::{
    draft::Rejection,
    intake::{Form, Intake, Rejected},
};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde::Serialize;

/// Why a whole request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// A word for programs.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// The member of a single event that is wrong.
    pub(crate) field: Option<String>,
    /// Seconds after which the same request may succeed.
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, retry_after: None }
    }

    /// A request that may succeed after so many seconds.
    pub(crate) fn later(status: StatusCode, code: &'static str, detail: &str, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, code, detail) }
    }

    /// The one event of a request was rejected.
    pub(crate) fn of_item(why: &Rejection) -> Self {
        let field = Some(why.field.clone()).filter(|field| !field.is_empty());
        Self { field, ..Self::new(StatusCode::BAD_REQUEST, why.code.as_str(), why.to_string()) }
    }
}

#[derive(Serialize)]
struct ProblemJson<'p> {
    r#type: &'static str,
    title: &'p str,
    status: u16,
    detail: &'p str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'p str>,
}

#[derive(Serialize)]
struct AcceptedJson<'i> {
    accepted: usize,
    rejected: Vec<RejectedJson<'i>>,
}

#[derive(Serialize)]
struct RejectedJson<'i> {
    index: usize,
    id: Option<&'i str>,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'i str,
}

/// `google.rpc.Status`, as far as OTLP uses it.
#[derive(Clone, PartialEq, Message, Serialize)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The answer to events of which `accepted` are stored.
pub(crate) fn events(accepted: usize, rejected: &[Rejected]) -> Response<Body> {
    let rejected = rejected.iter().map(rejected_json).collect();
    json(StatusCode::ACCEPTED, "application/json", &AcceptedJson { accepted, rejected })
}

fn rejected_json(rejected: &Rejected) -> RejectedJson<'_> {
    let Rejected { index, id, why } = rejected;
    RejectedJson {
        index: *index,
        id: id.as_deref(),
        code: why.code.as_str(),
        detail: why.to_string(),
        field: &why.field,
    }
}

/// The answer to spans of which all but the rejected are stored.
pub(crate) fn spans(form: Form, rejected: &[Rejected]) -> Response<Body> {
    let partial_success = rejected.first().map(|first| ExportTracePartialSuccess {
        rejected_spans: rejected.len() as i64,
        error_message: format!("first: {}: {}", first.why.code.as_str(), first.why),
    });
    let response = ExportTraceServiceResponse { partial_success };
    match form {
        Form::SpansJson => json(StatusCode::OK, "application/json", &response),
        _ => bytes(StatusCode::OK, "application/x-protobuf", response.encode_to_vec()),
    }
}

/// The answer to a refused request; `form` is what its content type said it was.
pub(crate) fn problem(problem: &Problem, form: Option<Form>) -> Response<Body> {
    let rpc = || RpcStatus { code: rpc_code(problem.status), message: problem.detail.clone() };
    let mut response = match form {
        Some(Form::SpansProtobuf) => bytes(problem.status, "application/x-protobuf", rpc().encode_to_vec()),
        Some(Form::SpansJson) => json(problem.status, "application/json", &rpc()),
        Some(Form::Events(_)) | None => {
            let body = ProblemJson {
                r#type: "about:blank",
                title: problem.status.canonical_reason().unwrap_or("Error"),
                status: problem.status.as_u16(),
                detail: &problem.detail,
                code: problem.code,
                field: problem.field.as_deref(),
            };
            json(problem.status, "application/problem+json", &body)
        }
    };
    let headers = response.headers_mut();
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if problem.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A plain text, for probes.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    bytes(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// Whether one event alone was sent and rejected: then the request as a whole is a problem.
pub(crate) fn lone_rejection(form: Form, intake: &Intake) -> Option<&Rejected> {
    match form {
        Form::Events(crate::json::Layout::Single) => intake.rejected.first(),
        _ => None,
    }
}

/// Codes of `google.rpc.Code`.
fn rpc_code(status: StatusCode) -> i32 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 5,
        429 => 8,
        503 => 14,
        400..=499 => 3,
        _ => 13,
    }
}

fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(body) {
        Ok(body) => bytes(status, media_type, body),
        Err(_) => bytes(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new()),
    }
}

fn bytes(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
