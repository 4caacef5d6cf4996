//! Compiled Avro projection: a writer's schema enters once, after that payloads enter and borrowed
//! fields leave, with no allocation.
//!
//! The binary form is that of the Apache Avro 1.11 specification. Every byte of a payload is walked,
//! and every text is checked as UTF-8, also in fields that nobody reads, so that a payload is
//! either read whole or refused. Promise: what a plan reads is what apache-avro reads
//! (a property test compares them); a schema of another shape is refused at compile time and takes the
//! general path of `schema.rs`.

use apache_avro::{Schema, schema::DecimalSchema, schema::UnionSchema};

/// Texts that an event may carry; the place of each in [`Fields::texts`].
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

const TEXTS: [(&str, Text); 17] = [
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

/// Integers that an event may carry; the place of each in [`Fields::numbers`].
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
}

const NUMBERS: [(&str, Number); 9] = [
    ("time", Number::Time),
    ("status", Number::Status),
    ("latency_us", Number::LatencyUs),
    ("queue_us", Number::QueueUs),
    ("attempt", Number::Attempt),
    ("items", Number::Items),
    ("records", Number::Records),
    ("bytes_in", Number::BytesIn),
    ("bytes_out", Number::BytesOut),
];

/// Collections that an event may carry, kept as their Avro bytes; the place of each in [`Fields::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the Avro field of its name")]
#[repr(u8)]
pub enum Block {
    Quota,
    Headers,
    Attributes,
    Extra,
}

const BLOCKS: [(&str, Block); 4] = [
    ("quota", Block::Quota),
    ("headers", Block::Headers),
    ("attributes", Block::Attributes),
    ("extra", Block::Extra),
];

/// The fields of one payload, borrowed from it. What the writer's schema lacks is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    texts: [Option<&'a str>; 18],
    numbers: [Option<i64>; 9],
    blocks: [&'a [u8]; 4],
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

#[derive(Clone, Debug)]
enum Step {
    Text(Text),
    Number(Number),
    Amount,
    Block(Block, Box<Step>),
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
pub struct Plan(Vec<Step>);

/// The schema has a shape that the compiled path does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {0} has a shape that only the general path reads")]
pub struct UnsupportedShape(String);

/// The payload does not follow its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early, or a length is negative or too large.
    #[error("the payload is cut short")]
    Short,
    /// Bytes are left over.
    #[error("bytes are left over after the last field")]
    Long,
    /// A text is no UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A union branch, boolean or enum symbol that the schema does not have.
    #[error("a union branch or symbol is not in the schema")]
    BadBranch,
    /// An integer has more than 64 bits, or a decimal more than 128.
    #[error("a number is too long")]
    NumberTooLong,
}

impl Plan {
    /// Compiles the plan of a writer's schema.
    pub fn compile(schema: &Schema) -> Result<Self, UnsupportedShape> {
        let Schema::Record(record) = schema else { return Err(UnsupportedShape("(root)".into())) };
        let steps = record.fields.iter().map(|field| {
            top_level(&field.name, &field.schema).ok_or_else(|| UnsupportedShape(field.name.clone()))
        });
        steps.collect::<Result<_, _>>().map(Self)
    }

    /// Reads one payload whole.
    pub fn read<'a>(&self, payload: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        let mut input = Input(payload);
        let mut fields = Fields::default();
        for step in &self.0 {
            run(step, &mut input, &mut fields)?;
        }
        if input.0.is_empty() { Ok(fields) } else { Err(Malformed::Long) }
    }
}

fn lookup<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
}

fn top_level(name: &str, schema: &Schema) -> Option<Step> {
    if let Schema::Union(union) = schema {
        return branches(union, |schema| top_level(name, schema));
    }
    if let Some(text) = lookup(&TEXTS, name) {
        return matches!(schema, Schema::String).then_some(Step::Text(text));
    }
    if let Some(number) = lookup(&NUMBERS, name) {
        let fits = match number {
            Number::Time => matches!(schema, Schema::TimestampMicros),
            _ => matches!(schema, Schema::Int | Schema::Long),
        };
        return fits.then_some(Step::Number(number));
    }
    if let Some(block) = lookup(&BLOCKS, name) {
        // Their inner shape is read later, with the built-in schema's; another shape takes the general path.
        return same_as_built_in(name, schema)
            .then(|| skip(schema))
            .flatten()
            .map(|step| Step::Block(block, Box::new(step)));
    }
    if name == "cost" {
        return cost(schema);
    }
    skip(schema)
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
    built_in.fields.iter().any(|field| field.name == name && field.schema == *schema)
}

fn cost(schema: &Schema) -> Option<Step> {
    let Schema::Record(record) = schema else { return None };
    let steps = record.fields.iter().map(|field| match (field.name.as_str(), &field.schema) {
        ("amount", Schema::Decimal(DecimalSchema { scale: 12, inner, .. })) => {
            matches!(**inner, Schema::Bytes).then_some(Step::Amount)
        }
        ("currency", Schema::String) => Some(Step::Text(Text::Currency)),
        ("amount" | "currency", _) => None,
        (_, schema) => skip(schema),
    });
    steps.collect::<Option<Vec<_>>>().map(Step::Record)
}

fn skip(schema: &Schema) -> Option<Step> {
    Some(match schema {
        Schema::Null => Step::SkipFixed(0),
        Schema::Boolean => Step::SkipBoolean,
        Schema::Int | Schema::Long | Schema::TimestampMicros | Schema::TimestampMillis | Schema::Date => {
            Step::SkipLong
        }
        Schema::Float => Step::SkipFixed(4),
        Schema::Double => Step::SkipFixed(8),
        Schema::String => Step::SkipText,
        Schema::Bytes => Step::SkipBytes,
        Schema::Fixed(fixed) => Step::SkipFixed(fixed.size),
        Schema::Enum(symbols) => Step::SkipEnum(symbols.symbols.len() as i64),
        Schema::Array(array) => Step::SkipItems(Box::new(skip(&array.items)?)),
        Schema::Map(map) => Step::SkipItems(Box::new(Step::Record(vec![Step::SkipText, skip(&map.types)?]))),
        Schema::Union(union) => branches(union, skip)?,
        Schema::Record(record) => {
            Step::Record(record.fields.iter().map(|field| skip(&field.schema)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn run<'a>(step: &Step, input: &mut Input<'a>, fields: &mut Fields<'a>) -> Result<(), Malformed> {
    match step {
        Step::Text(place) => fields.texts[*place as usize] = Some(input.text()?),
        Step::Number(place) => fields.numbers[*place as usize] = Some(input.long()?),
        Step::Amount => fields.amount = Some(input.decimal()?),
        Step::Block(place, items) => {
            let before = input.0;
            run(items, input, fields)?;
            fields.blocks[*place as usize] = &before[..before.len() - input.0.len()];
        }
        Step::SkipLong => drop(input.long()?),
        Step::SkipText => drop(input.text()?),
        Step::SkipBytes => drop(input.bytes()?),
        Step::SkipFixed(size) => drop(input.take(*size)?),
        Step::SkipBoolean => {
            if input.take(1)?[0] > 1 {
                return Err(Malformed::BadBranch);
            }
        }
        Step::SkipEnum(symbols) => {
            if !(0..*symbols).contains(&input.long()?) {
                return Err(Malformed::BadBranch);
            }
        }
        Step::SkipItems(item) => {
            while let Some(count) = input.block()? {
                for _ in 0..count {
                    run(item, input, fields)?;
                }
            }
        }
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

/// The rest of a payload; also reads the collections that [`Fields::block`] hands out.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// A zigzag varint of at most 10 bytes.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Malformed> {
        let mut raw = 0_u64;
        for (place, byte) in self.0.iter().enumerate().take(10) {
            if place == 9 && *byte > 1 {
                return Err(Malformed::NumberTooLong);
            }
            raw |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        Err(Malformed::Short)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.long()?).map_err(|_| Malformed::Short)?;
        self.take(length)
    }

    /// A text, checked as UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::NotUtf8)
    }

    /// A decimal of scale 12: big-endian two's complement of at most 16 bytes.
    fn decimal(&mut self) -> Result<i128, Malformed> {
        let bytes = self.bytes()?;
        match bytes {
            [] => Ok(0),
            bytes if bytes.len() > 16 => Err(Malformed::NumberTooLong),
            [first, ..] => {
                let sign = if first & 0x80 == 0 { 0 } else { -1 };
                Ok(bytes.iter().fold(sign, |units, byte| units << 8 | i128::from(*byte)))
            }
        }
    }

    /// The count of items in the next block of an array or map; `None` at its end.
    pub fn block(&mut self) -> Result<Option<u64>, Malformed> {
        let count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes.
            self.long()?;
        }
        // An item may be empty only in schemas that no event has; a count beyond the bytes left is a lie.
        let count = count.unsigned_abs();
        if count > self.0.len() as u64 {
            return Err(Malformed::Short);
        }
        Ok((count > 0).then_some(count))
    }
}

#[cfg(test)]
mod tests;
