//! The life of alerts against a model that looks at the whole history at every step instead of keeping a state.

use callmeter_alerter::{
    RuleSet,
    evaluate::{Evaluator, Freshness},
    query::{self, Group},
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

/// One evaluation that took place: when, and how many of ten calls failed; `None`: no calls.
type Seen = (i64, Option<u64>);

struct Model {
    pending_for: i64,
    keep_firing_for: i64,
    /// Time between two evaluations counts up to this.
    covers: i64,
    lingers: bool,
}

impl Model {
    fn exceeds(&self, seen: &Seen) -> bool {
        seen.1.is_some_and(|errors| errors > 5)
    }

    fn is_clear(&self, seen: &Seen) -> bool {
        let bound = if self.lingers { 2 } else { 5 };
        seen.1.is_none_or(|errors| errors <= bound)
    }

    /// Whether the value has exceeded at every evaluation for long enough.
    fn is_ripe(&self, history: &[Seen]) -> bool {
        let run: Vec<i64> =
            history.iter().rev().take_while(|seen| self.exceeds(seen)).map(|seen| seen.0).collect();
        let held: i64 = run.windows(2).map(|pair| (pair[0] - pair[1]).min(self.covers)).sum();
        !run.is_empty() && held >= self.pending_for
    }

    /// Whether the value has been clear at every evaluation for long enough.
    fn is_over(&self, since_fired: &[Seen]) -> bool {
        let run: Vec<i64> =
            since_fired.iter().rev().take_while(|seen| self.is_clear(seen)).map(|seen| seen.0).collect();
        run.first().zip(run.last()).is_some_and(|(last, first)| last - first >= self.keep_firing_for)
    }

    fn fires(&self, history: &[Seen]) -> bool {
        (1..=history.len()).any(|fired| {
            let goes_on = |until: usize| !self.is_over(&history[fired..until]);
            self.is_ripe(&history[..fired]) && (fired + 1..=history.len()).all(goes_on)
        })
    }

    /// Pending and firing alerts.
    fn open(&self, history: &[Seen]) -> (usize, usize) {
        let fires = self.fires(history);
        let exceeds = history.last().is_some_and(|seen| self.exceeds(seen));
        (usize::from(exceeds && !fires), usize::from(fires))
    }
}

proptest! {
    /// Pauses up to ten minutes with a window of five; evaluations that are held because counting is behind are gaps.
    #[test]
    fn every_history_ends_as_the_model_says(
        steps in prop::collection::vec((1_i64..600, prop::option::weighted(0.9, 0_u64..=10), prop::bool::weighted(0.8)), 1..25),
        pending_for in prop::sample::select(vec![0_i64, 60, 400, 1_000]),
        keep_firing_for in prop::sample::select(vec![0_i64, 60, 900]),
        lingers in any::<bool>(),
    ) {
        let clear = if lingers { "clear_threshold: 0.2, " } else { "" };
        let text = format!(
            "groups: [{{name: g, rules: [{{alert: A, metric: error_rate, window: 5m, op: '>', threshold: 0.5, {clear}\
             for: {pending_for}s, keep_firing_for: {keep_firing_for}s}}]}}]"
        );
        let set = RuleSet::parse([("rules.yaml", text.as_str())]).expect("valid");
        let rule = set.iter().next().expect("one");
        let query = &query::plan(&[rule], Duration::from_secs(60))[0];
        let model = Model { pending_for, keep_firing_for, covers: 300, lingers };
        let (mut evaluator, mut history, mut second) = (Evaluator::default(), Vec::new(), 1_800_000_000);
        for (pause, errors, is_current) in steps {
            second += pause;
            let group = |errors| Group { values: vec!["demo".into()], calls: 10, errors, ..Group::default() };
            let answer = query.answer(errors.map(group).into_iter().collect());
            let freshness = if is_current { Freshness::Current } else { Freshness::Behind };
            let now = Timestamp::from_second(second).expect("in range");
            evaluator.evaluate(rule, &answer, freshness, now);
            if is_current {
                history.push((second, errors));
            }
            prop_assert_eq!((evaluator.pending(), evaluator.firing()), model.open(&history), "{:?}", history);
        }
    }
}
