//! Messages as people and receivers see them.

use super::{
    alertmanager, email, pagerduty,
    samples::{alert, firing, many, notification, texts},
    slack,
    template::{Place, Template},
    *,
};
use crate::{
    dispatch::Notification,
    routing::{Routing, receivers::Destination, receivers::PagerDuty},
    transition::State,
};
use callmeter_schemas::config::Secret;
use proptest::prelude::*;
use serde_json::Value;

const URL: &str = "https://callmeter.example";

fn both() -> Notification {
    notification(vec![alert("acme", State::Firing), alert("globex", State::Resolved)])
}

fn service(more: &str) -> PagerDuty {
    let text = format!(
        "{{route: {{receiver: ops}}, receivers: [{{name: ops, pagerduty_configs: [{{routing_key: k{more}}}]}}]}}"
    );
    let routing = Routing::parse("f", &text).expect("valid");
    match &routing.receivers[0].targets[0].destination {
        Destination::PagerDuty(service) => (**service).clone(),
        other => panic!("{other:?}"),
    }
}

fn event(notification: &Notification, more: &str) -> Value {
    pagerduty::event(notification, URL, &service(more), &Secret::new("canary"))
}

/// Every text of a message that Slack reads as markup.
fn texts_of(message: &Value) -> Vec<String> {
    match message {
        Value::Object(map) => {
            let own = map.get("text").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(texts_of)).collect()
        }
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_webhook_carries_alertmanagers_version_4() {
    insta::assert_snapshot!(alertmanager::body(&firing("acme"), URL, 0), @r#"{"receiver":"ops","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HubspotFails","customer":"acme","integration":"hubspot","severity":"page","workspace":"demo"},"annotations":{"summary":"acme: 12.5% of HubSpot calls fail"},"startsAt":"2026-11-20T12:00:03.000Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://callmeter.example","fingerprint":"9b6f9478ec0724e5"}],"groupLabels":{"alertname":"HubspotFails"},"commonLabels":{"alertname":"HubspotFails","customer":"acme","integration":"hubspot","severity":"page","workspace":"demo"},"commonAnnotations":{"summary":"acme: 12.5% of HubSpot calls fail"},"externalURL":"https://callmeter.example","version":"4","groupKey":"{}:{alertname=\"HubspotFails\"}","truncatedAlerts":0}"#);
    let cut: Value = serde_json::from_str(&alertmanager::body(&many(5), URL, 2)).expect("json");
    assert_eq!((cut["alerts"].as_array().map(Vec::len), &cut["truncatedAlerts"]), (Some(2), &3.into()));
}

#[test]
fn a_mail_says_what_who_since_when_how_bad_and_where_to_look() {
    let mail = email::mail(&both(), URL, email::Wording::default());
    insta::assert_snapshot!(mail.subject, @"[FIRING] HubspotFails — acme · hubspot");
    insta::assert_snapshot!(mail.text, @"
[FIRING] HubspotFails — acme · hubspot

FIRING acme · hubspot
  acme: 12.5% of HubSpot calls fail
  value 0.125, threshold 0.05, since 2026-11-20 12:00:03 UTC

RESOLVED globex · hubspot
  globex: 12.5% of HubSpot calls fail
  last value 0.0125, threshold 0.05, from 2026-11-20 12:00:03 to 12:14:03 UTC (14m 0s)

Look closer:

SELECT window_start, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95_ms
FROM rollups WHERE workspace = 'demo' AND customer = 'acme' AND integration = 'hubspot' AND window_start >= '2026-11-20 11:30:00'
GROUP BY window_start ORDER BY window_start

https://callmeter.example
");
    insta::assert_snapshot!(mail.html, @r#"
<!doctype html>
<html><body style="font-family:sans-serif">
<h2 style="color:#b3261e">[FIRING] HubspotFails — acme · hubspot</h2>
<p>FIRING <b>acme · hubspot</b><br>acme: 12.5% of HubSpot calls fail<br>value 0.125, threshold 0.05, since 2026-11-20 12:00:03 UTC</p>
<p>RESOLVED <b>globex · hubspot</b><br>globex: 12.5% of HubSpot calls fail<br>last value 0.0125, threshold 0.05, from 2026-11-20 12:00:03 to 12:14:03 UTC (14m 0s)</p>
<p>Look closer:</p>
<pre>SELECT window_start, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95_ms
FROM rollups WHERE workspace = &#x27;demo&#x27; AND customer = &#x27;acme&#x27; AND integration = &#x27;hubspot&#x27; AND window_start &gt;= &#x27;2026-11-20 11:30:00&#x27;
GROUP BY window_start ORDER BY window_start</pre>
<p><a href="https:&#x2f;&#x2f;callmeter.example">Callmeter</a></p>
</body></html>
"#);
}

#[test]
fn a_mail_is_one_subject_line_and_escaped_html_whatever_alerts_are_named() {
    let mut hostile = firing("<script>alert(1)</script>\r\nBcc: all@example.com");
    hostile.alerts[0].annotations = texts(&[("summary", "<b>x</b>"), ("runbook_url", "javascript:alert(1)")]);
    let template = Template::parse("{{ .CommonLabels.customer }}").expect("valid");
    let wording = email::Wording { subject: Some(&template), text: None, html: Some(&template) };
    for wording in [email::Wording::default(), wording] {
        let mail = email::mail(&hostile, URL, wording);
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        assert!(
            !mail.html.contains("<script")
                && !mail.html.contains("<b>x")
                && !mail.html.contains("javascript:"),
            "{}",
            mail.html
        );
    }
}

#[test]
fn a_slack_message_is_read_in_ten_seconds() {
    let message = slack::message(&both(), URL, slack::Wording::default());
    insta::assert_snapshot!(texts_of(&message).join("\n--\n"), @"
[FIRING] HubspotFails — acme · hubspot
--
:red_circle: *<https://callmeter.example|[FIRING] HubspotFails — acme · hubspot>*
--
*acme · hubspot* acme: 12.5% of HubSpot calls fail
value 0.125, threshold 0.05, since 2026-11-20 12:00:03 UTC
--
:white_check_mark: *globex · hubspot* globex: 12.5% of HubSpot calls fail
last value 0.0125, threshold 0.05, from 2026-11-20 12:00:03 to 12:14:03 UTC (14m 0s)
--
*integration*
hubspot
--
*severity*
page
--
*workspace*
demo
--
```SELECT window_start, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95_ms
FROM rollups WHERE workspace = 'demo' AND customer = 'acme' AND integration = 'hubspot' AND window_start &gt;= '2026-11-20 11:30:00'
GROUP BY window_start ORDER BY window_start```
");
    let resolved = notification(vec![alert("acme", State::Resolved)]);
    let message = slack::message(&resolved, URL, slack::Wording::default());
    insta::assert_snapshot!(texts_of(&message)[..3].join("\n--\n"), @"
[RESOLVED] HubspotFails — acme · hubspot
--
:large_green_circle: *<https://callmeter.example|[RESOLVED] HubspotFails — acme · hubspot>*
--
:white_check_mark: *acme · hubspot* acme: 12.5% of HubSpot calls fail
last value 0.0125, threshold 0.05, from 2026-11-20 12:00:03 to 12:14:03 UTC (14m 0s)
");
}

#[test]
fn slack_limits_hold_for_any_number_of_alerts_and_nobody_is_pinged() {
    for count in [1, 2, 40, 41, 500] {
        let message = slack::message(&many(count), URL, slack::Wording::default());
        let blocks = message["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= 50, "{}", blocks.len());
        for block in blocks {
            assert!(block["text"]["text"].as_str().unwrap_or_default().chars().count() <= 3_000);
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            assert!(fields.len() <= 10);
            assert!(
                fields
                    .iter()
                    .all(|field| field["text"].as_str().is_some_and(|text| text.chars().count() <= 2_000))
            );
        }
        let all = texts_of(&message).join("\n");
        assert!(!all.contains("<!"), "{all}");
        assert!(all.len() < 13_000, "{}", all.len());
    }
    let all = texts_of(&slack::message(&many(500), URL, slack::Wording::default())).join("\n");
    assert!(all.contains(" more alerts"), "{all}");
}

#[test]
fn what_an_operator_writes_may_ping_and_what_it_names_may_not() {
    let text = Template::parse("<!here> {{ .CommonLabels.customer }}").expect("valid");
    let title = Template::parse("{{ .Status | toUpper }} {{ .Alerts | length }}").expect("valid");
    let wording = slack::Wording { text: Some(&text), title: Some(&title), title_link: None };
    let message = slack::message(&firing("<!channel> & co"), URL, wording);
    let texts = texts_of(&message);
    assert_eq!(
        texts[..3],
        [
            "FIRING 1",
            ":red_circle: *<https://callmeter.example|FIRING 1>*",
            "<!here> &lt;!channel&gt; &amp; co"
        ]
    );
}

proptest! {
    #[test]
    fn no_text_pings_anybody_or_breaks_a_limit(name in "(<!channel>|@here|&|<|>|[a-zé|`*_{}\"\n]){0,60}", times in 1_usize..80) {
        let name = name.repeat(times);
        let mut about = firing(&name);
        about.alerts[0].annotations = texts(&[("summary", &name), ("runbook_url", &format!("https://{name}"))]);
        let template = Template::parse("{{ .CommonLabels.customer }} {{ .CommonAnnotations }}").expect("valid");
        let own = slack::Wording { title: Some(&template), text: Some(&template), title_link: Some(&template) };
        for wording in [slack::Wording::default(), own] {
            let message = slack::message(&about, URL, wording);
            for text in texts_of(&message) {
                prop_assert!(!text.contains("<!") && text.chars().count() <= 3_000, "{text}");
                let known = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
                prop_assert!(!known.contains('&'), "{text}");
            }
        }
        let event = event(&about, "");
        prop_assert!(event["payload"]["summary"].as_str().is_some_and(|text| text.chars().count() <= 1_024));
    }
}

#[test]
fn markup_is_never_cut_in_the_middle_of_an_entity() {
    let text = Template::parse("{{ .CommonLabels.customer }}").expect("valid");
    for pad in 0..6 {
        let name = format!("{}{}", "x".repeat(pad), "&".repeat(2_000));
        let message =
            slack::message(&firing(&name), URL, slack::Wording { text: Some(&text), ..Default::default() });
        let text = message["blocks"][1]["text"]["text"].as_str().expect("text").to_owned();
        let plain = text.replace("&amp;", "");
        assert!(text.chars().count() <= 3_000 && !plain.contains('&') && plain.ends_with('…'), "{plain}");
    }
}

#[test]
fn an_event_triggers_and_resolves_the_incident_of_its_group() {
    let trigger = event(&both(), "");
    insta::assert_snapshot!(serde_json::to_string_pretty(&trigger).expect("json"), @r#"
{
  "client": "Callmeter",
  "client_url": "https://callmeter.example",
  "dedup_key": "callmeter-06e35c74be5ccb36c44fd01ff8b837a75a064fb652d7a64f503ce870f8ea254b",
  "event_action": "trigger",
  "links": [],
  "payload": {
    "custom_details": {
      "alerts": [
        "acme · hubspot: acme: 12.5% of HubSpot calls fail (value 0.125, threshold 0.05, since 2026-11-20 12:00:03 UTC)",
        "resolved: globex · hubspot: globex: 12.5% of HubSpot calls fail (last value 0.0125, threshold 0.05, from 2026-11-20 12:00:03 to 12:14:03 UTC (14m 0s))"
      ],
      "firing": 1,
      "query": "SELECT window_start, sum(calls) AS calls, sum(errors) AS errors, latencyQuantile(0.95, sumMap(latency)) AS p95_ms\nFROM rollups WHERE workspace = 'demo' AND customer = 'acme' AND integration = 'hubspot' AND window_start >= '2026-11-20 11:30:00'\nGROUP BY window_start ORDER BY window_start",
      "resolved": 1
    },
    "severity": "critical",
    "source": "hubspot",
    "summary": "[FIRING] HubspotFails — acme · hubspot"
  },
  "routing_key": "canary"
}
"#);
    let resolve = event(&notification(vec![alert("acme", State::Resolved)]), "");
    assert_eq!(resolve["event_action"], "resolve");
    assert_eq!(resolve["dedup_key"], trigger["dedup_key"]);
}

#[test]
fn events_stay_within_pagerdutys_limits_and_severity_is_one_of_its_words() {
    let event_of_many = event(&many(500), ", description: '{{ .CommonLabels.note }}'");
    let length = |value: &Value| value.as_str().map(|text| text.chars().count());
    assert_eq!(length(&event_of_many["payload"]["summary"]), Some(1_024));
    assert!(length(&event_of_many["dedup_key"]).is_some_and(|length| length <= 255));
    assert!(event_of_many.to_string().len() < 100_000);
    for (label, wanted) in [("page", "critical"), ("warning", "warning"), ("info", "info"), ("odd", "error")]
    {
        let mut about = firing("acme");
        about.alerts[0].labels.insert("severity".into(), label.into());
        assert_eq!(event(&about, "")["payload"]["severity"], wanted, "{label}");
    }
    assert_eq!(event(&firing("acme"), ", severity: warning")["payload"]["severity"], "warning");
}

#[test]
fn a_body_of_ones_own_is_json_whatever_alerts_are_named() {
    let text = r#"{"message": {{ .CommonLabels.alertname ~ " of " ~ .CommonLabels.customer }}, "alias": {{ .GroupKey }},
        "alerts": [{% for alert in Alerts %}{{ alert.Labels }}{% if not loop.last %},{% endif %}{% endfor %}], "none": {{ .CommonLabels.absent }}}"#;
    let body = JsonTemplate::parse(text).expect("valid").body(&firing("\"}\\\n<é>"), URL).expect("a body");
    let json: Value = serde_json::from_str(&body).expect("json");
    assert_eq!(json["message"], "HubspotFails of \"}\\\n<é>");
    assert_eq!((&json["alerts"][0]["integration"], &json["none"]), (&"hubspot".into(), &Value::Null));
}

#[test]
fn a_template_that_cannot_work_is_refused_with_what_to_write_instead() {
    let mistake = |text: &str| JsonTemplate::parse(text).expect_err("a mistake");
    insta::assert_snapshot!(mistake(r#"{"a": "{{ .Status }}"}"#), @"the body is not JSON: expected `,` or `}` at line 1 column 9; {{ … }} is written as a JSON value, with its quotes: put none around it");
    insta::assert_snapshot!(mistake("{{ range .Alerts }}{{ end }}"), @"Go's `range` is not supported in templates: write {% for alert in Alerts %} … {% endfor %}");
    insta::assert_snapshot!(mistake("{{ .Status"), @"not a template: {{ is not closed by }}");
    insta::assert_snapshot!(mistake("{% for x %}"), @"not a template: syntax error: unexpected end of block, expected in (in <string>:1)");
    let late = Template::parse("{{ .CommonLabels.a.b.c }}").expect("only an alert can tell");
    let about = firing("acme");
    let text = late.render(&facts::Facts::of(&about, URL), Place::Plain);
    assert!(text.starts_with("(error in template: "), "{text}");
}
