//! What may be kept of an event's names and URLs: names and texts enter, decisions leave.
//!
//! Promise: response headers pass an allow-list and what vendors' profiles read; a name that looks like a secret never passes; a URL
//! leaves without its user, query string and fragment.

use crate::read::{Read, Reader, Text};
use callmeter_vendors::Catalogue;
use serde::de::{MapAccess, SeqAccess};
use std::borrow::Cow;

/// Header names that pass, in lower case.
const HEADERS: &[&str] = &[
    "retry-after",
    "sforce-limit-info",
    "x-shopify-shop-api-call-limit",
    "x-retry-after",
    "x-request-id",
    "x-correlation-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-github-request-id",
    "x-ms-request-id",
    "x-trace-id",
    "cf-ray",
    "request-id",
    "stripe-rate-limited-reason",
    "stripe-should-retry",
    "stripe-version",
    "x-should-retry",
    "x-throttling-control",
    "x-app-usage",
    "x-business-use-case-usage",
    "x-ad-account-usage",
];

/// Beginnings of header names that pass, in lower case.
const HEADER_PREFIXES: &[&str] = &[
    "ratelimit",
    "rate-limit",
    "x-ratelimit",
    "x-rate-limit",
    "x-hubspot-",
    "anthropic-ratelimit-",
    "x-quota",
    "x-api-limit",
    "x-daily-requests",
    "x-app-limit",
];

/// Parts of names that look like a secret, in lower case and without separators.
const SECRETS: &[&str] = &[
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "cookie",
    "bearer",
    "sessionid",
    "passphrase",
];

/// Parts of names that count the tokens of language models and are no secrets.
const COUNTS: &[&str] = &[
    "prompttoken",
    "completiontoken",
    "inputtoken",
    "outputtoken",
    "totaltoken",
    "cachedtoken",
    "reasoningtoken",
    "maxtoken",
    "tokencount",
    "tokenlimit",
    "tokenusage",
];

/// The name under which a response header is kept; `None` drops it. Underscores, as OpenTelemetry
/// libraries write them, are dashes.
pub fn header_name(name: &str, profiles: &Catalogue) -> Option<String> {
    let name: String = name.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    let passes = HEADERS.contains(&name.as_str())
        || HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || profiles.reads_header(&name);
    (passes && (!is_secret(&name) || plain(&name).contains("ratelimit"))).then_some(name)
}

/// Whether a name looks like that of a secret. Counts of language model tokens do not.
pub fn is_secret(name: &str) -> bool {
    let mut plain = plain(name);
    if !SECRETS.iter().any(|part| plain.contains(part)) {
        return plain == "auth" || plain == "jwt";
    }
    COUNTS.iter().for_each(|part| plain = plain.replace(part, ""));
    plain != "tokens" && SECRETS.iter().any(|part| plain.contains(part))
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// JSON text without secrets: a string that is a URL loses them, however its slashes are escaped, and a
/// value that holds one deeper is none.
pub fn without_json_secrets(json: &str) -> Option<String> {
    if json.starts_with(['{', '[']) {
        return (!holds_secret(json)).then(|| json.to_owned());
    }
    if !json.starts_with('"') {
        return Some(json.to_owned());
    }
    // A lone surrogate does not decode: it cannot be searched, so it is not kept.
    let text: String = serde_json::from_str(json).ok()?;
    Some(match without_url_secrets(&text) {
        Cow::Borrowed(same) if same == text => json.to_owned(),
        bare => serde_json::Value::from(bare).to_string(),
    })
}

/// Whether JSON text holds, at any depth, a member whose name looks like a secret or a URL that has some.
pub fn holds_secret(json: &str) -> bool {
    let mut found = false;
    let mut source = serde_json::Deserializer::from_str(json);
    let read = serde::de::DeserializeSeed::deserialize(Read(SecretSearch(&mut found)), &mut source);
    // Nested deeper than the parser goes: it cannot be searched, so it is not kept.
    found || read.is_err()
}

struct SecretSearch<'s>(&'s mut bool);

impl<'de> Reader<'de> for SecretSearch<'_> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            *self.0 |= is_secret(&name);
            map.next_value_seed(Read(SecretSearch(self.0)))?;
        }
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Read(SecretSearch(self.0)))?.is_some() {}
        Ok(())
    }

    fn text(self, text: &str) {
        *self.0 |= without_url_secrets(text) != text;
    }

    fn mismatch(self) {}
}

/// The part of a path, endpoint or URL before its query string and fragment.
pub fn without_query(text: &str) -> &str {
    text.find(['?', '#']).map_or(text, |end| &text[..end])
}

/// A text in which a URL, when it is one, has lost its user, query string and fragment.
pub fn without_url_secrets(text: &str) -> Cow<'_, str> {
    let Some(start) = text.find("://").map(|at| at + 3) else { return Cow::Borrowed(text) };
    let bare = without_query(text);
    if bare.len() < start {
        return Cow::Borrowed(bare);
    }
    let end = bare[start..].find('/').map_or(bare.len(), |at| start + at);
    match bare[start..end].rfind('@') {
        Some(at) => Cow::Owned([&bare[..start], &bare[start + at + 1..]].concat()),
        None => Cow::Borrowed(bare),
    }
}

/// Host and path of a URL; `None` when it names no host.
pub fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = without_query(url).split_once("://")?.1;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = host(authority);
    (!host.is_empty()).then_some((host, path))
}

/// A host without scheme, user, port, final dot and whatever follows it.
pub fn host(authority: &str) -> &str {
    let rest = authority.split_once("://").map_or(authority, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => match authority.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                name
            }
            _ => authority,
        },
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_tell_of_limits_pass_in_lower_case() {
        for name in [
            "X-RateLimit-Remaining",
            "x_ratelimit_remaining_tokens",
            "RateLimit",
            "Retry-After",
            "X-HubSpot-RateLimit-Daily",
            "Sforce-Limit-Info",
            "anthropic-ratelimit-tokens-reset",
        ] {
            assert_eq!(header_name(name, &Catalogue::empty()), Some(name.to_lowercase().replace('_', "-")));
        }
        for name in ["Set-Cookie", "Authorization", "content-type", "x-hubspot-auth-token", "x-quota-secret"]
        {
            assert_eq!(header_name(name, &Catalogue::built_in()), None, "{name}");
        }
    }

    #[test]
    fn headers_that_profiles_read_pass_unless_they_look_like_secrets() {
        let built_in = Catalogue::built_in();
        for name in built_in.headers() {
            assert_eq!(header_name(name, &built_in).as_deref(), Some(name));
        }
        let text = "integration: x\nname: X\ncategory: crm\nhosts: [x.com]\n\
                    quota: [{policy: a, remaining: x-left}, {policy: b, remaining: x-api-key}]\n";
        let own = [("x.yaml".to_owned(), text.to_owned())];
        let own = Catalogue::with(&Catalogue::empty(), &own).expect("it is right");
        assert_eq!(header_name("X-Left", &own).as_deref(), Some("x-left"));
        assert_eq!(header_name("X-Left", &built_in), None);
        assert_eq!(header_name("X-Api-Key", &own), None);
    }

    #[test]
    fn names_that_look_like_secrets_are_known_and_token_counts_are_not() {
        for name in [
            "authorization",
            "X-Api-Key",
            "api_key",
            "refresh_token",
            "clientSecret",
            "db.password",
            "access_tokens",
            "Cookie",
            "auth",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["region", "gen_ai.usage.prompt_tokens", "max_tokens", "tokens", "author", "key", "workspace"]
        {
            assert!(!is_secret(name), "{name}");
        }
        assert!(holds_secret(r#"{"request":{"headers":[{"Authorization":"Bearer x"}]}}"#));
        assert!(holds_secret(&"[".repeat(500)));
        assert!(!holds_secret(r#"{"request":{"lines":[1,null,"token"]}}"#));
    }

    #[test]
    fn urls_lose_user_query_and_fragment() {
        assert_eq!(without_url_secrets("https://me:pw@api.x.com/a?key=1#f"), "https://api.x.com/a");
        let kept = |json| without_json_secrets(json);
        assert_eq!(kept(r#""https:\/\/me:pw@x.com\/a?key=1""#).as_deref(), Some(r#""https://x.com/a""#));
        assert_eq!(kept(r#""caf\u00e9?""#).as_deref(), Some(r#""caf\u00e9?""#));
        assert_eq!(
            kept(r#"{"url":["https:\/\/x.com\/a"]}"#).as_deref(),
            Some(r#"{"url":["https:\/\/x.com\/a"]}"#)
        );
        assert_eq!(kept(r#"{"url":["https:\/\/x.com\/a?key=1"]}"#), None);
        assert_eq!(kept(r#""https://x.com/\ud800?key=1""#), None);
        assert_eq!(without_url_secrets("what? this#is text"), "what? this#is text");
        assert_eq!(without_url_secrets("?a://b"), "");
        assert_eq!(split_url("https://u:p@api.x.com:8443/v1/a?k=1"), Some(("api.x.com", "/v1/a")));
        assert_eq!(split_url("http://[::1]:80/x"), Some(("::1", "/x")));
        assert_eq!(split_url("https://api.x.com?k=1"), Some(("api.x.com", "")));
        assert_eq!(split_url("https:///x"), None);
        assert_eq!(host("https://me:pw@api.x.com:443/v1?key=1"), "api.x.com");
        assert_eq!(host("me:pw@api.x.com."), "api.x.com");
        assert_eq!(split_url("/v1/x"), None);
    }
}
