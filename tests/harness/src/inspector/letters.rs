//! I9: the dead letters against the planted poison.

use super::{Sent, Violation, some};
use crate::{oracle::Truth, topic::Topic};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Letters = BTreeMap<(i32, i64), BTreeSet<Vec<u8>>>;

/// Reads the letters that are new and compares all of them. One letter may stand there several times, under one key.
pub(super) fn check(topic: &mut Topic, found: &mut Letters, truth: &Truth, sent: &Sent) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for record in topic.rest() {
        let letter: Value = serde_json::from_slice(&record.value).unwrap_or_default();
        let place =
            (letter["partition"].as_i64().unwrap_or(-1) as i32, letter["offset"].as_i64().unwrap_or(-1));
        let value = STANDARD.decode(letter["value"].as_str().unwrap_or_default()).unwrap_or_default();
        let key = format!("{}/{}/{}", letter["source"].as_str().unwrap_or_default(), place.0, place.1);
        if record.key != key.as_bytes() {
            wrong
                .push(format!("the key of the letter {place:?} is {}", String::from_utf8_lossy(&record.key)));
        }
        found.entry(place).or_default().insert(value);
    }
    for (place, value) in &truth.poison {
        match found.get(place) {
            Some(values) if values.len() == 1 && values.contains(value) => {}
            Some(_) => wrong.push(format!("the letter of {place:?} does not hold its record")),
            None => wrong.push(format!("no letter for the poison at {place:?}")),
        }
    }
    let healthy = found.keys().filter(|place| !truth.poison.contains_key(place));
    wrong.extend(healthy.map(|place| format!("a letter for {place:?}, which is no poison")));
    if let Some(planted) = &sent.poison {
        let strange = truth.poison.iter().filter(|(_, value)| !planted.contains(*value));
        wrong.extend(strange.map(|(place, _)| format!("nobody planted the poison at {place:?}")));
    }
    some("I9", wrong)
}
