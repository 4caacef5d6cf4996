//! Answers from memory against a recount of all rows.

use super::*;
use crate::{
    query::{Group, Param, plan},
    replay::row::Sums,
    rules::RuleSet,
    vocabulary::Dimension,
};
use callmeter_schemas::ErrorClass;
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// Three windows, filters and groupings, with and without latency and classes.
const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: A, metric: error_rate, window: 3m, op: '>', threshold: 0, group_by: [customer, integration]}
  - {alert: B, metric: latency_p95, window: 90s, op: '>', threshold: 0, filter: {customer: {not: [a]}}}
  - {alert: C, metric: errors, window: 10m, op: '>', threshold: 0, filter: {integration: [x], error_class: timeout}}
  - {alert: D, metric: cost, window: 2m, op: '>', threshold: 0, group_by: [customer]}
";

fn queries() -> Vec<Query> {
    let set = RuleSet::parse([("f", RULES)]).expect("valid");
    plan(&set.iter().collect::<Vec<_>>(), MINUTE)
}

fn row() -> impl Strategy<Value = Row> {
    (0..20_u32, "[ab]", "[xy]", 1..9_u64, 0..3_u64, 0..5_000_u16).prop_map(
        |(minute, customer, integration, calls, errors, bucket)| Row {
            window_start: 1_200 + minute * 60,
            key: [(Dimension::Customer, customer), (Dimension::Integration, integration)].into(),
            sums: Sums {
                calls,
                errors,
                errors_by_class: [(ErrorClass::Timeout, errors)].into(),
                latency_us: calls * 7,
                latency: [(bucket % 2_000, calls)].into(),
                cost: i128::from(calls) * 5,
                ..Sums::default()
            },
        },
    )
}

/// The groups of a query, recounted from all rows.
fn recount(query: &Query, rows: &[Row], now: i64) -> BTreeMap<Vec<String>, Sums> {
    let window = seconds(query);
    let mut groups: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
    for row in rows {
        let start = i64::from(row.window_start);
        let value = |dimension: &Dimension| row.key.get(dimension).cloned().unwrap_or_default();
        let asked = query.filter().iter().all(|(dimension, choice)| choice.contains(&value(dimension)));
        if asked && start > now - window && start <= now {
            let values = query.answer(Vec::new()).dimensions.iter().map(value).collect();
            groups.entry(values).or_default().add(&row.sums);
        }
    }
    groups
}

/// The window of a query, seconds.
fn seconds(query: &Query) -> i64 {
    let params = query.params(Timestamp::from_second(1_000_000).expect("in range"));
    match params.first() {
        Some(("since", Param::Seconds(since))) => 1_000_000 - i64::from(*since),
        other => panic!("{other:?}"),
    }
}

fn wanted(query: &Query, groups: BTreeMap<Vec<String>, Sums>) -> Vec<Group> {
    let shown = |(values, mut sums): (Vec<String>, Sums)| {
        let quantiles = query.answer(Vec::new()).quantiles;
        let quantiles = quantiles.iter().map(|quantile| sums.latency_quantile(*quantile)).collect();
        if !query.asks_latency() {
            sums.latency.clear();
        }
        sums.errors_by_class.retain(|_, count| query.asks_classes() && *count > 0);
        Group { values, quantiles, ..Group::from(&sums) }
    };
    groups.into_iter().map(shown).collect()
}

fn sorted(answer: &Answer) -> Vec<Group> {
    let mut groups = answer.groups.clone();
    for group in &mut groups {
        group.errors_by_class.retain(|(_, count)| *count > 0);
    }
    groups.sort_by(|left, right| left.values.cmp(&right.values));
    groups
}

proptest! {
    #[test]
    fn a_sliding_window_answers_what_a_recount_of_all_rows_does(
        rows in prop::collection::vec((row(), 0..24_usize), 0..60), steps in prop::collection::vec(0..100_i64, 24)
    ) {
        let mut history = History::new(queries());
        let (mut now, mut added) = (1_190, Vec::new());
        for (round, step) in steps.iter().enumerate() {
            // Rows come early, in time and late.
            for (row, _) in rows.iter().filter(|(_, at)| *at == round) {
                history.add(row).expect("few");
                added.push(row.clone());
            }
            now += step;
            for (place, query) in queries().iter().enumerate() {
                let answer = history.answer(place, Timestamp::from_second(now).expect("in range")).expect("asked");
                prop_assert_eq!(sorted(answer), wanted(query, recount(query, &added, now)));
            }
        }
    }
}

#[test]
fn what_has_fallen_out_of_every_window_is_not_held() {
    let mut history = History::new(queries());
    for minute in 0..1_000_u32 {
        let key: Key = [(Dimension::Integration, "x".to_owned())].into();
        let sums = Sums { calls: 1, ..Sums::default() };
        history.add(&Row { window_start: minute * 60, key, sums }).expect("few");
        for place in 0..history.tallies.len() {
            history.answer(place, Timestamp::from_second(i64::from(minute) * 60).expect("in range"));
        }
        assert!(history.cells <= 3 + 2 + 10 + 2, "{} cells", history.cells);
    }
}
