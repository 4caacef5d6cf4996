//! Writer schemas by id: a framed record enters, its fields leave through the compiled plan or, for
//! schemas of another shape, through apache-avro.
//!
//! Promise: which path a schema takes depends on the schema alone, and both paths read the same
//! facts. Ids are those of `callmeter_schemas::avro` or, from a registry, those of the configuration.

use crate::plan::{Fields, Plan};
use apache_avro::{Schema, from_avro_datum, types::Value};
use callmeter_schemas::{
    Amount, CallEvent, Cost, ErrorClass, PoisonReason, QuotaObservation,
    avro::{self, call_event_schema},
};
use std::collections::{BTreeMap, HashMap};

enum Path {
    Compiled(Plan),
    General(Box<Schema>),
}

/// The schemas whose records can be read.
pub struct Schemas {
    by_id: HashMap<u32, Path>,
    own: Plan,
}

/// A configured schema cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("schema {id}: {problem}")]
pub struct SchemaError {
    id: String,
    problem: String,
}

impl Schemas {
    /// The built-in schema and further ones, each with the id that producers write and its JSON text.
    pub fn new(further: &BTreeMap<String, String>) -> Result<Self, SchemaError> {
        let own = Plan::compile(call_event_schema())
            .map_err(|error| SchemaError { id: "built-in".into(), problem: error.to_string() })?;
        let mut by_id = HashMap::from([(avro::SCHEMA_ID, Path::Compiled(own.clone()))]);
        for (id, text) in further {
            let fail = |problem: String| SchemaError { id: id.clone(), problem };
            let number = id.parse().map_err(|_| fail("the id is not a number below 4294967296".into()))?;
            let schema = Schema::parse_str(text).map_err(|error| fail(error.to_string()))?;
            let path = match Plan::compile(&schema) {
                Ok(plan) => Path::Compiled(plan),
                Err(_) => Path::General(Box::new(schema)),
            };
            by_id.insert(number, path);
        }
        Ok(Self { by_id, own })
    }

    /// Reads one framed record. `scratch` holds what the general path rewrites.
    pub fn read<'a>(
        &self,
        record: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Fields<'a>, (PoisonReason, String)> {
        if record.is_empty() {
            return Err((PoisonReason::Empty, "the record has no value".into()));
        }
        let (id, payload) = avro::unframe(record).ok_or_else(|| {
            (PoisonReason::BadFrame, "the value does not begin with 0x00 and a schema id".into())
        })?;
        let undecodable = |detail: String| (PoisonReason::Undecodable, detail);
        match self.by_id.get(&id) {
            None => Err((
                PoisonReason::UnknownSchema,
                format!("schema id {id} is not known; name its file under kafka.schemas"),
            )),
            Some(Path::Compiled(plan)) => plan.read(payload).map_err(|error| undecodable(error.to_string())),
            Some(Path::General(schema)) => {
                let event = general(schema, payload).map_err(undecodable)?;
                scratch.clear();
                avro::encode(&event, scratch);
                self.own.read(&scratch[avro::FRAME_BYTES..]).map_err(|error| undecodable(error.to_string()))
            }
        }
    }
}

/// Decodes by apache-avro, resolving the writer's schema into the built-in one.
fn general(writer: &Schema, mut payload: &[u8]) -> Result<CallEvent, String> {
    let value = from_avro_datum(writer, &mut payload, None).map_err(|error| error.to_string())?;
    if !payload.is_empty() {
        return Err("bytes are left over after the last field".into());
    }
    let value = value.resolve(call_event_schema()).map_err(|error| error.to_string())?;
    let Value::Record(fields) = value else { return Err("not a record".into()) };
    let mut fields: HashMap<String, Value> = fields.into_iter().collect();
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::Union(_, inner)) => *inner,
        Some(value) => value,
        None => Value::Null,
    };
    Ok(CallEvent {
        workspace: text(take("workspace")).unwrap_or_default(),
        id: text(take("id")).unwrap_or_default(),
        time_us: number(take("time")).unwrap_or_default(),
        customer: text(take("customer")).unwrap_or_default(),
        integration: text(take("integration")).unwrap_or_default(),
        endpoint: text(take("endpoint")).unwrap_or_default(),
        tier: text(take("tier")).unwrap_or_default(),
        environment: text(take("environment")).unwrap_or_default(),
        error_class: text(take("error_class"))
            .map(|word| ErrorClass::parse(&word).unwrap_or(ErrorClass::Unknown)),
        status: number(take("status")).map(|status| u16::try_from(status).unwrap_or(u16::MAX)),
        latency_us: count(take("latency_us"))?,
        queue_us: count(take("queue_us"))?,
        attempt: number(take("attempt")).and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or_default(),
        items: count(take("items"))?,
        records: count(take("records"))?,
        bytes_in: count(take("bytes_in"))?,
        bytes_out: count(take("bytes_out"))?,
        cost: cost(take("cost"))?,
        host: text(take("host")),
        method: text(take("method")),
        path: text(take("path")),
        retry_of: text(take("retry_of")),
        run_id: text(take("run_id")),
        data_type: text(take("data_type")),
        operation: text(take("operation")),
        error: text(take("error")),
        trace_id: text(take("trace_id")),
        quota: quota(take("quota")),
        headers: map(take("headers")),
        attributes: map(take("attributes")),
        extra: map(take("extra")),
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) | Value::Enum(_, text) => Some(text),
        _ => None,
    }
}

fn number(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(number)),
        Value::Long(number) | Value::TimestampMicros(number) => Some(number),
        _ => None,
    }
}

fn count(value: Value) -> Result<Option<u64>, String> {
    number(value)
        .map(|number| u64::try_from(number).map_err(|_| "a count is negative".to_owned()))
        .transpose()
}

fn cost(value: Value) -> Result<Option<Cost>, String> {
    let Value::Record(fields) = value else { return Ok(None) };
    let mut cost = Cost { amount: Amount::ZERO, currency: String::new() };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("amount", Value::Decimal(decimal)) => {
                let bytes: Vec<u8> = decimal.try_into().map_err(|_| "cost.amount cannot be read")?;
                let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
                let units = bytes.iter().fold(sign, |units: i128, byte| units << 8 | i128::from(*byte));
                cost.amount = (bytes.len() <= 16)
                    .then(|| Amount::from_units(units))
                    .flatten()
                    .ok_or("cost.amount is too large")?;
            }
            ("currency", value) => cost.currency = text(value).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(Some(cost))
}

fn quota(value: Value) -> Vec<QuotaObservation> {
    let Value::Array(items) = value else { return Vec::new() };
    let observations = items.into_iter().filter_map(|item| {
        let Value::Record(fields) = item else { return None };
        let mut observation = QuotaObservation::default();
        for (name, value) in fields {
            let value = if let Value::Union(_, inner) = value { *inner } else { value };
            match name.as_str() {
                "policy" => observation.policy = text(value).unwrap_or_default(),
                "scope" => observation.scope = text(value).unwrap_or_default(),
                "limit" => observation.limit = number(value),
                "remaining" => observation.remaining = number(value),
                "reset" => observation.reset_us = number(value),
                _ => {}
            }
        }
        Some(observation)
    });
    observations.collect()
}

fn map(value: Value) -> BTreeMap<String, String> {
    let Value::Map(entries) = value else { return BTreeMap::new() };
    entries.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}
