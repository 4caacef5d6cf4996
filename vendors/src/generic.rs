//! Templates without a profile: a path enters, the path with placeholders for what varies leaves.
//!
//! Numbers, UUIDs, ULIDs, hashes, prefixed and random ids become `{id}`, dates `{date}`, e-mail addresses
//! `{email}`, credentials `{secret}`; versions, words and file extensions stay. Promise: pure; the result has a
//! bounded number of segments and bytes, and is its own template. Not promised: that a word is no id; the bound
//! on distinct endpoints catches what looks like one.

use crate::secret;

/// Most segments of an endpoint; what is deeper becomes `{path*}`.
const MOST_SEGMENTS: usize = 10;
/// Most bytes of a templated path, so that a method fits before it within a dimension.
pub(crate) const MOST_BYTES: usize = 200;
/// Longest word of letters only; longer ones are tokens.
const LONGEST_WORD: usize = 20;
/// Shortest word of hexadecimal letters alone that is an id: no English word of such letters is as long.
const HEX_ID: usize = 8;
/// Longest segment of words.
const LONGEST_SEGMENT: usize = 40;
/// Most words in one segment: a slug of more is the name of one thing.
const MOST_WORDS: usize = 5;
/// What stands for everything deeper.
const REST: &str = "{path*}";

/// Extensions that tell a format and no thing.
const EXTENSIONS: &[&str] = &[
    "json", "xml", "csv", "tsv", "txt", "html", "htm", "pdf", "yaml", "yml", "zip", "gz", "tar", "png",
    "jpg", "jpeg", "gif", "svg", "webp", "ics", "vcf", "js", "css", "php", "aspx", "ashx", "asmx", "svc",
    "mp3", "mp4", "wav", "xlsx", "docx", "md", "rss", "atom", "jsonl", "ndjson", "parquet", "bin", "do",
];
/// Words that hold more digits than words usually do.
const WORDS_WITH_DIGITS: &[&str] = &[
    "i18n", "l10n", "utf8", "x509", "h264", "h265", "base64", "sha256", "sha1", "oauth2", "oauth10", "ec2",
    "k8s", "mp3", "mp4", "web3", "b2b", "b2c", "s3", "md5", "2fa", "3ds", "3d", "2d", "ipv4", "ipv6", "gpt4",
];
/// Top-level domains that make a dotted word a host name.
const DOMAINS: &[&str] = &["com", "net", "org", "io", "de", "uk", "eu", "dev"];

/// The template of a path.
pub(crate) fn template(path: &str) -> String {
    let mut text = String::with_capacity(path.len().min(MOST_BYTES) + REST.len() + 1);
    for (place, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        let start = text.len();
        text.push('/');
        if place < MOST_SEGMENTS {
            write(segment, &mut text);
        }
        if place == MOST_SEGMENTS || text.len() > MOST_BYTES {
            text.truncate(start);
            text.push('/');
            text.push_str(REST);
            break;
        }
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

fn write(segment: &str, text: &mut String) {
    if secret::is_secret(segment) {
        return text.push_str(secret::SECRET);
    }
    if is_placeholder(segment) {
        return text.push_str(segment);
    }
    // Google's `{id}:cancel` and OData's `accounts({id})`.
    if let Some((thing, method)) = segment.rsplit_once(':')
        && !thing.is_empty()
        && is_word(method)
    {
        text.push_str(kind(thing).unwrap_or(thing));
        text.push(':');
        return text.push_str(method);
    }
    if let Some((word, key)) = segment.strip_suffix(')').and_then(|segment| segment.split_once('('))
        && is_word(word)
    {
        text.push_str(word);
        return text.push_str(if key.is_empty() { "()" } else { "({id})" });
    }
    if let Some((stem, extension)) = segment.rsplit_once('.')
        && EXTENSIONS.contains(&extension)
        && !stem.is_empty()
    {
        text.push_str(kind(stem).unwrap_or(stem));
        text.push('.');
        return text.push_str(extension);
    }
    text.push_str(kind(segment).unwrap_or(segment));
}

/// What stands for a segment; `None` when it stays.
fn kind(segment: &str) -> Option<&'static str> {
    if is_placeholder(segment) || is_version(segment) {
        None
    } else if segment.len() > 1 && segment.starts_with('@') {
        // The name of somebody; `@me` is everybody's own.
        (segment != "@me").then_some("{id}")
    } else if is_email(segment) {
        Some("{email}")
    } else if is_date(segment) {
        Some("{date}")
    } else {
        (!is_word(segment)).then_some("{id}")
    }
}

/// A placeholder that the sender or an earlier run wrote.
fn is_placeholder(segment: &str) -> bool {
    let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|name| is_word(name.strip_suffix('*').unwrap_or(name)))
}

/// `v1`, `v2.0`, `v1beta1`, `2.0`.
fn is_version(segment: &str) -> bool {
    if let [major, b'.', minor] = segment.as_bytes() {
        return major.is_ascii_digit() && minor.is_ascii_digit();
    }
    let Some(rest) = segment.strip_prefix(['v', 'V']) else { return false };
    let rest =
        rest.split_once("beta").or_else(|| rest.split_once("alpha")).map_or(rest, |(number, stage)| {
            if stage.len() <= 2 && stage.bytes().all(|byte| byte.is_ascii_digit()) { number } else { "" }
        });
    !rest.is_empty()
        && rest.split('.').count() <= 3
        && rest
            .split('.')
            .all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_email(segment: &str) -> bool {
    let at = segment.find('@').or_else(|| segment.to_ascii_lowercase().find("%40"));
    at.is_some_and(|at| at > 0 && segment[at..].contains('.'))
}

/// `2026-01-15`, `2026-01`, and either with a time behind it.
fn is_date(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let like = |form: &[u8]| {
        bytes.len() >= form.len()
            && form.iter().zip(bytes).all(|(form, byte)| match form {
                b'9' => byte.is_ascii_digit(),
                _ => form == byte,
            })
    };
    let rest_is_time =
        |rest: &[u8]| rest.is_empty() || (rest[0] == b'T' && rest.iter().all(|byte| byte.is_ascii()));
    (like(b"9999-99-99") && rest_is_time(&bytes[10..])) || (like(b"9999-99") && bytes.len() == 7)
}

/// Whether a segment is made of words: names of resources, fields and methods.
fn is_word(segment: &str) -> bool {
    let bare = segment.trim_start_matches(['@', '$', '_', '~', '.']);
    if bare.is_empty() || segment.len() > LONGEST_SEGMENT {
        return matches!(segment, "~" | "@" | "_" | "-");
    }
    let mut words = 0;
    for word in bare.split(['-', '_', '.', ',', '+']) {
        words += 1;
        if words > MOST_WORDS || !is_single_word(word) {
            return false;
        }
    }
    let host = bare.rsplit_once('.').is_some_and(|(_, domain)| DOMAINS.contains(&domain));
    !host && !is_prefixed_id(bare)
}

fn is_single_word(word: &str) -> bool {
    let count = |of: fn(&u8) -> bool| word.as_bytes().iter().filter(|byte| of(byte)).count();
    let (digits, upper) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    let lower = count(u8::is_ascii_lowercase);
    if digits + upper + lower != word.len() || word.len() > LONGEST_WORD {
        return false;
    }
    match digits {
        // Two hyphens in a row make an empty word.
        0 if word.len() >= HEX_ID && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => false,
        0 if lower == 0 => word.len() <= 8,
        0 => !is_jumbled(word.as_bytes(), upper),
        1 if lower > 0 && is_numbered(word.as_bytes()) => upper <= 1 || lower >= upper * 3,
        _ => WORDS_WITH_DIGITS.iter().any(|known| word.eq_ignore_ascii_case(known)) || is_version(word),
    }
}

/// A word with its number at the end, as `oauth2`, or before the next word, as `Pricebook2Entry`.
fn is_numbered(word: &[u8]) -> bool {
    let at = word.iter().position(u8::is_ascii_digit);
    at.is_some_and(|at| at > 0 && word.get(at + 1).is_none_or(u8::is_ascii_uppercase))
}

/// Letters of mixed case that are no camel case: words of a camel's case have three letters on average.
fn is_jumbled(word: &[u8], upper: usize) -> bool {
    let starts =
        word.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    word.len() >= 8 && upper >= 3 && starts * 3 > word.len().saturating_sub(3)
}

/// `cus_NffrFJdlkTw9`: a short prefix and a long part of mixed case or with digits.
fn is_prefixed_id(segment: &str) -> bool {
    let Some((prefix, id)) = segment.split_once('_') else { return false };
    let has = |of: fn(&u8) -> bool| id.as_bytes().iter().any(of);
    (2..=5).contains(&prefix.len())
        && id.len() >= 8
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && (has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)))
}

#[cfg(test)]
mod tests;
