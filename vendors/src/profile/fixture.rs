//! The form of fixtures: a request with its answer, and what the call must become.

use super::error_classes;
use callmeter_schemas::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A request with its answer and what it must become. The customer is `acme`, the answer arrives at
/// 2026-01-15T12:00:00Z.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What it shows.
    pub name: String,
    /// What was asked.
    pub request: FixtureRequest,
    /// What was answered.
    pub response: FixtureResponse,
    /// What it must become.
    pub expect: Expectation,
}

/// What was asked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixtureRequest {
    /// Host name.
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// Path without a query string.
    pub path: String,
    /// How many items it is about, as the event says.
    #[schemars(range(max = 18_446_744_073_709_551_615_u64))]
    pub items: Option<u64>,
}

/// What was answered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixtureResponse {
    /// HTTP status; absent: no answer.
    #[serde(default)]
    #[schemars(with = "u16")]
    pub status: Option<u16>,
    /// The vendor's error code, or the client library's type of error.
    #[serde(default)]
    #[schemars(with = "String")]
    pub error: Option<String>,
    /// Headers; values are texts.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// What a call must become.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Method and template.
    pub endpoint: String,
    /// Class of the outcome.
    #[schemars(schema_with = "error_classes")]
    pub error_class: ErrorClass,
    /// What the answer tells of limits; nothing else may come out.
    #[serde(default)]
    pub quota: Vec<ExpectedQuota>,
    /// RFC 3339 time until which the answer asks to wait; absent: it does not.
    #[serde(default)]
    #[schemars(with = "String")]
    pub retry_at: Option<String>,
    /// Whether the vendor counts it; absent: not checked.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub billable: Option<bool>,
    /// How many such calls the bulk endpoint takes as one; absent: not checked.
    #[serde(default)]
    #[schemars(with = "u32", range(max = 4_294_967_295_u64))]
    pub batch_size: Option<u32>,
}

/// What an answer tells of one limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedQuota {
    /// Name of the limit.
    pub policy: String,
    /// Who shares it; absent: not checked.
    #[serde(default)]
    #[schemars(with = "String")]
    pub scope: Option<String>,
    /// The limit; absent: the answer does not tell it.
    #[serde(default)]
    #[schemars(
        with = "i64",
        range(min = -9_223_372_036_854_775_808_i64, max = 9_223_372_036_854_775_807_i64)
    )]
    pub limit: Option<i64>,
    /// What is left; absent: the answer does not tell it.
    #[serde(default)]
    #[schemars(
        with = "i64",
        range(min = -9_223_372_036_854_775_808_i64, max = 9_223_372_036_854_775_807_i64)
    )]
    pub remaining: Option<i64>,
    /// RFC 3339 time when it is filled again; absent: the answer does not tell it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub reset: Option<String>,
}
