//! The answers of exactly-once as sentences: events enter a fresh partition, its last action is compared.
//! Whole histories of several owners are lived by `tests/chaos/simulation.rs`.

use super::*;

const RANGE: Range = Range { first: 100, next: 150 };
const ASSIGNED: &[Event] = &[Event::Assigned];
const READY: &[Event] = &[Event::Assigned, read(100)];
const IDLE: &[Event] = &[Event::Assigned, read(100), Event::Idle];
const INSERTING: &[Event] = &[Event::Assigned, read(100), Event::Sealed(RANGE)];
const DOUBTING: &[Event] =
    &[Event::Assigned, read(100), Event::Sealed(RANGE), Event::Answered(Answer::Unknown), Event::Waited];
const FENCED: &[Event] = &[Event::Assigned, read(100), Event::Sealed(RANGE), Event::Answered(Answer::Fenced)];

/// A marker within a log of the offsets 20..1000.
const fn read(marker: i64) -> Event {
    Event::MarkerRead { marker: Some(marker), low: 20, high: 1000, replaced: false }
}

fn policy() -> Policy {
    Policy { horizon: 60, waits_before_kill: 2, ..Policy::default() }
}

fn after(before: &[Event]) -> Partition {
    let mut partition = Partition::new(policy());
    for event in before {
        partition.step(*event);
    }
    partition
}

#[track_caller]
fn check(before: &[Event], event: Event, wanted: Action) {
    assert_eq!(after(before).step(event), wanted);
}

fn wait_ms(ms: u64) -> Action {
    Action::Wait(Duration::from_millis(ms))
}

#[test]
fn an_assigned_partition_reads_the_marker_before_anything_else() {
    check(&[], Event::Assigned, Action::ReadMarker);
    check(ASSIGNED, Event::Unreadable, wait_ms(50));
    check(&[Event::Assigned, Event::Unreadable], Event::Waited, Action::ReadMarker);
}

#[test]
fn counting_begins_at_the_marker_and_remembering_a_horizon_before_it() {
    check(ASSIGNED, read(100), Action::Consume { remember_from: 40, count_from: 100 });
    // The log holds less than the horizon.
    check(ASSIGNED, read(50), Action::Consume { remember_from: 20, count_from: 50 });
    // At both edges of the log.
    check(ASSIGNED, read(20), Action::Consume { remember_from: 20, count_from: 20 });
    check(ASSIGNED, read(1000), Action::Consume { remember_from: 940, count_from: 1000 });
}

#[test]
fn a_log_without_a_marker_begins_with_an_explicit_genesis_at_its_first_offset() {
    let none = Event::MarkerRead { marker: None, low: 20, high: 1000, replaced: false };
    check(ASSIGNED, none, Action::WriteGenesis(20));
    // Whatever became of it, the marker is read again: another process may have written another genesis.
    check(&[Event::Assigned, none], Event::Answered(Answer::Inserted), Action::ReadMarker);
    for answer in [Answer::Fenced, Answer::Unknown, Answer::AlreadyRunning] {
        check(&[Event::Assigned, none], Event::Answered(answer), wait_ms(50));
        check(&[Event::Assigned, none, Event::Answered(answer)], Event::Waited, Action::ReadMarker);
    }
}

#[test]
fn a_marker_outside_the_log_stops_the_partition_loudly() {
    let lost = StopReason::MarkerBelowLog { marker: 19, low: 20 };
    check(ASSIGNED, read(19), Action::Stop(lost));
    assert_eq!(lost.to_string(), "records 19..20 were deleted by retention before they were counted");
    let truncated = StopReason::MarkerAboveLog { marker: 1001, high: 1000 };
    check(ASSIGNED, read(1001), Action::Stop(truncated));
    assert_eq!(truncated.to_string(), "the log ends at 1000, before the marker 1001: it was truncated");
}

#[test]
fn a_log_that_took_the_place_of_a_counted_one_stops_and_writes_no_genesis() {
    let replaced = Event::MarkerRead { marker: None, low: 20, high: 1000, replaced: true };
    check(ASSIGNED, replaced, Action::Stop(StopReason::LogReplaced));
    check(
        &[Event::Assigned, replaced, Event::Waited],
        read(20),
        Action::Consume { remember_from: 20, count_from: 20 },
    );
}

#[test]
fn a_stopped_partition_looks_again_and_goes_on_once_it_is_mended() {
    let stopped = [Event::Assigned, read(19)];
    check(&stopped, Event::Waited, Action::ReadMarker);
    let looking = [Event::Assigned, read(19), Event::Waited];
    let lost = StopReason::MarkerBelowLog { marker: 19, low: 20 };
    check(&looking, read(19), Action::Stop(lost));
    check(&looking, Event::Unreadable, wait_ms(50));
    // An operator recorded the gap.
    check(&looking, read(20), Action::Consume { remember_from: 20, count_from: 20 });
}

#[test]
fn a_flood_of_poison_is_passed_only_when_an_operator_moved_the_marker() {
    let flood = Event::PoisonFlood { from: 140 };
    let stop = Action::Stop(StopReason::PoisonFlood { from: 140 });
    for before in [READY, IDLE] {
        let before: Vec<Event> = [before, &[flood, Event::Waited]].concat();
        check(&before, read(100), stop);
        check(&before, read(300), Action::Consume { remember_from: 240, count_from: 300 });
    }
    // The insert that ran when it stopped may land or not; neither ends the flood.
    for before in [INSERTING, DOUBTING] {
        let before: Vec<Event> = [before, &[flood, Event::Waited]].concat();
        check(&before, read(100), stop);
        check(&before, read(150), stop);
        check(&before, read(151), Action::Consume { remember_from: 91, count_from: 151 });
    }
    // The log was truncated, and the poison with it.
    for (marker, high) in [(100, 100), (100, 150), (150, 150)] {
        let before: Vec<Event> = [INSERTING, &[flood, Event::Waited]].concat();
        let truncated = Event::MarkerRead { marker: Some(marker), low: 20, high, replaced: false };
        let consume = Action::Consume { remember_from: marker - 60, count_from: marker };
        check(&before, truncated, consume);
    }
    // Whoever gets the partition anew reads for himself.
    let again: Vec<Event> = [READY, &[flood, Event::Revoked, Event::Assigned]].concat();
    check(&again, read(100), Action::Consume { remember_from: 40, count_from: 100 });
}

#[test]
fn a_stopped_partition_does_nothing_but_wait_until_it_is_revoked() {
    for event in [Event::Unreadable, read(100), Event::Sealed(RANGE), Event::Assigned, Event::LogLost] {
        check(&[Event::Assigned, read(19)], event, Action::Idle);
    }
    check(&[Event::Assigned, read(19)], Event::Revoked, Action::Release);
    check(&[Event::Assigned, read(19), Event::Revoked], Event::Assigned, Action::ReadMarker);
}

#[test]
fn a_batch_is_inserted_only_where_the_marker_stands() {
    check(READY, Event::Sealed(RANGE), Action::Insert(RANGE));
    check(READY, Event::Sealed(Range { first: 99, next: 150 }), Action::ReadMarker);
    check(READY, Event::Sealed(Range { first: 101, next: 150 }), Action::ReadMarker);
}

#[test]
fn an_insert_that_landed_advances() {
    check(INSERTING, Event::Answered(Answer::Inserted), Action::Advance(RANGE));
    let mut partition = after(INSERTING);
    partition.step(Event::Answered(Answer::Inserted));
    assert_eq!(partition.marker(), Some(150));
    let next = Range { first: 150, next: 151 };
    assert_eq!(partition.step(Event::Sealed(next)), Action::Insert(next));
}

#[test]
fn a_fenced_insert_reads_the_marker_at_once_and_believes_it() {
    check(INSERTING, Event::Answered(Answer::Fenced), Action::ReadMarker);
    // It had landed.
    check(FENCED, read(150), Action::Advance(RANGE));
    // Somebody else counted: drop the batch and begin where they ended.
    check(FENCED, read(170), Action::ReadMarker);
    let again: Vec<Event> = [FENCED, &[read(170)]].concat();
    check(&again, read(170), Action::Consume { remember_from: 110, count_from: 170 });
}

#[test]
fn an_insert_without_a_clear_answer_waits_and_lets_the_marker_decide() {
    check(INSERTING, Event::Answered(Answer::Unknown), wait_ms(50));
    check(&DOUBTING[..4], Event::Waited, Action::ReadMarker);
    check(DOUBTING, read(150), Action::Advance(RANGE));
    check(DOUBTING, read(100), Action::Insert(RANGE));
    check(DOUBTING, read(120), Action::ReadMarker);
    check(
        DOUBTING,
        Event::MarkerRead { marker: None, low: 20, high: 1000, replaced: false },
        Action::ReadMarker,
    );
}

#[test]
fn doubt_lasts_until_clickhouse_answers_and_asks_less_and_less_often() {
    let mut partition = after(INSERTING);
    let mut waits = vec![partition.step(Event::Answered(Answer::Unknown))];
    for _ in 0..7 {
        assert_eq!(partition.step(Event::Waited), Action::ReadMarker);
        waits.push(partition.step(Event::Unreadable));
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000].map(wait_ms));
    partition.step(Event::Waited);
    assert_eq!(partition.step(read(150)), Action::Advance(RANGE));
    // The next doubt begins patient again.
    partition.step(Event::Sealed(Range { first: 150, next: 160 }));
    assert_eq!(partition.step(Event::Answered(Answer::Unknown)), wait_ms(50));
}

#[test]
fn a_running_insert_is_waited_for_then_killed_and_then_the_marker_decides() {
    let mut partition = after(INSERTING);
    assert_eq!(partition.step(Event::Answered(Answer::AlreadyRunning)), wait_ms(50));
    assert_eq!(partition.step(Event::Waited), Action::Insert(RANGE));
    assert_eq!(partition.step(Event::Answered(Answer::AlreadyRunning)), wait_ms(100));
    assert_eq!(partition.step(Event::Waited), Action::KillInsert);
    assert_eq!(partition.step(Event::Killed), wait_ms(200));
    assert_eq!(partition.step(Event::Waited), Action::ReadMarker);
    assert_eq!(partition.step(read(100)), Action::Insert(RANGE));
}

#[test]
fn an_insert_that_waited_for_another_takes_every_answer_like_the_first() {
    let yielding: Vec<Event> =
        [INSERTING, &[Event::Answered(Answer::AlreadyRunning), Event::Waited]].concat();
    check(&yielding, Event::Answered(Answer::Inserted), Action::Advance(RANGE));
    check(&yielding, Event::Answered(Answer::Fenced), Action::ReadMarker);
    check(&yielding, Event::Answered(Answer::Unknown), wait_ms(100));
}

#[test]
fn a_revoke_releases_at_once_in_every_state() {
    for before in [&[][..], ASSIGNED, READY, IDLE, INSERTING, DOUBTING, FENCED] {
        check(before, Event::Revoked, Action::Release);
        let mut partition = after(before);
        partition.step(Event::Revoked);
        assert_eq!(partition.marker(), None);
        // Answers that come too late are nobody's.
        assert_eq!(partition.step(Event::Answered(Answer::Inserted)), Action::Idle);
    }
}

#[test]
fn a_log_that_no_longer_serves_its_offset_is_looked_at_again_after_a_pause() {
    for before in [READY, INSERTING, DOUBTING] {
        let mut partition = after(before);
        assert!(matches!(partition.step(Event::LogLost), Action::Wait(_)));
        assert_eq!(partition.step(Event::Waited), Action::ReadMarker);
        let gone = Event::MarkerRead { marker: Some(100), low: 300, high: 1000, replaced: false };
        let lost = StopReason::MarkerBelowLog { marker: 100, low: 300 };
        assert_eq!(partition.step(gone), Action::Stop(lost));
    }
}

#[test]
fn a_flood_of_poison_stops_the_partition_whatever_it_does() {
    for before in [READY, IDLE, INSERTING, DOUBTING] {
        let flood = StopReason::PoisonFlood { from: 160 };
        check(before, Event::PoisonFlood { from: 160 }, Action::Stop(flood));
    }
}

#[test]
fn what_does_not_belong_to_a_state_changes_nothing() {
    check(READY, Event::Waited, Action::Idle);
    check(READY, Event::Answered(Answer::Inserted), Action::Idle);
    check(INSERTING, Event::Sealed(RANGE), Action::Idle);
    check(INSERTING, read(100), Action::Idle);
    check(READY, Event::Assigned, Action::Idle);
}

#[test]
fn an_idle_partition_looks_whether_its_marker_still_stands_and_reads_on_when_it_does() {
    check(READY, Event::Idle, Action::ReadMarker);
    check(IDLE, read(100), Action::Idle);
    // ClickHouse or Kafka is away: nothing is given up, and it looks again later.
    check(IDLE, Event::Unreadable, Action::Idle);
    for answer in [read(100), Event::Unreadable] {
        let mut partition = after(&[IDLE, &[answer]].concat());
        assert_eq!(partition.marker(), Some(100));
        assert_eq!(partition.step(Event::Idle), Action::ReadMarker);
        partition.step(answer);
        assert_eq!(partition.step(Event::Sealed(RANGE)), Action::Insert(RANGE));
    }
}

#[test]
fn an_idle_partition_begins_again_when_somebody_moved_its_marker_or_its_log_was_lost() {
    check(IDLE, read(170), Action::ReadMarker);
    check(&[IDLE, &[read(170)]].concat(), read(170), Action::Consume { remember_from: 110, count_from: 170 });
    for (marker, low, high) in [(None, 20, 1000), (Some(100), 101, 1000), (Some(100), 20, 99)] {
        check(IDLE, Event::MarkerRead { marker, low, high, replaced: false }, Action::ReadMarker);
    }
    let truncated = Event::MarkerRead { marker: Some(100), low: 20, high: 99, replaced: false };
    let stop = Action::Stop(StopReason::MarkerAboveLog { marker: 100, high: 99 });
    check(&[IDLE, &[truncated]].concat(), truncated, stop);
    // The shell found another source: its marker says nothing about what was read under this one.
    assert!(matches!(after(IDLE).step(Event::LogLost), Action::Wait(_)));
}

#[test]
fn a_batch_does_not_wait_for_the_look_of_an_idle_partition_but_takes_its_place() {
    check(IDLE, Event::Sealed(RANGE), Action::Insert(RANGE));
    check(IDLE, Event::Sealed(Range { first: 99, next: 150 }), Action::ReadMarker);
    // Its insert compares the marker, and an answer to the look that comes late is nobody's.
    check(&[IDLE, &[Event::Sealed(RANGE)]].concat(), read(170), Action::Idle);
}

#[test]
fn only_a_partition_without_anything_in_flight_looks_when_it_is_idle() {
    for before in [&[][..], ASSIGNED, INSERTING, DOUBTING, FENCED, IDLE, &[Event::Assigned, read(19)]] {
        check(before, Event::Idle, Action::Idle);
    }
}
