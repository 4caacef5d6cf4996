//! Routing files as people write them.

use super::*;

#[test]
fn alertmanagers_defaults_hold_and_secrets_do_not_print() {
    let text = "
route: {receiver: ops, group_by: [alertname, customer], group_wait: 1s}
receivers:
- name: ops
  webhook_configs:
  - {url: 'https://hooks.example.com/canary', signing_secret: [whsec_one, whsec_two], signing_secret_file: /run/three}
";
    let routing = Routing::parse("routing.yaml", text).expect("valid");
    assert_eq!(routing.route.group_wait, Duration::from_secs(1));
    assert_eq!(routing.route.group_interval, Duration::from_secs(300));
    assert_eq!(routing.route.repeat_interval, Duration::from_secs(14_400));
    let target = &routing.receiver().expect("named").targets[0];
    assert!(target.send_resolved);
    let receivers::Destination::Webhook(webhook) = &target.destination else { panic!("{target:?}") };
    assert_eq!(webhook.secrets.len(), 3);
    let printed = format!("{routing:?}");
    assert!(!printed.contains("canary") && !printed.contains("whsec_"), "{printed}");
}

#[test]
fn a_secret_or_label_that_is_no_text_is_refused_and_never_skipped() {
    let text = "
route: {receiver: ops, group_by: [alertname, [customer]]}
receivers:
- name: ops
  webhook_configs:
  - {url: 'https://a.example', signing_secret: {file: /run/one}, signing_secret_file: [/run/two, ~]}
  - {url: 'https://a.example', signing_secret: []}
";
    let problems = Routing::parse("routing.yaml", text).expect_err("mistakes");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
routing.yaml:2: route.group_by[1]: the name of a label is expected here
routing.yaml:6: receivers[0].webhook_configs[0].signing_secret: a text or a list of texts is expected here
routing.yaml:6: receivers[0].webhook_configs[0].signing_secret_file: a text or a list of texts is expected here
routing.yaml:7: receivers[0].webhook_configs[1].signing_secret: a text or a list of texts is expected here
");
}

#[test]
fn every_mistake_is_named_with_its_line_and_what_was_meant() {
    let text = "
route:
  receiver: opps
  group_wiat: 1s
  routes: []
receivers:
- name: ops
  slack_configs: []
  webhook_configs:
  - url: https://a.example
    url_file: /x
    http_config: {}
inhibit_rules: []
";
    let problems = Routing::parse("routing.yaml", text).expect_err("mistakes");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
routing.yaml:3: route.receiver: there is no receiver `opps` (did you mean `ops`?)
routing.yaml:4: route.group_wiat: unknown key (did you mean `group_wait`?)
routing.yaml:5: route.routes: not supported yet
routing.yaml:10: receivers[0].webhook_configs[0].url: only one of url, url_file and url_env can hold
routing.yaml:13: inhibit_rules: not supported yet
");
}

#[test]
fn a_receiver_that_stands_twice_is_refused() {
    let text = "{route: {receiver: ops}, receivers: [{name: ops}, {name: ops}]}";
    let problems = Routing::parse("routing.yaml", text).expect_err("a mistake");
    insta::assert_snapshot!(problems[0], @"routing.yaml:1: receivers: the receiver `ops` stands twice");
}
