//! The form of a vendor profile: one YAML file per vendor enters as these types; data only.
//!
//! The JSON Schema of [`Profile`] is what editors use, and what is said in it is what the keys mean. Promise:
//! pure. Variants of enums have plain comments: with documented ones each word would be a schema of its own,
//! and a misspelt word would not be told which there are.

mod fixture;

pub use fixture::{Expectation, ExpectedQuota, Fixture, FixtureRequest, FixtureResponse};

use callmeter_schemas::ErrorClass;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What calls to one vendor mean: which hosts are its own, which paths are one endpoint, what its errors are, and
/// what its answers tell of limits.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callmeter vendor profile")]
pub struct Profile {
    /// Name in events, tables and rules: a-z, 0-9 and `-`; the name of the file as well.
    pub integration: String,
    /// Name for people.
    pub name: String,
    /// What kind of service it is.
    pub category: Category,
    /// Host names in lower case: exact, or with one leading `*.` for any depth of subdomains, each optionally followed
    /// by a path prefix of whole segments. The longest match over all profiles wins.
    pub hosts: Vec<String>,
    /// Which attempts the vendor counts.
    #[serde(default)]
    pub billable: Billable,
    /// Path templates such as `/v3/contacts|deals/{id}`: alternatives are kept as they came, a placeholder stands for
    /// one segment or a part of one, `{name*}` as last segment for one or more. `{secret}` is cut out of stored paths.
    /// Of several that match, the one with most literal segments wins, then the first.
    #[serde(default)]
    pub paths: Vec<String>,
    /// What failures of this vendor mean. The first rule that matches wins, before the general meaning of the status.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// One entry per limit that answers tell of. Without entries the usual rate-limit headers are read.
    #[serde(default)]
    pub quota: Vec<QuotaEntry>,
    /// Header beside the standard Retry-After that tells how long to wait.
    #[serde(default)]
    #[schemars(with = "String")]
    pub retry_after: Option<String>,
    /// Form of that header; seconds if absent.
    #[serde(default)]
    #[schemars(with = "TimeForm")]
    pub retry_after_form: Option<TimeForm>,
    /// Calls for one item that a bulk endpoint would have saved.
    #[serde(default)]
    pub batch: Vec<BatchEntry>,
    /// Requests with their answers and what they must become.
    #[serde(default)]
    pub fixtures: Vec<Fixture>,
}

/// What kind of service a vendor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words say it; documented variants would each become a schema")]
pub enum Category {
    Crm,
    Accounting,
    Payments,
    Commerce,
    Messaging,
    Email,
    Marketing,
    Code,
    Identity,
    Llm,
    Cloud,
    Storage,
    Support,
    Productivity,
    Analytics,
    Hr,
    Logistics,
    Erp,
    Other,
}

/// Which attempts a vendor counts: `any_attempt` that may have reached it, `any_response` that has a status, `success`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "documented once, on the enum; documented variants would each become a schema"
)]
pub enum Billable {
    #[default]
    AnyAttempt,
    AnyResponse,
    Success,
}

/// A failure and its class. Everything that stands here must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// Any one of these statuses; absent: whatever it is, also none.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Any one of these error codes; `*` stands for any text; case does not matter.
    #[serde(default)]
    pub code: Vec<String>,
    /// Every one of these headers with such a value; `*` stands for any text; case does not matter.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What it is.
    #[schemars(schema_with = "error_classes")]
    pub class: ErrorClass,
}

/// One limit and the headers that tell of it. A header is `name`, or `name#key` for a member of a JSON object or of a
/// list of `key=value`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaEntry {
    /// Name of the limit.
    #[serde(default)]
    #[schemars(with = "String")]
    pub policy: Option<String>,
    /// Header whose value is the name of the limit; `policy` where it is absent.
    #[serde(default)]
    #[schemars(with = "String")]
    pub policy_from: Option<String>,
    /// Who shares the limit.
    #[serde(default)]
    pub scope: Scope,
    /// Header whose value is the name of who shares it; `scope` where it is absent.
    #[serde(default)]
    #[schemars(with = "String")]
    pub scope_from: Option<String>,
    /// What is counted, for people: requests (the default), tokens, points, bytes … one word.
    #[serde(default)]
    #[schemars(with = "String")]
    pub unit: Option<String>,
    /// Published length of the period, for people, such as 10s or 1d.
    #[serde(default)]
    #[schemars(with = "String")]
    pub window: Option<String>,
    /// Header with the limit.
    #[serde(default)]
    #[schemars(with = "String")]
    pub limit: Option<String>,
    /// Published limit, where no header tells it.
    #[serde(default)]
    #[schemars(with = "u64", range(max = 18_446_744_073_709_551_615_u64))]
    pub limit_fixed: Option<u64>,
    /// Header with what is left.
    #[serde(default)]
    #[schemars(with = "String")]
    pub remaining: Option<String>,
    /// Header with what is used; what is left is the limit minus that.
    #[serde(default)]
    #[schemars(with = "String")]
    pub used: Option<String>,
    /// Header of the form `used/limit`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub usage: Option<String>,
    /// Header with the time when the limit is filled again.
    #[serde(default)]
    #[schemars(with = "String")]
    pub reset: Option<String>,
    /// Form of that header; auto if absent.
    #[serde(default)]
    #[schemars(with = "TimeForm")]
    pub reset_form: Option<TimeForm>,
}

/// Who shares a limit: a `customer` with credentials of its own, all customers of one `app`, or one `host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "documented once, on the enum; documented variants would each become a schema"
)]
pub enum Scope {
    #[default]
    Customer,
    App,
    Host,
}

/// How a header tells a time. `auto`: a number above 1e12 is epoch ms, above 1e9 epoch s, else seconds from now; other
/// texts are RFC 3339, HTTP dates or durations such as 6m0s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "documented once, on the enum; documented variants would each become a schema"
)]
pub enum TimeForm {
    #[default]
    Auto,
    EpochS,
    EpochMs,
    Seconds,
    Milliseconds,
    Duration,
    Rfc3339,
    HttpDate,
}

/// A call for one item and the call that does the same for many.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchEntry {
    /// Endpoint of the call for one item, as a template writes it: `POST /v3/contacts`.
    pub endpoint: String,
    /// Endpoint that takes many. The same one: then only calls whose event says that they were about one item
    /// could have been saved.
    #[serde(rename = "use")]
    pub instead: String,
    /// How many it takes.
    #[schemars(range(max = 4_294_967_295_u64))]
    pub size: u32,
}

fn error_classes(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
    schemars::json_schema!({"type": "string", "enum": words})
}

/// The JSON Schema of a profile file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Profile).to_value()
}

/// The same as the file `schemas/json/profile.schema.json` holds it.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}
