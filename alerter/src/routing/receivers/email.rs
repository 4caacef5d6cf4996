//! `email_configs`: one entry enters, who is written to through which server leaves.
//!
//! Promise: pure; addresses are well-formed, and what is not acted on is refused by name.

use super::{
    http::tls,
    parts::{self, Source, keys},
};
use crate::{
    message::Template,
    routing::global::{Global, Smtp},
};
use callmeter_documents::{Fields, Problems, scalar, yaml::Entry};
use lettre::message::{Mailbox, Mailboxes};
use std::{str::FromStr, time::Duration};

/// Where servers take mail that is encrypted from its first byte.
const IMPLICIT_TLS_PORT: u16 = 465;
const REFUSED: &[(&str, &str)] = &[
    ("auth_identity", "not supported: the identity is auth_username"),
    ("auth_secret", "not supported: CRAM-MD5 is not spoken; use auth_password"),
    ("auth_secret_file", "not supported: CRAM-MD5 is not spoken; use auth_password_file"),
    ("threading", "not supported yet"),
];

/// Mailboxes and the way to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    /// Who is written to.
    pub to: Vec<Mailbox>,
    /// Who writes.
    pub from: Mailbox,
    /// The server.
    pub smarthost: Smarthost,
    /// How this machine calls itself.
    pub hello: Option<String>,
    /// User and password.
    pub login: Option<(String, Source)>,
    /// Whether the connection must be encrypted; when not, only private receivers are reached.
    pub require_tls: bool,
    /// Whether it is encrypted from its first byte.
    pub implicit_tls: bool,
    /// Issuers that are trusted beside those of the system, as PEM.
    pub ca: Option<Source>,
    /// The subject, instead of the usual one.
    pub subject: Option<Template>,
    /// The plain text, instead of the usual one.
    pub text: Option<Template>,
    /// The HTML, instead of the usual one.
    pub html: Option<Template>,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
}

/// A server that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smarthost {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

pub(super) fn read(fields: &mut Fields<'_>, global: &Global, problems: &mut Problems) -> Option<Email> {
    let common = &global.smtp;
    let to: Option<Mailboxes> = parsed(fields, "to", None, "addresses such as ops@example.com", problems);
    let from: Option<Mailbox> =
        parsed(fields, "from", common.from.as_ref(), "an address such as ops@example.com", problems);
    let wanted = "a server and its port such as smtp.example.com:587";
    let smarthost: Option<Smarthost> =
        parsed(fields, "smarthost", common.smarthost.as_ref(), wanted, problems);
    let port = smarthost.as_ref().map(|smarthost| smarthost.port);
    let implicit_tls = fields.flag("force_implicit_tls", problems);
    let require_tls = fields.flag("require_tls", problems).or(common.require_tls);
    parts::refuse(fields, REFUSED, problems);
    let email = Email {
        hello: fields.text("hello", problems).or_else(|| common.hello.clone()),
        login: login(fields, common, problems),
        require_tls: require_tls.unwrap_or(true),
        implicit_tls: implicit_tls.unwrap_or(port == Some(IMPLICIT_TLS_PORT)),
        ca: tls(fields, problems),
        subject: subject(fields, problems),
        text: parts::template(fields, "text", problems),
        html: parts::template(fields, "html", problems),
        timeout: parts::timeout(fields, problems),
        to: to?.into_iter().collect(),
        from: from?,
        smarthost: smarthost?,
    };
    Some(email)
}

/// Takes what stands here, or else in `global`.
fn parsed<T: FromStr>(
    fields: &mut Fields<'_>,
    key: &'static str,
    common: Option<&String>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<T> {
    if common.is_none() {
        fields.require(key, problems);
    }
    let node = fields.take(key);
    let line = node.map_or(fields.line(), |node| node.line);
    let text = node.map_or_else(|| common.cloned(), scalar);
    let parsed = text.as_deref().and_then(|text| text.trim().parse().ok());
    if parsed.is_none() && (node.is_some() || common.is_some()) {
        problems.add(line, &fields.path(key), format!("expected here: {wanted}"), None);
    }
    parsed
}

fn login(fields: &mut Fields<'_>, common: &Smtp, problems: &mut Problems) -> Option<(String, Source)> {
    if common.auth_identity.is_some() || common.auth_secret.is_some() {
        let message =
            "smtp_auth_identity and smtp_auth_secret in global are not supported: use smtp_auth_password";
        problems.add(fields.line(), &fields.path("auth_username"), message, None);
    }
    let username = fields.text("auth_username", problems).or_else(|| common.auth_username.clone());
    let password =
        parts::source(fields, keys!("auth_password"), problems).or_else(|| common.auth_password.clone());
    if username.is_some() != password.is_some() {
        let message = "auth_username and auth_password belong together";
        problems.add(fields.line(), &fields.path("auth_username"), message, None);
    }
    username.zip(password)
}

/// Of `headers` only the subject can be set: the others follow from the message.
fn subject(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Template> {
    let mut subject = None;
    for (path, Entry { key: name, value: node, .. }) in fields.entries("headers", problems) {
        let text = scalar(node).filter(|_| name.eq_ignore_ascii_case("subject"));
        match text.map(|text| Template::parse(&text)) {
            Some(Ok(template)) => subject = Some(template),
            Some(Err(mistake)) => problems.add(node.line, &path, mistake, None),
            None => {
                problems.add(node.line, &path, "not supported: of the headers only Subject, a text", None)
            }
        }
    }
    subject
}

impl FromStr for Smarthost {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(())?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}
