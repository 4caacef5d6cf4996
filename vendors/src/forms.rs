//! Values of headers: the text of a header enters, a number or a member of it leaves.
//!
//! Promise: pure; vendors' text never panics. What is negative, not a number or beyond the bound of counts is
//! nothing. Times are read in `moments`.

use crate::moments::unquoted;
use callmeter_schemas::limits::COUNT_BOUND;
use serde_json::Value;
use std::borrow::Cow;

/// Deepest nesting that a JSON header is searched to.
const JSON_DEPTH: u32 = 4;

/// A count: the whole part of a decimal number. Of a list, as repeated headers and older drafts write it
/// (`100, 100;w=60`), the first.
pub(crate) fn count(text: &str) -> Option<i64> {
    let text = unquoted(text.trim());
    if is_parted(text) {
        return None;
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits);
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let ends = rest.trim_start().starts_with([',', ';', '(']) || rest.trim().is_empty();
    let number = whole.parse::<u64>().ok().filter(|number| ends && *number < COUNT_BOUND)?;
    i64::try_from(number).ok()
}

/// Whether a text is `1,250`: a thousand and more, or a repeated header without spaces. Nobody knows which, and no
/// number is better than a wrong one.
pub(crate) fn is_parted(text: &str) -> bool {
    let mut groups = text.split(',');
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && digits(first));
    first && text.contains(',') && groups.all(|group| group.len() == 3 && digits(group))
}

/// What is used and the limit, of `used/limit`.
pub(crate) fn usage(text: &str) -> Option<(i64, i64)> {
    let (used, limit) = text.split_once('/')?;
    Some((count(used)?, count(limit)?))
}

/// A member of a JSON object, at any depth, or of a list of `key=value`.
pub(crate) fn member<'t>(text: &'t str, key: &str) -> Option<Cow<'t, str>> {
    let text = text.trim();
    if text.starts_with(['{', '[']) {
        let json: Value = serde_json::from_str(text).ok()?;
        return match found(&json, key, JSON_DEPTH)? {
            Value::String(text) => Some(Cow::Owned(text.clone())),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        };
    }
    let mut pairs = text.split([',', ';', '&']).filter_map(|pair| pair.split_once(['=', ':']));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(key))?;
    Some(Cow::Borrowed(unquoted(value.trim())))
}

fn found<'j>(json: &'j Value, key: &str, depth: u32) -> Option<&'j Value> {
    let depth = depth.checked_sub(1)?;
    match json {
        Value::Object(members) => {
            members.get(key).or_else(|| members.values().find_map(|value| found(value, key, depth)))
        }
        Value::Array(items) => items.iter().find_map(|value| found(value, key, depth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_read_as_vendors_write_them() {
        for (text, wanted) in [
            ("0", Some(0)),
            (" 4987 ", Some(4987)),
            ("28.57", Some(28)),
            ("100, 100;w=60", Some(100)),
            ("100,100", None),
            ("1,250", None),
            ("1,250,000", None),
            ("1, 250", Some(1)),
            ("1000,100", Some(1000)),
            ("10,20", Some(10)),
            ("10;w=1", Some(10)),
            ("\"40\"", Some(40)),
            ("250(appName=x)", Some(250)),
            ("-1", None),
            ("", None),
            ("many", None),
            ("20/40", None),
            ("1e3", None),
            ("1099511627776", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(count(text), wanted, "{text}");
        }
        assert_eq!(usage("20/40"), Some((20, 40)));
        assert_eq!(usage("18/5000, 7"), Some((18, 5000)));
        assert_eq!(usage("20-40"), None);
    }

    #[test]
    fn members_are_found_in_json_and_in_lists() {
        for (text, key, wanted) in [
            (r#"{"call_count":28,"total_time":25}"#, "call_count", Some("28")),
            (r#"{"12345":[{"type":"x","call_count":7}]}"#, "call_count", Some("7")),
            ("api-usage=18/5000; per-app-api-usage=17/250(appName=x)", "api-usage", Some("18/5000")),
            ("total=100; remaining=99; resets=41", "remaining", Some("99")),
            ("limit:100,used:\"3\"", "USED", Some("3")),
            ("total=100", "remaining", None),
            (r#"{"call_count":{"a":1}}"#, "call_count", None),
            ("{broken", "broken", None),
        ] {
            assert_eq!(member(text, key).as_deref(), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", key in "[a-z]{0,3}") {
            let _ = (count(&text), usage(&text), member(&text, &key));
        }
    }
}
