//! The IETF's rate-limit fields: values of `RateLimit` and `RateLimit-Policy` enter, one limit per policy leaves.
//!
//! Both forms of draft-ietf-httpapi-ratelimit-headers are read: lists of named policies
//! (`"default";r=50;t=30`) and the older dictionary (`limit=100, remaining=50, reset=30`). Promise: pure; a field
//! that is no structured field (RFC 9651) is ignored as a whole, and so is a parameter of a wrong type.

use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor,
        ParameterVisitor,
    },
};
use std::{borrow::Cow, convert::Infallible};

/// Name of a limit whose field names none.
pub(crate) const DEFAULT: &str = "default";
/// Most members of one field that are kept.
const MOST: usize = 16;

/// What the fields tell of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) policy: String,
    pub(crate) limit: Option<i64>,
    pub(crate) remaining: Option<i64>,
    /// Seconds from the answer.
    pub(crate) reset_s: Option<i64>,
}

/// Reads both fields.
pub(crate) fn read(limits: Option<&str>, policies: Option<&str>) -> Vec<Told> {
    let mut told = limits.and_then(named).unwrap_or_default();
    if told.is_empty() {
        told.extend(limits.and_then(older));
    }
    let policies = policies.and_then(named).unwrap_or_default();
    for limit in &mut told {
        let same = policies.iter().find(|policy| policy.policy == limit.policy);
        limit.limit = limit.limit.or_else(|| same.and_then(|policy| policy.limit));
    }
    if limits.is_none() { policies } else { told }
}

/// The members of a list of named policies that tell something.
fn named(text: &str) -> Option<Vec<Told>> {
    let told = Parser::new(text).parse_list_with_visitor(List::default()).ok()?;
    Some(told.into_iter().filter(|told| told.limit.is_some() || told.remaining.is_some()).collect())
}

/// The one limit of the older dictionary.
fn older(text: &str) -> Option<Told> {
    let told = Parser::new(text).parse_dictionary_with_visitor(Dictionary::default()).ok()?;
    (told.limit.is_some() || told.remaining.is_some()).then_some(told)
}

/// An integer that is not negative.
fn number(value: &BareItemFromInput<'_>) -> Option<i64> {
    match value {
        BareItemFromInput::Integer(number) => Some(i64::from(*number)).filter(|number| *number >= 0),
        _ => None,
    }
}

#[derive(Default)]
struct List(Vec<Told>);

impl<'de> ListVisitor<'de> for List {
    type Out = Vec<Told>;
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok((self.0.len() < MOST).then_some(Member(&mut self.0)))
    }

    fn finish(self) -> Result<Vec<Told>, Infallible> {
        Ok(self.0)
    }
}

struct Member<'v>(&'v mut Vec<Told>);

impl<'de> EntryVisitor<'de> for Member<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Member<'_> {
    type Out = Option<()>;
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = Self::Out>, Infallible> {
        let (policy, limit): (Cow<'_, str>, _) = match &item {
            BareItemFromInput::String(name) => (Cow::Owned(name.as_str().to_owned()), None),
            BareItemFromInput::Token(name) => (Cow::Borrowed(name.as_str()), None),
            // Older policies are bare limits: `100;w=60`.
            BareItemFromInput::Integer(_) => (Cow::Borrowed(DEFAULT), number(&item)),
            _ => return Ok(None),
        };
        let policy = if policy.is_empty() { DEFAULT.to_owned() } else { policy.into_owned() };
        self.0.push(Told { policy, limit, ..Told::default() });
        Ok(self.0.last_mut().map(Parameters))
    }
}

struct Parameters<'v>(&'v mut Told);

impl<'de> ParameterVisitor<'de> for Parameters<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        match key.as_str() {
            "q" => self.0.limit = number(&value),
            "r" => self.0.remaining = number(&value),
            "t" => self.0.reset_s = number(&value),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[derive(Default)]
struct Dictionary(Told);

impl<'de> DictionaryVisitor<'de> for Dictionary {
    type Out = Told;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        let target = match key.as_str() {
            "limit" => Some(&mut self.0.limit),
            "remaining" => Some(&mut self.0.remaining),
            "reset" => Some(&mut self.0.reset_s),
            _ => None,
        };
        Ok(target.map(Number))
    }

    fn finish(self) -> Result<Told, Infallible> {
        Ok(Told { policy: DEFAULT.to_owned(), ..self.0 })
    }
}

struct Number<'v>(&'v mut Option<i64>);

impl<'de> EntryVisitor<'de> for Number<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        *self.0 = None;
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Number<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        *self.0 = number(&item);
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(limits: Option<&str>, policies: Option<&str>, wanted: &str) {
        let shown = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let told: Vec<String> = read(limits, policies)
            .iter()
            .map(|told| {
                format!(
                    "{} {}/{} in {}",
                    told.policy,
                    shown(told.remaining),
                    shown(told.limit),
                    shown(told.reset_s)
                )
            })
            .collect();
        assert_eq!(told.join(", "), wanted, "{limits:?} {policies:?}");
    }

    #[test]
    fn named_policies_and_the_older_dictionary_are_read() {
        check(Some(r#""default";r=50;t=30"#), None, "default 50/- in 30");
        check(
            Some(r#""burst";r=9;t=2, "daily";r=500;pk=:c29tZQ==:"#),
            Some(r#""burst";q=10;w=1, "daily";q=1000;w=86400;qu="requests""#),
            "burst 9/10 in 2, daily 500/1000 in -",
        );
        check(Some("limit=100, remaining=50, reset=30"), Some("100;w=60"), "default 50/100 in 30");
        check(Some("default;r=1;t=5"), None, "default 1/- in 5");
        check(None, Some("100;w=60"), "default -/100 in -");
        check(Some(r#""a";r=1;r=2"#), None, "a 2/- in -");
    }

    #[test]
    fn what_is_no_structured_field_is_ignored() {
        for text in [
            "",
            "100",
            "?",
            r#""default";r=50;t="#,
            r#""default";r=-1"#,
            r#""d";r=x"#,
            r#""d";r=1,"#,
            "é;r=1",
            "(1 2);r=3",
            "limit=(1 2), remaining=x",
        ] {
            let told = read(Some(text), None);
            assert!(told.iter().all(|told| told.remaining.is_none()), "{text} {told:?}");
        }
        check(Some(r#""default";r=50;t=soon"#), None, "default 50/- in -");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\"a-z0-9=;, ?:()-]{0,40}") {
            let _ = read(Some(&text), Some(&text));
        }
    }
}
