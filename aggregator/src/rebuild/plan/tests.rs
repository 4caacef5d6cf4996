//! Words and offsets enter, plans or refusals leave.

use super::*;

const HOUR_MS: i64 = 3_600_000;
const AHEAD: SignedDuration = SignedDuration::from_mins(30);

fn known(partition: i32, earliest: i64, marker: i64, low: i64) -> Known {
    Known { source: "log".into(), partition, earliest, marker, low }
}

fn firsts(from: &From, known: &[Known], located: &[(i32, i64)]) -> Result<Vec<(i64, bool)>, PlanError> {
    let starts = starts(from, known, &located.iter().copied().collect())?;
    Ok(starts.into_iter().map(|start| (start.first, start.whole)).collect())
}

#[test]
fn a_beginning_is_a_word_a_time_an_offset_or_one_for_each_partition() {
    assert_eq!(From::parse("earliest"), Ok(From::Earliest));
    assert_eq!(From::parse("1200"), Ok(From::Offset(1200)));
    assert_eq!(From::parse("5000000000"), Ok(From::Offset(5_000_000_000)));
    assert_eq!(From::parse("1970-01-01T00:00:01+00:00"), Ok(From::Time(1000)));
    assert_eq!(From::parse("1:7,0:5"), Ok(From::Offsets([(0, 5), (1, 7)].into())));
    for wrong in ["", "latest", "-1", "0:1,0:2", "0:-4", "0:1,", "2026-11-21"] {
        assert!(From::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_rebuild_begins_within_what_was_counted() {
    let two = [known(0, 10, 100, 10), known(1, 0, 50, 0)];
    assert_eq!(firsts(&From::Earliest, &two, &[]), Ok(vec![(10, true), (0, true)]));
    assert_eq!(firsts(&From::Offset(5), &two, &[]), Ok(vec![(10, true), (5, false)]));
    assert_eq!(
        firsts(&From::Offset(60), &two, &[]),
        Err(PlanError::Ahead { partition: 1, first: 60, marker: 50 })
    );
    assert_eq!(firsts(&From::Offsets([(0, 20)].into()), &two, &[]), Err(PlanError::Missing(1, 2)));
    assert_eq!(firsts(&From::Offsets([(7, 20)].into()), &two, &[]), Err(PlanError::Unknown(7)));
    // A partition without a record since then begins at its marker.
    assert_eq!(firsts(&From::Time(1), &two, &[(0, 99)]), Ok(vec![(99, false), (50, false)]));
    assert_eq!(firsts(&From::Earliest, &[], &[]), Err(PlanError::Empty));
}

#[test]
fn no_record_below_the_first_offset_belongs_to_a_window_after_the_cut() {
    let cut = |from, below: &[i64]| cut_s(&from, below, AHEAD);
    assert_eq!(cut(From::Earliest, &[]), Ok(0));
    assert_eq!(cut(From::Offset(3), &[HOUR_MS]), Ok(2 * 3600));
    assert_eq!(cut(From::Offset(3), &[0, 31 * 60_000]), Ok(2 * 3600));
    // A time is kept, or refused with one that is possible.
    assert_eq!(cut(From::Time(5 * HOUR_MS + 1), &[]), Ok(6 * 3600));
    assert_eq!(cut(From::Time(2 * HOUR_MS), &[2 * HOUR_MS - 1_800_000]), Ok(2 * 3600));
    let early = cut(From::Time(HOUR_MS), &[HOUR_MS]).expect_err("too early");
    assert!(early.to_string().contains("--from 1970-01-01T02:00:00Z"), "{early}");
    assert_eq!(needed_from_ms(HOUR_MS, AHEAD), 1_800_000);
    // Kafka knows no time before 1970.
    assert_eq!(needed_from_ms(0, AHEAD), 0);
}

#[test]
fn gaps_were_never_counted() {
    let gap = |first, next| Range { first, next };
    let gaps = [gap(0, 10), gap(10, 12), gap(40, 50), gap(50, 60)];
    assert_eq!((earliest(0, &gaps), earliest(20, &gaps)), (12, 20));
    assert_eq!((counted_end(60, &gaps), counted_end(61, &gaps), counted_end(55, &gaps)), (40, 61, 40));
    // One of no length, where a log replaces another, ends nothing and begins nothing.
    assert_eq!((earliest(5, &[gap(5, 5)]), counted_end(5, &[gap(5, 5)])), (5, 5));
}
