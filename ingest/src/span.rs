//! One OpenTelemetry span: a span and its resource enter, a [`Draft`] leaves, or the news that it is no call.
//!
//! A call is a span of kind CLIENT with an HTTP method. Current attribute names come first, older ones
//! (`http.method`, `net.peer.name`, `http.url` …) after them. Promise: pure; the id derives from trace and
//! span id, so that an export that is sent again counts once; no customer means [`UNATTRIBUTED`].

use crate::{
    draft::{Code, Draft, Entries, Rejection},
    otlp::Taken,
    sieve,
};
use callmeter_schemas::histogram::MAX_LATENCY_US;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use std::borrow::Cow;

/// Customer of calls that name none.
pub const UNATTRIBUTED: &str = "_unattributed";

/// Prefix of the attributes that hold response headers.
const RESPONSE_HEADER: &str = "http.response.header.";

/// Reads a span.
pub fn read<'s>(span: &'s Span, resource: &'s Resource) -> Taken<'s> {
    let attributes = Attributes { span: &span.attributes, resource: &resource.attributes };
    if span.kind != SpanKind::Client as i32 {
        return Taken::NoCall;
    }
    match attributes.on_span(&["http.request.method", "http.method"]) {
        None => Taken::NoCall,
        Some(method) => match call(span, &attributes, method) {
            Ok(draft) => Taken::Call(Box::new(draft)),
            Err(why) => Taken::Malformed(why),
        },
    }
}

fn call<'s>(span: &'s Span, from: &Attributes<'s>, method: Cow<'s, str>) -> Result<Draft<'s>, Rejection> {
    let original = from.on_span(&["http.request.method_original"]).filter(|_| method == "_OTHER");
    let method = original.unwrap_or(method);
    let url = from.on_span(&["url.full", "http.url"]);
    let url_names_host = url.as_deref().is_some_and(|url| sieve::split_url(url).is_some());
    let named = from.on_span(&["server.address", "net.peer.name"]);
    let host = named.or_else(|| from.on_span(&["http.host"]).filter(|_| !url_names_host));
    let endpoint = from.on_span(&["url.template"]).map(|template| Cow::Owned(format!("{method} {template}")));
    let trace_id = hex(&span.trace_id, 16, "trace_id")?;
    let outcome = Outcome::of(span, from);
    Ok(Draft {
        id: Some(Cow::Owned(format!("{trace_id}-{}", hex(&span.span_id, 8, "span_id")?))),
        trace_id: Some(Cow::Owned(trace_id)),
        time_us: i64::try_from(span.start_time_unix_nano / 1_000).ok(),
        latency_us: latency(span)?,
        customer: from.callmeter("callmeter.customer").or(Some(Cow::Borrowed(UNATTRIBUTED))),
        integration: from.callmeter("callmeter.integration"),
        run_id: from.callmeter("callmeter.run_id"),
        data_type: from.callmeter("callmeter.data_type"),
        tier: from.callmeter("callmeter.tier"),
        environment: from.environment(),
        attempt: from
            .number(&["http.request.resend_count", "http.resend_count"])
            .map(|resent| resent.saturating_add(1)),
        bytes_in: from.number(&["http.response.body.size", "http.response_content_length"]),
        bytes_out: from.number(&["http.request.body.size", "http.request_content_length"]),
        path: from.on_span(&["url.path", "http.target"]),
        headers: from.response_headers(),
        status: outcome.status,
        error_class: from.on_span(&["callmeter.error_class"]),
        error: outcome.error,
        failed: outcome.failed,
        method: Some(method),
        url,
        host,
        endpoint,
        ..Draft::default()
    })
}

fn hex(bytes: &[u8], length: usize, field: &str) -> Result<String, Rejection> {
    use std::fmt::Write;
    if bytes.len() != length || bytes.iter().all(|byte| *byte == 0) {
        return Err(Rejection::new(
            Code::InvalidValue,
            field,
            format!("not {length} bytes that are not all zero"),
        ));
    }
    let mut text = String::with_capacity(length * 2);
    bytes
        .iter()
        .try_for_each(|byte| write!(text, "{byte:02x}"))
        .map(|()| text)
        .map_err(|_| Rejection::new(Code::InvalidValue, field, "cannot be written as text"))
}

/// End minus start, rounded half up to the µs; none when the clock went backwards.
fn latency(span: &Span) -> Result<Option<u64>, Rejection> {
    let nanos = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano);
    let micros = nanos.map(|nanos| nanos / 1_000 + u64::from(nanos % 1_000 >= 500));
    match micros.is_some_and(|micros| micros > MAX_LATENCY_US) {
        true => Err(Rejection::new(Code::OutOfRange, "latency", "not between 0 and 2^40 microseconds")),
        false => Ok(micros),
    }
}

struct Outcome<'s> {
    status: Option<u16>,
    error: Option<Cow<'s, str>>,
    failed: bool,
}

impl<'s> Outcome<'s> {
    /// The error is `error.type`; where that is absent, the type of an `exception` event. An
    /// `error.type` that only repeats the status is none.
    fn of(span: &'s Span, from: &Attributes<'s>) -> Self {
        let status = from.number(&["http.response.status_code", "http.status_code"]);
        let status = status
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..=999).contains(status));
        let marked = span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
        let repeats = |error: &Cow<'_, str>| status.is_some_and(|status| **error == *status.to_string());
        let error = match from.on_span(&["error.type"]) {
            Some(named) => Some(named).filter(|error| !repeats(error)),
            None if status.is_none() => exception(span),
            None => None,
        };
        Self { status, failed: marked || error.is_some(), error }
    }
}

fn exception(span: &Span) -> Option<Cow<'_, str>> {
    let event = span.events.iter().find(|event| event.name == "exception")?;
    find(&event.attributes, "exception.type")
}

struct Attributes<'s> {
    span: &'s [KeyValue],
    resource: &'s [KeyValue],
}

impl<'s> Attributes<'s> {
    /// The first of these names that the span has.
    fn on_span(&self, names: &[&str]) -> Option<Cow<'s, str>> {
        names.iter().find_map(|name| find(self.span, name))
    }

    /// The span's, else the resource's.
    fn callmeter(&self, name: &str) -> Option<Cow<'s, str>> {
        find(self.span, name).or_else(|| find(self.resource, name))
    }

    fn environment(&self) -> Option<Cow<'s, str>> {
        ["callmeter.environment", "deployment.environment.name", "deployment.environment"]
            .into_iter()
            .find_map(|name| self.callmeter(name))
    }

    fn number(&self, names: &[&str]) -> Option<u64> {
        self.on_span(names)?.parse().ok()
    }

    fn response_headers(&self) -> Entries<'s> {
        self.span
            .iter()
            .filter_map(|attribute| {
                let name = attribute.key.strip_prefix(RESPONSE_HEADER)?;
                Some((Cow::Borrowed(name), text(attribute.value.as_ref()?)?))
            })
            .collect()
    }
}

fn find<'s>(attributes: &'s [KeyValue], name: &str) -> Option<Cow<'s, str>> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    text(found.value.as_ref()?).filter(|text| !text.is_empty())
}

/// A scalar as text; a list of texts joined by commas, as HTTP joins repeated headers.
fn text(value: &AnyValue) -> Option<Cow<'_, str>> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => Cow::Borrowed(text.as_str()),
        Value::IntValue(number) => Cow::Owned(number.to_string()),
        Value::BoolValue(truth) => Cow::Owned(truth.to_string()),
        Value::DoubleValue(number) => Cow::Owned(number.to_string()),
        Value::ArrayValue(list) => match list.values.as_slice() {
            [one] => match one.value.as_ref()? {
                Value::StringValue(text) => Cow::Borrowed(text.as_str()),
                _ => return None,
            },
            several => Cow::Owned(several.iter().filter_map(string).collect::<Vec<_>>().join(", ")),
        },
        _ => return None,
    })
}

fn string(value: &AnyValue) -> Option<&str> {
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}
