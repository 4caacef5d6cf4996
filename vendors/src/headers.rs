//! Headers of an answer: names that a vendor's profile reads enter once, their values of one answer leave.
//!
//! Names and answer are both sorted, so that one walk over both finds every value. Promise: pure, no allocation
//! per answer.

use crate::forms;
use std::{borrow::Cow, collections::BTreeMap};

/// Most header names that one profile reads.
pub(crate) const MOST: usize = 48;

/// Place of a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// The names that one vendor's profile reads, sorted.
#[derive(Debug)]
pub(crate) struct Names(Vec<Box<str>>);

impl Names {
    /// Takes names in lower case; those beyond [`MOST`] are never found, which `check` refuses.
    pub(crate) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut names: Vec<Box<str>> = names.map(|name| bare(name).into()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST);
        Self(names)
    }

    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.0.binary_search_by(|known| (**known).cmp(name)).ok().map(Slot)
    }

    /// The header and the member that `name` or `name#key` means.
    pub(crate) fn field(&self, name: &str) -> Option<Field> {
        let key = name.split_once('#').map(|(_, key)| key.into());
        Some(Field { slot: self.slot(bare(name))?, key })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// The name of a slot.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        self.0.get(slot.0).map_or("", |name| name)
    }

    /// The values of one answer, whose names are in lower case.
    pub(crate) fn values<'h>(&self, headers: &'h BTreeMap<String, String>) -> Values<'h> {
        let mut values = Values([None; MOST]);
        let mut wanted = self.0.iter().enumerate().peekable();
        for (name, value) in headers {
            while wanted.next_if(|(_, known)| ***known < **name).is_some() {}
            match wanted.next_if(|(_, known)| ***known == **name) {
                Some((slot, _)) => values.0[slot] = Some(value.trim()),
                None if wanted.peek().is_none() => break,
                None => {}
            }
        }
        values
    }
}

/// The part of `name#key` before the key.
fn bare(name: &str) -> &str {
    name.split_once('#').map_or(name, |(name, _)| name)
}

/// The values of one answer.
#[derive(Debug)]
pub(crate) struct Values<'h>([Option<&'h str>; MOST]);

impl<'h> Values<'h> {
    /// A value; an empty one is none.
    pub(crate) fn get(&self, slot: Slot) -> Option<&'h str> {
        self.0.get(slot.0).copied().flatten().filter(|value| !value.is_empty())
    }
}

/// A header, or a member of it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) slot: Slot,
    key: Option<Box<str>>,
}

impl Field {
    pub(crate) fn value<'h>(&self, values: &Values<'h>) -> Option<Cow<'h, str>> {
        let value = values.get(self.slot)?;
        match &self.key {
            None => Some(Cow::Borrowed(value)),
            Some(key) => forms::member(value, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_walk_finds_every_value() {
        let names = Names::new(["c", "a#x", "m", "a#y", "z"].into_iter());
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "c", "m", "z"]);
        let headers = [("a", "x=1, y=2"), ("b", "0"), ("m", " 7 "), ("n", "8"), ("zz", "")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let values = names.values(&headers);
        let value = |name| names.field(name).and_then(|field| field.value(&values));
        assert_eq!(value("a#y").as_deref(), Some("2"));
        assert_eq!((value("c"), value("m").as_deref(), value("z")), (None, Some("7"), None));
        assert!(names.field("b").is_none());
    }
}
