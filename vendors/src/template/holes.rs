//! Placeholders within one segment: its texts and a segment of a path enter, where the placeholders are leaves.
//!
//! Promise: pure; a placeholder stands for one character at least, and the nearest text behind it ends it.

use crate::secret::SECRET;

/// Writes a segment whose every placeholder is a secret.
pub(super) fn drop_holes(texts: &[Box<str>], segment: &str, kept: &mut String) {
    let mut end = 0;
    holes(texts, segment, &mut |from, to| {
        kept.push_str(&segment[end..from]);
        kept.push_str(SECRET);
        end = to;
    });
    kept.push_str(&segment[end..]);
}

/// Whether a segment has the form of texts with something between each two; tells where that is.
pub(super) fn holes(texts: &[Box<str>], segment: &str, tell: &mut dyn FnMut(usize, usize)) -> bool {
    let [first, middle @ .., last] = texts else { return false };
    if !segment.starts_with(&**first) {
        return false;
    }
    let mut from = first.len();
    for text in middle {
        // A placeholder stands for one byte at least; the nearest text behind it ends it.
        let Some(start) =
            segment.get(from..).and_then(|rest| rest.chars().next()).map(|c| from + c.len_utf8())
        else {
            return false;
        };
        let Some(at) = segment[start..].find(&**text) else { return false };
        tell(from, start + at);
        from = start + at + text.len();
    }
    let end = segment.len().saturating_sub(last.len());
    let fits = end > from && segment.ends_with(&**last);
    if fits {
        tell(from, end);
    }
    fits
}
