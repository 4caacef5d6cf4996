//! Secrets in paths: a path or endpoint enters, the same without segments that look like credentials leaves. Those in
//! free texts are cut out one by one, in `free`.
//!
//! Known are the published forms of vendors' keys and tokens, wherever they stand in a segment. Promise: pure;
//! texts without a secret are not copied. Not promised: that a key without a form of its own is found; profiles
//! name the places of those with `{secret}`.

mod free;

pub use free::without_tokens;

use std::borrow::Cow;

/// What stands for a segment that was cut out.
pub(crate) const SECRET: &str = "{secret}";

/// No credential is shorter; most segments are.
const SHORTEST: usize = 16;
/// Digits of a bot's id, at least.
const BOT_DIGITS: usize = 5;

/// Beginnings of credentials, and how many further letters, digits, `-` and `_` they have at least; those with one first
/// letter stand together.
const BEGINNINGS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("EAAA", 40),
    ("EAAB", 40),
    ("EAAC", 40),
    ("SG.", 20),
    ("access_token=", 8),
    ("api_key=", 8),
    ("dop_v1_", 20),
    ("dckr_pat_", 16),
    ("eyJ", 20),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 10),
    ("glpat-", 10),
    ("hf_", 20),
    ("key-", 28),
    ("lin_api_", 16),
    ("lin_oauth_", 16),
    ("ntn_", 20),
    ("npm_", 20),
    ("pat-na1-", 16),
    ("pat-eu1-", 16),
    ("pypi-", 20),
    ("rk_live_", 8),
    ("rk_test_", 8),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("sk-", 20),
    ("shpat_", 16),
    ("shpca_", 16),
    ("shppa_", 16),
    ("shpss_", 16),
    ("secret_", 20),
    ("sq0atp-", 16),
    ("sq0csp-", 16),
    ("sq0idp-", 16),
    ("token=", 8),
    ("whsec_", 10),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxc-", 8),
    ("xoxd-", 8),
    ("xoxe-", 8),
    ("xoxe.", 8),
    ("xoxo-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 10),
    ("ya29.", 10),
];
/// Where the beginnings with a first letter start and end: every text of every event is looked through.
const BY_LETTER: [(u8, u8); 256] = {
    let mut places = [(0, 0); 256];
    let mut place = 0;
    while place < BEGINNINGS.len() {
        let letter = BEGINNINGS[place].0.as_bytes()[0] as usize;
        if places[letter].1 == 0 {
            places[letter].0 = place as u8;
        }
        assert!(places[letter].1 == 0 || places[letter].1 as usize == place, "one first letter, one place");
        places[letter].1 = place as u8 + 1;
        place += 1;
    }
    places
};

/// Whether a segment of a path looks like a credential or holds one.
pub(crate) fn is_secret(segment: &str) -> bool {
    if segment.len() < SHORTEST {
        return false;
    }
    let plain = decoded(segment);
    let bytes = plain.as_bytes();
    let starts = (0..bytes.len()).filter(|at| *at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
    starts.into_iter().any(|at| begins_secret(&bytes[at..]).is_some()) || bot_token(bytes).is_some()
}

/// Length of the credential that a text begins with.
fn begins_secret(bytes: &[u8]) -> Option<usize> {
    let (start, end) = BY_LETTER[usize::from(*bytes.first()?)];
    BEGINNINGS[usize::from(start)..usize::from(end)].iter().find_map(|(beginning, least)| {
        let length = run(bytes.strip_prefix(beginning.as_bytes())?);
        (length >= *least).then_some(beginning.len() + length)
    })
}

/// Length of the Telegram token that a text begins with, `bot123456:AA…`. Without `bot` before it only a long one:
/// `12345:batchDelete` is a method of Google. A percent-encoded colon is decoded before.
fn bot_token(bytes: &[u8]) -> Option<usize> {
    let (start, least) = if bytes.starts_with(b"bot") { (3, 8) } else { (0, 25) };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let colon = start + digits;
    if digits < BOT_DIGITS || bytes.get(colon) != Some(&b':') {
        return None;
    }
    let length = run(&bytes[colon + 1..]);
    (length >= least).then_some(colon + 1 + length)
}

/// How many bytes of a credential there are; the parts of a JWT or of a SendGrid key are joined by dots.
fn run(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')).count()
}

/// A segment with its percent-encoded ASCII characters decoded.
fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut plain = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        let (character, length) = match code.filter(u8::is_ascii) {
            Some(code) => (char::from(code), 3),
            None => ('%', 1),
        };
        plain.push(character);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// A path, or an endpoint with its method, in which `{secret}` stands for every segment that looks like one.
pub(crate) fn without(text: &str) -> Cow<'_, str> {
    let separators = ['/', ' '];
    // Few segments are as long as a credential, which is told sooner by bytes than by letters.
    let mut lengths = text.as_bytes().split(|byte| matches!(byte, b'/' | b' ')).map(<[u8]>::len);
    if lengths.all(|length| length < SHORTEST) || !text.split(separators).any(is_secret) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    for segment in text.split_inclusive(separators) {
        let bare = segment.trim_end_matches(separators);
        kept.push_str(if is_secret(bare) { SECRET } else { bare });
        kept.push_str(&segment[bare.len()..]);
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_forms_of_credentials_are_cut_out() {
        for segment in [
            concat!("sk_", "live_51H8xAbCdEfGhIj"),
            concat!("xox", "b-123456789012-abcdef"),
            concat!("ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"),
            concat!("github_", "pat_11ABCDEFG0abcdef"),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk",
            concat!("AKIA", "IOSFODNN7EXAMPLE"),
            "bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "bot123456%3AAAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "token=abcdefgh12345678",
            concat!("x;key=sk_", "live_51H8xAbCdEfGhIj"),
        ] {
            let path = format!("/v1/{segment}/send");
            assert_eq!(without(&path), "/v1/{secret}/send", "{segment}");
            assert_eq!(without(&format!("POST {path}")), "POST /v1/{secret}/send", "{segment}");
        }
        for path in [
            "/v1/contacts/51",
            "GET /skeletons/sk-short",
            "/a/b",
            "",
            "/operations/12345678:batchDelete",
            "/AKIA/x",
            "/task-list-of-all-things-to-do",
        ] {
            assert!(matches!(without(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn cutting_twice_is_cutting_once_and_no_text_panics(text in "[a-zA-Z0-9/%_:. é-]{0,60}") {
            let once = without(&text).into_owned();
            assert_eq!(without(&once), once);
        }
    }
}
