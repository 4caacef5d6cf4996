//! Intervals as they stand in existing files, and moments in and out of them.

use super::*;
use callmeter_documents::{Problems, yaml};

fn interval(spans: &str) -> Result<TimeInterval, String> {
    let text = format!("{{name: x, time_intervals: {spans}}}");
    let mut problems = Problems::new("routing.yaml");
    let interval = read(&yaml::parse(&text).expect("YAML"), "time_intervals[0]", &mut problems);
    let mistakes: Vec<String> = problems.into_vec().iter().map(ToString::to_string).collect();
    if mistakes.is_empty() { Ok(interval.expect("read")) } else { Err(mistakes.join("\n")) }
}

#[track_caller]
fn check(spans: &str, within: &[&str], without: &[&str]) {
    let interval = interval(spans).expect("no mistakes");
    for (moments, wanted) in [(within, true), (without, false)] {
        for moment in moments {
            assert_eq!(interval.contains(moment.parse().expect("a time")), wanted, "{spans} {moment}");
        }
    }
}

#[test]
fn every_field_holds_and_one_of_its_ranges_does() {
    let hours =
        "[{times: [{start_time: '09:00', end_time: '17:00'}, {start_time: '23:00', end_time: '24:00'}]}]";
    check(
        hours,
        &["2026-11-20T09:00:00Z", "2026-11-20T16:59:59Z", "2026-11-20T23:59:59Z"],
        &["2026-11-20T08:59:59Z", "2026-11-20T17:00:00Z", "2026-11-20T00:00:00Z"],
    );
    let office = "[{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]";
    check(office, &["2026-11-20T12:00:00Z"], &["2026-11-21T12:00:00Z", "2026-11-20T18:00:00Z"]);
    check(
        "[{weekdays: [Saturday, sunday]}]",
        &["2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"],
        &["2026-11-20T12:00:00Z"],
    );
    check(
        "[{months: ['december:december', 1, 'march:may']}]",
        &["2026-12-31T23:00:00Z", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"],
        &["2026-02-01T00:00:00Z"],
    );
    check(
        "[{years: ['2026:2027', 2030]}]",
        &["2027-12-31T23:00:00Z", "2030-01-01T00:00:00Z"],
        &["2028-01-01T00:00:00Z"],
    );
    check(
        "[{weekdays: [monday]}, {months: [may]}]",
        &["2026-05-02T00:00:00Z", "2026-06-01T00:00:00Z"],
        &["2026-06-02T00:00:00Z"],
    );
    check("[{}]", &["2026-05-02T00:00:00Z"], &[]);
    check("[]", &[], &["2026-05-02T00:00:00Z"]);
}

#[test]
fn days_of_a_month_count_from_either_end_and_are_cut_at_a_shorter_one() {
    check(
        "[{days_of_month: ['-1']}]",
        &["2026-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2026-11-30T00:00:00Z"],
        &["2024-02-28T00:00:00Z", "2026-12-30T00:00:00Z"],
    );
    check(
        "[{days_of_month: ['1:3', '-3:-1']}]",
        &["2026-02-01T00:00:00Z", "2026-02-26T00:00:00Z"],
        &["2026-02-04T00:00:00Z", "2026-02-25T00:00:00Z"],
    );
    check(
        "[{days_of_month: ['28:31']}]",
        &["2026-02-28T00:00:00Z"],
        &["2026-03-01T00:00:00Z", "2026-02-27T00:00:00Z"],
    );
    check("[{days_of_month: ['31']}]", &["2026-12-31T00:00:00Z"], &["2026-11-30T00:00:00Z"]);
    check("[{days_of_month: ['5:-2']}]", &["2026-02-27T00:00:00Z"], &["2026-02-28T00:00:00Z"]);
    check("[{days_of_month: ['-31:-30']}]", &["2026-12-01T00:00:00Z"], &["2026-02-01T00:00:00Z"]);
}

#[test]
fn clock_and_calendar_are_those_of_the_location_over_a_change_of_its_time() {
    let morning = "[{times: [{start_time: '08:00', end_time: '09:00'}], location: Europe/Berlin}]";
    check(
        morning,
        &["2026-10-24T06:30:00Z", "2026-10-26T07:30:00Z"],
        &["2026-10-24T07:30:00Z", "2026-10-26T06:30:00Z"],
    );
    check(
        "[{weekdays: [friday], location: Asia/Tokyo}]",
        &["2026-11-19T15:00:00Z"],
        &["2026-11-20T15:00:00Z"],
    );
}

#[test]
fn what_no_moment_can_lie_in_is_refused() {
    let mistakes = [
        "[{times: [{start_time: '22:00', end_time: '06:00'}]}]",
        "[{times: [{start_time: '9:00', end_time: '24:01'}]}]",
        "[{weekdays: ['friday:monday', mondey]}]",
        "[{days_of_month: [0, '-1:5', '5:1', 32]}]",
        "[{months: ['may:march', 13, juni]}]",
        "[{years: [x]}]",
        "[{location: Europe/Berln}]",
        "[{location: Local}]",
        "[{weekday: [monday]}]",
    ];
    let told: Vec<String> = mistakes.iter().map(|spans| interval(spans).expect_err(spans)).collect();
    insta::assert_snapshot!(told.join("\n"), @"
routing.yaml:1: time_intervals[0].time_intervals[0].times[0]: start_time must be before end_time; write a span over midnight as two
routing.yaml:1: time_intervals[0].time_intervals[0].times[0].start_time: a time from 00:00 to 24:00 is expected here, in quotes
routing.yaml:1: time_intervals[0].time_intervals[0].times[0].end_time: a time from 00:00 to 24:00 is expected here, in quotes
routing.yaml:1: time_intervals[0].time_intervals[0].weekdays[0]: the range ends before it begins; write it as two
routing.yaml:1: time_intervals[0].time_intervals[0].weekdays[1]: `mondey` is none of weekdays, nor a range of them such as a:b (did you mean `monday`?)
routing.yaml:1: time_intervals[0].time_intervals[0].days_of_month[0]: a day from 1 to 31, from -31 to -1 counted from the end, or a range a:b is expected here
routing.yaml:1: time_intervals[0].time_intervals[0].days_of_month[1]: the range ends before it begins; write it as two
routing.yaml:1: time_intervals[0].time_intervals[0].days_of_month[2]: the range ends before it begins; write it as two
routing.yaml:1: time_intervals[0].time_intervals[0].days_of_month[3]: a day from 1 to 31, from -31 to -1 counted from the end, or a range a:b is expected here
routing.yaml:1: time_intervals[0].time_intervals[0].months[0]: the range ends before it begins; write it as two
routing.yaml:1: time_intervals[0].time_intervals[0].months[1]: `13` is none of months, nor a range of them such as a:b
routing.yaml:1: time_intervals[0].time_intervals[0].months[2]: `juni` is none of months, nor a range of them such as a:b (did you mean `june`?)
routing.yaml:1: time_intervals[0].time_intervals[0].years[0]: `x` is none of years, nor a range of them such as a:b
routing.yaml:1: time_intervals[0].time_intervals[0].location: `Europe/Berln` is not a time zone such as Europe/Berlin
routing.yaml:1: time_intervals[0].time_intervals[0].location: `Local` is not a time zone such as Europe/Berlin
routing.yaml:1: time_intervals[0].time_intervals[0].weekday: unknown key (did you mean `weekdays`?)
");
}
