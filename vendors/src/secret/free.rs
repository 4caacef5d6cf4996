//! Secrets in free texts: a text of any kind enters, the same with `{secret}` for every token of a known form leaves.
//!
//! Promise: pure; a text without one is not copied, and one walk over it finds that out.

use super::{BEGINNINGS, SECRET, begins_secret, bot_token, decoded};
use std::{borrow::Cow, ops::Range};

/// Of a byte in [`KINDS`]: it may begin a token.
const FIRST: u8 = 1;
/// It is a letter or digit, behind which no token begins.
const INSIDE: u8 = 2;

/// What each byte is: nearly all of them are passed over at once.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut place = 0;
    while place < BEGINNINGS.len() {
        kinds[BEGINNINGS[place].0.as_bytes()[0] as usize] = FIRST;
        place += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        if matches!(byte as u8, b'0'..=b'9' | b'b' | b'B') {
            kinds[byte] = FIRST;
        }
        if (byte as u8).is_ascii_alphanumeric() {
            kinds[byte] |= INSIDE;
        }
        byte += 1;
    }
    kinds
};
/// No token with what it begins with is shorter: `bearer x`. Most words of an event are, or little longer.
const LEAST: usize = 8;
/// No token of letters and digits alone is shorter: `AKIA` and 16 more.
const LEAST_PLAIN: usize = 20;
/// What precedes the token of an `Authorization` header.
const BEARER: &[u8] = b"bearer";
/// Words behind `bearer` that are no token: people write of it.
const NO_TOKENS: [&[u8]; 4] = [b"token", b"tokens", b"authentication", b"authorization"];

/// A text with `{secret}` where it had a token.
pub fn without_tokens(text: &str) -> Cow<'_, str> {
    let is_word = || text.bytes().all(|byte| kind(byte) & INSIDE != 0);
    if text.len() < LEAST || text.len() < LEAST_PLAIN && is_word() {
        return Cow::Borrowed(text);
    }
    let kept = match next(text.as_bytes(), 0) {
        None => Cow::Borrowed(text),
        Some(first) => Cow::Owned(cut(text, first)),
    };
    if !kept.contains('%') {
        return kept;
    }
    // Percent-encoded tokens, as `123456%3AAAH…`: their whole word goes.
    let holds = |word: &str| next(decoded(word).as_bytes(), 0).is_some();
    match kept.split(char::is_whitespace).any(holds) {
        false => kept,
        true => {
            let words = kept.split_inclusive(char::is_whitespace).map(|word| {
                let bare = word.trim_end();
                if holds(bare) { [SECRET, &word[bare.len()..]].concat() } else { word.to_owned() }
            });
            Cow::Owned(words.collect())
        }
    }
}

fn cut(text: &str, first: Range<usize>) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut end, mut found) = (0, Some(first));
    while let Some(token) = found {
        // Tokens are ASCII or end at ASCII, so that both ends are boundaries; else the rest of the text goes.
        kept.push_str(text.get(end..token.start).unwrap_or_default());
        kept.push_str(SECRET);
        end = token.end;
        found = next(text.as_bytes(), end);
    }
    kept.push_str(text.get(end..).unwrap_or_default());
    kept
}

/// The first token from a place on.
fn next(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut before = from.checked_sub(1).map_or(0, |before| kind(bytes[before]));
    let mut starts = (from..(bytes.len() + 1).saturating_sub(LEAST)).filter(|at| {
        let here = kind(bytes[*at]);
        std::mem::replace(&mut before, here) & INSIDE == 0 && here & FIRST != 0
    });
    starts.find_map(|at| token(&bytes[at..]).map(|here| at + here.start..at + here.end))
}

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

/// The token that a text begins with; behind `Bearer` it begins later.
fn token(rest: &[u8]) -> Option<Range<usize>> {
    let whole = begins_secret(rest).filter(|length| is_random(&rest[..*length]));
    whole.or_else(|| bot_token(rest)).map(|length| 0..length).or_else(|| bearer(rest))
}

/// Whether it is no sequence of words, as the name `sk-our-own-translation-service`: random letters hold a digit or a
/// capital.
fn is_random(token: &[u8]) -> bool {
    token.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// The token behind `Bearer`.
fn bearer(rest: &[u8]) -> Option<Range<usize>> {
    if !rest.get(..BEARER.len())?.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    let behind = &rest[BEARER.len()..];
    let gap = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b':' | b'=')).count();
    let token = &behind[gap..];
    let stops =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b';' | b'<' | b'>');
    let length = token.iter().take_while(|byte| !stops(byte)).count();
    let start = BEARER.len() + gap;
    let token = &token[..length];
    let plain = NO_TOKENS.iter().any(|word| token.eq_ignore_ascii_case(word)) || token == SECRET.as_bytes();
    (gap > 0 && length > 0 && !plain).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        assert_eq!(without_tokens(text), wanted, "{text}");
    }

    #[test]
    fn tokens_go_wherever_they_stand() {
        let key = concat!("sk_", "live_51H8xAbCdEfGhIj");
        check(&format!("No such key: {key}."), "No such key: {secret}");
        check(&format!("key='{key}', other"), "key='{secret}', other");
        check(&format!("({key}) {key}"), "({secret}) {secret}");
        check("Bearer x", "Bearer {secret}");
        check("a bearer x", "a bearer {secret}");
        check("authorization: bearer aGVsbG8=+/, retry", "authorization: bearer {secret}, retry");
        check("Bearer xé y", "Bearer {secret} y");
        check("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk bad", "jwt {secret} bad");
        check("bot123456:AAHdqTcvCH1vGWJx failed", "{secret} failed");
        check("id 110201543%3AAAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw é", "id {secret} é");
        check("a?token=abcdefgh12345678", "a?{secret}");
        for text in [
            "",
            "bearer",
            "invalid bearer token",
            "12345:batchDelete",
            "100% of sk-1",
            "sk-our-own-translation-service",
            "HTTP 500: é%zz",
        ] {
            assert!(matches!(without_tokens(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn every_form_is_found_at_the_beginning_of_a_word() {
        for (beginning, least) in BEGINNINGS {
            let shortest = &"a1".repeat(*least)[..*least];
            for before in ["at ", "(", ""] {
                check(&format!("{before}{beginning}{shortest}"), &format!("{before}{{secret}}"));
            }
        }
        for word in ["bearer", "Bearer", "BEARER", "bEARER"] {
            check(&format!("a {word} x1"), &format!("a {word} {{secret}}"));
        }
        for id in ["bot12345:AAHdqTcv", "99999:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"] {
            check(&format!("a {id}"), "a {secret}");
            check(id, SECRET);
        }
    }

    proptest! {
        #[test]
        fn cutting_twice_is_cutting_once(text in "(bearer |sk_live_|bot1234567:|%3A|[a-zA-Z0-9 é:=.]{1,12}){0,6}") {
            let once = without_tokens(&text).into_owned();
            prop_assert_eq!(without_tokens(&once).into_owned(), once);
        }
    }
}
