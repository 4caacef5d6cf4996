//! PagerDuty: a notification enters, an event is posted, the status leaves.

use super::{
    attempt::DeliveryError,
    http::{self, Poster},
};
use crate::{
    address::Policy, config::reveal, dispatch::Notification, message::pagerduty,
    routing::receivers::PagerDuty,
};
use callmeter_schemas::config::Secret;
use reqwest::Method;

#[derive(Clone, Debug)]
pub(super) struct PagerDutySender {
    poster: Poster,
    service: PagerDuty,
    key: Secret,
    external_url: String,
}

impl PagerDutySender {
    pub(super) fn new(service: &PagerDuty, policy: &Policy, external_url: &str) -> Result<Self, String> {
        let url = Secret::new(&service.url);
        Ok(Self {
            poster: Poster::new(&url, &service.http, service.timeout, policy)?,
            key: reveal(&service.routing_key)?,
            service: service.clone(),
            external_url: external_url.to_owned(),
        })
    }

    pub(super) async fn attempt(&self, notification: &Notification) -> Result<u16, DeliveryError> {
        let event = pagerduty::event(notification, &self.external_url, &self.service, &self.key);
        let request = self.poster.request(Method::POST, event.to_string());
        Ok(http::judge(http::send(request).await?).await?.status().as_u16())
    }
}
