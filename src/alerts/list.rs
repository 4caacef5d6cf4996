//! Open alerts for people: alerts enter, an aligned table leaves.

use crate::table::aligned;
use callmeter_alerter::status::AlertStatus;

/// A row per alert.
pub(super) fn table(alerts: &[AlertStatus]) -> String {
    let head = ["STATE", "SINCE", "RULE", "VALUE", "LABELS", "RECEIVERS", "QUIET"].map(str::to_owned);
    let row = |alert: &AlertStatus| {
        let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname");
        let labels: Vec<String> = labels.map(|(name, text)| format!("{name}={text}")).collect();
        let receivers: Vec<&str> = alert.receivers.iter().map(String::as_str).collect();
        [
            alert.state.to_owned(),
            format!("{:.0}", alert.since),
            alert.rule.clone(),
            alert.value.to_string(),
            labels.join(" "),
            receivers.join(" "),
            quiet(alert),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(alerts.iter().map(row)).collect();
    aligned(&rows)
}

/// What keeps an alert quiet.
fn quiet(alert: &AlertStatus) -> String {
    let silenced = alert.silenced_by.iter().map(|id| format!("silenced by {id}"));
    let inhibited = alert.inhibited_by.iter().map(|print| format!("inhibited by {print}"));
    let muted = alert.muted_by.iter().map(|name| format!("muted by {name}"));
    silenced.chain(inhibited).chain(muted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_since_when_for_whom_and_what_keeps_it_quiet() {
        let labels = [("alertname", "Fails"), ("customer", "acme"), ("severity", "page")];
        let alert = AlertStatus {
            state: "firing",
            rule: "Fails".into(),
            rule_group: "g".into(),
            fingerprint: "f".into(),
            labels: labels.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            annotations: Default::default(),
            since: "2026-11-20T12:00:00Z".parse().expect("a time"),
            value: 0.25,
            threshold: 0.1,
            receivers: ["ops".to_owned(), "keys".to_owned()].into(),
            silenced_by: vec!["s1".into()],
            inhibited_by: Some("f2".into()),
            muted_by: Default::default(),
        };
        assert_eq!(
            table(&[alert]),
            "STATE   SINCE                 RULE   VALUE  LABELS                       RECEIVERS  QUIET\n\
             firing  2026-11-20T12:00:00Z  Fails  0.25   customer=acme severity=page  keys ops   silenced by s1, inhibited by f2\n"
        );
    }
}
