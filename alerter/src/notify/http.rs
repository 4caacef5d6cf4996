//! One request to a receiver: a body enters, the answer or what follows from it leaves.
//!
//! Promise: no redirect is followed, no proxy is used, connections go only where the policy lets
//! them, and an answer is read only up to a bound of size and time.

use super::attempt::{DeliveryError, TIMEOUT};
use crate::{
    address::Policy,
    clock::now,
    config::reveal,
    resolve::{self, TargetError},
    retry::{self, Verdict},
    routing::receivers::{Authorization, Http, Source},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use callmeter_schemas::config::Secret;
use reqwest::{
    Certificate, Client, Method, RequestBuilder, Response, Url,
    header::{self, HeaderMap, HeaderValue},
};
use std::{sync::Arc, time::Duration};

/// Bytes of an unhappy answer that are read and kept.
const DETAIL_BYTES: usize = 200;

/// A client of one receiver.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client,
    url: Url,
}

impl Poster {
    pub(super) fn new(
        url: &Secret,
        http: &Http,
        timeout: Option<Duration>,
        policy: &Policy,
    ) -> Result<Self, String> {
        let (url, policy) = resolve::target(url.reveal(), policy).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &http.authorization {
            headers.insert(header::AUTHORIZATION, credential(authorization)?);
        }
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .gzip(false)
            .timeout(timeout.unwrap_or(TIMEOUT))
            .default_headers(headers)
            .dns_resolver(Arc::new(resolve::Guarded(policy)))
            .user_agent(concat!("callmeter/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &http.ca {
            client = client.tls_certs_merge(issuers(ca)?);
        }
        let client =
            client.build().map_err(|error| TargetError::Client(resolve::chain(&error)).to_string())?;
        Ok(Self { client, url })
    }

    /// A request with a body of JSON.
    pub(super) fn request(&self, method: Method, body: String) -> RequestBuilder {
        self.request_to(self.url.clone(), method, body)
    }

    /// A request to a path under the receiver's own.
    pub(super) fn post_under(&self, path: &str, body: String) -> Result<RequestBuilder, DeliveryError> {
        let url = self
            .url
            .join(path)
            .map_err(|error| DeliveryError::GiveUp { status: 0, detail: error.to_string() })?;
        Ok(self.request_to(url, Method::POST, body))
    }

    fn request_to(&self, url: Url, method: Method, body: String) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        self.client.request(method, url).header(header::CONTENT_TYPE, json).body(body)
    }
}

/// The value of `Authorization`, marked as one that must not be printed.
fn credential(authorization: &Authorization) -> Result<HeaderValue, String> {
    let text = match authorization {
        Authorization::Scheme(scheme, credentials) => format!("{scheme} {}", reveal(credentials)?.reveal()),
        Authorization::Basic(user, password) => {
            let pair = format!("{user}:{}", reveal(password)?.reveal());
            format!("Basic {}", STANDARD.encode(pair))
        }
    };
    secret_header(&text)
}

/// A header's value that does not print.
pub(super) fn secret_header(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "a credential has characters that no header may have")?;
    value.set_sensitive(true);
    Ok(value)
}

fn issuers(ca: &Source) -> Result<Vec<Certificate>, String> {
    let pem = reveal(ca)?;
    match Certificate::from_pem_bundle(pem.reveal().as_bytes()) {
        Ok(issuers) if !issuers.is_empty() => Ok(issuers),
        _ => Err("tls_config.ca has no certificate in PEM".to_owned()),
    }
}

/// Sends a request; without an answer another attempt may succeed.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, DeliveryError> {
    request.send().await.map_err(unanswered)
}

pub(super) fn unanswered(error: reqwest::Error) -> DeliveryError {
    DeliveryError::Retry { status: 0, detail: resolve::chain(&error.without_url()), asked: None }
}

/// What an answer means by its status.
pub(super) async fn judge(answer: Response) -> Result<Response, DeliveryError> {
    let status = answer.status().as_u16();
    let asked = asked(&answer);
    match retry::judge(status) {
        Verdict::Delivered => Ok(answer),
        Verdict::Gone => Err(DeliveryError::Gone),
        Verdict::Retry => Err(DeliveryError::Retry { status, detail: excerpt(answer).await, asked }),
        Verdict::GiveUp if (300..400).contains(&status) => {
            Err(DeliveryError::GiveUp { status, detail: "redirects are not followed".to_owned() })
        }
        Verdict::GiveUp => Err(DeliveryError::GiveUp { status, detail: excerpt(answer).await }),
    }
}

/// The wait that an answer asks for.
pub(super) fn asked(answer: &Response) -> Option<Duration> {
    let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    retry::retry_after(value, now())
}

/// The beginning of an answer, printable.
async fn excerpt(answer: Response) -> String {
    let bytes = beginning(answer, DETAIL_BYTES).await;
    printable(&String::from_utf8_lossy(&bytes))
}

/// At most so many bytes of an answer; fewer when it breaks off.
pub(super) async fn beginning(mut answer: Response, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
    }
    bytes
}

pub(super) fn printable(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.trim().to_owned()
}
