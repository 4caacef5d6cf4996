//! Rows of `raw_calls`: judged events enter, one Native block leaves.
//!
//! Columns are filled as events come, without a value per field in between. Promise: a row says
//! what the event said; absent texts are empty, absent numbers are NULL.

use crate::{
    facts::Facts,
    fetch::Record,
    native::{self, Block},
    plan::{self, Block as Collection, Fields, Number, Text},
    quotas,
    rows::Owner,
};

/// Columns in the order of the block.
pub(crate) const COLUMNS: &str = "workspace, customer, integration, id, endpoint, tier, environment, host, method, path, \
    error, retry_of, run_id, data_type, operation, currency, trace_id, time, source, partition, offset, appended_at, \
    duplicate, status, error_class, latency_ms, queue_ms, attempt, items, records, bytes_in, bytes_out, cost, quota, \
    headers, attributes, extra, billable, retry_at, batch_size, retry_after_ignored";

const TEXTS: [(&str, Text); 17] = [
    ("workspace", Text::Workspace),
    ("customer", Text::Customer),
    ("integration", Text::Integration),
    ("id", Text::Id),
    ("endpoint", Text::Endpoint),
    ("tier", Text::Tier),
    ("environment", Text::Environment),
    ("host", Text::Host),
    ("method", Text::Method),
    ("path", Text::Path),
    ("error", Text::Error),
    ("retry_of", Text::RetryOf),
    ("run_id", Text::RunId),
    ("data_type", Text::DataType),
    ("operation", Text::Operation),
    ("currency", Text::Currency),
    ("trace_id", Text::TraceId),
];

const COUNTS: [(&str, Number); 4] = [
    ("items", Number::Items),
    ("records", Number::Records),
    ("bytes_in", Number::BytesIn),
    ("bytes_out", Number::BytesOut),
];

const MAPS: [(&str, Collection); 3] =
    [("headers", Collection::Headers), ("attributes", Collection::Attributes), ("extra", Collection::Extra)];

#[derive(Debug, Default)]
struct MapColumn {
    sizes: Vec<usize>,
    keys: Vec<u8>,
    values: Vec<u8>,
}

/// A block being filled.
#[derive(Debug, Default)]
pub(crate) struct CallRows {
    source: String,
    partition: i32,
    offsets: Vec<i64>,
    times: Vec<i64>,
    appended: Vec<i64>,
    duplicates: Vec<u8>,
    /// Values in Native form, one after the other.
    texts: [Vec<u8>; 17],
    classes: Vec<&'static str>,
    statuses: Vec<Option<[u8; 2]>>,
    latencies: Vec<Option<[u8; 8]>>,
    queues: Vec<Option<[u8; 8]>>,
    attempts: Vec<u32>,
    counts: [Vec<Option<[u8; 8]>>; 4],
    costs: Vec<Option<[u8; 16]>>,
    quotas: Vec<u8>,
    maps: [MapColumn; 3],
    billable: Vec<Option<[u8; 1]>>,
    retry_at: Vec<Option<[u8; 8]>>,
    batch_sizes: Vec<Option<[u8; 4]>>,
    waits_ignored: Vec<u8>,
}

/// What was found out about an event beside its facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Whether its id occurred within the horizon.
    pub(crate) duplicate: bool,
    /// Whether it was made although its vendor had asked to wait.
    pub(crate) wait_ignored: bool,
}

impl CallRows {
    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Bytes of texts so far, near enough for a bound.
    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(Vec::len).sum();
        let maps: usize = self.maps.iter().map(|map| map.keys.len() + map.values.len()).sum();
        texts + maps + self.quotas.len() + self.len() * 150
    }

    /// Adds one event.
    pub(crate) fn push(
        &mut self,
        owner: Owner<'_>,
        record: &Record<'_>,
        fields: &Fields<'_>,
        facts: &Facts<'_>,
        found: Found,
    ) {
        if self.source.is_empty() {
            self.source = owner.src.to_owned();
            self.partition = owner.part;
        }
        self.offsets.push(record.offset);
        self.appended.push(record.appended_ms);
        self.times.push(facts.time_us);
        self.duplicates.push(u8::from(found.duplicate));
        self.classes.push(facts.error_class.as_str());
        for ((_, text), column) in TEXTS.iter().zip(&mut self.texts) {
            native::text(fields.text(*text).unwrap_or("").as_bytes(), column);
        }
        // The facts are checked: a status fits 16 bits and an attempt 32.
        self.statuses.push(fields.number(Number::Status).map(|status| (status as u16).to_le_bytes()));
        self.latencies.push(fields.number(Number::LatencyUs).map(milliseconds));
        self.queues.push(fields.number(Number::QueueUs).map(milliseconds));
        self.attempts.push(fields.number(Number::Attempt).unwrap_or(1) as u32);
        for ((_, number), column) in COUNTS.iter().zip(&mut self.counts) {
            column.push(fields.number(*number).map(i64::to_le_bytes));
        }
        self.costs.push(fields.amount.map(i128::to_le_bytes));
        native::text(quota_json(fields.block(Collection::Quota)).as_bytes(), &mut self.quotas);
        for ((_, collection), column) in MAPS.iter().zip(&mut self.maps) {
            column.push(fields.block(*collection));
        }
        self.billable.push(facts.billable.map(|billable| [u8::from(billable)]));
        self.retry_at.push(facts.retry_at_us.map(i64::to_le_bytes));
        self.batch_sizes.push((facts.batch_size > 0).then(|| facts.batch_size.to_le_bytes()));
        self.waits_ignored.push(u8::from(found.wait_ignored));
    }

    /// The block of all rows; begins anew.
    pub(crate) fn take_block(&mut self) -> Vec<u8> {
        let rows = std::mem::take(self);
        let mut block = Block::new(rows.len());
        for (name, column) in TEXTS.iter().map(|(name, _)| name).zip(&rows.texts) {
            block.raw(name, "String", column);
        }
        block.fixed("time", "DateTime64(6, 'UTC')", rows.times.iter().map(|time| time.to_le_bytes()));
        block.texts("source", rows.offsets.iter().map(|_| rows.source.as_bytes()));
        block.i32("partition", rows.offsets.iter().map(|_| rows.partition));
        block.i64("offset", rows.offsets.iter().copied());
        block.fixed(
            "appended_at",
            "DateTime64(3, 'UTC')",
            rows.appended.iter().map(|time| time.to_le_bytes()),
        );
        block.raw("duplicate", "UInt8", &rows.duplicates);
        block.nullable("status", "UInt16", &rows.statuses);
        block.texts("error_class", rows.classes.iter().map(|class| class.as_bytes()));
        block.nullable("latency_ms", "Float64", &rows.latencies);
        block.nullable("queue_ms", "Float64", &rows.queues);
        block.fixed("attempt", "UInt32", rows.attempts.iter().map(|attempt| attempt.to_le_bytes()));
        for (name, column) in COUNTS.iter().map(|(name, _)| name).zip(&rows.counts) {
            block.nullable(name, "UInt64", column);
        }
        block.nullable("cost", "Decimal(38, 12)", &rows.costs);
        block.raw("quota", "String", &rows.quotas);
        for (name, column) in MAPS.iter().map(|(name, _)| name).zip(&rows.maps) {
            block.map(name, "Map(String, String)", column.sizes.iter().copied(), |out| {
                out.extend_from_slice(&column.keys);
                out.extend_from_slice(&column.values);
            });
        }
        block.nullable("billable", "UInt8", &rows.billable);
        block.nullable("retry_at", "DateTime64(6, 'UTC')", &rows.retry_at);
        block.nullable("batch_size", "UInt32", &rows.batch_sizes);
        block.raw("retry_after_ignored", "UInt8", &rows.waits_ignored);
        block.finish()
    }
}

impl MapColumn {
    fn push(&mut self, avro: &[u8]) {
        let mut size = 0;
        // The plan walked these bytes already, so that reading cannot fail here.
        let _ = plan::entries(avro, |key, value| {
            native::text(key.as_bytes(), &mut self.keys);
            native::text(value.as_bytes(), &mut self.values);
            size += 1;
        });
        self.sizes.push(size);
    }
}

fn milliseconds(us: i64) -> [u8; 8] {
    (us as f64 / 1000.0).to_le_bytes()
}

/// The quota observations as a JSON array; empty text when there are none.
fn quota_json(avro: &[u8]) -> String {
    let mut observations = Vec::new();
    // As above: the bytes were walked before.
    let _ = quotas::each(avro, |policy, scope, [limit, remaining, reset_us]| {
        observations.push(serde_json::json!({
            "policy": policy, "scope": scope, "limit": limit, "remaining": remaining, "reset_us": reset_us,
        }));
    });
    if observations.is_empty() { String::new() } else { serde_json::Value::Array(observations).to_string() }
}

#[cfg(test)]
mod tests;
