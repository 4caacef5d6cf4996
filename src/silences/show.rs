//! What operators read: silences and the time enter, an aligned table or JSON leaves.

use crate::table::aligned;
use callmeter_alerter::silence::Silence;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A row per silence.
pub(super) fn table(silences: &[Silence], now: Timestamp) -> String {
    let head = ["ID", "STATE", "FROM", "UNTIL", "MATCHERS", "AUTHOR", "REASON"].map(str::to_owned);
    let row = |silence: &Silence| {
        [
            silence.id.clone(),
            silence.state(now).word().to_owned(),
            format!("{:.0}", silence.starts_at),
            format!("{:.0}", silence.ends_at),
            silence.matchers.texts().join(" "),
            silence.author.clone(),
            silence.reason.clone(),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(silences.iter().map(row)).collect();
    aligned(&rows)
}

/// The same as JSON.
pub(super) fn json(silences: &[Silence], now: Timestamp) -> Value {
    let told = |silence: &Silence| {
        json!({
            "id": silence.id, "state": silence.state(now), "matchers": silence.matchers.texts(),
            "author": silence.author, "reason": silence.reason, "starts_at": silence.starts_at,
            "ends_at": silence.ends_at, "created_at": silence.created_at,
        })
    };
    silences.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_alerter::silence::conditions;

    #[test]
    fn a_silence_is_shown_with_its_matchers_and_how_it_stands() {
        let time = |text: &str| text.parse().expect("a time");
        let silence = Silence {
            id: "5e1f".into(),
            matchers: conditions(&["customer=acme", "severity=~page|ticket"]).expect("conditions"),
            author: "ann".into(),
            reason: "migration".into(),
            starts_at: time("2026-11-20T12:00:00Z"),
            ends_at: time("2026-11-20T14:00:00Z"),
            created_at: time("2026-11-20T11:00:00Z"),
        };
        let now = time("2026-11-20T13:00:00Z");
        assert_eq!(
            table(std::slice::from_ref(&silence), now),
            "ID    STATE   FROM                  UNTIL                 MATCHERS                                 AUTHOR  REASON\n\
             5e1f  active  2026-11-20T12:00:00Z  2026-11-20T14:00:00Z  customer=\"acme\" severity=~\"page|ticket\"  ann     migration\n"
        );
        let told = json(&[silence], now);
        assert_eq!(
            (&told[0]["state"], &told[0]["ends_at"]),
            (&json!("active"), &json!("2026-11-20T14:00:00Z"))
        );
        assert_eq!(told[0]["matchers"][0], "customer=\"acme\"");
    }
}
