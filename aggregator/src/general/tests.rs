//! The general path beside the compiled one: the same events in another shape enter, the same facts or a
//! refusal leave.

use super::*;
use crate::{
    facts::Facts,
    plan::Fields,
    samples::{event, events, payload},
    schema::Schemas,
};
use apache_avro::to_avro_datum;
use callmeter_schemas::{
    PoisonReason,
    avro::{CALL_EVENT_SCHEMA, SCHEMA_ID, call_event_schema},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const ID: u32 = 7;

/// The built-in schema with other types for some fields.
fn writer(changes: &[(&str, Json)]) -> Json {
    let mut schema: Json = serde_json::from_str(CALL_EVENT_SCHEMA).expect("json");
    for field in schema["fields"].as_array_mut().expect("fields") {
        for (name, kind) in changes {
            if field["name"] == *name {
                *field = json!({"name": name, "type": kind});
            }
        }
    }
    schema
}

fn schemas(writer: &Json) -> Result<Schemas, String> {
    Schemas::new(&BTreeMap::from([(ID.to_string(), writer.to_string())])).map_err(|error| error.to_string())
}

fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], payload].concat()
}

fn decimal(scale: u32) -> Json {
    json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": scale})
}

fn cost_type(amount: &Json) -> Json {
    json!(["null", {"type": "record", "name": "Cost", "fields": [
        {"name": "currency", "type": "string"}, {"name": "amount", "type": amount},
    ]}])
}

/// Every kind of change that the general path takes.
fn everything_else() -> Json {
    let classes: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
    writer(&[
        ("workspace", json!("bytes")),
        ("time", json!({"type": "long", "logicalType": "timestamp-millis"})),
        ("error_class", json!(["null", {"type": "enum", "name": "ErrorClass", "symbols": classes}])),
        ("cost", cost_type(&decimal(4))),
        ("headers", json!({"type": "map", "values": ["null", "string"]})),
    ])
}

/// An event in the shape of [`everything_else`], as apache-avro writes it.
fn otherwise(event: &CallEvent) -> Vec<u8> {
    let payload = payload(event);
    let value = from_avro_datum(call_event_schema(), &mut &payload[..], None).expect("readable");
    let Value::Record(fields) = value else { panic!("not a record") };
    let change = |(name, value): (String, Value)| {
        let value = match (name.as_str(), value) {
            ("workspace", Value::String(text)) => Value::Bytes(text.into_bytes()),
            ("time", Value::TimestampMicros(time)) => Value::TimestampMillis(time / 1000),
            ("error_class", Value::Union(1, _)) => {
                let class = event.error_class.expect("set");
                Value::Union(1, Box::new(Value::Enum(class as u32, class.as_str().into())))
            }
            ("cost", Value::Union(1, _)) => {
                let cost = event.cost.as_ref().expect("set");
                let amount = (cost.amount.units() / 100_000_000).to_be_bytes().to_vec();
                Value::Union(
                    1,
                    Box::new(Value::Record(vec![
                        ("currency".into(), Value::String(cost.currency.clone())),
                        ("amount".into(), Value::Decimal(amount.into())),
                    ])),
                )
            }
            ("headers", Value::Map(entries)) => Value::Map(
                entries.into_iter().map(|(key, text)| (key, Value::Union(1, Box::new(text)))).collect(),
            ),
            (_, value) => value,
        };
        (name, value)
    };
    let schema = Schema::parse(&everything_else()).expect("a schema");
    to_avro_datum(&schema, Value::Record(fields.into_iter().map(change).collect())).expect("written")
}

fn read<'a>(
    schemas: &Schemas,
    record: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<Fields<'a>, (PoisonReason, String)> {
    let mut fields = Fields::default();
    schemas.read(record, scratch, &mut fields).map(|()| fields)
}

proptest! {
    #[test]
    fn the_general_path_reads_what_the_compiled_path_reads(event in events()) {
        let schemas = schemas(&everything_else()).expect("usable");
        let (mut scratch, mut unused) = (Vec::new(), Vec::new());
        let (general, compiled) = (framed(ID, &otherwise(&event)), framed(SCHEMA_ID, &payload(&event)));
        let general = read(&schemas, &general, &mut scratch).expect("readable");
        let compiled = read(&schemas, &compiled, &mut unused).expect("readable");
        prop_assert_eq!(Facts::check(&general), Facts::check(&compiled));
        prop_assert_eq!(general, compiled);
    }

    #[test]
    fn every_part_of_a_payload_is_refused_by_the_general_path(event in events(), cut in any::<prop::sample::Index>()) {
        let whole = otherwise(&event);
        let general = General::new(Schema::parse(&everything_else()).expect("a schema")).expect("usable");
        prop_assert!(general.read(&whole[..cut.index(whole.len())]).is_err());
    }
}

#[test]
fn records_in_an_earlier_form_of_the_schema_are_read() {
    // The id that documentation named before fields were added; services may still write it.
    const EARLIER: u32 = 4_165_641_790;
    let earlier = Schema::parse_str(callmeter_schemas::avro::EARLIER_SCHEMAS[0]).expect("a schema");
    let now = from_avro_datum(call_event_schema(), &mut &payload(&event("c"))[..], None).expect("readable");
    let Value::Record(fields) = now else { panic!("not a record") };
    let added = ["billable", "retry_at", "batch_size"];
    let kept = fields.into_iter().filter(|(name, _)| !added.contains(&name.as_str())).collect();
    let record = framed(EARLIER, &to_avro_datum(&earlier, Value::Record(kept)).expect("written"));
    let schemas = Schemas::new(&BTreeMap::new()).expect("usable");
    let mut scratch = Vec::new();
    let fields = read(&schemas, &record, &mut scratch).expect("readable");
    let facts = Facts::check(&fields).expect("countable");
    assert_eq!((facts.customer, facts.billable, facts.retry_at_us, facts.batch_size), ("c", None, None, 0));
}

/// Asserts why a record of one field beside an event's own is refused.
#[track_caller]
fn check_refused(name: &str, kind: Json, value: Value, wanted: &str) {
    let schema = json!({"type": "record", "name": "One", "fields": [{"name": name, "type": kind}]});
    let schema = Schema::parse(&schema).expect("a schema");
    let payload = to_avro_datum(&schema, Value::Record(vec![(name.into(), value)])).expect("written");
    assert_eq!(General::new(schema).expect("usable").read(&payload), Err(wanted.to_owned()));
}

#[test]
fn a_value_that_does_not_fit_is_refused_and_never_a_default() {
    check_refused("status", json!("string"), Value::String("200".into()), "status is not an integer");
    check_refused("status", json!("long"), Value::Long((1 << 32) + 200), "status is out of bounds");
    check_refused("status", json!("int"), Value::Int(-1), "status is out of bounds");
    check_refused("attempt", json!("long"), Value::Long((1 << 32) + 1), "attempt is out of bounds");
    check_refused("latency_us", json!("long"), Value::Long(-1), "latency_us is out of bounds");
    check_refused("latency_us", json!("double"), Value::Double(1.0), "latency_us is not an integer");
    check_refused("time", json!("string"), Value::String("now".into()), "time is not a time");
    check_refused("id", json!("long"), Value::Long(1), "id is not a text");
    check_refused("id", json!("bytes"), Value::Bytes(vec![0xff]), "id is not UTF-8");
    check_refused("quota", json!("string"), Value::String("all".into()), "quota is not an array");
    check_refused("extra", json!("string"), Value::String("all".into()), "extra is not a map");
    let milliseconds = json!({"type": "long", "logicalType": "timestamp-millis"});
    check_refused("time", milliseconds, Value::TimestampMillis(i64::MAX), "time is out of bounds");
}

/// Asserts what a cost of so many units in a decimal of such a scale is.
#[track_caller]
fn check_cost(scale: u32, bytes: &[u8], wanted: Result<&str, &str>) {
    let schema = json!({"type": "record", "name": "One", "fields": [
        {"name": "cost", "type": cost_type(&decimal(scale))},
    ]});
    let general = General::new(Schema::parse(&schema).expect("a schema")).expect("usable");
    let payload = [&[2, 6][..], b"EUR", &[bytes.len() as u8 * 2], bytes].concat();
    let read = general.read(&payload).map(|event| event.cost.expect("set").amount.to_string());
    assert_eq!(read, wanted.map(str::to_owned).map_err(str::to_owned));
}

#[test]
fn a_cost_of_another_scale_is_the_same_money() {
    check_cost(2, &[0x01, 0x02], Ok("2.58"));
    check_cost(0, &[0xff], Ok("-1"));
    check_cost(12, &[0x01], Ok("0.000000000001"));
    check_cost(2, &[], Ok("0"));
    check_cost(2, &[0x7f; 11], Err("cost.amount is out of bounds"));
    check_cost(12, &[0; 17], Err("cost.amount is out of bounds"));
}

#[test]
fn a_schema_whose_money_cannot_be_read_is_refused_before_the_first_record() {
    for amount in [decimal(13), json!("double"), json!("string")] {
        let problem = schemas(&writer(&[("cost", cost_type(&amount))])).map(drop);
        let wanted = "schema 7: cost.amount is not a decimal of at most 12 places";
        assert_eq!(problem, Err(wanted.to_owned()), "{amount}");
    }
    let nested =
        json!({"type": "record", "name": "Loop", "fields": [{"name": "next", "type": ["null", "Loop"]}]});
    let wanted = "schema 7: field next has a shape that is not read";
    assert_eq!(schemas(&nested).map(drop), Err(wanted.to_owned()));
}

#[test]
fn a_block_count_that_lies_is_refused_before_apache_avro_makes_room_for_it() {
    let schema = json!({"type": "record", "name": "One", "fields": [
        {"name": "id", "type": "bytes"}, {"name": "tags", "type": {"type": "array", "items": "string"}},
    ]});
    let general = General::new(Schema::parse(&schema).expect("a schema")).expect("usable");
    // An empty id, then 400 million items of which none is there.
    let payload = [0x00, 0x80, 0x90, 0xbc, 0xfd, 0x02];
    assert_eq!(general.read(&payload), Err("the payload is cut short".to_owned()));
}

/// Asserts how a record that is no event is refused.
#[track_caller]
fn check_poison(record: &[u8], wanted: PoisonReason) {
    let schemas = schemas(&everything_else()).expect("usable");
    let mut scratch = Vec::new();
    assert_eq!(read(&schemas, record, &mut scratch).map_err(|(reason, _)| reason), Err(wanted));
}

#[test]
fn a_record_that_is_no_event_is_poison_with_its_reason() {
    check_poison(&[], PoisonReason::Empty);
    check_poison(b"{}", PoisonReason::BadFrame);
    check_poison(&[0, 0, 0, 0], PoisonReason::BadFrame);
    check_poison(&framed(8, &payload(&event("c"))), PoisonReason::UnknownSchema);
    check_poison(&framed(SCHEMA_ID, &[]), PoisonReason::Undecodable);
    check_poison(&framed(ID, &[]), PoisonReason::Undecodable);
    check_poison(&framed(SCHEMA_ID, &[payload(&event("c")), vec![0]].concat()), PoisonReason::Undecodable);
    check_poison(&framed(ID, &[otherwise(&event("c")), vec![0]].concat()), PoisonReason::Undecodable);
}
