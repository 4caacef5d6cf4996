//! JSON bodies: the bytes of a request enter, its items leave one after the other.
//!
//! Promise: nothing panics and nothing recurses deeper than serde_json's own bound (128); a bad element
//! of an array or a bad line is that item's mistake; an array whose structure is broken is an error of
//! the whole body.

use crate::{
    draft::{Code, Rejection},
    members::Item,
};
use serde_json::value::RawValue;

/// How the items of a body are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One object.
    Single,
    /// A JSON array.
    Array,
    /// One item per line.
    Lines,
}

/// Why a whole body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing in it.
    #[error("the body is empty")]
    Empty,
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The array does not end as it should.
    #[error("the array is broken after {0} items")]
    BrokenArray(usize),
    /// More items than one request may carry.
    #[error("more than {0} events in one request")]
    TooManyItems(usize),
    /// Not an export request.
    #[error("the body is not an OTLP export request")]
    NotOtlp,
}

/// Array or object, by the first character that is not white space.
pub fn sniff(body: &[u8]) -> Layout {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => Layout::Array,
        _ => Layout::Single,
    }
}

/// Calls `take` for every item of the body, in order.
pub fn for_each<'a>(
    body: &'a [u8],
    layout: Layout,
    most: usize,
    take: &mut dyn FnMut(Item<'a>),
) -> Result<(), BodyError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(BodyError::Empty);
    }
    match layout {
        Layout::Single => single(utf8(body)?, take),
        Layout::Array => array(utf8(body)?, most, take)?,
        Layout::Lines => lines(body, most, take)?,
    }
    Ok(())
}

fn utf8(body: &[u8]) -> Result<&str, BodyError> {
    std::str::from_utf8(body).map_err(|_| BodyError::NotUtf8)
}

fn single<'a>(text: &'a str, take: &mut dyn FnMut(Item<'a>)) {
    take(serde_json::from_str(text).unwrap_or_else(|error| malformed(&error)));
}

fn lines<'a>(body: &'a [u8], most: usize, take: &mut dyn FnMut(Item<'a>)) -> Result<(), BodyError> {
    let filled = body.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    for (index, line) in filled.enumerate() {
        if index == most {
            return Err(BodyError::TooManyItems(most));
        }
        match std::str::from_utf8(line) {
            Ok(line) => single(line, take),
            Err(_) => take(mistaken(Rejection::new(Code::Malformed, "", "the line is not UTF-8"))),
        }
    }
    Ok(())
}

fn array<'a>(text: &'a str, most: usize, take: &mut dyn FnMut(Item<'a>)) -> Result<(), BodyError> {
    let mut rest = text.trim_start_matches(BLANK);
    rest = rest.strip_prefix('[').ok_or(BodyError::BrokenArray(0))?.trim_start_matches(BLANK);
    let mut count = 0;
    if !rest.starts_with(']') {
        loop {
            if count == most {
                return Err(BodyError::TooManyItems(most));
            }
            let (item, after) = element(rest).ok_or(BodyError::BrokenArray(count))?;
            take(item);
            count += 1;
            rest = after.trim_start_matches(BLANK);
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
    }
    let tail = rest.strip_prefix(']').ok_or(BodyError::BrokenArray(count))?;
    tail.chars().all(|end| BLANK.contains(&end)).then_some(()).ok_or(BodyError::BrokenArray(count))
}

/// White space as JSON knows it.
const BLANK: [char; 4] = [' ', '\n', '\t', '\r'];

/// The first element of a text and what follows it. An element that is JSON and no event (a number out
/// of every range, a lone surrogate) is skipped by its structure alone.
fn element(text: &str) -> Option<(Item<'_>, &str)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Item<'_>>();
    match stream.next()? {
        Ok(item) => Some((item, &text[stream.byte_offset()..])),
        Err(error) => {
            let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
            stream.next()?.ok()?;
            Some((malformed(&error), &text[stream.byte_offset()..]))
        }
    }
}

fn malformed<'a>(error: &serde_json::Error) -> Item<'a> {
    // The parser's own words may quote the body, so that only their place is told.
    let (line, column) = (error.line(), error.column());
    let what = if error.is_eof() { "JSON that ends too early" } else { "not valid JSON" };
    mistaken(Rejection::new(
        Code::Malformed,
        "",
        format!("{what} at line {line}, column {column} of the item"),
    ))
}

fn mistaken<'a>(mistake: Rejection) -> Item<'a> {
    Item { mistake: Some(mistake), ..Item::default() }
}
