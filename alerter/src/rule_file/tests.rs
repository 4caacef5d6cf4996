//! The published schema against the reader: the same keys, the same words, and the same documents.

use super::keys;
use crate::{
    rules::RuleSet,
    vocabulary::{Comparison, Dimension, Metric, NoData, Op, Period},
};
use callmeter_documents::{Problems, Shape, yaml};
use callmeter_schemas::ErrorClass;
use serde_json::Value;
use std::collections::BTreeSet;

const SCHEMA: &str = include_str!("../../../schemas/json/rules.schema.json");
const STARTER: &str = include_str!("../../../rules/starter.yaml");

/// Every form that a rule may have.
const VALID: &str = r#"
groups:
- name: calls
  interval: 30s
  defaults:
    window: 5m
    op: ">"
    group_by: [customer, integration]
    min_samples: 50
    labels: {team: platform}
    filter: {environment: production}
  rules:
  - {alert: A, metric: error_rate, threshold: 0.1, clear_threshold: 0.05, filter: {error_class: {not: [validation]}}}
  - {alert: B, metric: latency_p999, threshold: 900, for: 1m, keep_firing_for: 5m, no_data: keep, look_back: 2h}
  - {alert: C, metric: calls, op: "<", threshold: 0.5, compare: {with: 1w, as: ratio}, new_group_delay: 10m}
  - {alert: D, metric: no_traffic_for, window: 1d, threshold: 15m}
  - alert: E
    metric: retry_amplification
    filter: {endpoint: {regex: "GET /v[12]/.*"}, tier: {not: {regex: "free.*"}}, customer: {in: [acme, 42]}, integration: {is: hubspot}}
    threshold: 2
    overrides:
    - {filter: {integration: stripe}, threshold: 3, min_samples: 500}
    - {filter: {customer: {not: acme}}, for: 10m, keep_firing_for: 1h, clear_threshold: 1.5}
- name: others
  defaults: {op: ">", window: 1h}
  rules:
  - {alert: F, metric: cost, threshold: "12.50", annotations: {summary: "{{ $labels.currency }}"}}
  - {alert: G, metric: spend_rate, threshold: 10}
  - {alert: H, metric: budget_spent, threshold: 0.8, budget: {amount: "1000", period: month}, filter: {currency: USD}}
  - {alert: I, metric: quota_remaining_ratio, op: "<", threshold: 0.1, group_by: [integration, policy, scope]}
  - {alert: J, metric: quota_exhausts_in, op: "<", threshold: 3600, no_data: alert}
  - {alert: K, metric: pipeline_lag, threshold: 1m}
"#;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("JSON")
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The strings that a place of the schema lists, as keys or as items.
fn listed(schema: &Value, place: &str) -> BTreeSet<String> {
    match schema.pointer(place) {
        Some(Value::Object(keys)) => keys.keys().cloned().collect(),
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        }
        _ => panic!("{place} is not there"),
    }
}

#[test]
fn the_published_schema_has_the_keys_and_the_words_of_the_reader() {
    let schema = schema();
    let check = |place: &str, wanted: BTreeSet<String>| {
        assert_eq!(listed(&schema, place), wanted, "{place} of schemas/json/rules.schema.json");
    };
    let properties = |name: &str| format!("/$defs/{name}/properties");
    check("/properties", words(keys::FILE.iter().copied()));
    check(&properties("Group"), words(keys::GROUP.iter().copied()));
    check(&properties("Defaults"), words(keys::DEFAULTS.iter().copied()));
    check(&properties("Rule"), words(keys::RULE.iter().copied()));
    check(&properties("Override"), words(keys::OVERRIDE.iter().copied()));
    check(&properties("Compare"), words(keys::COMPARE.iter().copied()));
    check(&properties("Budget"), words(keys::BUDGET.iter().copied()));
    check("/$defs/Condition/anyOf/2/properties", words(keys::CONDITION.iter().copied()));
    check("/$defs/Condition/anyOf/2/properties/not/anyOf/2/properties", words(keys::NOT.iter().copied()));
    check("/$defs/ClassCondition/anyOf/2/properties", words(keys::CLASS_CONDITION.iter().copied()));
    check(&properties("GroupFilter"), words(Dimension::WORDS.iter().copied()));
    let filter = Dimension::WORDS.iter().copied().chain(["error_class"]);
    check(&properties("Filter"), words(filter));
    let rule = |key: &str| format!("/$defs/Rule/properties/{key}/enum");
    check(&rule("metric"), words(Metric::WORDS.iter().copied()));
    check(&rule("op"), words(Op::WORDS.iter().copied()));
    check(&rule("no_data"), words(NoData::WORDS.iter().copied()));
    check("/$defs/Rule/properties/group_by/items/enum", words(Dimension::WORDS.iter().copied()));
    check("/$defs/Compare/properties/as/enum", words(Comparison::WORDS.iter().copied()));
    check("/$defs/Budget/properties/period/enum", words(Period::WORDS.iter().copied()));
    let classes = ErrorClass::ALL.iter().map(|class| class.as_str()).filter(|word| *word != "ok");
    check("/$defs/ClassCondition/anyOf/0/enum", words(classes));
}

#[test]
fn every_key_that_is_declared_is_read() {
    let map = |keys: &[&str], but: &[(&str, &str)]| -> String {
        let value = |key: &&str| {
            let known = but.iter().find(|(name, _)| name == key).map_or("~", |(_, value)| value);
            format!("{key}: {known}")
        };
        format!("{{{}}}", keys.iter().map(value).collect::<Vec<_>>().join(", "))
    };
    let other = format!("[{}]", map(keys::OVERRIDE, &[]));
    let filter = format!("{{tier: {}}}", map(keys::CONDITION, &[]));
    let (compare, budget) = (map(keys::COMPARE, &[]), map(keys::BUDGET, &[]));
    let below = [("overrides", &*other), ("compare", &*compare), ("budget", &*budget), ("filter", &*filter)];
    let rules = format!("[{}]", map(keys::RULE, &below));
    let group = map(keys::GROUP, &[("defaults", &map(keys::DEFAULTS, &[])), ("rules", &rules)]);
    let text = map(keys::FILE, &[("groups", &format!("[{group}]"))]);
    let mistakes = RuleSet::parse([("f", text.as_str())]).expect_err("it says nothing");
    let unknown: Vec<_> = mistakes.iter().filter(|mistake| mistake.message == "unknown key").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn what_the_reader_takes_the_schema_takes_too() {
    let shape = Shape::new(schema()).expect("a schema");
    for text in [STARTER, VALID] {
        RuleSet::parse([("rules.yaml", text)]).expect("no mistakes");
        let mut problems = Problems::new("rules.yaml");
        let read: Option<Value> = shape.read(&yaml::parse(text).expect("YAML"), &mut problems);
        assert!(read.is_some(), "{:?}", problems.into_vec());
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let shape = Shape::new(schema()).expect("a schema");
    let rule = |extra: &str| {
        format!(
            "groups: [{{name: g, rules: [{{alert: A, metric: calls, window: 5m, op: '>', threshold: 1, {extra}}}]}}]"
        )
    };
    for extra in [
        "treshold: 2",
        "for: 5 minutes",
        "no_data: maybe",
        "filter: {integraton: hubspot}",
        "filter: {integration: []}",
        "labels: {\"a b\": c}",
        "min_samples: -1",
        "compare: {with: 1d}",
        "overrides: [{threshold: 2}]",
    ] {
        let text = rule(extra);
        RuleSet::parse([("rules.yaml", text.as_str())]).expect_err(extra);
        let mut problems = Problems::new("rules.yaml");
        let read: Option<Value> = shape.read(&yaml::parse(&text).expect("YAML"), &mut problems);
        assert!(read.is_none(), "{extra}");
    }
}
