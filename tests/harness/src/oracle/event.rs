//! One event as the oracle reads it: generic Avro fields enter, what the event adds to its cells leaves.

use super::{Cell, Key, QuotaCell, QuotaKey};
use crate::tariff;
use apache_avro::types::Value;
use std::collections::{BTreeMap, HashMap};

pub(super) struct Event(pub(super) HashMap<String, Value>);

impl Event {
    fn value(&self, name: &str) -> &Value {
        match &self.0[name] {
            Value::Union(_, inner) => inner,
            other => other,
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::String(text) => text.clone(),
            _ => String::new(),
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Value::Int(number) => Some(i64::from(*number)),
            Value::Long(number) | Value::TimestampMicros(number) => Some(*number),
            _ => None,
        }
    }

    fn cost(&self) -> Option<(i128, String)> {
        let Value::Record(fields) = self.value("cost") else { return None };
        let (Value::Decimal(amount), Value::String(currency)) = (&fields[0].1, &fields[1].1) else {
            panic!("a cost is an amount and a currency")
        };
        let bytes: Vec<u8> = amount.try_into().expect("bytes");
        let mut wide = [if bytes[0] > 127 { 255 } else { 0 }; 16];
        wide[16 - bytes.len()..].copy_from_slice(&bytes);
        Some((i128::from_be_bytes(wide), currency.clone()))
    }

    pub(super) fn answered(&self) -> i64 {
        self.number("time").expect("a time") + self.number("latency_us").unwrap_or(0)
    }

    fn minute(&self) -> i64 {
        self.number("time").expect("a time") / 60_000_000 * 60
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        let Value::Map(entries) = self.value("attributes") else { panic!("attributes are a map") };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        };
        entries.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    fn billable(&self) -> Option<bool> {
        match self.value("billable") {
            Value::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn add_quotas(&self, offset: i64, quotas: &mut BTreeMap<QuotaKey, QuotaCell>) {
        let Value::Array(items) = self.value("quota") else { panic!("quota is an array") };
        let refused = ["rate_limited", "quota_exhausted"].contains(&self.text("error_class").as_str());
        for item in items {
            let Value::Record(fields) = item.clone() else { panic!("a quota is a record") };
            let told = Event(fields.into_iter().collect());
            let key = [
                self.minute().to_string(),
                self.text("customer"),
                self.text("integration"),
                told.text("policy"),
                told.text("scope"),
                self.text("workspace"),
            ];
            let cell = quotas.entry(key).or_default();
            cell.calls += 1;
            cell.refused += i64::from(refused);
            let [limit, remaining, reset] =
                ["limit", "remaining", "reset"].map(|name| told.number(name).unwrap_or(-1));
            let latest = [self.answered(), offset, limit, remaining, reset];
            cell.latest = cell.latest.max(latest);
        }
    }

    pub(super) fn add_to(&self, cells: &mut BTreeMap<Key, Cell>, wait_ignored: bool) {
        let told = self.cost();
        let attributes = self.attributes();
        let (integration, endpoint, tier, class) =
            (self.text("integration"), self.text("endpoint"), self.text("tier"), self.text("error_class"));
        let facts = tariff::Facts {
            time_us: self.number("time").expect("a time"),
            integration: &integration,
            endpoint: &endpoint,
            tier: &tier,
            class: &class,
            has_status: self.number("status").is_some(),
            attempt: self.number("attempt").unwrap_or(1),
            billable: self.billable(),
            records: self.number("records").unwrap_or(0),
            bytes_in: self.number("bytes_in").unwrap_or(0),
            attributes: &attributes,
        };
        let priced = tariff::price(&facts);
        let (cost, currency, usage, unpriced) = match told {
            Some((cost, currency)) => (cost, currency, BTreeMap::new(), false),
            None => (priced.cost, priced.currency.to_owned(), priced.usage, priced.unpriced),
        };
        let minute = self.minute();
        let mut key: Vec<String> = vec![minute.to_string()];
        key.extend(
            ["customer", "integration", "endpoint", "tier", "environment"].map(|name| self.text(name)),
        );
        key.extend([currency, self.text("workspace")]);
        let cell = cells.entry(key.try_into().expect("eight")).or_default();
        cell.calls += 1;
        cell.cost += cost;
        cell.retried += i64::from(self.number("attempt").unwrap_or(1) > 1);
        cell.queue_us += self.number("queue_us").unwrap_or(0);
        cell.bytes_in += self.number("bytes_in").unwrap_or(0);
        cell.bytes_out += self.number("bytes_out").unwrap_or(0);
        cell.items += self.number("items").unwrap_or(0);
        cell.records += self.number("records").unwrap_or(0);
        let (failed, retry) = (class != "ok", facts.attempt > 1);
        cell.billable += i64::from(tariff::billable(&facts));
        cell.unpriced += i64::from(unpriced);
        cell.cost_failed += if failed { cost } else { 0 };
        cell.cost_retried += if !failed && retry { cost } else { 0 };
        for (line, quantity) in usage {
            *cell.usage.entry(line.to_owned()).or_default() += quantity;
            if failed {
                *cell.usage_failed.entry(line.to_owned()).or_default() += quantity;
            } else if retry {
                *cell.usage_retried.entry(line.to_owned()).or_default() += quantity;
            }
        }
        let batch_size = self.number("batch_size").unwrap_or(0);
        cell.batchable += i64::from(batch_size > 0);
        cell.batch_size = cell.batch_size.max(batch_size);
        cell.waits_asked += i64::from(self.number("retry_at").is_some());
        cell.waits_ignored += i64::from(wait_ignored);
        if failed {
            cell.failed += 1;
            *cell.errors.entry(class.clone()).or_default() += 1;
        }
        if let Some(latency) = self.number("latency_us") {
            cell.latency_us += latency;
            *cell.latency.entry(bucket(latency)).or_default() += 1;
        }
    }
}

/// The bucket of a latency by the documented layout: 1 µs wide below 128, then 64 for each doubling.
fn bucket(latency: i64) -> i64 {
    let (mut low, mut width, mut number) = (0, 1, 0);
    loop {
        let buckets = if low == 0 { 128 } else { 64 };
        if latency < low + buckets * width {
            return number + (latency - low) / width;
        }
        number += buckets;
        low += buckets * width;
        width *= 2;
    }
}
