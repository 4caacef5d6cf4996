//! The general path: payloads of any writer's schema enter, events leave.
//!
//! It is slow and takes shapes that [`Plan`] does not read: enums and bytes for texts, UUIDs, times
//! in milliseconds, decimals of another scale. apache-avro decodes, but only after a plan walked every
//! byte, because it reads a payload that ends early as nulls and believes block counts. Promise: facts
//! are those of the schema's names, exact or refused; no default is taken for a value that does not fit.

use crate::plan::Plan;
use apache_avro::{
    Schema, from_avro_datum,
    schema::{DecimalSchema, ResolvedSchema},
    types::Value,
};
use callmeter_schemas::{Amount, CallEvent, Cost, ErrorClass, QuotaObservation, money};
use std::collections::{BTreeMap, HashMap};

/// One writer's schema that takes the general path.
#[derive(Debug)]
pub(crate) struct General {
    schema: Schema,
    walk: Plan,
    /// One unit of the writer's cost in units of 10^-12.
    unit: i128,
}

impl General {
    /// Checks what can be checked before the first record comes.
    pub(crate) fn new(schema: Schema) -> Result<Self, String> {
        let walk = Plan::walk(&schema).map_err(|error| error.to_string())?;
        let unit = cost_unit(&schema)?;
        Ok(Self { schema, walk, unit })
    }

    /// Reads one payload.
    pub(crate) fn read(&self, mut payload: &[u8]) -> Result<CallEvent, String> {
        self.walk.read(payload).map_err(|error| error.to_string())?;
        let value = from_avro_datum(&self.schema, &mut payload, None).map_err(|error| error.to_string())?;
        let Value::Record(fields) = value else { return Err("not a record".into()) };
        event(&mut Members(fields.into_iter().collect()), self.unit)
    }
}

fn event(members: &mut Members, unit: i128) -> Result<CallEvent, String> {
    Ok(CallEvent {
        workspace: members.text("workspace")?.unwrap_or_default(),
        id: members.text("id")?.unwrap_or_default(),
        // An absent time is out of bounds, and refused with the other facts.
        time_us: members.time("time")?.unwrap_or_default(),
        customer: members.text("customer")?.unwrap_or_default(),
        integration: members.text("integration")?.unwrap_or_default(),
        endpoint: members.text("endpoint")?.unwrap_or_default(),
        tier: members.text("tier")?.unwrap_or_default(),
        environment: members.text("environment")?.unwrap_or_default(),
        error_class: members.text("error_class")?.map(|word| ErrorClass::or_unknown(&word)),
        status: members.count("status")?,
        latency_us: members.count("latency_us")?,
        queue_us: members.count("queue_us")?,
        attempt: members.count("attempt")?.unwrap_or(1),
        items: members.count("items")?,
        records: members.count("records")?,
        bytes_in: members.count("bytes_in")?,
        bytes_out: members.count("bytes_out")?,
        cost: cost(members.take("cost"), unit)?,
        host: members.text("host")?,
        method: members.text("method")?,
        path: members.text("path")?,
        retry_of: members.text("retry_of")?,
        run_id: members.text("run_id")?,
        data_type: members.text("data_type")?,
        operation: members.text("operation")?,
        error: members.text("error")?,
        trace_id: members.text("trace_id")?,
        quota: quotas(members.take("quota"))?,
        headers: entries("headers", members.take("headers"))?,
        attributes: entries("attributes", members.take("attributes"))?,
        extra: entries("extra", members.take("extra"))?,
        billable: members.flag("billable")?,
        retry_at_us: members.time("retry_at")?,
        batch_size: members.count("batch_size")?,
    })
}

/// The members of a record by name; absent is null.
struct Members(HashMap<String, Value>);

impl Members {
    fn take(&mut self, name: &str) -> Value {
        match self.0.remove(name) {
            Some(Value::Union(_, inner)) => *inner,
            Some(value) => value,
            None => Value::Null,
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::String(text) | Value::Enum(_, text) => Ok(Some(text)),
            Value::Uuid(id) => Ok(Some(id.to_string())),
            Value::Bytes(bytes) | Value::Fixed(_, bytes) => {
                String::from_utf8(bytes).map(Some).map_err(|_| format!("{name} is not UTF-8"))
            }
            _ => Err(format!("{name} is not a text")),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<i64>, String> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(i64::from(number))),
            Value::Long(number) => Ok(Some(number)),
            _ => Err(format!("{name} is not an integer")),
        }
    }

    fn count<T: TryFrom<i64>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let number = self.number(name)?.map(T::try_from).transpose();
        number.map_err(|_| format!("{name} is out of bounds"))
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::Boolean(flag) => Ok(Some(flag)),
            _ => Err(format!("{name} is not a boolean")),
        }
    }

    /// Microseconds; a plain integer is taken to be in them.
    fn time(&mut self, name: &str) -> Result<Option<i64>, String> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::TimestampMicros(time) | Value::Long(time) => Ok(Some(time)),
            Value::TimestampMillis(time) => {
                time.checked_mul(1000).map(Some).ok_or_else(|| format!("{name} is out of bounds"))
            }
            _ => Err(format!("{name} is not a time")),
        }
    }
}

/// How many units of 10^-12 one unit of the writer's `cost.amount` is; decoded decimals do not say it.
fn cost_unit(schema: &Schema) -> Result<i128, String> {
    let resolved = ResolvedSchema::try_from(schema).map_err(|error| error.to_string())?;
    let member = |schema: &Schema, name: &str| -> Option<Schema> {
        let Schema::Record(record) = schema else { return None };
        let field = record.fields.iter().find(|field| field.name == name)?;
        let inner = match &field.schema {
            Schema::Union(union) => union.variants().iter().find(|variant| **variant != Schema::Null)?,
            schema => schema,
        };
        Some(match inner {
            Schema::Ref { name } => (*resolved.get_names().get(name)?).clone(),
            schema => schema.clone(),
        })
    };
    let Some(cost) = member(schema, "cost") else { return Ok(1) };
    match member(&cost, "amount") {
        Some(Schema::Decimal(DecimalSchema { scale, .. })) if scale <= money::SCALE as usize => {
            Ok(10_i128.pow(money::SCALE - scale as u32))
        }
        _ => Err(format!("cost.amount is not a decimal of at most {} places", money::SCALE)),
    }
}

fn cost(value: Value, unit: i128) -> Result<Option<Cost>, String> {
    let mut members = match value {
        Value::Null => return Ok(None),
        Value::Record(fields) => Members(fields.into_iter().collect()),
        _ => return Err("cost is not a record".into()),
    };
    let Value::Decimal(decimal) = members.take("amount") else {
        return Err("cost.amount is not a decimal".into());
    };
    // Only a decimal of no bytes has no bytes to give; it is zero.
    let bytes: Vec<u8> = (&decimal).try_into().unwrap_or_default();
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    let units = bytes.iter().fold(sign, |units: i128, byte| units << 8 | i128::from(*byte));
    let amount = (bytes.len() <= 16).then(|| units.checked_mul(unit)).flatten().and_then(Amount::from_units);
    Ok(Some(Cost {
        amount: amount.ok_or("cost.amount is out of bounds")?,
        currency: members.text("currency")?.unwrap_or_default(),
    }))
}

fn quotas(value: Value) -> Result<Vec<QuotaObservation>, String> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err("quota is not an array".into()),
    };
    let read = |item| {
        let Value::Record(fields) = item else {
            return Err("quota has an item that is no record".to_owned());
        };
        let mut members = Members(fields.into_iter().collect());
        Ok(QuotaObservation {
            policy: members.text("policy")?.unwrap_or_default(),
            scope: members.text("scope")?.unwrap_or_default(),
            limit: members.number("limit")?,
            remaining: members.number("remaining")?,
            reset_us: members.time("reset")?,
        })
    };
    items.into_iter().map(read).collect()
}

fn entries(name: &str, value: Value) -> Result<BTreeMap<String, String>, String> {
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Map(values) => {
            let mut members = Members(values);
            let keys: Vec<String> = members.0.keys().cloned().collect();
            let read = |key: String| members.text(&key).map(|text| (key, text.unwrap_or_default()));
            keys.into_iter().map(read).collect()
        }
        _ => Err(format!("{name} is not a map")),
    }
}

#[cfg(test)]
mod tests;
