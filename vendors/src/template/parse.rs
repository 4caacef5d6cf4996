//! One template as it is written: its text enters, its segments or the mistake in it leave.
//!
//! Promise: pure; a template is bounded in bytes and segments.

use super::{Alternative, Segment};

/// Longest template as it is written, in bytes.
const TEMPLATE_BYTES: usize = 1_000;
/// Most segments of a template.
const MOST_SEGMENTS: usize = 24;

pub(super) fn parse(template: &str) -> Result<Vec<Vec<Alternative>>, String> {
    if template.len() > TEMPLATE_BYTES {
        return Err(format!("longer than {TEMPLATE_BYTES} bytes"));
    }
    let Some(inner) = template.strip_prefix('/') else { return Err("begins with `/`".to_owned()) };
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    if template.contains(['?', '#', ' ']) {
        return Err("is a path: no query string, no spaces".to_owned());
    }
    let segments: Vec<&str> = inner.split('/').collect();
    if segments.len() > MOST_SEGMENTS {
        return Err(format!("more than {MOST_SEGMENTS} segments"));
    }
    let last = segments.len() - 1;
    let read = |(at, segment): (usize, &&str)| {
        segment.split('|').map(|text| alternative(text, at == last && *segment == text)).collect()
    };
    segments.iter().enumerate().map(read).collect()
}

fn alternative(text: &str, may_be_rest: bool) -> Result<Alternative, String> {
    if text.is_empty() {
        return Err("has an empty segment or alternative".to_owned());
    }
    let (mut texts, mut rest, mut names) = (Vec::<Box<str>>::new(), text, Vec::new());
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| format!("`{text}`: `{{` without `}}`"))?;
        if !texts.is_empty() && before.is_empty() {
            return Err(format!("`{text}`: nothing parts two placeholders"));
        }
        texts.push(Box::from(before));
        names.push(name);
        rest = tail;
    }
    if rest.contains('}') || texts.iter().any(|text| text.contains('}')) {
        return Err(format!("`{text}`: `}}` without `{{`"));
    }
    let secret = names.iter().any(|name| name.trim_end_matches('*') == "secret");
    for name in &names {
        let bare = name.strip_suffix('*').unwrap_or(name);
        if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("`{{{name}}}`: a placeholder has a name of letters, digits and `_`"));
        }
        if name.ends_with('*') && !(may_be_rest && text.len() == name.len() + 2) {
            return Err(format!("`{{{name}}}` may only be the whole last segment"));
        }
    }
    let segment = match names.first() {
        None => Segment::Literal,
        Some(name) if name.ends_with('*') => Segment::Rest { secret },
        Some(_) => {
            texts.push(rest.into());
            Segment::Parts { texts, secret }
        }
    };
    Ok(Alternative { text: text.into(), segment })
}
