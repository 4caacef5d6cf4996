//! I1, I2, I3 and I13: the ledger against the log.

use super::{Violation, integer, some, unanswered};
use crate::{
    oracle::{Outcome, Truth},
    stack::{Stack, within},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Waits until so many records have been consumed.
pub(super) async fn drained(stack: &Stack, records: i64, bound: Duration) -> Result<(), Violation> {
    let counted = within(bound, async || {
        let consumed = stack.consumed().await?;
        if consumed >= records { Ok(()) } else { Err(format!("{consumed} of {records} records")) }
    });
    counted.await.map_err(|problem| Violation {
        invariant: "I13",
        detail: format!("not all was counted within {bound:?}: {problem}"),
    })
}

/// Compares tiling and sums of everything, and the batches that were not compared before, one by one.
pub(super) async fn check(stack: &Stack, truth: &Truth, compared: &mut BTreeMap<i32, i64>) -> Vec<Violation> {
    match found(stack, truth, compared).await {
        Ok(violations) => violations,
        Err(error) => ["I1", "I2", "I3"].map(|invariant| unanswered(invariant, &error)).into(),
    }
}

async fn found(
    stack: &Stack,
    truth: &Truth,
    compared: &mut BTreeMap<i32, i64>,
) -> Result<Vec<Violation>, String> {
    let mut violations = Vec::new();
    violations.extend(some("I1", tiling(stack).await?));
    violations.extend(some("I2", batches(stack, truth, compared).await?));
    violations.extend(some("I3", sums(stack, truth).await?));
    Ok(violations)
}

/// Ranges that leave a gap, overlap, were committed twice, or do not reach from genesis to marker.
async fn tiling(stack: &Stack) -> Result<Vec<String>, String> {
    let ranges = "SELECT source, partition, first_offset, next_offset, commits, \
        lagInFrame(next_offset, 1, genesis) OVER (PARTITION BY source, partition ORDER BY first_offset, next_offset \
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before, kind, \
        max(next_offset) OVER (PARTITION BY source, partition) AS counted_to, marker \
        FROM ledger LEFT JOIN (SELECT source, partition, genesis, next_offset AS marker FROM markers) AS markers \
        USING (source, partition)";
    let wrong = format!(
        "SELECT * FROM ({ranges}) WHERE before != first_offset OR next_offset <= first_offset AND kind != 'gap' \
         OR commits != if(kind = 'gap', 0, 1) OR counted_to != marker ORDER BY source, partition, first_offset LIMIT 50"
    );
    let mut wrong_markers = markers(stack).await?;
    let rows = stack.try_rows(&wrong).await?;
    let told = |row: &Value| {
        format!(
            "partition {}: range {}..{} committed {} times follows {}, ledger ends at {}, marker is {}",
            row["partition"],
            row["first_offset"],
            row["next_offset"],
            row["commits"],
            row["before"],
            row["counted_to"],
            row["marker"]
        )
    };
    wrong_markers.extend(rows.iter().map(told));
    Ok(wrong_markers)
}

/// Sources without their one genesis, and markers that moved although the ledger has nothing of them.
async fn markers(stack: &Stack) -> Result<Vec<String>, String> {
    let wrong = "SELECT src AS source, part AS partition, uniqExactIf(batch_first, kind = 'genesis') AS beginnings, \
        maxIf(next_offset, kind = 'mark') AS marker FROM deltas WHERE kind IN ('genesis', 'mark') GROUP BY src, part \
        HAVING beginnings != 1 OR marker != minIf(batch_first, kind = 'genesis') \
            AND (source, partition) NOT IN (SELECT source, partition FROM ledger) ORDER BY source, partition LIMIT 50";
    let told = |row: &Value| {
        format!(
            "partition {} of {} begins {} times, and its marker {} may have no ledger below it",
            row["partition"], row["source"], row["beginnings"], row["marker"]
        )
    };
    Ok(stack.try_rows(wrong).await?.iter().map(told).collect())
}

/// Batches whose counts are not those of their records.
async fn batches(
    stack: &Stack,
    truth: &Truth,
    compared: &mut BTreeMap<i32, i64>,
) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    let partitions = stack.try_rows("SELECT DISTINCT partition FROM ledger ORDER BY partition").await?;
    for partition in partitions.iter().map(|row| integer(&row["partition"]) as i32) {
        let from = compared.get(&partition).copied().unwrap_or(0);
        let batches = format!(
            "SELECT first_offset, next_offset, consumed, counted, duplicates, dead_lettered FROM ledger \
             WHERE partition = {partition} AND first_offset >= {from} AND kind = 'batch' ORDER BY first_offset"
        );
        for row in stack.try_rows(&batches).await? {
            let range = integer(&row["first_offset"])..integer(&row["next_offset"]);
            compared.insert(partition, range.end);
            let mut due = [0; 3];
            let places =
                truth.outcomes.range((partition, range.start)..(partition, range.end.max(range.start)));
            places.for_each(|(_, outcome)| due[*outcome as usize] += 1);
            let stored = ["counted", "duplicates", "dead_lettered"].map(|name| integer(&row[name]));
            let consumed = integer(&row["consumed"]);
            if stored != due || consumed != due.iter().sum::<i64>() {
                wrong.push(format!(
                    "partition {partition}, batch {range:?}: consumed {consumed}, counted, duplicates, dead-lettered \
                     {stored:?}; the log says {due:?}"
                ));
            }
        }
    }
    Ok(wrong)
}

/// Sums over everything: ledger, data rows and log agree.
async fn sums(stack: &Stack, truth: &Truth) -> Result<Vec<String>, String> {
    let ledger = "SELECT toInt64(sum(consumed)) AS consumed, toInt64(sum(counted)) AS counted, \
        toInt64(sum(duplicates)) AS duplicates, toInt64(sum(dead_lettered)) AS dead_lettered FROM ledger";
    let data = "SELECT toInt64(sum(calls)) AS calls FROM rollups";
    let (ledger, data) = (stack.try_rows(ledger).await?.remove(0), stack.try_rows(data).await?.remove(0));
    let count = |outcome| truth.count(outcome);
    let due = [
        ("consumed", &ledger["consumed"], truth.records()),
        ("counted", &ledger["counted"], count(Outcome::Counted)),
        ("duplicates", &ledger["duplicates"], count(Outcome::Duplicate)),
        ("dead-lettered", &ledger["dead_lettered"], count(Outcome::DeadLettered)),
        ("calls in rollups", &data["calls"], count(Outcome::Counted)),
    ];
    let wrong = due.into_iter().filter(|(_, stored, due)| integer(stored) != *due);
    Ok(wrong.map(|(name, stored, due)| format!("{name}: {stored}, and the log says {due}")).collect())
}
