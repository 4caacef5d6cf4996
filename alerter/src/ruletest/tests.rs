//! Test files as people write them: what holds, what is told of what does not, and every mistake.

use super::*;
use junit::xml;
use render::text;

fn tested(name: &str) -> Vec<Tested> {
    test(&[format!("testdata/ruletest/{name}.yaml")]).expect("the file is there")
}

#[test]
fn tests_that_hold_say_so_in_a_line() {
    insta::assert_snapshot!(text(&tested("holds"), true), @"18 of 18 expectations hold (tests: 6, files: 1)");
}

#[test]
fn what_is_not_as_expected_is_told_field_by_field_with_its_line() {
    insta::assert_snapshot!(text(&tested("fails"), false), @r#"
testdata/ruletest/fails.yaml:12: <expected> & "not": ErrorRateHigh at 1m: not as expected
  testdata/ruletest/fails.yaml:15: is pending and does not fire yet
    - customer: "acme"
    - integration: "hubspot"
    - severity: "page"
    - workspace: "default"
testdata/ruletest/fails.yaml:16: <expected> & "not": ErrorRateHigh at 5m: not as expected
  testdata/ruletest/fails.yaml:19: fires with other labels or annotations
      customer: "acme"
      integration: "hubspot"
    - severity: "warning"
    + severity: "page"
      workspace: "default"
      annotations.summary: "hubspot fails for acme: 50%"
  testdata/ruletest/fails.yaml:21: does not fire
    - customer: "carl\u{7}"
    - integration: "crm"
    - workspace: "default"
  testdata/ruletest/fails.yaml:16: fires and is not expected
    + customer: "bolt"
    + integration: "hubspot"
    + severity: "page"
    + workspace: "default"
    + annotations.summary: "hubspot fails for bolt: 50%"
1 of 3 expectations hold (tests: 1, files: 1)
"#);
    let coloured = text(&tested("fails"), true);
    assert_eq!(coloured.matches("\u{1b}[31m- ").count(), coloured.matches("\n    \u{1b}[31m").count());
    assert_eq!(
        coloured.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""),
        text(&tested("fails"), false)
    );
}

#[test]
fn every_mistake_of_a_test_file_is_told_in_one_run() {
    insta::assert_snapshot!(text(&tested("mistakes"), false), @"
testdata/ruletest/mistakes.yaml:1: rule_files[1]: testdata/ruletest/absent.yaml: No such file or directory (os error 2)
testdata/ruletest/mistakes.yaml:2:1: evaluation_interval: `1 minute` is not a duration such as 90s, 5m or 1h30m
testdata/ruletest/mistakes.yaml:3:1: rollup_window: must be whole seconds, at least 1s and at most 1h
testdata/ruletest/mistakes.yaml:4:1: test: unknown key (did you mean `tests`?)
testdata/ruletest/mistakes.yaml:6:3: tests[0].alert_rule_test: missing
testdata/ruletest/mistakes.yaml:7:3: tests[0].interval: must be whole seconds, at least 1s and at most 52w2d
testdata/ruletest/mistakes.yaml:9:6: tests[0].input_series[0].series: unknown series `call` (did you mean `calls`?)
testdata/ruletest/mistakes.yaml:10:38: tests[0].input_series[1].values: `1y5` is not a sample: a number, a+bxn, a-bxn, axn, _, _xn and stale are known
testdata/ruletest/mistakes.yaml:11:5: tests[0].input_series[2].values: missing
testdata/ruletest/mistakes.yaml:12:3: tests[0].alert_rule_tests: unknown key (did you mean `alert_rule_test`?)
testdata/ruletest/mistakes.yaml:17:56: tests[1].input_series[2].values: at 3m: 4 errors of 3 calls; each is a call too: give calls{…} with the same labels
testdata/ruletest/mistakes.yaml:18:42: tests[1].input_series[3].values: at 1m: a latency is between 0 and 1099511627 ms
testdata/ruletest/mistakes.yaml:19:39: tests[1].input_series[4].values: at 0s: 0.5 is no count
testdata/ruletest/mistakes.yaml:20:42: tests[1].input_series[5].values: at 1m: latency of more calls than there are: give calls{…} with the same labels, or _
testdata/ruletest/mistakes.yaml:22: alertname: no rule has the name `ErorRateHigh` (did you mean `ErrorRateHigh`?)
testdata/ruletest/mistakes.yaml:23: eval_time: more than 100000 evaluations away at every 1m
testdata/ruletest/mistakes.yaml:23:54: tests[1].alert_rule_test[1].exp_alerts[0].exp_label: unknown key (did you mean `exp_labels`?)
testdata/ruletest/mistakes.yaml:23:69: tests[1].alert_rule_test[1].exp_alerts[0].exp_annotations: a map is expected here, not a list
testdata/ruletest/mistakes.yaml:23:92: tests[1].alert_rule_test[1].exp_alerts[1]: a map is expected here, not a number
testdata/ruletest/mistakes.yaml:24:5: tests[1].alert_rule_test[2].alertname: missing
testdata/ruletest/mistakes.yaml:24:6: tests[1].alert_rule_test[2].eval_time: `5` is not a duration such as 90s, 5m or 1h30m
testdata/ruletest/mistakes.yaml:25: alertname: `Lagging` measures pipeline_lag, of which there are no series
0 of 0 expectations hold (tests: 0, files: 1); mistakes: 22
");
}

#[test]
fn build_servers_get_junit_whatever_the_files_hold() {
    insta::assert_snapshot!(xml(&tested("fails")).expect("written"), @r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="testdata/ruletest/fails.yaml" tests="3" failures="2" errors="0">
    <testcase name="&lt;expected&gt; &amp; &quot;not&quot;: ErrorRateHigh at 1m" classname="testdata/ruletest/fails.yaml" file="testdata/ruletest/fails.yaml" line="12" time="0">
      <failure message="not as expected">testdata/ruletest/fails.yaml:12: &lt;expected&gt; &amp; &quot;not&quot;: ErrorRateHigh at 1m: not as expected
  testdata/ruletest/fails.yaml:15: is pending and does not fire yet
    - customer: &quot;acme&quot;
    - integration: &quot;hubspot&quot;
    - severity: &quot;page&quot;
    - workspace: &quot;default&quot;
</failure>
    </testcase>
    <testcase name="&lt;expected&gt; &amp; &quot;not&quot;: ErrorRateHigh at 5m" classname="testdata/ruletest/fails.yaml" file="testdata/ruletest/fails.yaml" line="16" time="0">
      <failure message="not as expected">testdata/ruletest/fails.yaml:16: &lt;expected&gt; &amp; &quot;not&quot;: ErrorRateHigh at 5m: not as expected
  testdata/ruletest/fails.yaml:19: fires with other labels or annotations
      customer: &quot;acme&quot;
      integration: &quot;hubspot&quot;
    - severity: &quot;warning&quot;
    + severity: &quot;page&quot;
      workspace: &quot;default&quot;
      annotations.summary: &quot;hubspot fails for acme: 50%&quot;
  testdata/ruletest/fails.yaml:21: does not fire
    - customer: &quot;carl\u{7}&quot;
    - integration: &quot;crm&quot;
    - workspace: &quot;default&quot;
  testdata/ruletest/fails.yaml:16: fires and is not expected
    + customer: &quot;bolt&quot;
    + integration: &quot;hubspot&quot;
    + severity: &quot;page&quot;
    + workspace: &quot;default&quot;
    + annotations.summary: &quot;hubspot fails for bolt: 50%&quot;
</failure>
    </testcase>
    <testcase name="&lt;expected&gt; &amp; &quot;not&quot;: ErrorRateHigh at 0s" classname="testdata/ruletest/fails.yaml" file="testdata/ruletest/fails.yaml" line="22" time="0"/>
  </testsuite>
</testsuites>
"#);
    insta::assert_snapshot!(xml(&tested("mistakes")).expect("written").lines().take(5).collect::<Vec<_>>().join("\n"), @r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="testdata/ruletest/mistakes.yaml" tests="1" failures="0" errors="1">
    <testcase name="mistakes" classname="testdata/ruletest/mistakes.yaml" file="testdata/ruletest/mistakes.yaml" line="1" time="0">
      <error message="the file has mistakes">testdata/ruletest/mistakes.yaml:1: rule_files[1]: testdata/ruletest/absent.yaml: No such file or directory (os error 2)
"#);
}

#[test]
fn the_tests_of_the_starter_rules_hold() {
    let tested = test(&["../rules/tests/*.yaml"]).expect("there are some");
    assert!(tested.iter().all(Tested::holds), "{}", text(&tested, false));
    assert!(tested.iter().map(Tested::expectations).sum::<usize>() >= 4);
}
