//! I4 and I8: every cell against the recompute, and the raw calls against the log.

use super::{Violation, integer, some, unanswered};
use crate::{
    oracle::{Outcome, Truth},
    stack::{Stack, within},
    stored,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::Duration,
};

/// Compares every cell of `rollups` and of the quotas.
pub(super) async fn check(stack: &Stack, truth: &Truth) -> Vec<Violation> {
    let (rollups, quotas) = (stack.try_rows(stored::ROLLUPS).await, stack.try_rows(stored::QUOTAS).await);
    let mut violations = Vec::new();
    match rollups {
        Ok(rows) => violations.extend(some("I4", differences(&truth.cells, &stored::rollups(&rows)))),
        Err(error) => violations.push(unanswered("I4", &error)),
    }
    match quotas {
        Ok(rows) => violations.extend(some("I4", differences(&truth.quotas, &stored::quotas(&rows)))),
        Err(error) => violations.push(unanswered("I4", &error)),
    }
    violations
}

fn differences<K: Ord + Debug, C: PartialEq + Debug>(
    due: &BTreeMap<K, C>,
    found: &BTreeMap<K, C>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = due.keys().chain(found.keys()).collect();
    let wrong = keys.into_iter().filter(|key| due.get(key) != found.get(key));
    wrong.map(|key| format!("{key:?} is {:?}, and the log says {:?}", found.get(key), due.get(key))).collect()
}

/// Waits until all raw calls are there, then compares their places and flags.
pub(super) async fn raw_calls(stack: &Stack, truth: &Truth, bound: Duration) -> Vec<Violation> {
    let due = truth.count(Outcome::Counted) + truth.count(Outcome::Duplicate);
    let written = within(bound, async || {
        let rows = stack.try_rows("SELECT toInt64(count()) AS written FROM calls").await?;
        let written = integer(&rows[0]["written"]);
        if written == due {
            Ok(())
        } else {
            Err(format!("{written} raw calls, and the log has {due} events"))
        }
    });
    if let Err(problem) = written.await {
        return vec![Violation { invariant: "I8", detail: problem }];
    }
    let mut violations = Vec::new();
    for (flag, outcome) in [(0, Outcome::Counted), (1, Outcome::Duplicate)] {
        let places = format!(
            "SELECT partition, groupArray(offset) AS offsets FROM calls WHERE duplicate = {flag} GROUP BY partition"
        );
        match stack.try_rows(&places).await {
            Ok(rows) => violations.extend(some("I8", misplaced(&rows, truth.places(outcome), outcome))),
            Err(error) => violations.push(unanswered("I8", &error)),
        }
    }
    violations
}

fn misplaced(rows: &[serde_json::Value], due: Vec<(i32, i64)>, outcome: Outcome) -> Vec<String> {
    let places = rows.iter().flat_map(|row| {
        let partition = integer(&row["partition"]) as i32;
        row["offsets"].as_array().into_iter().flatten().map(move |offset| (partition, integer(offset)))
    });
    let (found, due): (BTreeSet<(i32, i64)>, _) = (places.collect(), BTreeSet::from_iter(due));
    let wrong = found.symmetric_difference(&due);
    wrong
        .map(|place| format!("{place:?} is {outcome:?} in the raw calls or in the log, not in both"))
        .collect()
}
