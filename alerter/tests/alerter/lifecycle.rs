//! The life of alerts, told as what is measured at which second and what changes then.

use callmeter_alerter::{
    RuleSet,
    evaluate::{Evaluator, Freshness, Freshness::Behind, Freshness::Current},
    query::{self, Group},
    rules::Rule,
    transition::{State, Transition},
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

fn rules(extra: &str) -> RuleSet {
    let text =
        format!("groups: [{{name: g, rules: [{{alert: A, window: 5m, group_by: [customer], {extra}}}]}}]");
    RuleSet::parse([("rules.yaml", text.as_str())]).expect("valid")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// One group per customer with so many calls and errors.
fn evaluate(
    evaluator: &mut Evaluator,
    rule: &Rule,
    groups: &[(&str, u64, u64)],
    freshness: Freshness,
    second: i64,
) -> Vec<Transition> {
    let query = &query::plan(&[rule], Duration::ZERO)[0];
    let group = |(customer, calls, errors): &(&str, u64, u64)| Group {
        values: vec!["demo".into(), (*customer).into()],
        calls: *calls,
        errors: *errors,
        ..Group::default()
    };
    let answer = query.answer(groups.iter().map(group).collect());
    evaluator.evaluate(rule, &answer, freshness, at(second)).transitions
}

/// Steps are (second, calls, errors, freshness); no calls is no group. What happens is `state@second`.
#[track_caller]
fn check(extra: &str, steps: &[(i64, u64, u64, Freshness)], wanted: &[&str]) {
    let set = rules(extra);
    let rule = set.iter().next().expect("one");
    let mut evaluator = Evaluator::default();
    let mut seen = Vec::new();
    for (second, calls, errors, freshness) in steps {
        let group = [("acme", *calls, *errors)];
        let groups = if *calls == 0 { &[][..] } else { &group[..] };
        let changes = evaluate(&mut evaluator, rule, groups, *freshness, *second);
        seen.extend(changes.iter().map(|change| format!("{}@{second}", change.state.word())));
    }
    assert_eq!(seen, wanted, "{extra}");
}

const RATE: &str = "metric: error_rate, op: '>', threshold: 0.5";

#[test]
fn an_alert_is_pending_for_its_time_then_fires_and_resolves() {
    let steps = [(0, 10, 9, Current), (30, 10, 9, Current), (59, 10, 9, Current), (60, 10, 9, Current)];
    check(&format!("{RATE}, for: 1m"), &steps, &["pending@0", "firing@60"]);
    let steps = [(0, 10, 9, Current), (59, 10, 5, Current), (60, 10, 9, Current), (119, 10, 9, Current)];
    check(&format!("{RATE}, for: 1m"), &steps, &["pending@0", "resolved@59", "pending@60"]);
    let steps = [(0, 10, 5, Current), (1, 10, 6, Current), (2, 10, 6, Current), (3, 10, 5, Current)];
    check(RATE, &steps, &["firing@1", "resolved@3"]);
}

#[test]
fn a_group_that_is_gone_or_too_small_resolves() {
    check(RATE, &[(0, 10, 9, Current), (1, 0, 0, Current)], &["firing@0", "resolved@1"]);
    let rule = format!("{RATE}, min_samples: 10");
    check(&rule, &[(0, 9, 9, Current), (1, 10, 9, Current), (2, 9, 9, Current)], &["firing@1", "resolved@2"]);
}

#[test]
fn with_a_clear_threshold_a_firing_alert_lingers_and_a_pending_one_does_not() {
    let rule = format!("{RATE}, clear_threshold: 0.2");
    let steps = [(0, 10, 4, Current), (1, 10, 6, Current), (2, 10, 3, Current), (3, 10, 2, Current)];
    check(&rule, &steps, &["firing@1", "resolved@3"]);
    let rule = format!("{RATE}, clear_threshold: 0.2, for: 1m");
    check(&rule, &[(0, 10, 6, Current), (1, 10, 3, Current)], &["pending@0", "resolved@1"]);
}

#[test]
fn while_counting_is_behind_nothing_resolves_and_shares_do_not_move() {
    check(RATE, &[(0, 10, 9, Behind)], &[]);
    check(RATE, &[(0, 10, 9, Current), (1, 10, 1, Behind), (2, 0, 0, Behind)], &["firing@0"]);
    let fewer = "metric: calls, op: '<', threshold: 5";
    check(fewer, &[(0, 1, 0, Behind), (1, 1, 0, Current)], &["firing@1"]);
    let more = "metric: errors, op: '>=', threshold: 5, for: 10s";
    let steps = [(0, 9, 5, Behind), (10, 9, 5, Behind), (20, 9, 1, Behind), (30, 9, 1, Current)];
    check(more, &steps, &["pending@0", "firing@10", "resolved@30"]);
}

#[test]
fn a_restart_neither_forgets_nor_repeats() {
    let set = rules(&format!("{RATE}, for: 1m, labels: {{severity: page}}"));
    let rule = set.iter().next().expect("one");
    let mut evaluator = Evaluator::default();
    let pending = evaluate(&mut evaluator, rule, &[("a", 10, 9)], Current, 0);
    let (mut evaluator, orphans) = Evaluator::restore(&set, &[], &pending, at(1));
    assert_eq!(orphans, []);
    let firing = evaluate(&mut evaluator, rule, &[("a", 10, 9)], Current, 60);
    assert_eq!((firing[0].state, firing[0].starts_at), (State::Firing, at(60)));
    let (mut evaluator, _) = Evaluator::restore(&set, &[], &firing, at(61));
    assert_eq!(evaluate(&mut evaluator, rule, &[("a", 10, 9)], Current, 62), []);
    let resolved = evaluate(&mut evaluator, rule, &[], Current, 63);
    assert_eq!((resolved[0].starts_at, resolved[0].ends_at), (at(60), Some(at(63))));
}

#[test]
fn alerts_of_a_rule_that_is_gone_are_resolved_at_the_start() {
    let set = rules(RATE);
    let firing =
        evaluate(&mut Evaluator::default(), set.iter().next().expect("one"), &[("a", 1, 1)], Current, 0);
    let (evaluator, orphans) = Evaluator::restore(&RuleSet::default(), &[], &firing, at(9));
    assert_eq!(evaluator.firing(), 0);
    assert_eq!((orphans[0].state, orphans[0].ends_at), (State::Resolved, Some(at(9))));
}

#[test]
fn rules_of_one_name_with_different_labels_keep_their_own_alerts() {
    let text = "groups: [{name: g, rules: [
        {alert: A, window: 5m, metric: errors, op: '>', threshold: 1, group_by: [customer], labels: {severity: warning}},
        {alert: A, window: 5m, metric: errors, op: '>', threshold: 9, group_by: [customer], labels: {severity: page}}]}]";
    let set = RuleSet::parse([("rules.yaml", text)]).expect("valid");
    let rules: Vec<&Rule> = set.iter().collect();
    let mut evaluator = Evaluator::default();
    let mut last = Vec::new();
    for rule in &rules {
        last.extend(evaluate(&mut evaluator, rule, &[("a", 20, 20)], Current, 0));
    }
    let (mut evaluator, orphans) = Evaluator::restore(&set, &[], &last, at(1));
    assert_eq!((evaluator.firing(), orphans.len()), (2, 0));
    assert_eq!(evaluate(&mut evaluator, rules[0], &[("a", 20, 5)], Current, 2), []);
    let resolved = evaluate(&mut evaluator, rules[1], &[("a", 20, 5)], Current, 2);
    assert_eq!(resolved[0].labels["severity"], "page");
}

#[test]
fn money_is_compared_exactly() {
    let set = rules("metric: cost, op: '>', threshold: '0.3'");
    let rule = set.iter().next().expect("one");
    let query = &query::plan(&[rule], Duration::ZERO)[0];
    let fires = |cost: i128| {
        let values = vec!["demo".into(), "acme".into(), "USD".into()];
        let answer = query.answer(vec![Group { values, calls: 1, cost, ..Group::default() }]);
        !Evaluator::default().evaluate(rule, &answer, Current, at(0)).transitions.is_empty()
    };
    assert!(!fires(300_000_000_000));
    assert!(fires(300_000_000_001));
}

proptest! {
    /// Whatever is measured, with restarts anywhere, each alert's changes follow the life-cycle, every
    /// row has a name of its own, and the end is as if there had been no restart.
    #[test]
    fn every_history_is_a_sequence_of_lives(
        steps in prop::collection::vec((1_i64..40, prop::collection::vec(0_u64..10, 3), any::<bool>(), any::<bool>()), 1..40),
        pending_for in prop::sample::select(vec!["0s", "30s"]),
    ) {
        let set = rules(&format!("{RATE}, clear_threshold: 0.2, for: {pending_for}"));
        let rule = set.iter().next().expect("one");
        let (mut straight, mut restarted) = (Evaluator::default(), Evaluator::default());
        let (mut last, mut second) = (HashMap::new(), 0);
        let mut names = HashMap::new();
        for (pause, errors, behind, restart) in &steps {
            second += pause;
            let freshness = if *behind { Behind } else { Current };
            let groups: Vec<(&str, u64, u64)> =
                ["a", "b", "c"].into_iter().zip(errors).map(|(customer, errors)| (customer, 9, *errors)).collect();
            if *restart {
                let known: Vec<Transition> = last.values().cloned().collect();
                restarted = Evaluator::restore(&set, &[], &known, at(second)).0;
            }
            let changes = evaluate(&mut restarted, rule, &groups, freshness, second);
            prop_assert_eq!(&changes, &evaluate(&mut straight, rule, &groups, freshness, second));
            for change in changes {
                let before = last.insert(change.fingerprint.clone(), change.clone()).map(|before| before.state);
                let fits = match change.state {
                    State::Pending => matches!(before, None | Some(State::Resolved)) && pending_for != "0s",
                    State::Firing if pending_for == "0s" => matches!(before, None | Some(State::Resolved)),
                    State::Firing => before == Some(State::Pending),
                    State::Resolved => matches!(before, Some(State::Pending | State::Firing)) && !behind,
                };
                prop_assert!(fits, "{before:?} then {:?}", change.state);
                prop_assert!(change.state != State::Resolved || change.ends_at == Some(at(second)));
                prop_assert!(names.insert(change.id.clone(), ()).is_none(), "a name was given twice");
            }
        }
    }
}
