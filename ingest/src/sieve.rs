//! What may be kept of an event's names and URLs: names and texts enter, decisions leave.
//!
//! Promise: response headers pass an allow-list and what vendors' profiles read; a name that looks like a secret never passes; a URL
//! leaves without its user, query string and fragment, and a text without tokens of known forms.

use crate::read::{Read, Reader, Text};
use callmeter_vendors::{
    Catalogue,
    kept::{is_secret_name, may_keep_header},
};
use serde::de::{MapAccess, SeqAccess};
use std::borrow::Cow;

mod texts;

pub use texts::{host, path, split_url, text, without_query, without_urls_secrets};

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

/// The name under which a response header is kept; `None` drops it. Underscores, as OpenTelemetry
/// libraries write them, are dashes.
pub fn header_name(name: &str, profiles: &Catalogue) -> Option<String> {
    let mut name = name.to_ascii_lowercase();
    if name.contains('_') {
        name = name.replace('_', "-");
    }
    let passes = HEADERS.contains(&name.as_str())
        || HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || profiles.reads_header(&name);
    (passes && may_keep_header(&name)).then_some(name)
}

/// Whether the name of an attribute or member looks like that of a secret, or holds one.
pub fn is_secret(name: &str) -> bool {
    is_secret_name(name) || text(name) != name
}

/// JSON text without secrets: a string loses them as any [`text`], however its slashes are escaped, and a
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
    Some(match self::text(&text) {
        Cow::Borrowed(same) if same == text => json.to_owned(),
        bare => serde_json::Value::from(bare).to_string(),
    })
}

/// Whether JSON text holds, at any depth, a member whose name looks like a secret or a text that holds some.
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
        *self.0 |= self::text(text) != text;
    }

    fn mismatch(self) {}
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
                    quota: [{policy: a, remaining: x-left}]\n";
        let own =
            |text: &str| Catalogue::with(&Catalogue::empty(), &[("x.yaml".to_owned(), text.to_owned())]);
        let right = own(text).expect("it is right");
        assert_eq!(header_name("X-Left", &right).as_deref(), Some("x-left"));
        assert_eq!(header_name("X-Left", &built_in), None);
        assert!(own(&text.replace("x-left", "x-api-key")).is_err());
    }

    #[test]
    fn json_with_secrets_is_known() {
        assert!(holds_secret(r#"{"request":{"headers":[{"Authorization":"Bearer x"}]}}"#));
        assert!(holds_secret(r#"{"request":{"lines":["Bearer x"]}}"#));
        assert!(holds_secret(&"[".repeat(500)));
        assert!(!holds_secret(r#"{"request":{"lines":[1,null,"token"]}}"#));
    }

    #[test]
    fn urls_lose_user_query_and_fragment() {
        let kept = |json| without_json_secrets(json);
        assert_eq!(kept(r#""https:\/\/me:pw@x.com\/a?key=1""#).as_deref(), Some(r#""https://x.com/a""#));
        assert_eq!(kept(r#""caf\u00e9?""#).as_deref(), Some(r#""caf\u00e9?""#));
        assert_eq!(
            kept(r#"{"url":["https:\/\/x.com\/a"]}"#).as_deref(),
            Some(r#"{"url":["https:\/\/x.com\/a"]}"#)
        );
        assert_eq!(kept(r#"{"url":["https:\/\/x.com\/a?key=1"]}"#), None);
        assert_eq!(kept(r#""https://x.com/\ud800?key=1""#), None);
        assert_eq!(split_url("https://u:p@api.x.com:8443/v1/a?k=1"), Some(("api.x.com", "/v1/a")));
        assert_eq!(split_url("http://[::1]:80/x"), Some(("::1", "/x")));
        assert_eq!(split_url("https://api.x.com?k=1"), Some(("api.x.com", "")));
        assert_eq!(split_url("https:///x"), None);
        assert_eq!(split_url("/v1/x"), None);
    }
}
