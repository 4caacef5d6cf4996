//! Receivers as people bring them from Alertmanager.

use super::*;
use crate::routing::Routing;

fn parse(receiver: &str) -> Result<Receiver, String> {
    let text = format!("route: {{receiver: ops}}\nreceivers:\n- name: ops\n{receiver}");
    let routing = Routing::parse("routing.yaml", &text)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok(routing.receivers.into_iter().next().expect("one"))
}

#[test]
fn every_kind_is_read_named_by_its_place_and_prints_no_secret() {
    let receiver = parse(
        "
  webhook_configs:
  - url: https://canary.example/1
    max_alerts: 10
    timeout: 5s
    signing_secret: [canary, canary2]
    http_config:
      authorization: {type: Token, credentials: canary}
      tls_config: {ca_file: /etc/ca.pem}
      follow_redirects: false
  - url_env: HOOK
    send_resolved: false
    http_config: {basic_auth: {username: callmeter, password_file: /run/password}}
  slack_configs:
  - api_url_file: /run/slack
    channel: '#ops'
    title: '{{ .Status | toUpper }}: {{ .CommonLabels.alertname }}'
  - {bot_token: canary, channel: C123, text: '<!here> {{ .CommonAnnotations.summary }}'}
  pagerduty_configs:
  - routing_key: canary
    severity: '{{ .CommonLabels.severity }}'
    details: {customer: '{{ .CommonLabels.customer }}'}
  email_configs:
  - to: Ops <ops@example.com>, boss@example.com
    from: callmeter@example.com
    smarthost: smtp.example.com:587
    auth_username: callmeter
    auth_password: canary
    headers: {Subject: '{{ .CommonLabels.alertname }}'}
  json_configs:
  - url: https://api.opsgenie.com/v2/alerts
    headers: {Authorization: GenieKey canary}
    body: '{\"message\": {{ .CommonLabels.alertname }}, \"alias\": {{ .GroupKey }}}'
",
    )
    .expect("valid");
    let names: Vec<String> = receiver.targets.iter().map(|target| target.name.to_string()).collect();
    let wanted = ["webhook/0", "webhook/1", "slack/0", "slack/1", "pagerduty/0", "email/0", "json/0"]
        .map(|name| format!("ops/{name}"));
    assert_eq!(names, wanted);
    let ends: Vec<bool> = receiver.targets.iter().map(|target| target.send_resolved).collect();
    assert_eq!(ends, [true, false, true, true, true, true, true]);
    let printed = format!("{receiver:?}");
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn what_a_target_leaves_out_is_taken_from_global() {
    let text = "
global: {slack_api_url: 'https://hooks.example/canary', pagerduty_url: 'https://pd.example/', smtp_from: a@b.example,
  smtp_smarthost: 'smtp.example.com:587', smtp_auth_username: u, smtp_auth_password: canary, smtp_require_tls: false}
route: {receiver: ops}
receivers:
- name: ops
  slack_configs: [{channel: '#ops'}]
  pagerduty_configs: [{routing_key: k}]
  email_configs: [{to: c@d.example}, {to: c@d.example, from: e@f.example, require_tls: true}]
";
    let routing = Routing::parse("f", text).expect("valid");
    let mut seen = Vec::new();
    for target in &routing.receivers[0].targets {
        seen.push(match &target.destination {
            Destination::Slack(slack) => format!("{:?}", slack.access),
            Destination::PagerDuty(service) => service.url.clone(),
            Destination::Email(email) => {
                format!("{} {:?} {:?} {}", email.from, email.smarthost, email.login, email.require_tls)
            }
            other => panic!("{other:?}"),
        });
    }
    insta::assert_snapshot!(seen.join("\n"), @r##"
Webhook { url: Inline(***), channel: Some("#ops") }
https://pd.example/
a@b.example Smarthost { host: "smtp.example.com", port: 587 } Some(("u", Inline(***))) false
e@f.example Smarthost { host: "smtp.example.com", port: 587 } Some(("u", Inline(***))) true
"##);
}

#[test]
fn every_key_that_is_not_acted_on_is_named_with_its_line_and_what_to_do() {
    let mistakes = parse(
        "
  opsgenie_configs:
  - api_key: x
  webhook_configs:
  - url: https://a.example
    payload: {}
    max_alerts: -1
    timeout: 5m
    http_config:
      proxy_url: http://proxy.example
      follow_redirects: true
      bearer_token: x
      basic_auth: {username: x, password: x}
      tls_config: {insecure_skip_verify: true}
  slack_configs:
  - channel: '#ops'
  - bot_token: x
  - api_url: https://hooks.slack.com/x
    api_url_file: /run/x
    color: good
    link_names: true
    titel: x
    title: '{{ template \"slack.default.title\" . }}'
  pagerduty_configs:
  - service_key: x
  email_configs:
  - to: ops
    from: callmeter@example.com
    smarthost: smtp.example.com
    auth_username: x
    headers: {To: x}
  json_configs:
  - url: https://a.example
    method: GET
    headers: {Host: a, 'a b': c}
    body: '{\"a\": \"{{ .Status }}\"}'
",
    )
    .expect_err("mistakes");
    insta::assert_snapshot!(mistakes, @"
routing.yaml:5:3: receivers[0].opsgenie_configs: not supported; its API can be called with json_configs
routing.yaml:9:5: receivers[0].webhook_configs[0].payload: not supported here; json_configs have a body of your own
routing.yaml:10:5: receivers[0].webhook_configs[0].max_alerts: a whole number is expected here
routing.yaml:11:5: receivers[0].webhook_configs[0].timeout: must be at most 60 s
routing.yaml:12:5: receivers[0].webhook_configs[0].http_config: only one of authorization, basic_auth and bearer_token can hold
routing.yaml:13:7: receivers[0].webhook_configs[0].http_config.proxy_url: not supported: receivers are reached without a proxy
routing.yaml:14:7: receivers[0].webhook_configs[0].http_config.follow_redirects: redirects are never followed: name the address itself
routing.yaml:17:20: receivers[0].webhook_configs[0].http_config.tls_config.insecure_skip_verify: not supported: certificates are always verified; name their issuer in ca_file
routing.yaml:19:5: receivers[0].slack_configs[0].api_url: missing: api_url of an incoming webhook, or bot_token and channel
routing.yaml:20:5: receivers[0].slack_configs[1].channel: missing: a bot must know where to post
routing.yaml:21:5: receivers[0].slack_configs[2].api_url: only one of api_url, api_url_file and api_url_env can hold
routing.yaml:23:5: receivers[0].slack_configs[2].color: not supported: messages are made of blocks, with title and text
routing.yaml:24:5: receivers[0].slack_configs[2].link_names: not supported: names in alerts never call anybody; write <!here> or <@U…> into text
routing.yaml:25:5: receivers[0].slack_configs[2].titel: unknown key
routing.yaml:26:5: receivers[0].slack_configs[2].title: Go's `template` is not supported in templates: write the text itself
routing.yaml:28:5: receivers[0].pagerduty_configs[0].service_key: not supported: Events API v1; make an Events API v2 integration and use routing_key
routing.yaml:28:5: receivers[0].pagerduty_configs[0].routing_key: missing: one of routing_key, routing_key_file and routing_key_env
routing.yaml:30:5: receivers[0].email_configs[0].to: expected here: addresses such as ops@example.com
routing.yaml:32:5: receivers[0].email_configs[0].smarthost: expected here: a server and its port such as smtp.example.com:587
routing.yaml:33:5: receivers[0].email_configs[0].auth_username: auth_username and auth_password belong together
routing.yaml:34:15: receivers[0].email_configs[0].headers.To: not supported: of the headers only Subject, a text
routing.yaml:37:5: receivers[0].json_configs[0].method: one of POST, PUT and PATCH
routing.yaml:38:15: receivers[0].json_configs[0].headers.Host: this header follows from the request
routing.yaml:38:24: receivers[0].json_configs[0].headers.a b: not a name of a header
routing.yaml:39:5: receivers[0].json_configs[0].body: the body is not JSON: expected `,` or `}` at line 1 column 9; {{ … }} is written as a JSON value, with its quotes: put none around it
");
}

#[test]
fn the_receiver_that_the_readme_shows_is_read() {
    let readme = include_str!("../../../../README.md");
    let shown = readme.split("```").find(|block| block.contains("- name: on-call")).expect("an example");
    let shown = shown.strip_prefix("yaml").expect("yaml");
    let routing =
        Routing::parse("README.md", &format!("route: {{receiver: on-call}}{shown}")).expect("valid");
    assert_eq!(routing.receivers[0].targets.len(), Kind::ALL.len());
}
