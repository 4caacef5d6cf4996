//! The compiled plan beside apache-avro: events, damaged bytes and foreign schemas enter, the same
//! fields or the same refusal leave.
//!
//! Where the two differ, the plan is the stricter, and each such rule is a test here: a payload that
//! ends early is refused even where apache-avro reads nulls; a varint has at most 64 bits, a decimal at
//! most 128; a block's count is at most the bytes that follow it.

use super::*;
use crate::{
    facts::Facts,
    samples::{event, events, payload},
};
use apache_avro::{from_avro_datum, to_avro_datum, types::Value};
use callmeter_schemas::avro::{CALL_EVENT_SCHEMA, call_event_schema};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value as Json, json};

fn plan(schema: &Schema) -> Plan {
    Plan::compile(schema).expect("the schema compiles")
}

fn built_in() -> Plan {
    plan(call_event_schema())
}

/// What apache-avro reads, whole.
fn generic(schema: &Schema, mut payload: &[u8]) -> Option<Value> {
    // It allocates what a length says before it looks for the bytes; payloads here are below this bound.
    apache_avro::util::max_allocation_bytes(1 << 16);
    let value = from_avro_datum(schema, &mut payload, None).ok()?;
    payload.is_empty().then_some(value)
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    let Value::Record(fields) = record else { panic!("not a record: {record:?}") };
    match fields.iter().find(|(field, _)| field == name) {
        Some((_, Value::Union(_, inner))) => inner,
        Some((_, value)) => value,
        None => &Value::Null,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => panic!("not a text: {other:?}"),
    }
}

/// Asserts that a plan read what apache-avro read.
#[track_caller]
fn agree(fields: &Fields<'_>, value: &Value) {
    for (name, place) in TEXTS {
        assert_eq!(fields.text(place), text(field(value, name)), "{name}");
    }
    for (name, place) in NUMBERS {
        let wanted = match field(value, name) {
            Value::Null => None,
            Value::Int(number) => Some(i64::from(*number)),
            Value::Long(number) | Value::TimestampMicros(number) => Some(*number),
            Value::Boolean(flag) => Some(i64::from(*flag)),
            other => panic!("not a number: {other:?}"),
        };
        assert_eq!(fields.number(place), wanted, "{name}");
    }
    match field(value, "cost") {
        Value::Null => assert_eq!((fields.amount, fields.text(Text::Currency)), (None, None)),
        cost => {
            let Value::Decimal(amount) = field(cost, "amount") else { panic!("no decimal") };
            // A decimal of no bytes is zero, and has no bytes to give.
            let bytes: Vec<u8> = amount.try_into().unwrap_or_default();
            let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
            let units = bytes.iter().fold(sign, |units: i128, byte| units << 8 | i128::from(*byte));
            assert_eq!(fields.amount, Some(units));
            assert_eq!(fields.text(Text::Currency), text(field(cost, "currency")));
        }
    }
    let Schema::Record(built_in) = call_event_schema() else { panic!("not a record") };
    for (name, place) in BLOCKS {
        let schema = &built_in.fields.iter().find(|field| field.name == name).expect("a field").schema;
        let block = fields.block(place);
        let read = if block.is_empty() { Value::Null } else { generic(schema, block).expect("readable") };
        assert_eq!(&read, field(value, name), "{name}");
    }
}

/// Asserts that both accept and read the same, or both refuse, or a stricter rule of ours applies.
#[track_caller]
fn same_verdict(payload: &[u8]) {
    match (built_in().read(payload), generic(call_event_schema(), payload)) {
        (Ok(fields), Some(value)) => agree(&fields, &value),
        (Ok(fields), None) => panic!("only the plan accepts {payload:?}: {fields:?}"),
        (Err(_), None) | (Err(Malformed::NumberTooLong), Some(_)) => {}
        (Err(error), Some(_)) => panic!("only the plan refuses {payload:?}: {error}"),
    }
}

/// One piece of damage: where, how, and with which byte.
type Damage = (Index, u8, u8);

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for (at, how, byte) in damages {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match how % 5 {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << (byte % 8),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn an_event_reads_as_apache_avro_reads_it(event in events()) {
        let payload = payload(&event);
        let fields = built_in().read(&payload).expect("the event is readable");
        agree(&fields, &generic(call_event_schema(), &payload).expect("readable"));
        prop_assert!(Facts::check(&fields).is_ok());
    }

    #[test]
    fn a_damaged_event_reads_as_apache_avro_reads_it_or_both_refuse(
        event in events(), damages in prop::collection::vec(any::<Damage>(), 1..4),
    ) {
        same_verdict(&damaged(payload(&event), &damages));
    }

    #[test]
    fn the_built_in_schema_reads_alike_field_by_field_and_by_steps(
        event in events(), damages in prop::collection::vec(any::<Damage>(), 0..4),
    ) {
        let (bytes, whole) = (damaged(payload(&event), &damages), built_in());
        prop_assert!(whole.own);
        let by_steps = Plan { own: false, ..whole.clone() };
        prop_assert_eq!(whole.read(&bytes), by_steps.read(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_both_refuse_them(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        same_verdict(&bytes);
    }

    #[test]
    fn every_part_of_an_event_is_refused(event in events(), cut in any::<Index>()) {
        let payload = payload(&event);
        let cut = cut.index(payload.len());
        prop_assert!(built_in().read(&payload[..cut]).is_err());
        prop_assert!(generic(call_event_schema(), &payload[..cut]).is_none());
    }

    #[test]
    fn a_schema_with_fields_reordered_missing_and_added_reads_the_same_facts(
        event in events(),
        order in Just((0..BUILT_IN_FIELDS + ADDITIONS).collect::<Vec<_>>()).prop_shuffle(),
        missing in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let missing: Vec<usize> = missing.iter().map(|index| index.index(BUILT_IN_FIELDS)).collect();
        let writer = writer(&order, &missing);
        let whole = generic(call_event_schema(), &payload(&event)).expect("readable");
        let written = foreign(&writer, &whole);
        let payload = to_avro_datum(&writer, written.clone()).expect("the value follows the schema");
        let fields = plan(&writer).read(&payload).expect("readable");
        agree(&fields, &generic(&writer, &payload).expect("readable"));
        agree(&fields, &written);
    }
}

const BUILT_IN_FIELDS: usize = 34;
const ADDITIONS: usize = 8;

/// Fields that the built-in schema does not have, each with a value.
fn additions() -> [(Json, Value); ADDITIONS] {
    let text = |text: &str| Value::String(text.into());
    let inner = Value::Record(vec![
        ("flag".into(), Value::Boolean(true)),
        ("workspace".into(), text("not the event's")),
        ("ratio".into(), Value::Union(1, Box::new(Value::Double(0.5)))),
    ]);
    [
        (
            json!({"name": "nested", "type": {"type": "record", "name": "Nested", "fields": [
                {"name": "flag", "type": "boolean"},
                {"name": "workspace", "type": "string"},
                {"name": "ratio", "type": ["null", "double"]},
            ]}}),
            inner,
        ),
        (
            json!({"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}}),
            Value::Enum(1, "green".into()),
        ),
        (
            json!({"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "string"}}}),
            Value::Map([("a".to_owned(), Value::Array(vec![text("b"), text("")]))].into()),
        ),
        (
            json!({"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 3}}),
            Value::Fixed(3, vec![1, 2, 3]),
        ),
        (json!({"name": "weight", "type": "float"}), Value::Float(1.5)),
        (
            json!({"name": "raw", "type": ["bytes", "null"]}),
            Value::Union(0, Box::new(Value::Bytes(vec![0xff]))),
        ),
        (json!({"name": "day", "type": {"type": "int", "logicalType": "date"}}), Value::Date(-7)),
        (
            json!({"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}),
            Value::Decimal(vec![0x01, 0x02].into()),
        ),
    ]
}

/// The built-in schema and the additions in this order, without the missing fields.
fn writer(order: &[usize], missing: &[usize]) -> Schema {
    let mut schema: Json = serde_json::from_str(CALL_EVENT_SCHEMA).expect("json");
    let built_in = schema["fields"].as_array().expect("fields").clone();
    assert_eq!(built_in.len(), BUILT_IN_FIELDS);
    let added = additions();
    let fields = order.iter().filter(|at| !missing.contains(at));
    let fields = fields.map(|at| built_in.get(*at).unwrap_or_else(|| &added[at - BUILT_IN_FIELDS].0).clone());
    schema["fields"] = fields.collect();
    Schema::parse(&schema).expect("a schema")
}

/// The value of a whole event as a foreign schema has it.
fn foreign(writer: &Schema, whole: &Value) -> Value {
    let (Schema::Record(record), Value::Record(known)) = (writer, whole) else { panic!("not records") };
    let added = additions().map(|(field, value)| (field["name"].as_str().expect("named").to_owned(), value));
    let fields = record.fields.iter().map(|field| {
        let value = known.iter().chain(&added).find(|(name, _)| *name == field.name);
        value.expect("every field has a value").clone()
    });
    Value::Record(fields.collect())
}

/// Asserts what becomes of `prefix` and then a whole event, in a schema that begins with such a field.
#[track_caller]
fn check_field(kind: Json, prefix: &[u8], wanted: Result<(), Malformed>) {
    let mut schema: Json = serde_json::from_str(CALL_EVENT_SCHEMA).expect("json");
    let fields = schema["fields"].as_array_mut().expect("fields");
    fields.insert(0, json!({"name": "first", "type": kind}));
    let schema = Schema::parse(&schema).expect("a schema");
    let bytes = [prefix, &payload(&event("c"))].concat();
    assert_eq!(plan(&schema).read(&bytes).map(drop), wanted, "{kind}");
    if wanted.is_ok() {
        agree(&plan(&schema).read(&bytes).expect("readable"), &generic(&schema, &bytes).expect("readable"));
    }
}

#[test]
fn blocks_with_their_size_in_bytes_are_walked() {
    let texts = || json!({"type": "array", "items": "string"});
    // -2 items of 4 bytes, then 1 item, then the end.
    check_field(texts(), &[0x03, 0x08, 2, b'a', 2, b'b', 2, 2, b'c', 0], Ok(()));
    check_field(json!({"type": "map", "values": "int"}), &[0x01, 0x06, 2, b'k', 0x80, 0x01, 0], Ok(()));
    // The size is a hint for readers that jump; a wrong one is as unseen here as in apache-avro.
    check_field(texts(), &[0x01, 0x7f, 2, b'a', 0], Ok(()));
    let mut event = event("c");
    event.headers = [("k".to_owned(), "v".to_owned())].into();
    let bytes = payload(&event);
    // Its headers are the block 2 "k" "v" 0; the same with a count of -1 and a size.
    let at = bytes.len() - 2 - 6;
    assert_eq!(bytes[at..], [2, 2, b'k', 2, b'v', 0, 0, 0]);
    let sized = [&bytes[..at], &[0x01, 0x08], &bytes[at + 1..]].concat();
    let fields = built_in().read(&sized).expect("readable");
    agree(&fields, &generic(call_event_schema(), &sized).expect("readable"));
}

#[test]
fn a_block_that_claims_more_items_than_bytes_follow_is_refused_without_room_for_them() {
    let texts = || json!({"type": "array", "items": "string"});
    for count in [1 << 20, 1 << 40, i64::MAX, -(1 << 40), i64::MIN] {
        let mut lie = to_avro_datum(&Schema::Long, Value::Long(count)).expect("encoded");
        if count < 0 {
            lie.push(0);
        }
        check_field(texts(), &lie, Err(Malformed::Short));
        check_field(json!({"type": "map", "values": "long"}), &lie, Err(Malformed::Short));
        check_field(json!({"type": "array", "items": "null"}), &lie, Err(Malformed::Short));
    }
}

#[test]
fn a_length_that_is_negative_or_too_large_is_refused() {
    for length in [-1, i64::MIN, 1 << 30, i64::MAX] {
        let lie = to_avro_datum(&Schema::Long, Value::Long(length)).expect("encoded");
        check_field(json!("string"), &lie, Err(Malformed::Short));
        check_field(json!("bytes"), &lie, Err(Malformed::Short));
    }
}

#[test]
fn values_that_a_type_does_not_have_are_refused() {
    let colours = || json!({"type": "enum", "name": "Colour", "symbols": ["red", "green"]});
    check_field(json!("boolean"), &[2], Err(Malformed::BadBranch));
    check_field(colours(), &[2], Ok(()));
    check_field(colours(), &[4], Err(Malformed::BadBranch));
    check_field(colours(), &[1], Err(Malformed::BadBranch));
    check_field(json!(["null", "long"]), &[4], Err(Malformed::BadBranch));
    check_field(json!(["null", "long"]), &[1], Err(Malformed::BadBranch));
    check_field(json!("string"), &[2, 0xff], Err(Malformed::NotUtf8));
    let tag = || json!({"type": "map", "values": "null"});
    check_field(tag(), &[2, 2, 0xff, 0], Err(Malformed::NotUtf8));
}

#[test]
fn a_number_has_at_most_the_bits_of_its_type() {
    let long = |last: u8| [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last];
    check_field(json!("long"), &long(1), Ok(()));
    // apache-avro drops the bits beyond 64.
    check_field(json!("long"), &long(2), Err(Malformed::NumberTooLong));
    check_field(json!("long"), &long(0x81), Err(Malformed::NumberTooLong));
    // More bytes than the value needs are allowed by both.
    check_field(json!("long"), &[0x82, 0x80, 0x00], Ok(()));
    check_field(json!("int"), &[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(()));
    check_field(json!("int"), &[0x80, 0x80, 0x80, 0x80, 0x10], Err(Malformed::NumberTooLong));
}

#[test]
fn a_payload_that_ends_early_is_refused_where_apache_avro_reads_null() {
    let schema = json!({"type": "record", "name": "Short", "fields": [
        {"name": "customer", "type": "string"}, {"name": "error", "type": ["null", "string"]},
    ]});
    let schema = Schema::parse(&schema).expect("a schema");
    for cut in [&[2, b'c'][..], &[4, b'c'], &[2, b'c', 2, 4, b'e']] {
        assert!(generic(&schema, cut).is_some(), "{cut:?}");
        assert_eq!(plan(&schema).read(cut), Err(Malformed::Short), "{cut:?}");
    }
}

/// Asserts whether a schema of one field is compiled.
#[track_caller]
fn check_compiles(name: &str, kind: Json, wanted: bool) {
    let schema = json!({"type": "record", "name": "One", "fields": [{"name": name, "type": kind}]});
    let schema = Schema::parse(&schema).expect("a schema");
    assert_eq!(Plan::compile(&schema).is_ok(), wanted, "{name}: {kind}");
    assert!(Plan::walk(&schema).is_ok());
}

#[test]
fn a_field_of_another_type_is_left_to_the_general_path() {
    let decimal = |scale| json!({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale});
    let cost = |amount: Json| json!({"type": "record", "name": "Cost", "fields": [{"name": "amount", "type": amount}]});
    let quota = |first: &str, second: &str| {
        json!({"type": "array", "items": {"type": "record", "name": "callmeter.v1.QuotaObservation", "fields": [
            {"name": first, "type": "string"}, {"name": second, "type": "string"},
            {"name": "limit", "type": ["null", "long"]}, {"name": "remaining", "type": ["null", "long"]},
            {"name": "reset", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        ]}})
    };
    check_compiles("workspace", json!("string"), true);
    check_compiles("workspace", json!(["string", "null"]), true);
    check_compiles("workspace", json!("bytes"), false);
    check_compiles("time", json!("long"), false);
    check_compiles("time", json!({"type": "long", "logicalType": "timestamp-millis"}), false);
    check_compiles("status", json!("string"), false);
    check_compiles("status", json!("long"), true);
    check_compiles("cost", cost(decimal(12)), true);
    check_compiles("cost", cost(decimal(4)), false);
    check_compiles("cost", cost(json!("double")), false);
    check_compiles("headers", json!({"type": "map", "values": "string"}), true);
    check_compiles("headers", json!({"type": "map", "values": "bytes"}), false);
    check_compiles("quota", quota("policy", "scope"), true);
    // The same types in another order of names are other facts.
    check_compiles("quota", quota("scope", "policy"), false);
}

#[test]
fn a_named_type_may_be_used_again_but_not_within_itself() {
    let money = json!({"type": "record", "name": "Money", "fields": [{"name": "units", "type": "long"}]});
    let schema = |second: Json| {
        let fields =
            json!([{"name": "price", "type": money.clone()}, {"name": "list_price", "type": second}]);
        Schema::parse(&json!({"type": "record", "name": "Two", "fields": fields})).expect("a schema")
    };
    let twice = plan(&schema(json!(["null", "Money"])));
    assert!(twice.read(&[2, 2, 4]).is_ok());
    assert_eq!(twice.read(&[2, 2]), Err(Malformed::Short));
    assert!(Plan::compile(&schema(json!(["null", "Two"]))).is_err());
}
