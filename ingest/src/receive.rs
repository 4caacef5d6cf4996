//! Receiving: a request's headers and body enter, plain bytes of known form leave.
//!
//! Promise: bounded in size, time and in memory over all requests, before and after decompression;
//! nothing of a body is looked at here.

use crate::{
    answer::Problem,
    budget::{Budget, Reservation},
    config::IngestConfig,
    inflate::{self, InflateError},
    intake::Form,
    json::Layout,
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::time::Duration;

/// Seconds after which memory is likely to be free again.
const BUSY_SECONDS: u64 = 1;

/// Bodies of this size and more are read on a thread of their own, so that they delay nobody else.
const LARGE_BYTES: usize = 256 * 1024;
/// How much a gzip body usually grows.
const USUAL_RATIO: usize = 16;

/// A body and the memory it holds.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) form: Form,
    gzip: bool,
    memory: Reservation,
}

/// What the headers of `POST /v1/events` announce. Arrays in `application/json` are recognised later.
pub(crate) fn events_form(headers: &HeaderMap) -> Result<Form, Problem> {
    let media_type = media_type(headers);
    match media_type.as_str() {
        // The last is what `curl -d` says when nobody tells it otherwise.
        "application/json" | "text/json" | "" | "application/x-www-form-urlencoded" => {
            Ok(Form::Events(Layout::Single))
        }
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Ok(Form::Events(Layout::Lines))
        }
        _ => Err(unsupported("send application/json or application/x-ndjson")),
    }
}

/// What the headers of `POST /v1/traces` announce.
pub(crate) fn spans_form(headers: &HeaderMap) -> Result<Form, Problem> {
    match media_type(headers).as_str() {
        "application/x-protobuf" | "application/protobuf" => Ok(Form::SpansProtobuf),
        "application/json" => Ok(Form::SpansJson),
        _ => Err(unsupported("send application/x-protobuf or application/json")),
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(essence).to_ascii_lowercase()
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
    match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Ok(false),
        b"gzip" | b"x-gzip" => Ok(true),
        _ => Err(unsupported("send the body as it is or with content-encoding gzip")),
    }
}

/// Reads a body to its end.
pub(crate) async fn receive(
    headers: &HeaderMap,
    body: Body,
    form: Form,
    config: &IngestConfig,
    budget: &Budget,
) -> Result<Received, Problem> {
    let gzip = is_gzip(headers)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > config.max_body_bytes) {
        return Err(too_large(config.max_body_bytes));
    }
    let memory = budget.reserve(announced.unwrap_or(0)).ok_or_else(busy)?;
    let reading = read(body, memory, announced.unwrap_or(0), config.max_body_bytes);
    let deadline = Duration::from_millis(config.body_timeout_ms);
    let late =
        |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time");
    let (bytes, memory) = tokio::time::timeout(deadline, reading).await.map_err(late)??;
    Ok(Received { bytes, form, gzip, memory })
}

async fn read(
    mut body: Body,
    mut memory: Reservation,
    announced: usize,
    most: usize,
) -> Result<(Bytes, Reservation), Problem> {
    let (mut first, mut rest, mut length) = (Bytes::new(), BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let cut_off = |_| Problem::new(StatusCode::BAD_REQUEST, "body_cut_off", "the body ended too early");
        let Ok(chunk) = frame.map_err(cut_off)?.into_data() else { continue };
        let before = length;
        length += chunk.len();
        if length > most {
            return Err(too_large(most));
        }
        if !memory.grow(length.saturating_sub(before.max(announced))) {
            return Err(busy());
        }
        if before == 0 {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(announced.max(length));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&chunk);
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, memory))
}

impl Received {
    /// Whether reading the body takes so long that it would delay others.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.len() >= if self.gzip { LARGE_BYTES / USUAL_RATIO } else { LARGE_BYTES }
    }

    /// Decompresses the body where needed and settles its form.
    pub(crate) fn unpack(mut self, config: &IngestConfig) -> Result<Self, Problem> {
        if self.gzip {
            let memory = &mut self.memory;
            let plain = inflate::gzip(&self.bytes, config.max_body_bytes, &mut |bytes| memory.grow(bytes));
            self.bytes = plain.map_err(|error| refusal(&error))?.into();
            self.gzip = false;
        }
        if self.form == Form::Events(Layout::Single) {
            self.form = Form::Events(crate::json::sniff(&self.bytes));
        }
        Ok(self)
    }
}

fn refusal(error: &InflateError) -> Problem {
    match error {
        InflateError::Malformed => Problem::new(StatusCode::BAD_REQUEST, "not_gzip", error.to_string()),
        InflateError::TooLarge(most) => too_large(*most),
        InflateError::Ratio => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "compression_ratio", error.to_string())
        }
        InflateError::Busy => busy(),
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("a body holds at most {most} bytes, also after decompression");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

pub(crate) fn busy() -> Problem {
    let detail = "more arrives than can be read; send this request again";
    Problem::later(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail, BUSY_SECONDS)
}
