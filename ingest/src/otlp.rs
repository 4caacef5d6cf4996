//! OTLP export requests: the body of `POST /v1/traces` enters, its spans leave one after the other.
//!
//! Source: opentelemetry-proto, `ExportTraceServiceRequest`, in protobuf and in JSON. Promise: the outer
//! messages are only walked and each span is decoded alone, so that a body of many empty messages does
//! not become a hundred times its size in memory. A span that does not decode is that span's mistake; an
//! outer structure that is broken is an error of the whole body.

use crate::{
    draft::{Code, Draft, Rejection},
    json::BodyError,
    read::{Read, Reader},
    span,
    wire::{self, Field},
};
use opentelemetry_proto::tonic::{resource::v1::Resource, trace::v1::Span};
use prost::Message;
use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

/// Largest single span or resource, in bytes as sent: decoded, it takes up to 40 times as much.
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
    // A repeated field is merged: together they are one resource, with one bound.
    let (mut resource, mut left) = (Resource::default(), SPAN_BYTES);
    for field in wire::fields(resource_spans) {
        if let Field { number: 1, bytes: Some(bytes) } = field.ok_or(BodyError::NotOtlp)? {
            left = left.checked_sub(bytes.len()).ok_or(BodyError::NotOtlp)?;
            resource.merge(bytes).map_err(|_| BodyError::NotOtlp)?;
        }
    }
    Ok(resource)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExportJson<'a> {
    #[serde(borrow)]
    resource_spans: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceJson<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    scope_spans: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeJson<'a> {
    #[serde(borrow)]
    spans: Option<&'a RawValue>,
}

/// Reads a JSON export request of at most `most` spans.
pub fn json(body: &[u8], most: usize, take: &mut dyn FnMut(Taken<'_>)) -> Result<(), BodyError> {
    let export: ExportJson<'_> = serde_json::from_slice(body).map_err(|_| BodyError::NotOtlp)?;
    let mut left = most;
    each(export.resource_spans, &mut |text| {
        let resource_spans: ResourceJson<'_> = parsed(text)?;
        let resource: Resource = match resource_spans.resource.map(RawValue::get) {
            Some(text) if text.len() > SPAN_BYTES => return Err(BodyError::NotOtlp),
            Some(text) => parsed(text)?,
            None => Resource::default(),
        };
        each(resource_spans.scope_spans, &mut |text| {
            each(parsed::<ScopeJson<'_>>(text)?.spans, &mut |text| {
                left = left.checked_sub(1).ok_or(BodyError::TooManyItems(most))?;
                match (text.len() <= SPAN_BYTES).then(|| serde_json::from_str::<Span>(text)) {
                    Some(Ok(span)) => take(span::read(&span, &resource)),
                    _ => take(undecodable()),
                }
                Ok(())
            })
        })
    })
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BodyError> {
    serde_json::from_str(text).map_err(|_| BodyError::NotOtlp)
}

type Visit<'v> = &'v mut dyn FnMut(&str) -> Result<(), BodyError>;

/// Visits the elements of a JSON list one by one: a list of many empty objects would be a multiple of
/// its text in memory.
fn each(list: Option<&RawValue>, visit: Visit<'_>) -> Result<(), BodyError> {
    let Some(list) = list else { return Ok(()) };
    let mut outcome = Ok(());
    let mut source = serde_json::Deserializer::from_str(list.get());
    let read = Read(Elements { visit, outcome: &mut outcome }).deserialize(&mut source);
    outcome.and(read.map_err(|_| BodyError::NotOtlp))
}

struct Elements<'v> {
    visit: Visit<'v>,
    outcome: &'v mut Result<(), BodyError>,
}

impl<'de> Reader<'de> for Elements<'_> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.mismatch();
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&RawValue>()? {
            *self.outcome = (self.visit)(element.get());
            if self.outcome.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn mismatch(self) {
        *self.outcome = Err(BodyError::NotOtlp);
    }
}

fn undecodable() -> Taken<'static> {
    Taken::Malformed(Rejection::new(Code::Malformed, "", "a span does not decode or is larger than 1 MiB"))
}
