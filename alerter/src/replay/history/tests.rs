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

/// Windows, filters and groupings of all kinds, with and without latency, classes and a window before.
const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: A, metric: error_rate, window: 3m, op: '>', threshold: 0, group_by: [customer, integration]}
  - {alert: B, metric: latency_p95, window: 90s, op: '>', threshold: 0, filter: {customer: {not: [a]}}}
  - {alert: C, metric: errors, window: 10m, op: '>', threshold: 0, filter: {integration: [x], error_class: timeout}}
  - {alert: D, metric: cost, window: 2m, op: '>', threshold: 0, group_by: [customer]}
  - {alert: E, metric: calls, window: 2m, op: '<', threshold: 9, group_by: [customer]}
  - {alert: F, metric: calls, window: 2m, op: '>', threshold: 2, group_by: [customer], compare: {with: 5m, as: ratio}}
";

fn queries() -> Vec<Query> {
    let set = RuleSet::parse([("f", RULES)]).unwrap_or_else(|problems| panic!("{problems:?}"));
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

/// A parameter of a query in seconds.
fn second(query: &Query, now: Timestamp, name: &str) -> Option<u32> {
    query.params(now, now).into_iter().find_map(|(known, param)| match param {
        Param::Seconds(seconds) if known == name => Some(seconds),
        _ => None,
    })
}

/// The groups of a query, recounted from all rows.
fn recount(query: &Query, rows: &[Row], now: Timestamp) -> Vec<Group> {
    let mut groups: BTreeMap<(bool, Vec<String>), (Sums, u32, u32)> = BTreeMap::new();
    for (past, since, until) in [(false, "since", "until"), (true, "since_before", "until_before")] {
        let (Some(since), Some(until)) = (second(query, now, since), second(query, now, until)) else {
            continue;
        };
        for row in rows.iter().filter(|row| query.reads(&row.key)) {
            let start = row.window_start;
            if start > since && start <= until {
                let value = |dimension: &Dimension| row.key.get(dimension).cloned().unwrap_or_default();
                let values = query.dimensions().iter().map(value).collect();
                let group = groups.entry((past, values)).or_insert((Sums::default(), start, start));
                group.0.add(&row.sums);
                (group.1, group.2) = (group.1.min(start), group.2.max(start));
            }
        }
    }
    let shown = |((past, values), (mut sums, first, last)): ((bool, Vec<String>), (Sums, u32, u32))| {
        let quantiles = query.quantiles().map(|quantile| sums.latency_quantile(quantile)).collect();
        if !query.asks_latency() {
            sums.latency.clear();
        }
        sums.errors_by_class.retain(|_, count| query.asks_classes() && *count > 0);
        Group { past, values, quantiles, first_seen: first, last_seen: last + 60, ..Group::from(&sums) }
    };
    // An answer in its own form: what had calls before and has none now is added there.
    sorted(&query.answer(groups.into_iter().map(shown).collect()))
}

fn sorted(answer: &Answer) -> Vec<Group> {
    let both = |group: &Group| [Some(group.clone()), answer.before(group).cloned()];
    let mut groups: Vec<Group> = answer.groups.iter().flat_map(both).flatten().collect();
    for group in &mut groups {
        group.errors_by_class.retain(|(_, count)| *count > 0);
        // Compared as text, because nothing measured is NaN.
        group.quantiles.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = -1.0);
    }
    groups.sort_by(|left, right| (left.past, &left.values).cmp(&(right.past, &right.values)));
    groups
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_sliding_window_answers_what_a_recount_of_all_rows_does(
        rows in prop::collection::vec((row(), 0..24_usize), 0..60), steps in prop::collection::vec(0..100_i64, 24)
    ) {
        let queries = queries();
        let mut history = History::new(queries.clone());
        let (mut now, mut added) = (1_190, Vec::new());
        for (round, step) in steps.iter().enumerate() {
            // Rows come early, in time and late.
            for (row, _) in rows.iter().filter(|(_, at)| *at == round) {
                history.add(row).expect("few");
                added.push(row.clone());
            }
            now += step;
            let time = Timestamp::from_second(now).expect("in range");
            for (place, query) in queries.iter().enumerate() {
                let answer = history.answer(place, time).expect("asked");
                prop_assert_eq!(sorted(answer), recount(query, &added, time), "{:?}", query);
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
        assert!(history.cells <= 3 + 2 + 10 + 2 + 4 + 9, "{} cells", history.cells);
    }
}
