//! The fields that an event may carry: their names in the schema, and their values in one payload.
//!
//! Promise: whoever reads a payload by a plan names fields by these types and never by text or number.

/// Texts that an event may carry; the place of each in [`Fields::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the Avro field of its name")]
#[repr(u8)]
pub enum Text {
    Workspace,
    Id,
    Customer,
    Integration,
    Endpoint,
    Tier,
    Environment,
    ErrorClass,
    Currency,
    Host,
    Method,
    Path,
    RetryOf,
    RunId,
    DataType,
    Operation,
    Error,
    TraceId,
}

pub(super) const TEXTS: [(&str, Text); 17] = [
    ("workspace", Text::Workspace),
    ("id", Text::Id),
    ("customer", Text::Customer),
    ("integration", Text::Integration),
    ("endpoint", Text::Endpoint),
    ("tier", Text::Tier),
    ("environment", Text::Environment),
    ("error_class", Text::ErrorClass),
    ("host", Text::Host),
    ("method", Text::Method),
    ("path", Text::Path),
    ("retry_of", Text::RetryOf),
    ("run_id", Text::RunId),
    ("data_type", Text::DataType),
    ("operation", Text::Operation),
    ("error", Text::Error),
    ("trace_id", Text::TraceId),
];

/// Integers that an event may carry; the place of each in [`Fields::number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the Avro field of its name")]
#[repr(u8)]
pub enum Number {
    Time,
    Status,
    LatencyUs,
    QueueUs,
    Attempt,
    Items,
    Records,
    BytesIn,
    BytesOut,
    /// 0 or 1.
    Billable,
    RetryAt,
    BatchSize,
}

pub(super) const NUMBERS: [(&str, Number); 12] = [
    ("time", Number::Time),
    ("status", Number::Status),
    ("latency_us", Number::LatencyUs),
    ("queue_us", Number::QueueUs),
    ("attempt", Number::Attempt),
    ("items", Number::Items),
    ("records", Number::Records),
    ("bytes_in", Number::BytesIn),
    ("bytes_out", Number::BytesOut),
    ("billable", Number::Billable),
    ("retry_at", Number::RetryAt),
    ("batch_size", Number::BatchSize),
];

/// Collections that an event may carry, kept as their Avro bytes; the place of each in [`Fields::block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the Avro field of its name")]
#[repr(u8)]
pub enum Block {
    Quota,
    Headers,
    Attributes,
    Extra,
}

pub(super) const BLOCKS: [(&str, Block); 4] = [
    ("quota", Block::Quota),
    ("headers", Block::Headers),
    ("attributes", Block::Attributes),
    ("extra", Block::Extra),
];

/// The fields of one payload, borrowed from it. What the writer's schema lacks is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    pub(super) texts: [Option<&'a str>; 18],
    pub(super) numbers: [Option<i64>; 12],
    pub(super) blocks: [&'a [u8]; 4],
    /// Cost in units of 10^-12.
    pub amount: Option<i128>,
}

impl<'a> Fields<'a> {
    /// A text, when it is there and not null.
    pub fn text(&self, text: Text) -> Option<&'a str> {
        self.texts[text as usize]
    }

    /// An integer, when it is there and not null.
    pub fn number(&self, number: Number) -> Option<i64> {
        self.numbers[number as usize]
    }

    /// The Avro bytes of a collection; empty when the writer's schema lacks it.
    pub fn block(&self, block: Block) -> &'a [u8] {
        self.blocks[block as usize]
    }
}
