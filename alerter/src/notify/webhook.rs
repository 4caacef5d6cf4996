//! Signed webhooks: a notification enters, Alertmanager's body with a Standard Webhooks signature is
//! posted, the status leaves.

use super::{
    attempt::DeliveryError,
    http::{self, Poster},
};
use crate::{
    address::Policy,
    clock::now,
    config::reveal,
    dispatch::Notification,
    message::alertmanager,
    routing::receivers::Webhook,
    signing::{self, SigningKey},
};
use reqwest::Method;

#[derive(Clone, Debug)]
pub(super) struct WebhookSender {
    poster: Poster,
    keys: Vec<SigningKey>,
    max_alerts: usize,
    external_url: String,
}

impl WebhookSender {
    pub(super) fn new(webhook: &Webhook, policy: &Policy, external_url: &str) -> Result<Self, String> {
        let keys = webhook.secrets.iter().map(|source| {
            let secret = reveal(source)?;
            SigningKey::parse(secret.reveal()).map_err(|error| error.to_string())
        });
        Ok(Self {
            keys: keys.collect::<Result<_, String>>()?,
            poster: Poster::new(&reveal(&webhook.url)?, &webhook.http, webhook.timeout, policy)?,
            max_alerts: webhook.max_alerts,
            external_url: external_url.to_owned(),
        })
    }

    pub(super) async fn attempt(&self, notification: &Notification) -> Result<u16, DeliveryError> {
        let (id, timestamp) = (&notification.id, now().as_second());
        let body = alertmanager::body(notification, &self.external_url, self.max_alerts);
        let signature = signing::signature(&self.keys, id, timestamp, &body);
        let mut request = self
            .poster
            .request(Method::POST, body)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if let Some(signature) = signature {
            request = request.header("webhook-signature", signature);
        }
        Ok(http::judge(http::send(request).await?).await?.status().as_u16())
    }
}
