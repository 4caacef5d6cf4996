//! The form of a price book: a located YAML tree enters, typed entries with their places leave.
//!
//! The JSON Schema of these types is the one that editors use, and what is said in it is what the keys mean.
//! Promise: pure. Entries whose form is wrong are told and left out, so that the meaning of the others is
//! checked in the same run. Variants of enums have plain comments: with documented ones each word would be a
//! schema of its own, and a misspelt word would not be told which there are.

use callmeter_documents::{
    Problems, Shape,
    yaml::{Node, Value},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// What calls to third-party APIs cost.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Callmeter price book")]
#[allow(dead_code, reason = "its entries are read one by one; the whole is the published schema")]
struct Document {
    /// Currency of entries that name none: three capital letters, such as USD. One integration has one
    /// currency in the whole book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    currency: Option<String>,
    /// Workspaces whose calls this book prices; `*` stands for any text; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    workspaces: Vec<String>,
    /// What is charged. For one attempt, and for each meter (and attribute), the first line in the order of the
    /// file that matches is charged; lines of different meters add up. Specific lines come first.
    prices: Vec<Entry>,
}

/// One version of one line of the bill.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Name of what is charged: a-z, 0-9 and `-`. Entries of one line are its versions and differ in
    /// `effective_from`.
    pub(crate) line: String,
    /// The integration as it stands in events, such as `openai`.
    pub(crate) integration: String,
    /// Currency, if not that of the book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) currency: Option<String>,
    /// Endpoints, such as `POST /v1/responses`; `*` stands for any text; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoint: Vec<String>,
    /// Tiers of the plan as they stand in events; `*` stands for any text; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tier: Vec<String>,
    /// Attributes that an event must carry, each with a pattern for its value; `*` stands for any text.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) conditions: BTreeMap<String, String>,
    /// What is counted.
    pub(crate) meter: Meter,
    /// For meter `attribute`: which. Its value is a whole number below 2^40, or with model `percent` an amount with
    /// at most 6 decimals. A call without it is not charged; one whose value is no such number is `unpriced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) attribute: Option<String>,
    /// When an attempt counts; absent: as the vendor's profile says, else `any_attempt`. With meter `call` always `success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Billable")]
    pub(crate) billable: Option<Billable>,
    /// How the price follows from the quantity.
    pub(crate) model: Model,
    /// The price as decimal text in quotes, such as "0.0042"; with model `percent` "2.9" is 2.9 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) price: Option<String>,
    /// The price is for so many units (default 1). Price divided by this must have at most 12 decimals; with model
    /// `percent` at most 4, and 100 means that the attribute is in cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) per: Option<u64>,
    /// For models `tiered` and `volume`: prices by the month's usage beyond the free units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<Tier>")]
    pub(crate) tiers: Option<Vec<Tier>>,
    /// For model `package`: units in a package; a begun package costs its whole price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) package: Option<u64>,
    /// Units free in each month (UTC), before everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) free: Option<u64>,
    /// Whose usage counts together for tiers, packages and free units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pool")]
    pub(crate) pool: Option<Pool>,
    /// From when this entry holds: a date (00:00 UTC) or a time in RFC 3339; absent: always. Where the price depends on
    /// the month (tiers, packages, free units) the first of a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) effective_from: Option<String>,
}

/// A price up to a bound of the month's usage.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// Last unit of this tier, counted from the month's first unit that is not free; the last tier has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) up_to: Option<u64>,
    /// The price as decimal text in quotes.
    pub(crate) price: String,
}

/// What is counted: `call` 1 for the logical call (its successful attempt),
/// `attempt` 1 for each attempt, `item`, `record`, `byte_in`, `byte_out` and `byte` (both) as the event says them,
/// `attribute` the number in an attribute. Of attempts that are billable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Meter {
    Call,
    Attempt,
    Item,
    Record,
    ByteIn,
    ByteOut,
    Byte,
    Attribute,
}

/// When an attempt counts: `any_attempt` whenever the vendor may have been reached (an answer, or no error of name,
/// connection or TLS, and not killed), `any_response` whenever there was an HTTP status, `success` whenever its class is `ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Billable {
    AnyAttempt,
    AnyResponse,
    Success,
}

/// How the price follows from the quantity: `flat` quantity × price; `tiered` (graduated) each unit at the price of the
/// tier it lies in; `volume` all units of the month at the price of the tier that the month reaches; `package` a price per
/// begun package; `percent` a share of the amount in an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Model {
    Flat,
    Tiered,
    Volume,
    Package,
    Percent,
}

/// Whose usage counts together: `workspace` (default) all of a workspace, `customer` each customer apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the type's text says both, see the head of this file")]
pub enum Pool {
    #[default]
    Workspace,
    Customer,
}

impl Pool {
    /// The word as it stands in a book.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Customer => "customer",
        }
    }
}

impl Meter {
    /// The word as it stands in a book.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Attempt => "attempt",
            Self::Item => "item",
            Self::Record => "record",
            Self::ByteIn => "byte_in",
            Self::ByteOut => "byte_out",
            Self::Byte => "byte",
            Self::Attribute => "attribute",
        }
    }
}

impl Billable {
    /// The word as it stands in a book.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AnyAttempt => "any_attempt",
            Self::AnyResponse => "any_response",
            Self::Success => "success",
        }
    }
}

/// The JSON Schema of a price book.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// The parts of a book whose form is right.
pub(crate) struct Parts {
    pub(crate) currency: Option<String>,
    pub(crate) workspaces: Vec<String>,
    /// Entries by their place in the list.
    pub(crate) entries: Vec<(usize, Entry)>,
}

/// Reads what can be read and tells what is wrong with the form of the rest.
pub(crate) fn read(root: &Node, problems: &mut Problems) -> Parts {
    match read_as::<Document>(schema(), root, problems) {
        Some(book) => Parts {
            currency: book.currency,
            workspaces: book.workspaces,
            entries: book.prices.into_iter().enumerate().collect(),
        },
        None => Parts { currency: currency(root), workspaces: Vec::new(), entries: readable(root) },
    }
}

fn read_as<T: DeserializeOwned>(
    schema: serde_json::Value,
    node: &Node,
    problems: &mut Problems,
) -> Option<T> {
    match Shape::new(schema) {
        Ok(shape) => shape.read(node, problems),
        Err(error) => {
            problems.add(node.line, "", format!("the schema of price books is broken: {error}"), None);
            None
        }
    }
}

fn member<'n>(root: &'n Node, key: &str) -> Option<&'n Value> {
    let Value::Map(members) = &root.value else { return None };
    members.iter().find(|member| member.key == key).map(|member| &member.value.value)
}

fn currency(root: &Node) -> Option<String> {
    match member(root, "currency")? {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The entries of a book with mistakes of form that have none themselves.
fn readable(root: &Node) -> Vec<(usize, Entry)> {
    let (Some(Value::List(items)), Ok(shape)) =
        (member(root, "prices"), Shape::new(schemars::schema_for!(Entry).to_value()))
    else {
        return Vec::new();
    };
    // What is wrong with the others has been told with the place in the whole.
    let mut told = Problems::new("");
    items.iter().enumerate().filter_map(|(at, item)| Some((at, shape.read(item, &mut told)?))).collect()
}

#[cfg(test)]
mod tests;
