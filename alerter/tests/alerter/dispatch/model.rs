//! The dispatcher beside a naive model: one group and one target that takes everything at once.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CUSTOMERS: [&str; 3] = ["a", "b", "c"];
const WAIT: i64 = 30;
const INTERVAL: i64 = 300;
const REPEAT: i64 = 3_600;

/// What there is to know: which customers' alerts fire since when, and what the target was told.
#[derive(Default)]
struct Model {
    firing: BTreeMap<&'static str, i64>,
    told: Option<(i64, BTreeMap<&'static str, i64>)>,
    next_flush: Option<i64>,
}

impl Model {
    fn reason(&self, now: i64) -> Option<NotifyReason> {
        let Some((at, told)) = &self.told else {
            return (!self.firing.is_empty()).then_some(NotifyReason::FirstNotification);
        };
        if self.firing.iter().any(|(customer, since)| told.get(customer) != Some(since)) {
            return Some(NotifyReason::NewAlerts);
        }
        if told.keys().any(|customer| !self.firing.contains_key(customer)) {
            return Some(NotifyReason::Resolved);
        }
        (!self.firing.is_empty() && now - at >= REPEAT).then_some(NotifyReason::RepeatElapsed)
    }

    fn run(&mut self, until: i64) -> Vec<(i64, NotifyReason)> {
        let mut log = Vec::new();
        while let Some(now) = self.next_flush.filter(|now| *now <= until) {
            self.next_flush = Some(now + INTERVAL);
            if let Some(reason) = self.reason(now) {
                self.told = Some((now, self.firing.clone()));
                log.push((now, reason));
            }
            // Nothing fires and nobody waits for an end: the group is gone, and what was told with it.
            if self.firing.is_empty() {
                (self.told, self.next_flush) = (None, None);
            }
        }
        log
    }
}

proptest! {
    #[test]
    fn every_history_is_told_as_the_model_tells_it(
        history in proptest::collection::vec((1_i64..900, 0..CUSTOMERS.len()), 1..40)
    ) {
        let (mut model, mut dispatcher, mut now) = (Model::default(), dispatcher(), 0);
        for (pause, customer) in history {
            let customer = CUSTOMERS[customer];
            match model.firing.remove(customer) {
                Some(since) => dispatcher.observe(&[resolved(customer, since, now)]),
                None => {
                    model.firing.insert(customer, now);
                    model.next_flush = model.next_flush.or(Some(now + WAIT));
                    dispatcher.observe(&[firing(customer, now)]);
                }
            }
            now += pause;
            let decisions = run(&mut dispatcher, now).into_iter();
            let told: Vec<_> = decisions.filter_map(|(second, reason)| Some((second, reason.ok()?))).collect();
            prop_assert_eq!(told, model.run(now));
        }
    }
}
