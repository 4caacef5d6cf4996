//! Compiled Avro projection: a writer's schema enters once, after that payloads enter and borrowed
//! fields leave, with no allocation.
//!
//! The binary form is that of the Apache Avro 1.11 specification. Every byte of a payload is walked,
//! and every text is checked as UTF-8, also in fields that nobody reads, so that a payload is
//! either read whole or refused. Promise: what a plan reads is what apache-avro reads
//! (a property test compares them); a schema of another shape is refused at compile time and takes the
//! general path of `schema.rs`.

use apache_avro::{
    Schema,
    schema::{DecimalSchema, Name, ResolvedSchema, UnionSchema},
};
use std::collections::HashMap;

mod fields;
mod input;
mod own;

use fields::{BLOCKS, NUMBERS, TEXTS};
pub use fields::{Block, Fields, Number, Text};
pub use input::{Input, Malformed, entries, items};

#[derive(Clone, Debug)]
enum Step {
    Text(Text),
    Int(Number),
    Long(Number),
    Boolean(Number),
    Amount,
    Block(Block, Box<Step>),
    SkipInt,
    SkipLong,
    SkipText,
    SkipBytes,
    SkipFixed(usize),
    SkipBoolean,
    SkipEnum(i64),
    /// Array (or map, whose items begin with a text).
    SkipItems(Box<Step>),
    /// One step for each branch of a union; `None` is null.
    Union(Vec<Option<Step>>),
    Record(Vec<Step>),
}

/// How to read payloads of one writer's schema.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One for each field of the writer's schema.
    steps: Vec<Step>,
    /// Whether it is the built-in schema.
    own: bool,
}

/// The schema has a shape that a plan does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {0} has a shape that is not read")]
pub struct UnsupportedShape(String);

impl Plan {
    /// Compiles the plan of a writer's schema.
    pub fn compile(schema: &Schema) -> Result<Self, UnsupportedShape> {
        let own = is_same(schema, callmeter_schemas::avro::call_event_schema());
        Ok(Self { steps: each_field(schema, top_level)?, own })
    }

    /// Compiles a plan that reads no field and still walks every byte, for the general path.
    pub fn walk(schema: &Schema) -> Result<Self, UnsupportedShape> {
        Ok(Self { steps: each_field(schema, |named, _, schema| skip(named, schema))?, own: false })
    }

    /// Reads one payload whole.
    pub fn read<'a>(&self, payload: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        let mut fields = Fields::default();
        self.read_into(payload, &mut fields)?;
        Ok(fields)
    }

    /// The same into fields that are all absent: copying them costs as much as reading a few.
    pub fn read_into<'a>(&self, payload: &'a [u8], fields: &mut Fields<'a>) -> Result<(), Malformed> {
        let mut input = Input(payload);
        match self.own {
            true => own::read(&mut input, fields)?,
            false => self.steps.iter().try_for_each(|step| run(step, &mut input, fields))?,
        }
        if input.0.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }
}

/// The types that a schema names, which it may refer to afterwards.
type Named<'a> = HashMap<Name, &'a Schema>;

fn each_field(
    schema: &Schema,
    step: impl Fn(&Named<'_>, &str, &Schema) -> Option<Step>,
) -> Result<Vec<Step>, UnsupportedShape> {
    let root = || UnsupportedShape("(root)".into());
    let Schema::Record(record) = schema else { return Err(root()) };
    let resolved = ResolvedSchema::try_from(schema).map_err(|_| root())?;
    let steps = record.fields.iter().map(|field| {
        step(resolved.get_names(), &field.name, &field.schema)
            .ok_or_else(|| UnsupportedShape(field.name.clone()))
    });
    steps.collect()
}

fn lookup<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
}

fn top_level(named: &Named<'_>, name: &str, schema: &Schema) -> Option<Step> {
    if let Schema::Union(union) = schema {
        return branches(union, |schema| top_level(named, name, schema));
    }
    if let Some(text) = lookup(&TEXTS, name) {
        return matches!(schema, Schema::String).then_some(Step::Text(text));
    }
    if let Some(number) = lookup(&NUMBERS, name) {
        return match (number, schema) {
            (Number::Time | Number::RetryAt, Schema::TimestampMicros) => Some(Step::Long(number)),
            (Number::Billable, Schema::Boolean) => Some(Step::Boolean(number)),
            (Number::Time | Number::RetryAt | Number::Billable, _) => None,
            (_, Schema::Int) => Some(Step::Int(number)),
            (_, Schema::Long) => Some(Step::Long(number)),
            _ => None,
        };
    }
    if let Some(block) = lookup(&BLOCKS, name) {
        // Their inner shape is read later, with the built-in schema's; another shape takes the general path.
        return same_as_built_in(name, schema)
            .then(|| skip(named, schema))
            .flatten()
            .map(|step| Step::Block(block, Box::new(step)));
    }
    if name == "cost" {
        return cost(named, schema);
    }
    skip(named, schema)
}

fn branches(union: &UnionSchema, step: impl Fn(&Schema) -> Option<Step>) -> Option<Step> {
    let steps = union.variants().iter().map(|variant| match variant {
        Schema::Null => Some(None),
        schema => step(schema).map(Some),
    });
    steps.collect::<Option<Vec<_>>>().map(Step::Union)
}

fn same_as_built_in(name: &str, schema: &Schema) -> bool {
    let Schema::Record(built_in) = callmeter_schemas::avro::call_event_schema() else { return false };
    built_in.fields.iter().any(|field| field.name == name && is_same(schema, &field.schema))
}

fn is_same(one: &Schema, other: &Schema) -> bool {
    // Equality compares what bytes mean but not the names of record fields; the canonical form compares names.
    one == other && one.canonical_form() == other.canonical_form()
}

fn cost(named: &Named<'_>, schema: &Schema) -> Option<Step> {
    let Schema::Record(record) = schema else { return None };
    let steps = record.fields.iter().map(|field| match (field.name.as_str(), &field.schema) {
        ("amount", Schema::Decimal(DecimalSchema { scale: 12, inner, .. })) => {
            matches!(**inner, Schema::Bytes).then_some(Step::Amount)
        }
        ("currency", Schema::String) => Some(Step::Text(Text::Currency)),
        ("amount" | "currency", _) => None,
        (_, schema) => skip(named, schema),
    });
    steps.collect::<Option<Vec<_>>>().map(Step::Record)
}

fn skip(named: &Named<'_>, schema: &Schema) -> Option<Step> {
    let inner = |schema: &Schema| skip(named, schema);
    Some(match schema {
        Schema::Null => Step::SkipFixed(0),
        Schema::Boolean => Step::SkipBoolean,
        Schema::Int | Schema::Date | Schema::TimeMillis => Step::SkipInt,
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Step::SkipLong,
        Schema::Float => Step::SkipFixed(4),
        Schema::Double => Step::SkipFixed(8),
        Schema::Duration => Step::SkipFixed(12),
        Schema::String => Step::SkipText,
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid => Step::SkipBytes,
        Schema::Decimal(decimal) => inner(&decimal.inner)?,
        Schema::Fixed(fixed) => Step::SkipFixed(fixed.size),
        Schema::Enum(symbols) => Step::SkipEnum(symbols.symbols.len() as i64),
        Schema::Array(array) => Step::SkipItems(Box::new(inner(&array.items)?)),
        Schema::Map(map) => Step::SkipItems(Box::new(Step::Record(vec![Step::SkipText, inner(&map.types)?]))),
        Schema::Union(union) => branches(union, inner)?,
        Schema::Record(record) => {
            Step::Record(record.fields.iter().map(|field| inner(&field.schema)).collect::<Option<_>>()?)
        }
        Schema::Ref { name } => {
            // A type that contains itself is not found the second time: its payloads could nest without bound.
            let mut rest = named.clone();
            let schema = rest.remove(name)?;
            skip(&rest, schema)?
        }
    })
}

/// Reads what one step says.
fn run<'a>(step: &Step, input: &mut Input<'a>, fields: &mut Fields<'a>) -> Result<(), Malformed> {
    match step {
        Step::Text(place) => fields.texts[*place as usize] = Some(input.text()?),
        Step::Int(place) => fields.numbers[*place as usize] = Some(input.int()?),
        Step::Long(place) => fields.numbers[*place as usize] = Some(input.long()?),
        Step::Block(place, items) => {
            let before = input.0;
            run(items, input, fields)?;
            fields.blocks[*place as usize] = &before[..before.len() - input.0.len()];
        }
        Step::Boolean(place) => fields.numbers[*place as usize] = Some(input.boolean()?),
        Step::Amount => fields.amount = Some(input.decimal()?),
        Step::SkipInt => drop(input.int()?),
        Step::SkipLong => drop(input.long()?),
        Step::SkipText => drop(input.text()?),
        Step::SkipBytes => drop(input.bytes()?),
        Step::SkipFixed(size) => drop(input.take(*size)?),
        Step::SkipBoolean => drop(input.boolean()?),
        Step::SkipEnum(symbols) => {
            if !(0..*symbols).contains(&input.long()?) {
                return Err(Malformed::BadBranch);
            }
        }
        Step::SkipItems(item) => input.items(|input| run(item, input, fields))?,
        Step::Union(branches) => {
            let branch = usize::try_from(input.long()?).map_err(|_| Malformed::BadBranch)?;
            match branches.get(branch) {
                Some(Some(step)) => run(step, input, fields)?,
                Some(None) => {}
                None => return Err(Malformed::BadBranch),
            }
        }
        Step::Record(steps) => {
            for step in steps {
                run(step, input, fields)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
