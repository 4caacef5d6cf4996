//! Observations of a few quotas in any order enter; the newest of each and exact counts leave.

use super::*;
use crate::{
    plan::Plan,
    samples::{event, payload},
};
use callmeter_schemas::{CallEvent, QuotaObservation, avro::call_event_schema};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An answer: customer, second, and per observation policy, scope and remaining.
#[derive(Clone, Debug)]
struct Answer {
    customer: &'static str,
    second: i64,
    class: ErrorClass,
    told: Vec<(&'static str, &'static str, Option<i64>)>,
}

prop_compose! {
    fn answers()(
        customer in prop::sample::select(vec!["a", "b"]),
        second in 0..100_i64,
        class in prop::sample::select(vec![ErrorClass::Ok, ErrorClass::RateLimited, ErrorClass::QuotaExhausted]),
        told in prop::collection::vec((
            prop::sample::select(vec!["daily", "burst", ""]),
            prop::sample::select(vec!["", "app"]),
            prop::option::of(-5..1_000_i64),
        ), 0..4),
    ) -> Answer {
        Answer { customer, second, class, told }
    }
}

fn fill(quotas: &mut Quotas, names: &mut QuotaNames, offset: i64, answer: &Answer) {
    let base = event(answer.customer);
    let quota = answer.told.iter().map(|(policy, scope, remaining)| QuotaObservation {
        policy: (*policy).into(),
        scope: (*scope).into(),
        remaining: *remaining,
        ..QuotaObservation::default()
    });
    let event = CallEvent {
        time_us: base.time_us + answer.second * 1_000_000,
        error_class: Some(answer.class),
        quota: quota.collect(),
        ..base
    };
    let payload = payload(&event);
    let plan = Plan::compile(call_event_schema()).expect("compiles");
    let fields = plan.read(&payload).expect("readable");
    let facts = Facts::check(&fields).expect("countable");
    quotas.add(offset, &facts, facts.window_start(60), names);
}

type Key = (Vec<Vec<u8>>, u32);

fn added(cells: &[QuotaCell], names: &QuotaNames) -> BTreeMap<Key, (u64, u64, Observation)> {
    let mut all: BTreeMap<Key, (u64, u64, Observation)> = BTreeMap::new();
    for cell in cells {
        let texts = names.texts(cell.series).map(<[u8]>::to_vec).to_vec();
        let sums = all.entry((texts, cell.window_start)).or_default();
        (sums.0, sums.1, sums.2) = (sums.0 + cell.calls, sums.1 + cell.refused, sums.2.max(cell.latest));
    }
    all
}

proptest! {
    #[test]
    fn whatever_the_order_and_the_batches_the_newest_word_of_each_quota_stands(
        log in prop::collection::vec(answers(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut names = QuotaNames::default();
        let mut whole = Quotas::default();
        log.iter().enumerate().for_each(|(at, answer)| fill(&mut whole, &mut names, at as i64, answer));

        // The second part is stored first, as when another process is ahead.
        let cut = if log.is_empty() { 0 } else { cut.index(log.len()) };
        let (mut late, mut early) = (Quotas::default(), Quotas::default());
        for (at, answer) in log.iter().enumerate().rev() {
            fill(if at < cut { &mut early } else { &mut late }, &mut names, at as i64, answer);
        }
        let parts: Vec<QuotaCell> = late.cells.iter().chain(early.cells.iter()).cloned().collect();
        prop_assert_eq!(added(&parts, &names), added(&whole.cells, &names));

        let told: usize = log.iter().flat_map(|answer| &answer.told).filter(|told| !told.0.is_empty()).count();
        prop_assert_eq!(whole.cells.iter().map(|cell| cell.calls).sum::<u64>(), told as u64);
        for (key, (_, _, latest)) in added(&whole.cells, &names) {
            let newest = log.iter().enumerate().filter(|(_, answer)| answer.customer.as_bytes() == key.0[1]);
            let newest = newest.filter(|(_, answer)| (answer.second + 1_700_000_000) / 60 * 60 == i64::from(key.1));
            let newest = newest.filter(|(_, answer)| {
                answer.told.iter().any(|told| told.0.as_bytes() == key.0[3] && told.1.as_bytes() == key.0[4])
            });
            let newest = newest.map(|(at, answer)| (answer.second, at as i64)).max().expect("one at least");
            prop_assert_eq!(latest.offset, newest.1);
        }
    }
}
