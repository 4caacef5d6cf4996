//! Mail by SMTP: a notification enters, a mail is handed to the server, its reply code leaves.
//!
//! Promise: the server's name is resolved here and the connection goes to an address that was judged;
//! unless TLS is switched off, which only private receivers may have, nothing is said before it.

use super::attempt::{DeliveryError, TIMEOUT};
use crate::{
    address::Policy,
    config::reveal,
    dispatch::Notification,
    message::email::{self, Wording},
    resolve,
    routing::receivers::Email,
};
use lettre::{
    Message,
    message::MultiPart,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
        response::Response,
    },
};
use std::{net::SocketAddr, time::Duration};

/// How this machine calls itself, unless `hello` says otherwise.
const HELLO: &str = "localhost";

#[derive(Clone)]
pub(super) struct EmailSender {
    email: Email,
    policy: Policy,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    external_url: String,
}

impl EmailSender {
    pub(super) fn new(email: &Email, policy: &Policy, external_url: &str) -> Result<Self, String> {
        let encrypted = email.require_tls || email.implicit_tls;
        let credentials = match &email.login {
            Some((user, password)) => {
                Some(Credentials::new(user.clone(), reveal(password)?.reveal().to_owned()))
            }
            None => None,
        };
        let policy = Policy { encrypted, ..policy.clone() };
        if let Ok(address) = email.smarthost.host.parse() {
            policy.judge(address).map_err(|refused| format!("the smarthost is refused: {refused}"))?;
        }
        Ok(Self {
            tls: if encrypted { Some(tls(email)?) } else { None },
            credentials,
            hello: ClientId::Domain(email.hello.clone().unwrap_or_else(|| HELLO.to_owned())),
            timeout: email.timeout.unwrap_or(TIMEOUT),
            policy,
            email: email.clone(),
            external_url: external_url.to_owned(),
        })
    }

    pub(super) async fn attempt(&self, notification: &Notification) -> Result<u16, DeliveryError> {
        let message = self.message(notification)?;
        let failed = |detail| DeliveryError::Retry { status: 0, detail, asked: None };
        match tokio::time::timeout(self.timeout, self.hand_over(&message)).await {
            Err(_) => Err(failed(format!("no reply within {} s", self.timeout.as_secs_f64()))),
            Ok(Err(Failure::Address(detail))) => Err(failed(detail)),
            Ok(Err(Failure::Smtp(error))) => Err(judge(&error)),
            Ok(Ok(response)) => Ok(response.code().into()),
        }
    }

    fn message(&self, notification: &Notification) -> Result<Message, DeliveryError> {
        let wording = Wording {
            subject: self.email.subject.as_ref(),
            text: self.email.text.as_ref(),
            html: self.email.html.as_ref(),
        };
        let mail = email::mail(notification, &self.external_url, wording);
        let mut message = Message::builder()
            .from(self.email.from.clone())
            .subject(mail.subject)
            .message_id(Some(format!("<{}@callmeter>", notification.id)));
        for mailbox in &self.email.to {
            message = message.to(mailbox.clone());
        }
        message
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
            .map_err(|error| DeliveryError::GiveUp { status: 0, detail: error.to_string() })
    }

    async fn hand_over(&self, message: &Message) -> Result<Response, Failure> {
        let addresses = self.addresses().await?;
        let wrapped = self.tls.clone().filter(|_| self.email.implicit_tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            addresses.as_slice(),
            Some(self.timeout),
            &self.hello,
            wrapped,
            None,
        )
        .await?;
        if let Some(tls) = self.tls.clone().filter(|_| !self.email.implicit_tls) {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        let response = connection.send(message.envelope(), &message.formatted()).await?;
        connection.abort().await;
        Ok(response)
    }

    /// The addresses of the server; if any of them is refused, all are.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let smarthost = &self.email.smarthost;
        let found = tokio::net::lookup_host((smarthost.host.as_str(), smarthost.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| Failure::Address(error.to_string()))?.collect();
        for address in &found {
            self.policy.judge(address.ip()).map_err(|refused| Failure::Address(refused.to_string()))?;
        }
        Ok(found)
    }
}

/// Why a mail was not handed over.
enum Failure {
    Address(String),
    Smtp(lettre::transport::smtp::Error),
}

impl From<lettre::transport::smtp::Error> for Failure {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        Self::Smtp(error)
    }
}

fn tls(email: &Email) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(email.smarthost.host.clone());
    if let Some(ca) = &email.ca {
        let pem = reveal(ca)?;
        let issuer = Certificate::from_pem(pem.reveal().as_bytes());
        tls = tls.add_root_certificate(issuer.map_err(|_| "tls_config.ca has no certificate in PEM")?);
    }
    tls.build_rustls().map_err(|error| format!("tls: {}", resolve::chain(&error)))
}

/// A reply that begins with 5 stays what it is; everything else may pass.
fn judge(error: &lettre::transport::smtp::Error) -> DeliveryError {
    let status = error.status().map_or(0, u16::from);
    let detail = super::http::printable(&resolve::chain(error)).chars().take(200).collect();
    match error.is_permanent() {
        true => DeliveryError::GiveUp { status, detail },
        false => DeliveryError::Retry { status, detail, asked: None },
    }
}
