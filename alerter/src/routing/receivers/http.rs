//! `http_config` of a receiver: keys enter, how to authenticate and whom to trust leaves.
//!
//! Promise: pure. The subset is what reaches a receiver over TLS with one credential; proxies and
//! whatever weakens TLS are refused by name.

use super::parts::{Source, keys, need_source, refuse, source};
use callmeter_documents::{
    Fields, Problems,
    yaml::{Node, Value},
};

const NO_PROXY: &str = "not supported: receivers are reached without a proxy";
const REFUSED: &[(&str, &str)] = &[
    ("oauth2", "not supported yet"),
    ("proxy_url", NO_PROXY),
    ("no_proxy", NO_PROXY),
    ("proxy_from_environment", NO_PROXY),
    ("proxy_connect_header", NO_PROXY),
    ("http_headers", "not supported yet"),
    ("enable_http2", "not supported: HTTP/1.1 is spoken"),
];
const REFUSED_TLS: &[(&str, &str)] = &[
    ("insecure_skip_verify", "not supported: certificates are always verified; name their issuer in ca_file"),
    ("cert", "not supported yet"),
    ("cert_file", "not supported yet"),
    ("key", "not supported yet"),
    ("key_file", "not supported yet"),
    ("server_name", "not supported: it is the name in the url"),
    ("min_version", "not supported: TLS 1.2 is the least"),
    ("max_version", "not supported: TLS 1.3 is used where it is spoken"),
];

/// How one receiver is spoken to over HTTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Http {
    /// What stands in the header `Authorization`.
    pub authorization: Option<Authorization>,
    /// Issuers that are trusted beside those of the system, as PEM.
    pub ca: Option<Source>,
}

/// A credential.
#[derive(Clone, Debug, PartialEq)]
pub enum Authorization {
    /// A scheme such as `Bearer`, and what follows it.
    Scheme(String, Source),
    /// A user and a password.
    Basic(String, Source),
}

/// Takes `http_config`.
pub(super) fn take(fields: &mut Fields<'_>, problems: &mut Problems) -> Http {
    let path = fields.path("http_config");
    let Some(node) = fields.take("http_config") else { return Http::default() };
    read(node, &path, problems).unwrap_or_default()
}

fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Http> {
    let mut fields = Fields::open(node, path, problems)?;
    let bearer = source(&mut fields, keys!("bearer_token"), problems);
    let given: Vec<Authorization> = [
        bearer.map(|token| Authorization::Scheme("Bearer".to_owned(), token)),
        authorization(&mut fields, problems),
        basic(&mut fields, problems),
    ]
    .into_iter()
    .flatten()
    .collect();
    if given.len() > 1 {
        let message = "only one of authorization, basic_auth and bearer_token can hold";
        problems.add(node.line, path, message, None);
    }
    if let Some(node) = fields.take("follow_redirects")
        && node.value != Value::Bool(false)
    {
        let message = "redirects are never followed: name the address itself";
        problems.add(node.line, &fields.path("follow_redirects"), message, None);
    }
    let ca = tls(&mut fields, problems);
    refuse(&mut fields, REFUSED, problems);
    fields.close(problems);
    Some(Http { authorization: given.into_iter().next(), ca })
}

fn authorization(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Authorization> {
    let path = fields.path("authorization");
    let mut fields = Fields::open(fields.take("authorization")?, &path, problems)?;
    let scheme = fields.text("type", problems).unwrap_or_else(|| "Bearer".to_owned());
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(token) || scheme.eq_ignore_ascii_case("basic") {
        let message =
            "a scheme such as Bearer is expected here; a user and a password belong into basic_auth";
        problems.add(fields.line(), &fields.path("type"), message, None);
    }
    let credentials = need_source(&mut fields, keys!("credentials"), problems);
    fields.close(problems);
    Some(Authorization::Scheme(scheme, credentials?))
}

fn basic(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Authorization> {
    let path = fields.path("basic_auth");
    let mut fields = Fields::open(fields.take("basic_auth")?, &path, problems)?;
    fields.refuse("username_file", "not supported: name the user in username", problems);
    fields.require("username", problems);
    let username = fields.text("username", problems);
    let password = need_source(&mut fields, keys!("password"), problems);
    fields.close(problems);
    Some(Authorization::Basic(username?, password?))
}

/// Takes `tls_config`: only further issuers can be named.
pub(super) fn tls(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Source> {
    let path = fields.path("tls_config");
    let mut fields = Fields::open(fields.take("tls_config")?, &path, problems)?;
    let ca = source(&mut fields, keys!("ca"), problems);
    refuse(&mut fields, REFUSED_TLS, problems);
    fields.close(problems);
    ca
}
