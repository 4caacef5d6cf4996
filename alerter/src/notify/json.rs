//! Any HTTP API that takes JSON: a notification enters, the operator's own body is sent, the status
//! leaves.

use super::{
    attempt::DeliveryError,
    http::{self, Poster, secret_header},
};
use crate::{
    address::Policy,
    config::reveal,
    dispatch::Notification,
    message::JsonTemplate,
    routing::receivers::{Json, Method as JsonMethod},
};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName},
};

#[derive(Clone, Debug)]
pub(super) struct JsonSender {
    poster: Poster,
    method: Method,
    headers: HeaderMap,
    body: JsonTemplate,
    external_url: String,
}

impl JsonSender {
    pub(super) fn new(json: &Json, policy: &Policy, external_url: &str) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &json.headers {
            let name =
                HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a name of a header"))?;
            headers.insert(name, secret_header(value.reveal())?);
        }
        Ok(Self {
            poster: Poster::new(&reveal(&json.url)?, &json.http, json.timeout, policy)?,
            method: match json.method {
                JsonMethod::Post => Method::POST,
                JsonMethod::Put => Method::PUT,
                JsonMethod::Patch => Method::PATCH,
            },
            headers,
            body: json.body.clone(),
            external_url: external_url.to_owned(),
        })
    }

    pub(super) async fn attempt(&self, notification: &Notification) -> Result<u16, DeliveryError> {
        let body = self
            .body
            .body(notification, &self.external_url)
            .map_err(|detail| DeliveryError::GiveUp { status: 0, detail })?;
        let request = self.poster.request(self.method.clone(), body);
        let request = request.header("idempotency-key", &notification.id).headers(self.headers.clone());
        Ok(http::judge(http::send(request).await?).await?.status().as_u16())
    }
}
