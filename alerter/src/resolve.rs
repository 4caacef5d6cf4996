//! Where a receiver may be reached: a URL enters, checked addresses leave.
//!
//! Promise: names are resolved here, at connect time, and the connection goes to an address that was
//! judged; if any address of a name is refused, all are. Addresses written in the URL itself never
//! reach a resolver, so they are judged before a client exists.

use crate::address::{Policy, Refused};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::net::{IpAddr, SocketAddr};

/// A receiver that can never be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Not a URL; the text is not shown, because it may hold a token.
    #[error("the url is not a http or https address")]
    Url,
    /// An address in it is refused.
    #[error("the url is refused: {0}")]
    Refused(#[from] Refused),
    /// The HTTP client cannot be built.
    #[error("the http client cannot be built: {0}")]
    Client(String),
}

/// Parses the URL of a receiver and makes the policy its own.
pub(crate) fn target(text: &str, policy: &Policy) -> Result<(Url, Policy), TargetError> {
    let url = Url::parse(text.trim()).map_err(|_| TargetError::Url)?;
    let encrypted = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(TargetError::Url),
    };
    let policy = Policy { encrypted, ..policy.clone() };
    let host = url.host_str().ok_or(TargetError::Url)?;
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        policy.judge(address)?;
    }
    Ok((url, policy))
}

/// A resolver that refuses what the policy refuses.
pub(crate) struct Guarded(pub(crate) Policy);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            found.iter().try_for_each(|address| policy.judge(address.ip()))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
