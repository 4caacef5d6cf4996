//! A draft: one call as its sender described it, typed and borrowed from the request's body.
//!
//! What enters is one parsed JSON event or one OpenTelemetry span; what leaves is the input of
//! admission. Promise: nothing here was checked against a bound or a policy yet.

use callmeter_schemas::{Cost, QuotaObservation};
use std::{borrow::Cow, fmt};

/// One described call. Members mean what the fields of `CallEvent` of the same name mean.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the members are documented once, in the JSON schema of the event")]
pub struct Draft<'a> {
    pub id: Option<Cow<'a, str>>,
    /// Microseconds since 1970 UTC.
    pub time_us: Option<i64>,
    pub customer: Option<Cow<'a, str>>,
    pub integration: Option<Cow<'a, str>>,
    pub endpoint: Option<Cow<'a, str>>,
    pub host: Option<Cow<'a, str>>,
    pub method: Option<Cow<'a, str>>,
    pub path: Option<Cow<'a, str>>,
    /// Full URL: host and path are taken from it when they are absent.
    pub url: Option<Cow<'a, str>>,
    pub status: Option<u16>,
    pub latency_us: Option<u64>,
    pub queue_us: Option<u64>,
    pub attempt: Option<u64>,
    pub retry_of: Option<Cow<'a, str>>,
    pub run_id: Option<Cow<'a, str>>,
    pub data_type: Option<Cow<'a, str>>,
    pub operation: Option<Cow<'a, str>>,
    pub items: Option<u64>,
    pub records: Option<u64>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub tier: Option<Cow<'a, str>>,
    pub environment: Option<Cow<'a, str>>,
    /// A word, within the vocabulary or not.
    pub error_class: Option<Cow<'a, str>>,
    pub error: Option<Cow<'a, str>>,
    /// Whether it failed, also where no error is named.
    pub failed: bool,
    pub cost: Option<Cost>,
    pub trace_id: Option<Cow<'a, str>>,
    pub quota: Vec<QuotaObservation>,
    /// Response headers, names as they came.
    pub headers: Entries<'a>,
    /// Further headers, beyond the bound of what is read.
    pub unread_headers: u64,
    pub attributes: Entries<'a>,
    /// Members that nobody knows, each as JSON text.
    pub extra: Vec<(Cow<'a, str>, &'a str)>,
    /// Further unknown members, beyond the bound of `extra`.
    pub unkept: u64,
}

/// Names and values in the order in which they came.
pub type Entries<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Why one item was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of mistake.
    pub code: Code,
    /// Path of the member, such as `cost.currency`; empty when it is the item itself.
    pub field: String,
    /// The mistake in words; never a value from the body.
    pub detail: Cow<'static, str>,
}

impl Rejection {
    /// A rejection because of one member.
    pub fn new(code: Code, field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, field: field.into(), detail: detail.into() }
    }

    /// A member that must be there is not.
    pub fn missing(field: &str) -> Self {
        Self::new(Code::MissingField, field, "required and absent or empty")
    }

    /// A member is not of the type that it must have.
    pub fn wrong_type(field: impl Into<String>, wanted: &'static str) -> Self {
        Self::new(Code::WrongType, field, wanted)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => out.write_str(&self.detail),
            field => write!(out, "{field}: {}", self.detail),
        }
    }
}

/// Kinds of mistakes, as they stand in answers and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The item is not JSON (or not a protobuf span).
    Malformed,
    /// The item is JSON and not an object.
    NotAnObject,
    /// A required member is absent or empty.
    MissingField,
    /// A member has another type than it must have.
    WrongType,
    /// A member has the right type and no meaning.
    InvalidValue,
    /// A number or time is beyond its bounds.
    OutOfRange,
    /// A text is too long.
    TooLong,
    /// A list or map has too many entries, or the whole event is too large.
    TooMany,
    /// A member stands twice in one object.
    DuplicateMember,
}

impl Code {
    /// Every code; a code's place here is its discriminant.
    pub const ALL: [Code; 9] = [
        Code::Malformed,
        Code::NotAnObject,
        Code::MissingField,
        Code::WrongType,
        Code::InvalidValue,
        Code::OutOfRange,
        Code::TooLong,
        Code::TooMany,
        Code::DuplicateMember,
    ];

    /// The word in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Malformed => "malformed",
            Code::NotAnObject => "not_an_object",
            Code::MissingField => "missing_field",
            Code::WrongType => "wrong_type",
            Code::InvalidValue => "invalid_value",
            Code::OutOfRange => "out_of_range",
            Code::TooLong => "too_long",
            Code::TooMany => "too_many",
            Code::DuplicateMember => "duplicate_member",
        }
    }
}
