//! Routing files as people write them.

use super::*;
use crate::rules::Texts;
use std::time::Duration;

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
    let route = routing.routes.get(0).expect("the root");
    assert_eq!(route.group_wait, Duration::from_secs(1));
    assert_eq!(route.group_interval, Duration::from_secs(300));
    assert_eq!(route.repeat_interval, Duration::from_secs(14_400));
    let target = &routing.receivers[0].targets[0];
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
routing.yaml:2:46: route.group_by[1]: the name of a label is expected here
routing.yaml:6:32: receivers[0].webhook_configs[0].signing_secret: a text or a list of texts is expected here
routing.yaml:6:66: receivers[0].webhook_configs[0].signing_secret_file: a text or a list of texts is expected here
routing.yaml:7:32: receivers[0].webhook_configs[1].signing_secret: a text or a list of texts is expected here
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
routing.yaml:3:3: route.receiver: there is no receiver `opps` (did you mean `ops`?)
routing.yaml:4:3: route.group_wiat: unknown key (did you mean `group_wait`?)
routing.yaml:10:5: receivers[0].webhook_configs[0].url: only one of url, url_file and url_env can hold
");
}

#[test]
fn a_receiver_that_stands_twice_is_refused() {
    let text = "{route: {receiver: ops}, receivers: [{name: ops}, {name: ops}]}";
    let problems = Routing::parse("routing.yaml", text).expect_err("a mistake");
    insta::assert_snapshot!(problems[0], @"routing.yaml:1:26: receivers: the receiver `ops` stands twice");
}

/// Alertmanager's own example, shortened, with older and newer forms of conditions.
const EXAMPLE: &str = "
global:
  resolve_timeout: 5m
  smtp_smarthost: 'localhost:25'
  smtp_from: 'alertmanager@example.org'
time_intervals:
- name: offhours
  time_intervals: [{weekdays: ['saturday', 'sunday']}]
route:
  group_by: ['alertname', 'cluster']
  group_wait: 10s
  receiver: team-X
  routes:
  - match_re: {service: ^(foo1|foo2|baz)$}
    receiver: team-Y
    repeat_interval: 1h
    routes:
    - match: {severity: critical}
      receiver: team-Z
      group_by: []
  - matchers: [ 'service=\"files\"', 'severity=~warning|critical' ]
    continue: true
    mute_time_intervals: [offhours]
  - matchers: [ '{service=\"files\"}' ]
    group_by: ['...']
    receiver: team-Z
  - matchers: [ '{service=\"files\"}' ]
inhibit_rules:
- source_matchers: [ 'severity=\"critical\"' ]
  target_match: {severity: warning}
  equal: [alertname]
receivers: [{name: team-X}, {name: team-Y}, {name: team-Z}]
";

#[test]
fn an_alert_takes_the_first_route_that_it_matches_and_more_while_those_go_on() {
    let routing = Routing::parse("routing.yaml", EXAMPLE).expect("valid");
    for (labels, wanted) in [
        ("service=other", "{} team-X 14400"),
        ("service=foo1", r#"{}/{service=~"^(foo1|foo2|baz)$"} team-Y 3600"#),
        (
            "service=foo1 severity=critical",
            r#"{}/{service=~"^(foo1|foo2|baz)$"}/{severity="critical"} team-Z 3600"#,
        ),
        ("service=files", r#"{}/{service="files"} team-Z 14400"#),
        (
            "service=files severity=warning",
            r#"{}/{service="files",severity=~"warning|critical"} team-X 14400; {}/{service="files"} team-Z 14400"#,
        ),
    ] {
        let pairs = labels.split(' ').filter_map(|pair| pair.split_once('='));
        let labels: Texts = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let taken: Vec<String> = routing
            .routes
            .taken(&labels)
            .into_iter()
            .filter_map(|place| routing.routes.get(place))
            .map(|route| format!("{} {} {}", route.key, route.receiver, route.repeat_interval.as_secs()))
            .collect();
        assert_eq!(taken.join("; "), wanted);
    }
}

#[test]
fn a_child_inherits_grouping_and_times_but_not_when_it_is_mute_and_twins_have_keys_of_their_own() {
    let routing = Routing::parse("routing.yaml", EXAMPLE).expect("valid");
    let told = routing.routes.iter().map(|route| {
        format!(
            "{} {:?} {:?} {}",
            route.key,
            route.group_by,
            route.mute_time_intervals,
            route.group_wait.as_secs()
        )
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
{} Labels(["alertname", "cluster"]) [] 10
{}/{service=~"^(foo1|foo2|baz)$"} Labels(["alertname", "cluster"]) [] 10
{}/{service=~"^(foo1|foo2|baz)$"}/{severity="critical"} Labels([]) [] 10
{}/{service="files",severity=~"warning|critical"} Labels(["alertname", "cluster"]) ["offhours"] 10
{}/{service="files"} All [] 10
{}/{service="files"}#2 Labels(["alertname", "cluster"]) [] 10
"#);
    assert_eq!(routing.global.smtp.smarthost.as_deref(), Some("localhost:25"));
}

#[test]
fn mistakes_of_routes_are_named_one_by_one() {
    let text = "
global: {resolve_timeout: never, http_config: {}, smtp_auth_password: a, smtp_auth_password_file: b}
templates: [x]
route:
  receiver: ops
  matchers: [a=b]
  group_by: ['...', a, a]
  routes:
  - {receiver: op, continue: maybe}
  - matchers: ['a', 'b=~\"(\"']
    match: [a]
    match_re: {a: '[', b: {}}
    mute_time_intervals: [weekend]
    rutes: []
time_intervals:
- {name: weekends, time_intervals: [{weekdays: [saturday]}]}
- {name: weekends, time_intervals: []}
receivers: [{name: ops}]
inhibit_rules: [{source_matchers: [a], equal: [{}]}]
";
    let problems = Routing::parse("routing.yaml", text).expect_err("mistakes");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
routing.yaml:2:10: global.resolve_timeout: `never` is not a duration such as 90s, 5m or 1h30m
routing.yaml:2:34: global.http_config: not supported yet
routing.yaml:2:51: global.smtp_auth_password: only one of smtp_auth_password and smtp_auth_password_file may be given
routing.yaml:3:1: templates: not supported yet
routing.yaml:6:3: route.matchers: the root route takes every alert; give it to a route below
routing.yaml:7:3: route.group_by: `...` stands for every label, so it stands alone
routing.yaml:7:24: route.group_by[2]: the label `a` stands twice
routing.yaml:9:6: route.routes[0].receiver: there is no receiver `op` (did you mean `ops`?)
routing.yaml:9:20: route.routes[0].continue: true or false is expected here, not a text
routing.yaml:10:16: route.routes[1].matchers[0]: one of =, !=, =~ and !~ is expected after `a`
routing.yaml:10:21: route.routes[1].matchers[1]: `(` is not a regular expression: unclosed group
routing.yaml:11:5: route.routes[1].match: a map is expected here, not a list
routing.yaml:12:16: route.routes[1].match_re.a: `[` is not a regular expression: unclosed character class
routing.yaml:12:24: route.routes[1].match_re.b: a text is expected here
routing.yaml:13:27: route.routes[1].mute_time_intervals[0]: there is no time interval `weekend` (did you mean `weekends`?)
routing.yaml:14:5: route.routes[1].rutes: unknown key (did you mean `routes`?)
routing.yaml:15:1: time_intervals: the time interval `weekends` stands twice
routing.yaml:19:36: inhibit_rules[0].source_matchers[0]: one of =, !=, =~ and !~ is expected after `a`
routing.yaml:19:48: inhibit_rules[0].equal[0]: the name of a label is expected here
");
}
