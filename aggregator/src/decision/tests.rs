//! What operators decide, as sentences: a partition and a wish enter, the rows or the refusal are compared.

use super::*;
use crate::samples::native;

/// A partition whose log holds the offsets 20..1000.
fn seen(marker: Option<i64>) -> Seen {
    Seen {
        partition: 3,
        source: "log".into(),
        marker,
        low: 20,
        high: 1000,
        replaced: false,
        told: String::new(),
    }
}

fn log(partitions: Vec<Seen>) -> Log {
    Log { name: "log".into(), before: "old".into(), partitions }
}

fn wish(to: Option<i64>) -> Wish<'static> {
    Wish { partition: Some(3), to, note: "disk full" }
}

const ALL: Wish<'_> = Wish { partition: None, to: None, note: "disk full" };

/// One line for each row of each decision's block: the columns that are neither 0 nor empty.
fn lines(decisions: &[Decision]) -> String {
    let mut lines = Vec::new();
    for decision in decisions {
        lines.push(format!("{:?}", decision.guard));
        let columns = native(&decision.block());
        for row in 0..columns[0].2.len() {
            let cells = columns.iter().map(|(name, _, values)| (name, &values[row]));
            let cells = cells.filter(|(_, value)| !["0", ""].contains(&value.as_str()));
            lines.push(cells.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
        }
    }
    lines.join("\n")
}

fn rows(partitions: Vec<Seen>, wish: Wish<'_>) -> String {
    lines(&decide(&log(partitions), wish).expect("it can be decided"))
}

#[track_caller]
fn refused(partitions: Vec<Seen>, wish: Wish<'_>, wanted: &[&str]) {
    let refusals = decide(&log(partitions), wish).expect_err("it cannot be decided");
    assert_eq!(refusals.iter().map(ToString::to_string).collect::<Vec<_>>(), wanted);
}

#[test]
fn the_block_has_the_columns_that_the_insert_names() {
    let decision = decide(&log(vec![seen(Some(12))]), wish(None)).expect("it can be decided").remove(0);
    let columns = native(&decision.block());
    let structure: Vec<String> = columns.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    assert_eq!(structure.join(", "), STRUCTURE);
    let names: Vec<&str> = columns.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names.join(", "), COLUMNS);
}

#[test]
fn records_that_retention_deleted_become_a_gap_up_to_the_first_that_is_left() {
    insta::assert_snapshot!(rows(vec![seen(Some(12))], wish(None)), @r#"
    Marker { source: "log", partition: 3, marker: 12 }
    kind=2 src=log part=3 next_offset=20
    kind=6 src=log part=3 batch_first=12 next_offset=20 lost=8 note=disk full (records 12..20 were deleted by retention before they were counted)
    "#);
    // Further on, but not where nothing is.
    assert_eq!(decide(&log(vec![seen(Some(12))]), wish(Some(30))).expect("later")[0].gaps[0].lost, Some(18));
    refused(
        vec![seen(Some(12))],
        wish(Some(19)),
        &["partition 3: --to 19 is not possible: counting goes on between 20 and the log's end 1000"],
    );
}

#[test]
fn a_truncated_log_goes_on_at_its_end_as_another_source_and_the_one_before_is_fenced() {
    insta::assert_snapshot!(rows(vec![seen(Some(1200))], wish(None)), @r#"
    Marker { source: "log", partition: 3, marker: 1200 }
    kind=1 src=log#2 part=3 batch_first=1000 next_offset=1000
    kind=2 src=log#2 part=3 next_offset=1000
    kind=6 src=log#2 part=3 batch_first=1000 next_offset=1000 note=disk full (the log ends at 1000, before the marker 1200: it was truncated); records below 1000 that were written after it was truncated are not counted, and how many is not known
    kind=2 src=log part=3 next_offset=1201
    kind=6 src=log part=3 batch_first=1200 next_offset=1201 note=disk full (the log ends at 1000, before the marker 1200: it was truncated); goes on as log#2 at 1000
    "#);
    let again = Seen { source: "log#9".into(), ..seen(Some(1200)) };
    assert_eq!(decide(&log(vec![again]), wish(None)).expect("again")[0].gaps[0].source, "log#10");
    refused(
        vec![seen(Some(1200))],
        wish(Some(1000)),
        &[
            "partition 3: the log ends at 1000, before the marker 1200: it was truncated; counting goes on at its end: \
           leave out --to",
        ],
    );
}

#[test]
fn a_log_that_replaces_another_is_accepted_partition_by_partition_each_under_its_own_guard() {
    let replaced = |partition| Seen { partition, replaced: true, ..seen(None) };
    insta::assert_snapshot!(rows(vec![replaced(0), replaced(1)], ALL), @r#"
    Nothing { source: "log", partition: 0 }
    kind=1 src=log batch_first=20 next_offset=20 note=2
    kind=2 src=log next_offset=20
    kind=6 src=log batch_first=20 next_offset=20 note=disk full (took the place of old)
    Nothing { source: "log", partition: 1 }
    kind=1 src=log part=1 batch_first=20 next_offset=20 note=2
    kind=2 src=log part=1 next_offset=20
    kind=6 src=log part=1 batch_first=20 next_offset=20 note=disk full (took the place of old)
    "#);
    let why = StopReason::LogReplaced;
    let wanted = format!("partition 3: {why}; that is decided for the whole log: use --all");
    refused(vec![replaced(3)], wish(None), &[&wanted]);
}

#[test]
fn accepting_a_log_that_was_accepted_in_part_finishes_the_rest_and_nothing_else() {
    let replaced = |partition| Seen { partition, replaced: true, ..seen(None) };
    let of = |partition, marker| Seen { partition, ..seen(marker) };
    // One is counted already and one lost records since; the topic has got another partition.
    let partitions = vec![of(0, Some(100)), replaced(1), of(2, Some(12)), replaced(3), of(4, None)];
    insta::assert_snapshot!(rows(partitions, ALL), @r#"
    Nothing { source: "log", partition: 1 }
    kind=1 src=log part=1 batch_first=20 next_offset=20 note=4
    kind=2 src=log part=1 next_offset=20
    kind=6 src=log part=1 batch_first=20 next_offset=20 note=disk full (took the place of old)
    Marker { source: "log", partition: 2, marker: 12 }
    kind=2 src=log part=2 next_offset=20
    kind=6 src=log part=2 batch_first=12 next_offset=20 lost=8 note=disk full (records 12..20 were deleted by retention before they were counted)
    Nothing { source: "log", partition: 3 }
    kind=1 src=log part=3 batch_first=20 next_offset=20 note=4
    kind=2 src=log part=3 next_offset=20
    kind=6 src=log part=3 batch_first=20 next_offset=20 note=disk full (took the place of old)
    "#);
    let told = Seen { told: "every record is poison".into(), ..of(2, Some(100)) };
    let wanted =
        ["partition 2: every record is poison; say with --partition 2 --to OFFSET where counting goes on"];
    refused(vec![replaced(1), told], ALL, &wanted);
}

#[test]
fn what_only_the_aggregator_knows_needs_a_place_to_go_on() {
    let flooded = || vec![Seen { told: "every record is poison".into(), ..seen(Some(100)) }];
    insta::assert_snapshot!(rows(flooded(), wish(Some(150))), @r#"
    Marker { source: "log", partition: 3, marker: 100 }
    kind=2 src=log part=3 next_offset=150
    kind=6 src=log part=3 batch_first=100 next_offset=150 lost=50 note=disk full (every record is poison)
    "#);
    let wanted =
        ["partition 3: every record is poison; say with --partition 3 --to OFFSET where counting goes on"];
    refused(flooded(), wish(None), &wanted);
    refused(flooded(), ALL, &wanted);
}

#[test]
fn a_partition_that_is_counted_is_left_alone_unless_told_where_to_go_on_and_only_forwards() {
    refused(
        vec![seen(Some(100))],
        wish(None),
        &["partition 3 is counted: there is nothing to decide; --to OFFSET passes records over nevertheless"],
    );
    for to in [99, 100, 1001] {
        let wanted = format!(
            "partition 3: --to {to} is not possible: counting goes on between 101 and the log's end 1000"
        );
        refused(vec![seen(Some(100))], wish(Some(to)), &[&wanted]);
    }
    let gaps = &decide(&log(vec![seen(Some(100))]), wish(Some(1000))).expect("the end")[0].gaps;
    assert_eq!((gaps[0].lost, gaps[0].note.as_str()), (Some(900), "disk full (passed over by an operator)"));
    refused(
        vec![seen(None)],
        wish(Some(30)),
        &["partition 3: nothing of it was counted yet; an aggregator begins by itself"],
    );
}

#[test]
fn all_means_all_that_are_stopped() {
    let counted = Seen { partition: 0, ..seen(Some(100)) };
    let decisions = decide(&log(vec![counted.clone(), seen(Some(12))]), ALL).expect("one is stopped");
    assert_eq!(decisions.iter().map(|decision| decision.gaps[0].partition).collect::<Vec<_>>(), [3]);
    refused(vec![counted], ALL, &["no partition is stopped: there is nothing to decide"]);
    refused(
        vec![],
        wish(None),
        &["partition 3: the topic has no such partition; see `callmeter partitions list`"],
    );
}
