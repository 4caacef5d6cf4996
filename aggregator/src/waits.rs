//! Waits that vendors asked for: events enter in log order, whether one was made all the same leaves.
//!
//! The rule: an answer may say until when to wait (`retry_at`). A call of the same workspace, customer and
//! integration that began after that answer had come and before that moment ignored it. What counts is the vendor's
//! most recent word among the previous N offsets of the partition (the duplicate horizon), in log order; a call that
//! was logged before the answer is not judged by it. Promise: the verdict is a pure function of the log, so that any
//! process which reads the N offsets before a marker decides alike.

use crate::facts::Facts;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// Waits kept before those that fell out of the horizon are swept; about 60 bytes each.
const SWEEP_AT: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct Wait {
    offset: i64,
    /// When the answer had come and until when it asked to wait, µs since 1970 UTC.
    said_us: i64,
    until_us: i64,
}

/// The waits of one partition.
#[derive(Debug)]
pub struct Waits {
    horizon: i64,
    by_caller: HashMap<u128, Wait>,
    sweep_at: usize,
}

impl Waits {
    /// A memory of `horizon` offsets.
    pub fn new(horizon: u32) -> Self {
        Self { horizon: i64::from(horizon), by_caller: HashMap::new(), sweep_at: SWEEP_AT }
    }

    /// Takes the event at an offset, which must be above all earlier ones; true when it ignored a wait.
    ///
    /// A duplicate is taken like its first copy: it says the same.
    pub fn ignored(&mut self, offset: i64, facts: &Facts<'_>) -> bool {
        if self.by_caller.is_empty() && facts.retry_at_us.is_none() {
            return false;
        }
        let caller = caller(facts);
        let ignored = self.by_caller.get(&caller).is_some_and(|wait| {
            offset - wait.offset <= self.horizon
                && wait.said_us < facts.time_us
                && facts.time_us < wait.until_us
        });
        if let Some(until_us) = facts.retry_at_us {
            self.by_caller.insert(caller, Wait { offset, said_us: facts.answered_us(), until_us });
            self.sweep(offset);
        }
        ignored
    }

    /// Forgets what can decide nothing any more, whenever twice as much is there as after the last time.
    fn sweep(&mut self, offset: i64) {
        if self.by_caller.len() >= self.sweep_at {
            self.by_caller.retain(|_, wait| offset - wait.offset <= self.horizon);
            self.sweep_at = SWEEP_AT.max(2 * self.by_caller.len());
        }
    }
}

fn caller(facts: &Facts<'_>) -> u128 {
    let mut hash = Xxh3::new();
    for text in [facts.workspace, facts.customer, facts.integration] {
        // Lengths keep ("a", "bc") and ("ab", "c") apart.
        hash.update(&(text.len() as u32).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Plan, samples};
    use callmeter_schemas::{CallEvent, avro::call_event_schema};

    const SECOND: i64 = 1_000_000;

    fn take(waits: &mut Waits, offset: i64, event: &CallEvent) -> bool {
        let payload = samples::payload(event);
        let plan = Plan::compile(call_event_schema()).expect("compiles");
        let fields = plan.read(&payload).expect("readable");
        waits.ignored(offset, &Facts::check(&fields).expect("countable"))
    }

    fn call(customer: &str, second: i64, asked_for: Option<i64>) -> CallEvent {
        let base = samples::event(customer);
        CallEvent {
            time_us: base.time_us + second * SECOND,
            latency_us: Some(SECOND as u64),
            retry_at_us: asked_for.map(|until| base.time_us + until * SECOND),
            ..base
        }
    }

    #[test]
    fn a_call_made_before_the_asked_moment_ignored_the_wait() {
        let mut waits = Waits::new(100);
        for (offset, event, wanted) in [
            (0, call("a", 0, Some(30)), false),
            (1, call("a", 1, None), false),
            (2, call("a", 2, None), true),
            (3, call("b", 2, None), false),
            (4, call("a", 29, Some(60)), true),
            (5, call("a", 30, None), false),
            (6, call("a", 31, None), true),
            (7, call("a", 60, None), false),
        ] {
            assert_eq!(take(&mut waits, offset, &event), wanted, "offset {offset}");
        }
    }

    #[test]
    fn only_the_horizon_decides_whether_read_from_the_start_or_from_the_middle() {
        let log: Vec<CallEvent> = (0..400)
            .map(|n: i64| {
                call(["a", "b", "c"][(n % 3) as usize], n % 50, (n % 7 == 0).then_some(n % 50 + n % 11))
            })
            .collect();
        let horizon = 20;
        let from = |start: usize| -> Vec<bool> {
            let mut waits = Waits::new(horizon);
            log.iter().enumerate().skip(start).map(|(at, event)| take(&mut waits, at as i64, event)).collect()
        };
        let whole = from(0);
        assert!(whole.iter().any(|ignored| *ignored), "the log has something to find");
        for start in (0..300).step_by(17) {
            assert_eq!(from(start)[horizon as usize..], whole[start + horizon as usize..]);
        }
    }
}
