//! What the hand-written encoder writes, read back by apache-avro: events enter, equality leaves.

use super::*;
use crate::{Amount, ErrorClass};
use apache_avro::{from_avro_datum, types::Value};
use proptest::prelude::*;

#[test]
fn the_schema_id_follows_its_rule() {
    assert_eq!(format!("{SCHEMA_ID:#x}"), format!("{:#x}", schema_id(call_event_schema())));
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    let Value::Record(fields) = record else { panic!("not a record: {record:?}") };
    match &fields.iter().find(|(field, _)| field == name).expect("the field is in the schema").1 {
        Value::Union(_, inner) => inner,
        other => other,
    }
}

fn read_back(event: &CallEvent) -> Value {
    let mut bytes = Vec::new();
    encode(event, &mut bytes);
    let (id, mut payload) = unframe(&bytes).expect("framed");
    assert_eq!(id, SCHEMA_ID);
    let value = from_avro_datum(call_event_schema(), &mut payload, None).expect("decodes");
    assert!(payload.is_empty(), "nothing is left over");
    value
}

fn optional_text(value: &Option<String>) -> Value {
    value.clone().map_or(Value::Null, Value::String)
}

fn optional_long(value: Option<u64>) -> Value {
    value.map_or(Value::Null, |value| Value::Long(value as i64))
}

prop_compose! {
    fn events()(
        texts in prop::collection::vec("\\PC{0,12}", 8),
        words in prop::collection::vec(prop::option::of("\\PC{0,9}"), 9),
        numbers in prop::collection::vec(prop::option::of(0..1_u64 << 40), 6),
        time_us in any::<i64>(),
        attempt in 1..9_u32,
        status in prop::option::of(0..999_u16),
        class in prop::option::of(prop::sample::select(ErrorClass::ALL)),
        cost in prop::option::of((-(10_i128.pow(23))..10_i128.pow(23), "[A-Z]{3}")),
        quota in prop::collection::vec(("[a-z]{1,5}", prop::option::of(any::<i64>())), 0..3),
        maps in prop::collection::vec(prop::collection::btree_map("[a-z]{1,5}", "\\PC{0,5}", 0..4), 3),
        meaning in (prop::option::of(any::<bool>()), prop::option::of(any::<i64>()), prop::option::of(1..1000_u32)),
    ) -> CallEvent {
        CallEvent {
            workspace: texts[0].clone(), id: texts[1].clone(), time_us, customer: texts[2].clone(),
            integration: texts[3].clone(), endpoint: texts[4].clone(), tier: texts[5].clone(),
            environment: texts[6].clone(), error_class: class, status,
            latency_us: numbers[0], queue_us: numbers[1], attempt, items: numbers[2],
            records: numbers[3], bytes_in: numbers[4], bytes_out: numbers[5],
            cost: cost.map(|(units, currency)| Cost { amount: Amount::from_units(units).expect("bounded"), currency }),
            host: words[0].clone(), method: words[1].clone(), path: words[2].clone(), retry_of: words[3].clone(),
            run_id: words[4].clone(), data_type: words[5].clone(), operation: words[6].clone(),
            error: words[7].clone(), trace_id: words[8].clone(),
            quota: quota.into_iter().map(|(policy, limit)| QuotaObservation {
                policy, scope: "app".into(), limit, remaining: None, reset_us: limit,
            }).collect(),
            headers: maps[0].clone(), attributes: maps[1].clone(), extra: maps[2].clone(),
            billable: meaning.0, retry_at_us: meaning.1, batch_size: meaning.2,
        }
    }
}

proptest! {
    #[test]
    fn an_event_reads_back_the_same_through_apache_avro(event in events()) {
        let value = read_back(&event);
        for (name, wanted) in [
            ("workspace", &event.workspace), ("id", &event.id), ("customer", &event.customer),
            ("integration", &event.integration), ("endpoint", &event.endpoint), ("tier", &event.tier),
            ("environment", &event.environment),
        ] {
            prop_assert_eq!(field(&value, name), &Value::String(wanted.clone()));
        }
        prop_assert_eq!(field(&value, "time"), &Value::TimestampMicros(event.time_us));
        prop_assert_eq!(field(&value, "attempt"), &Value::Int(event.attempt as i32));
        prop_assert_eq!(field(&value, "status"), &event.status.map_or(Value::Null, |status| Value::Int(i32::from(status))));
        prop_assert_eq!(field(&value, "error_class"), &event.error_class.map_or(Value::Null, |class| Value::String(class.as_str().into())));
        for (name, wanted) in [
            ("latency_us", event.latency_us), ("queue_us", event.queue_us), ("items", event.items),
            ("records", event.records), ("bytes_in", event.bytes_in), ("bytes_out", event.bytes_out),
        ] {
            prop_assert_eq!(field(&value, name), &optional_long(wanted));
        }
        for (name, wanted) in [
            ("host", &event.host), ("method", &event.method), ("path", &event.path), ("retry_of", &event.retry_of),
            ("run_id", &event.run_id), ("data_type", &event.data_type), ("operation", &event.operation),
            ("error", &event.error), ("trace_id", &event.trace_id),
        ] {
            prop_assert_eq!(field(&value, name), &optional_text(wanted));
        }
        prop_assert_eq!(field(&value, "billable"), &event.billable.map_or(Value::Null, Value::Boolean));
        prop_assert_eq!(field(&value, "retry_at"), &event.retry_at_us.map_or(Value::Null, Value::TimestampMicros));
        prop_assert_eq!(field(&value, "batch_size"), &event.batch_size.map_or(Value::Null, |size| Value::Int(size as i32)));
        match (&event.cost, field(&value, "cost")) {
            (None, read) => prop_assert_eq!(read, &Value::Null),
            (Some(cost), read) => {
                let Value::Decimal(amount) = field(read, "amount") else { panic!("no decimal") };
                let bytes: Vec<u8> = amount.try_into().expect("two's complement");
                let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1_i128 };
                prop_assert_eq!(bytes.iter().fold(sign, |units, byte| units << 8 | i128::from(*byte)), cost.amount.units());
                prop_assert_eq!(field(read, "currency"), &Value::String(cost.currency.clone()));
            }
        }
        let Value::Array(quota) = field(&value, "quota") else { panic!("no array") };
        prop_assert_eq!(quota.len(), event.quota.len());
        for (name, wanted) in [("headers", &event.headers), ("attributes", &event.attributes), ("extra", &event.extra)] {
            let Value::Map(read) = field(&value, name) else { panic!("no map") };
            let read: BTreeMap<String, Value> = read.clone().into_iter().collect();
            let wanted = wanted.iter().map(|(key, text)| (key.clone(), Value::String(text.clone()))).collect();
            prop_assert_eq!(read, wanted);
        }
    }
}
