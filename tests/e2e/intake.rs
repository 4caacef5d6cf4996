//! What goes in over HTTP comes out as counted, to the last call.

use base64::{Engine, engine::general_purpose::STANDARD};
use callmeter_harness::{
    inspector::{Inspector, Sent, Violation},
    producer::Direct,
    stack::{Stack, eventually, with_stack},
    topic::Topic,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write, path::PathBuf, time::Duration};

#[test]
fn recorded_otlp_exports_add_up_to_the_last_call() {
    with_stack(async |stack| {
        let ingest = stack.ingest().await;
        stack.role("aggregate", &[]).await;
        let mut wanted_rollups = BTreeMap::new();
        let mut wanted_calls = BTreeMap::new();
        let mut wanted_quotas = BTreeMap::new();
        for language in ["python", "go"] {
            let expected = replay(stack, &ingest, language).await;
            for row in expected["rows"].as_array().expect("rows") {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let customer = row["customer"].as_str().unwrap_or("_unattributed").to_owned();
                let calls = row["count"].as_i64().expect("a count");
                let host = text("server.address");
                *wanted_rollups.entry((customer.clone(), vendor(&host))).or_insert(0) += calls;
                let status = row["status"].as_i64().unwrap_or(0);
                *wanted_calls.entry((customer, host, status)).or_insert(0) += calls;
            }
            for row in expected["response_headers"].as_array().expect("rows") {
                let host = row["server.address"].as_str().expect("a host");
                let policy = match row["header"].as_str().expect("a name") {
                    "x-hubspot-ratelimit-daily" => "daily",
                    "x-hubspot-ratelimit-max" => "ten-secondly",
                    "x-shopify-shop-api-call-limit" => "rest",
                    // The answer itself says to which of its pools the vendor counts a call.
                    "x-ratelimit-limit" => "core or search",
                    "x-ratelimit-limit-requests" => "requests",
                    "x-ratelimit-limit-tokens" => "tokens",
                    "sforce-limit-info" => "daily",
                    _ => continue,
                };
                let answers = row["count"].as_i64().expect("a count");
                *wanted_quotas.entry((vendor(host), policy.to_owned())).or_insert(0) += answers;
            }
        }
        stack.drained(wanted_rollups.values().sum()).await;

        let rows = stack
            .rows("SELECT customer, integration, toInt64(sum(calls)) AS calls FROM rollups GROUP BY ALL")
            .await;
        let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
        let stored: BTreeMap<_, _> = rows
            .iter()
            .map(|row| {
                ((text(row, "customer"), text(row, "integration")), row["calls"].as_i64().expect("a count"))
            })
            .collect();
        assert_eq!(stored, wanted_rollups);
        understood(stack, &wanted_quotas).await;

        calls_written(stack, wanted_calls.values().sum()).await;
        let rows = stack.rows("SELECT customer, host, toInt64(ifNull(status, 0)) AS status, toInt64(count()) AS calls FROM calls GROUP BY ALL").await;
        let stored: BTreeMap<_, _> = rows
            .iter()
            .map(|row| {
                (
                    (text(row, "customer"), text(row, "host"), row["status"].as_i64().expect("a status")),
                    row["calls"].as_i64().expect("a count"),
                )
            })
            .collect();
        assert_eq!(stored, wanted_calls);
        same_as_oracle(stack).await;
    });
}

/// The integration of a recorded host.
fn vendor(host: &str) -> String {
    let known = [
        ("api.hubapi.com", "hubspot"),
        ("api.github.com", "github"),
        (".myshopify.com", "shopify"),
        ("api.stripe.com", "stripe"),
        ("api.openai.com", "openai"),
        (".my.salesforce.com", "salesforce"),
    ];
    let found = known.into_iter().find(|(end, _)| host.ends_with(end));
    found.map_or(host, |(_, integration)| integration).to_owned()
}

/// What the recorded answers meant: their classes, their quotas wherever headers were captured, and nothing but endpoints.
async fn understood(stack: &Stack, wanted_quotas: &BTreeMap<(String, String), i64>) {
    let rows = stack
        .rows(
            "SELECT integration, if(policy IN ('core', 'search'), 'core or search', policy) AS policy, toInt64(sum(calls)) AS answers, max(quota_latest.limit) AS full \
             FROM deltas WHERE kind = 'quota' GROUP BY ALL",
        )
        .await;
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let stored: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            ((text(row, "integration"), text(row, "policy")), row["answers"].as_i64().expect("a count"))
        })
        .collect();
    assert_eq!(&stored, wanted_quotas);
    assert!(rows.iter().all(|row| row["full"].as_i64() > Some(0)), "every quota has its limit: {rows:?}");

    let rows = stack
        .rows(
            "SELECT integration, mapSort(sumMap(errors_by_class)) AS classes FROM rollups \
             WHERE integration NOT LIKE '%.invalid' GROUP BY integration ORDER BY integration",
        )
        .await;
    let classes: Vec<String> =
        rows.iter().map(|row| format!("{} {}", text(row, "integration"), row["classes"])).collect();
    // GitHub's 23 refusals: 7 with status 429, and those of its 403 whose headers were captured and say that nothing is left.
    let wanted = [
        r#"github {"connect":10,"forbidden":9,"rate_limited":14,"validation":7}"#,
        r#"hubspot {"connect":1,"forbidden":8,"rate_limited":15,"timeout":6,"upstream_5xx":8,"validation":8}"#,
        r#"openai {"auth_expired":9,"connect":3,"rate_limited":9,"timeout":9,"upstream_5xx":8}"#,
        r#"salesforce {"auth_expired":9,"connect":10,"forbidden":8,"timeout":2,"upstream_5xx":8}"#,
        r#"shopify {"not_found":8,"rate_limited":12,"upstream_5xx":8,"validation":8}"#,
        r#"stripe {"connect":12,"not_found":9,"rate_limited":9,"upstream_5xx":20}"#,
    ];
    assert_eq!(classes, wanted);

    calls_written(stack, 543).await;
    let limited = "SELECT toInt64(count()) FROM calls WHERE integration = 'github' AND status = 403 \
        AND (headers['x-ratelimit-remaining'] = '0' OR headers['retry-after'] != '')";
    assert_eq!(stack.number(limited).await, 7);
    let ids =
        "SELECT DISTINCT endpoint FROM rollups WHERE match(endpoint, '[0-9]{4}') OR match(endpoint, '[?&=]')";
    assert_eq!(stack.rows(ids).await, Vec::<Value>::new(), "no id and no query string is an endpoint");
}

/// Sends every recorded body with its recorded headers, then once more: a repeated export counts once.
async fn replay(stack: &Stack, ingest: &str, language: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/otlp").join(language);
    let read =
        |name: String| std::fs::read(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected: Value = serde_json::from_slice(&read("expected.json".into())).expect("JSON");
    let bodies = expected["totals"]["bodies"].as_u64().expect("a count");
    for number in 1..=bodies {
        let headers: BTreeMap<String, String> =
            serde_json::from_slice(&read(format!("{number:03}.headers.json"))).expect("JSON");
        let mut request = stack.http.post(format!("{ingest}/v1/traces")).bearer_auth(&stack.key);
        for (name, value) in headers {
            if ["content-type", "content-encoding"].contains(&name.to_lowercase().as_str()) {
                request = request.header(name, value);
            }
        }
        let answer = request.body(read(format!("{number:03}.bin"))).send().await.expect("ingest answers");
        assert_eq!(answer.status(), 200, "{language} {number:03}");
    }
    expected
}

#[test]
fn every_form_of_body_is_counted_and_a_bad_item_costs_nothing_else() {
    with_stack(async |stack| {
        let ingest = stack.ingest().await;
        stack.role("aggregate", &[]).await;
        let url = format!("{ingest}/v1/events");
        let event = |id: &str| {
            json!({"id": id, "customer": "acme", "integration": "hubspot", "status": 200, "latency_ms": 12.5,
            "time": "2026-11-20T12:00:00.123Z", "cost": {"amount": "0.0042", "currency": "USD"}, "shoe_size": 43})
        };

        let (status, answer) = stack.send(&url, "application/json", event("one").to_string().into()).await;
        assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");

        let array =
            json!([event("two"), {"id": "bad", "integration": "hubspot"}, event("three"), event("one")]);
        let (status, answer) = stack.send(&url, "application/json", array.to_string().into()).await;
        assert_eq!((status, &answer["accepted"]), (202, &json!(3)), "{answer}");
        assert_eq!(
            (&answer["rejected"][0]["index"], &answer["rejected"][0]["id"]),
            (&json!(1), &json!("bad"))
        );

        let lines = format!("{}\nnot json\n{}\n", event("four"), event("two"));
        let (status, answer) = stack.send(&url, "application/x-ndjson", lines.into()).await;
        assert_eq!(
            (status, &answer["accepted"], &answer["rejected"][0]["index"]),
            (202, &json!(2), &json!(1)),
            "{answer}"
        );

        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json!([event("five")]).to_string().as_bytes()).expect("in memory");
        let request =
            stack.http.post(&url).bearer_auth(&stack.key).header("content-type", "application/json");
        let request = request.header("content-encoding", "gzip").body(gzip.finish().expect("in memory"));
        assert_eq!(request.send().await.expect("an answer").status(), 202);

        let stranger = stack
            .http
            .post(&url)
            .bearer_auth("cm_nobody_nothing")
            .body("{}")
            .send()
            .await
            .expect("an answer");
        assert_eq!(stranger.status(), 401);
        let poisons = plant_poison(stack);

        stack.drained(7 + poisons.len() as i64).await;
        let rows =
            stack.rows("SELECT toInt64(sum(calls)) AS calls, toString(sum(cost)) AS cost FROM rollups").await;
        assert_eq!(rows, [json!({"calls": 5, "cost": "0.021"})]);
        let ledger = "SELECT toInt64(sum(duplicates)) AS duplicates, toInt64(sum(dead_lettered)) AS dead_lettered FROM ledger";
        assert_eq!(stack.rows(ledger).await, [json!({"duplicates": 2, "dead_lettered": poisons.len()})]);
        assert_eq!(dead_letters(stack), poisons);

        calls_written(stack, 7).await;
        let unknown = stack.rows("SELECT DISTINCT extra FROM calls").await;
        assert_eq!(unknown, [json!({"extra": {"shoe_size": "43"}})]);
        same_as_oracle(stack).await;
    });
}

/// Records that are no events, each for another reason; their values, sorted.
fn plant_poison(stack: &Stack) -> Vec<Vec<u8>> {
    let direct = Direct::new(&stack.kafka);
    let mut cut = Vec::new();
    callmeter_schemas::avro::encode(&callmeter_harness::producer::event(1), &mut cut);
    cut.truncate(40);
    let mut nobody = Vec::new();
    let empty =
        callmeter_schemas::CallEvent { customer: String::new(), ..callmeter_harness::producer::event(2) };
    callmeter_schemas::avro::encode(&empty, &mut nobody);
    let mut poisons = vec![b"hello".to_vec(), vec![0, 0, 0, 0, 9, 1, 2, 3], cut, nobody];
    for poison in &poisons {
        direct.raw("poison", poison);
    }
    direct.flush();
    poisons.sort();
    poisons
}

fn dead_letters(stack: &Stack) -> Vec<Vec<u8>> {
    let letters = Topic::new(&stack.kafka, "callmeter.dead-letters.v1").rest();
    let mut values: Vec<Vec<u8>> = letters
        .iter()
        .map(|letter| {
            let letter: Value = serde_json::from_slice(&letter.value).expect("JSON");
            STANDARD.decode(letter["value"].as_str().expect("a value")).expect("base64")
        })
        .collect();
    values.sort();
    values
}

#[test]
fn nothing_acknowledged_is_lost_while_kafka_is_away() {
    with_stack(async |stack| {
        let ingest = stack.ingest().await;
        stack.role("aggregate", &[]).await;
        let url = format!("{ingest}/v1/events");
        let body =
            |id: &str| json!({"id": id, "customer": "acme", "integration": "x"}).to_string().into_bytes();
        let (status, _) = stack.send(&url, "application/json", body("before")).await;
        assert_eq!(status, 202);

        stack.pause_kafka(true);
        let request =
            stack.http.post(&url).bearer_auth(&stack.key).header("content-type", "application/json");
        let away = request.body(body("during")).send().await.expect("ingest answers");
        assert_eq!(away.status(), 503);
        assert!(away.headers().contains_key("retry-after"));
        stack.pause_kafka(false);

        // The event may have been stored although it was not acknowledged: sent again, it counts once all the same.
        eventually("kafka is back", Duration::from_secs(30), async || {
            match stack.send(&url, "application/json", body("during")).await {
                (202, _) => Ok(()),
                (status, answer) => Err(format!("{status} {answer}")),
            }
        })
        .await;
        eventually("both events are counted once", Duration::from_secs(30), async || {
            match stack.number("SELECT toInt64(sum(calls)) FROM rollups").await {
                2 => Ok(()),
                calls => Err(format!("{calls} calls")),
            }
        })
        .await;
        same_as_oracle(stack).await;
    });
}

/// Waits until the view `calls` holds so many rows.
pub(crate) async fn calls_written(stack: &Stack, rows: i64) {
    eventually("the raw calls are written", Duration::from_secs(30), async || {
        let written = stack.number("SELECT toInt64(count()) FROM calls").await;
        if written == rows { Ok(()) } else { Err(format!("{written} of {rows}")) }
    })
    .await;
}

/// Checks every invariant against an independent recompute from the log.
pub(crate) async fn same_as_oracle(stack: &Stack) {
    let bound = Duration::from_secs(60);
    let violations = Inspector::new(stack).inspect(stack, &Sent::default(), bound).await;
    assert_eq!(violations, Vec::<Violation>::new(), "{}", stack.tails());
}
