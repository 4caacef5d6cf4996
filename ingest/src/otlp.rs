//! OTLP export requests: the body of `POST /v1/traces` enters, its spans leave one after the other.
//!
//! Source: opentelemetry-proto, `ExportTraceServiceRequest`, in protobuf and in JSON. Promise: the outer
//! messages are only walked and each span is decoded alone, so that a body of many empty messages does
//! not become a hundred times its size in memory. A span that does not decode is that span's mistake; an
//! outer structure that is broken is an error of the whole body.

use crate::{
    draft::{Code, Draft, Rejection},
    json::BodyError,
    span,
    wire::{self, Field},
};
use opentelemetry_proto::tonic::{resource::v1::Resource, trace::v1::Span};
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Largest single span, in bytes as sent.
pub const SPAN_BYTES: usize = 1024 * 1024;

/// What one span is.
pub enum Taken<'s> {
    /// A call.
    Call(Box<Draft<'s>>),
    /// Something else, such as a server's span or a database call.
    NoCall,
    /// A call, or bytes that might be one, with a mistake.
    Malformed(Rejection),
}

/// Reads a protobuf export request of at most `most` spans.
pub fn protobuf(body: &[u8], most: usize, take: &mut dyn FnMut(Taken<'_>)) -> Result<(), BodyError> {
    let mut left = most;
    for resource_spans in wire::messages(body, 1) {
        let resource_spans = resource_spans.ok_or(BodyError::NotOtlp)?;
        let resource = resource_of(resource_spans)?;
        for scope_spans in wire::messages(resource_spans, 2) {
            for span in wire::messages(scope_spans.ok_or(BodyError::NotOtlp)?, 2) {
                let bytes = span.ok_or(BodyError::NotOtlp)?;
                left = left.checked_sub(1).ok_or(BodyError::TooManyItems(most))?;
                match (bytes.len() <= SPAN_BYTES).then(|| Span::decode(bytes)) {
                    Some(Ok(span)) => take(span::read(&span, &resource)),
                    _ => take(undecodable()),
                }
            }
        }
    }
    Ok(())
}

fn resource_of(resource_spans: &[u8]) -> Result<Resource, BodyError> {
    let mut resource = Resource::default();
    for field in wire::fields(resource_spans) {
        if let Field { number: 1, bytes: Some(bytes) } = field.ok_or(BodyError::NotOtlp)? {
            if bytes.len() > SPAN_BYTES {
                return Err(BodyError::NotOtlp);
            }
            resource.merge(bytes).map_err(|_| BodyError::NotOtlp)?;
        }
    }
    Ok(resource)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ExportJson<'a> {
    #[serde(borrow)]
    resource_spans: Vec<ResourceJson<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceJson<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    scope_spans: Vec<ScopeJson<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeJson<'a> {
    #[serde(borrow)]
    spans: Vec<&'a RawValue>,
}

/// Reads a JSON export request of at most `most` spans.
pub fn json(body: &[u8], most: usize, take: &mut dyn FnMut(Taken<'_>)) -> Result<(), BodyError> {
    let export: ExportJson<'_> = serde_json::from_slice(body).map_err(|_| BodyError::NotOtlp)?;
    let mut left = most;
    for resource_spans in export.resource_spans {
        let resource = match resource_spans.resource {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| BodyError::NotOtlp)?,
            None => Resource::default(),
        };
        for raw in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            left = left.checked_sub(1).ok_or(BodyError::TooManyItems(most))?;
            match (raw.get().len() <= SPAN_BYTES).then(|| serde_json::from_str::<Span>(raw.get())) {
                Some(Ok(span)) => take(span::read(&span, &resource)),
                _ => take(undecodable()),
            }
        }
    }
    Ok(())
}

fn undecodable() -> Taken<'static> {
    Taken::Malformed(Rejection::new(Code::Malformed, "", "a span does not decode or is larger than 1 MiB"))
}
