//! `json_configs`: one entry enters, which HTTP API is called with which body leaves.
//!
//! Ours, for every service that takes JSON and has no kind of its own. Promise: pure; a body that
//! could not be JSON is refused here and not when somebody should be paged.

use super::{
    http::{self, Http},
    parts::{self, Source, keys},
};
use crate::message::JsonTemplate;
use callmeter_documents::{Fields, Problems, scalar, yaml::Entry};
use callmeter_schemas::config::Secret;
use std::time::Duration;

/// Headers that follow from the request itself.
const OURS: [&str; 5] = ["content-type", "content-length", "host", "transfer-encoding", "connection"];

/// One API.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// Where; may hold a token.
    pub url: Source,
    /// How.
    pub method: Method,
    /// Further headers; may hold tokens.
    pub headers: Vec<(String, Secret)>,
    /// What.
    pub body: JsonTemplate,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// How it is spoken to.
    pub http: Http,
}

/// A method with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
}

pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Json> {
    let url = parts::need_source(fields, keys!("url"), problems);
    let method = method(fields, problems);
    let headers = headers(fields, problems);
    let body = body(fields, problems);
    let timeout = parts::timeout(fields, problems);
    let http = http::take(fields, problems);
    Some(Json { url: url?, method, headers, body: body?, timeout, http })
}

fn method(fields: &mut Fields<'_>, problems: &mut Problems) -> Method {
    let Some(node) = fields.take("method") else { return Method::Post };
    match scalar(node).unwrap_or_default().to_ascii_uppercase().as_str() {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        _ => {
            problems.add(node.line, &fields.path("method"), "one of POST, PUT and PATCH", None);
            Method::Post
        }
    }
}

fn headers(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (path, Entry { key: name, value: node, .. }) in fields.entries("headers", problems) {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let named = !name.is_empty() && name.bytes().all(letter);
        let value = scalar(node).filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        match value {
            _ if !named => problems.add(node.line, &path, "not a name of a header", None),
            _ if OURS.contains(&name.to_ascii_lowercase().as_str()) => {
                problems.add(node.line, &path, "this header follows from the request", None);
            }
            Some(text) => headers.push((name.clone(), Secret::new(text))),
            None => problems.add(node.line, &path, "one line of ASCII is expected here", None),
        }
    }
    headers
}

fn body(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<JsonTemplate> {
    let node = fields.need("body", problems)?;
    let path = fields.path("body");
    let Some(text) = scalar(node) else {
        problems.add_kind(node, &path, "a text");
        return None;
    };
    JsonTemplate::parse(&text).map_err(|mistake| problems.add(node.line, &path, mistake, None)).ok()
}
