//! Writer schemas by id: a framed record enters, its fields leave through the compiled plan or, for
//! schemas of another shape, through apache-avro.
//!
//! Promise: which path a schema takes depends on the schema alone, and both paths read the same
//! facts. Ids are those of `callmeter_schemas::avro` or, from a registry, those of the configuration.

use crate::{
    general::General,
    plan::{Fields, Plan},
};
use apache_avro::Schema;
use callmeter_schemas::{
    PoisonReason,
    avro::{self, call_event_schema},
};
use std::collections::BTreeMap;

enum Path {
    Compiled(Plan),
    General(Box<General>),
}

/// The schemas whose records can be read.
pub struct Schemas {
    by_id: BTreeMap<u32, Path>,
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
    /// The built-in schema, its earlier forms, and further ones, each with the id that producers write and its JSON text.
    pub fn new(further: &BTreeMap<String, String>) -> Result<Self, SchemaError> {
        let own = Plan::compile(call_event_schema())
            .map_err(|error| SchemaError { id: "built-in".into(), problem: error.to_string() })?;
        let mut by_id = BTreeMap::from([(avro::SCHEMA_ID, Path::Compiled(own.clone()))]);
        for text in avro::EARLIER_SCHEMAS {
            let fail = |problem: String| SchemaError { id: "earlier".into(), problem };
            let schema = Schema::parse_str(text).map_err(|error| fail(error.to_string()))?;
            let plan = Plan::compile(&schema).map_err(|error| fail(error.to_string()))?;
            by_id.insert(avro::schema_id(&schema), Path::Compiled(plan));
        }
        for (id, text) in further {
            let fail = |problem: String| SchemaError { id: id.clone(), problem };
            let number = id.parse().map_err(|_| fail("the id is not a number below 4294967296".into()))?;
            let schema = Schema::parse_str(text).map_err(|error| fail(error.to_string()))?;
            let path = match Plan::compile(&schema) {
                Ok(plan) => Path::Compiled(plan),
                Err(_) => Path::General(Box::new(General::new(schema).map_err(fail)?)),
            };
            by_id.insert(number, path);
        }
        Ok(Self { by_id, own })
    }

    /// Reads one framed record into fields that are all absent. `scratch` holds what the general path rewrites.
    pub fn read<'a>(
        &self,
        record: &'a [u8],
        scratch: &'a mut Vec<u8>,
        fields: &mut Fields<'a>,
    ) -> Result<(), (PoisonReason, String)> {
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
            Some(Path::Compiled(plan)) => {
                plan.read_into(payload, fields).map_err(|error| undecodable(error.to_string()))
            }
            Some(Path::General(general)) => {
                let event = general.read(payload).map_err(undecodable)?;
                scratch.clear();
                avro::encode(&event, scratch);
                let payload = &scratch[avro::FRAME_BYTES..];
                self.own.read_into(payload, fields).map_err(|error| undecodable(error.to_string()))
            }
        }
    }
}
