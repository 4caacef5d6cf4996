//! Objects and lists inside an event (cost, quota, headers, attributes): JSON enters, drafts' parts leave.
//!
//! Promise: as for the event itself, a wrong shape or a duplicate is noted and read past.

use crate::{
    draft::{Code, Entries},
    read::{Read, Reader, Scalar, Text},
    values::{Mistake, money, note, owned, signed, text, time},
};
use callmeter_schemas::{Cost, QuotaObservation, limits};
use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use std::borrow::Cow;

pub(crate) struct CostReader<'s> {
    pub(crate) cost: &'s mut Option<Cost>,
    pub(crate) mistake: &'s mut Mistake,
}

impl<'de> Reader<'de> for CostReader<'_> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut amount, mut currency) = (None::<&RawValue>, None::<Scalar<'de>>);
        while let Some(Text(name)) = map.next_key()? {
            let twice = match &*name {
                "amount" => amount.replace(map.next_value()?).is_some(),
                "currency" => currency.replace(map.next_value()?).is_some(),
                _ => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            if twice {
                note(self.mistake, Code::DuplicateMember, "cost", "a member stands twice");
            }
        }
        let amount = amount.and_then(|amount| money(amount.get(), self.mistake));
        let currency = currency.and_then(|currency| text(currency, "cost.currency", self.mistake));
        *self.cost = match (amount, currency) {
            (Some(amount), Some(currency)) => Some(Cost { amount, currency: currency.into_owned() }),
            (None, _) => {
                note(self.mistake, Code::MissingField, "cost.amount", "required and absent or empty");
                None
            }
            (_, None) => {
                note(self.mistake, Code::MissingField, "cost.currency", "required and absent or empty");
                None
            }
        };
        Ok(())
    }

    fn mismatch(self) {
        note(self.mistake, Code::WrongType, "cost", "must be an object of amount and currency");
    }
}

pub(crate) struct QuotaList<'s> {
    pub(crate) quota: &'s mut Vec<QuotaObservation>,
    pub(crate) mistake: &'s mut Mistake,
}

impl<'de> Reader<'de> for QuotaList<'_> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.mismatch();
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut more = true;
        while more {
            let mut entry = QuotaObservation::default();
            let reader = QuotaReader { entry: &mut entry, mistake: self.mistake };
            more = list.next_element_seed(Read(reader))?.is_some();
            if more && self.quota.len() < limits::QUOTA_ENTRIES {
                self.quota.push(entry);
            } else if more {
                note(self.mistake, Code::TooMany, "quota", "more than 16 entries");
            }
        }
        Ok(())
    }

    fn mismatch(self) {
        note(self.mistake, Code::WrongType, "quota", "must be an array");
    }
}

struct QuotaReader<'s> {
    entry: &'s mut QuotaObservation,
    mistake: &'s mut Mistake,
}

impl<'de> Reader<'de> for QuotaReader<'_> {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { entry, mistake } = self;
        let mut seen = 0_u8;
        while let Some(Text(name)) = map.next_key()? {
            let bit = match &*name {
                "policy" => {
                    entry.policy = owned(text(map.next_value()?, "quota.policy", mistake));
                    0
                }
                "scope" => {
                    entry.scope = owned(text(map.next_value()?, "quota.scope", mistake));
                    1
                }
                "limit" => {
                    entry.limit = signed(map.next_value()?, "quota.limit", mistake);
                    2
                }
                "remaining" => {
                    entry.remaining = signed(map.next_value()?, "quota.remaining", mistake);
                    3
                }
                "reset" => {
                    entry.reset_us = time(map.next_value()?, "quota.reset", mistake);
                    4
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if seen & (1 << bit) != 0 {
                note(mistake, Code::DuplicateMember, "quota", "a member stands twice");
            }
            seen |= 1 << bit;
        }
        Ok(())
    }

    fn mismatch(self) {
        note(self.mistake, Code::WrongType, "quota", "entries must be objects");
    }

    fn null(self) {
        self.mismatch();
    }
}

pub(crate) struct EntryReader<'s, 'a> {
    pub(crate) name: &'s str,
    pub(crate) entries: &'s mut Entries<'a>,
    pub(crate) most: usize,
    /// Where entries beyond `most` are counted; without it they are a mistake.
    pub(crate) over: Option<&'s mut u64>,
    pub(crate) mistake: &'s mut Mistake,
}

impl<'de> Reader<'de> for EntryReader<'_, 'de> {
    fn object<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let value = match map.next_value::<Scalar<'de>>()? {
                Scalar::Null => continue,
                Scalar::Text(text) => text,
                Scalar::Bool(value) => Cow::Owned(value.to_string()),
                Scalar::Unsigned(value) => Cow::Owned(value.to_string()),
                Scalar::Signed(value) => Cow::Owned(value.to_string()),
                Scalar::Float(value) => Cow::Owned(value.to_string()),
                Scalar::Composite => {
                    note(
                        self.mistake,
                        Code::WrongType,
                        self.name,
                        "values must be strings, numbers or booleans",
                    );
                    continue;
                }
            };
            if self.entries.len() == self.most
                && let Some(over) = &mut self.over
            {
                **over += 1;
            } else if self.entries.len() == self.most {
                note(self.mistake, Code::TooMany, self.name, "too many entries");
            } else if self.entries.iter().any(|(known, _)| *known == name) {
                note(self.mistake, Code::DuplicateMember, self.name, "a member stands twice");
            } else {
                self.entries.push((name, value));
            }
        }
        Ok(())
    }

    fn mismatch(self) {
        note(self.mistake, Code::WrongType, self.name, "must be an object");
    }
}
