//! What operators read: partitions and decisions enter, aligned tables or JSON leave.

use crate::table::aligned;
use callmeter_aggregator::decision::{Gap, Log, Seen, State};
use serde_json::{Value, json};

/// A row per partition, columns aligned.
pub(super) fn partitions(log: &Log) -> String {
    let head = ["PARTITION", "MARKER", "FIRST", "END", "LAG", "STATE", "SOURCE"].map(str::to_owned);
    let row = |seen: &Seen| {
        let [state, why] = state(seen);
        [
            seen.partition.to_string(),
            seen.marker.map_or_else(|| "-".to_owned(), |marker| marker.to_string()),
            seen.low.to_string(),
            seen.high.to_string(),
            seen.lag().to_string(),
            if why.is_empty() { state } else { format!("{state}: {why}") },
            seen.source.clone(),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(log.partitions.iter().map(row)).collect();
    aligned(&rows)
}

/// The same as JSON.
pub(super) fn partitions_json(log: &Log) -> Value {
    let told = |seen: &Seen| {
        let [state, why] = state(seen);
        json!({
            "partition": seen.partition, "source": seen.source, "marker": seen.marker, "first_offset": seen.low,
            "end_offset": seen.high, "lag": seen.lag(), "state": state, "why": why,
        })
    };
    log.partitions.iter().map(told).collect()
}

/// The word for a partition's state, and why it is stopped.
fn state(seen: &Seen) -> [String; 2] {
    match seen.state() {
        State::New => ["new".to_owned(), String::new()],
        State::Counted => ["counted".to_owned(), String::new()],
        State::Stopped(why) => ["stopped".to_owned(), why.to_string()],
    }
}

/// A row per row of the ledger to be, columns aligned.
pub(super) fn gaps<'a>(gaps: impl Iterator<Item = &'a Gap>) -> String {
    let head = ["PARTITION", "FROM", "TO", "LOST", "NOTE", "SOURCE"].map(str::to_owned);
    let row = |gap: &Gap| {
        [
            gap.partition.to_string(),
            gap.first_offset.to_string(),
            gap.next_offset.to_string(),
            gap.lost.map_or_else(|| "unknown".to_owned(), |lost| lost.to_string()),
            gap.note.clone(),
            gap.source.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(gaps.map(row)).collect();
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        let seen = |partition, marker| Seen {
            partition,
            source: "cluster:calls:id".into(),
            marker,
            low: 20,
            high: 1000,
            replaced: false,
            told: String::new(),
        };
        let partitions = vec![seen(0, None), seen(1, Some(990)), seen(2, Some(12))];
        Log { name: "cluster:calls:id".into(), before: String::new(), partitions }
    }

    #[test]
    fn the_list_says_how_far_each_partition_is_and_why_one_stopped() {
        let table = partitions(&log());
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
            .collect();
        let why = "stopped: records 12..20 were deleted by retention before they were counted";
        assert_eq!(
            lines,
            [
                ["PARTITION", "MARKER", "FIRST", "END", "LAG", "STATE", "SOURCE"],
                ["0", "-", "20", "1000", "980", "new", "cluster:calls:id"],
                ["1", "990", "20", "1000", "10", "counted", "cluster:calls:id"],
                ["2", "12", "20", "1000", "988", why, "cluster:calls:id"],
            ]
        );
        let stopped = &partitions_json(&log())[2];
        assert_eq!(stopped["state"], "stopped");
        assert_eq!(stopped["why"], "records 12..20 were deleted by retention before they were counted");
    }

    #[test]
    fn a_gap_of_unknown_size_does_not_look_like_one_that_lost_nothing() {
        let gap = |partition, lost| Gap {
            partition,
            source: "log".into(),
            first_offset: 1000,
            next_offset: 1000,
            lost,
            note: "why".into(),
        };
        let gaps = [gap(0, None), gap(1, Some(0))];
        let lost: Vec<String> = super::gaps(gaps.iter())
            .lines()
            .map(|line| line.split_whitespace().nth(3).unwrap_or_default().to_owned())
            .collect();
        assert_eq!(lost, ["LOST", "unknown", "0"]);
        assert_eq!(json!(gaps)[0]["lost"], Value::Null);
    }
}
