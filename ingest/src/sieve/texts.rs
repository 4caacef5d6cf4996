//! Texts, URLs, paths and hosts: what a sender wrote enters, the same without secrets, or a part of it, leaves.
//!
//! Promise: pure; a text without a secret is not copied.

use callmeter_vendors::without_tokens;
use std::{borrow::Cow, net::Ipv6Addr};

/// The part of a path, endpoint or URL before its query string and fragment.
pub fn without_query(text: &str) -> &str {
    text.bytes().position(|byte| matches!(byte, b'?' | b'#')).map_or(text, |end| &text[..end])
}

/// A free text without secrets: every URL and every path in it loses user, query string and fragment, and `{secret}`
/// stands for every token of a known form.
pub fn text(text: &str) -> Cow<'_, str> {
    match without_urls_secrets(text) {
        Cow::Borrowed(same) => without_tokens(same),
        Cow::Owned(bare) => Cow::Owned(without_tokens(&bare).into_owned()),
    }
}

/// A text in which every URL and every path has lost its user, query string and fragment.
pub fn without_urls_secrets(text: &str) -> Cow<'_, str> {
    // Most texts are a word or two: a plain walk rules URLs out before a searcher is set up.
    let slash = text.bytes().any(|byte| byte == b'/');
    if !slash || !text.bytes().any(|byte| matches!(byte, b'?' | b'#' | b'@')) {
        return Cow::Borrowed(text);
    }
    let kept = if text.starts_with('/') { without_query(text) } else { text };
    let mut bare = String::with_capacity(kept.len());
    for word in kept.split_inclusive(ends_url) {
        let inner = word.trim_end_matches(ends_url);
        bare.push_str(&without_url_secrets(inner));
        bare.push_str(&word[inner.len()..]);
    }
    if bare == text { Cow::Borrowed(text) } else { Cow::Owned(bare) }
}

/// What no URL holds, and what stands around one.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')
}

/// A word in which a URL or a path has lost its user, query string and fragment.
fn without_url_secrets(word: &str) -> Cow<'_, str> {
    // A path may begin with the authority of a URL or hold a whole one.
    let behind = word.strip_prefix("//").or_else(|| split_scheme(word).map(|(_, rest)| rest));
    let Some(start) = behind.map(|rest| word.len() - rest.len()) else {
        return Cow::Borrowed(if word.starts_with('/') { without_query(word) } else { word });
    };
    let before = &word[..start];
    if word.starts_with('/') && without_query(before) != before {
        return Cow::Borrowed(without_query(word));
    }
    let bare = without_query(&word[start..]);
    let rest = without_user(bare);
    match rest.len() == bare.len() {
        true => Cow::Borrowed(&word[..start + bare.len()]),
        false => Cow::Owned([before, rest].concat()),
    }
}

/// What stands before and behind the first `://`; in texts this short a plain walk finds it sooner than a searcher is set up.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let at = text.as_bytes().windows(3).position(|three| three == b"://")?;
    Some((&text[..at], &text[at + 3..]))
}

/// What follows the user of a URL, of which `rest` is authority and path.
fn without_user(mut rest: &str) -> &str {
    // What is left may begin with a user again: `@/@`.
    loop {
        let authority = rest.split('/').next().unwrap_or_default();
        let user = match authority.rfind('@') {
            // A password with a slash ends no host: `me:p/w@x.com`.
            None if host(authority).is_empty() => rest.rfind('@'),
            user => user,
        };
        let Some(at) = user else { return rest };
        rest = &rest[at + 1..];
    }
}

/// The path that a text names: of a URL its path, else the text; without user, query string and fragment.
pub fn path(text: &str) -> Cow<'_, str> {
    match split_url(text) {
        Some((_, path)) => Cow::Borrowed(path),
        None => without_url_secrets(without_query(text)),
    }
}

/// Host and path of a URL; `None` when it names no host. What begins with `/` is a path, whatever stands in it.
pub fn split_url(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_scheme(without_query(url))?;
    if scheme.contains('/') {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = host(authority);
    (!host.is_empty()).then_some((host, path))
}

/// A host without scheme, user, port, final dots and whatever follows it. What holds anything but letters, digits, `-`,
/// `_` and dots and is no IPv6 address is none and becomes empty: it may be a piece of a password.
pub fn host(authority: &str) -> &str {
    // Nearly every host is a bare name.
    if authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return authority.trim_end_matches('.');
    }
    let authority = authority.trim();
    let rest = split_scheme(authority).map_or(authority, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return if is_ipv6(address) { address } else { "" };
    }
    // Telemetry writes IPv6 addresses without brackets.
    if is_ipv6(authority) {
        return authority;
    }
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let name = name.trim().trim_end_matches('.');
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(fits) { name } else { "" }
}

fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.%-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_lose_the_secrets_of_urls_and_tokens_of_known_forms() {
        let key = concat!("sk_", "live_51H8xAbCdEfGhIj");
        for (whole, wanted) in [
            ("https://me:pw@api.x.com/a?key=1#f", "https://api.x.com/a"),
            (
                "GET https://x.com/a?k=1 and http://u@y.com?z failed",
                "GET https://x.com/a and http://y.com failed",
            ),
            ("url='https://x.com/a?k=1'", "url='https://x.com/a"),
            ("<a href=\"https://x.com/?k=1\">", "<a href=\"https://x.com/\">"),
            ("https://me:p/w@x.com/a", "https://x.com/a"),
            ("/v1/a?key=1 2", "/v1/a"),
            ("retries exceeded with url: /a?key=1 (timeout)", "retries exceeded with url: /a (timeout)"),
            (&format!("no key {key}"), "no key {secret}"),
            (&format!("https://x.com/{key}?a"), "https://x.com/{secret}"),
            ("what? this#is text/plain", "what? this#is text/plain"),
            ("a://b", "a://b"),
            ("é@/?", "é@/?"),
            ("//@/@", "//"),
        ] {
            assert_eq!(text(whole), wanted, "{whole}");
        }
        assert!(matches!(text("ReadTimeout"), Cow::Borrowed(_)));
    }

    #[test]
    fn pieces_of_a_password_never_become_a_host() {
        for (authority, wanted) in [
            (" api.x.com.. ", "api.x.com"),
            ("https://me:pw@api.x.com:443/v1?key=1", "api.x.com"),
            ("me:pw@api.x.com.", "api.x.com"),
            ("me:p/w@api.x.com", ""),
            ("me:p#w@api.x.com", ""),
            ("a b", ""),
            ("pa$$word", ""),
            ("bücher.example", "bücher.example"),
            ("my_host-1:80", "my_host-1"),
            ("[::1]:80", "::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[me:pw]", ""),
            ("[::1", ""),
            ("...", ""),
        ] {
            assert_eq!(host(authority), wanted, "{authority}");
        }
    }

    #[test]
    fn a_path_is_no_url_and_loses_its_user() {
        assert_eq!(split_url("/fetch/https://x.com/a"), None);
        for (whole, wanted) in [
            ("/fetch/https://x.com/a?b", "/fetch/https://x.com/a"),
            ("https://u:p@x.com/a?b", "/a"),
            ("https://x.com", ""),
            ("/fetch/https://u:p@x.com/a?b", "/fetch/https://x.com/a"),
            ("//me:pw@x.com/a?b", "//x.com/a"),
            ("//calendar/v3", "//calendar/v3"),
            ("a/b?c", "a/b"),
        ] {
            assert_eq!(path(whole), wanted, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once_and_no_text_panics(whole in "[a-c1/:@?# é.\\[\\]\"'-]{0,40}") {
            let once = text(&whole).into_owned();
            prop_assert_eq!(text(&once).into_owned(), once);
            let _ = (host(&whole), path(&whole), split_url(&whole));
        }
    }
}
