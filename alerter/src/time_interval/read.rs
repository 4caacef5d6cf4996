//! Time intervals of the routing file: a node of YAML enters, a named interval leaves.
//!
//! Promise: pure; ranges that no moment can lie in are mistakes.

use super::{Span, TimeInterval};
use callmeter_documents::{Fields, Problems, closest, scalar, yaml::Node};
use jiff::tz::TimeZone;
use std::ops::RangeInclusive;

const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads one entry of `time_intervals`.
pub(crate) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<TimeInterval> {
    let mut fields = Fields::open(node, path, problems)?;
    fields.require("name", problems);
    let name = fields.text("name", problems);
    let items = fields.list("time_intervals", problems);
    fields.close(problems);
    let spans = items.into_iter().filter_map(|(path, node)| span(node, &path, problems)).collect();
    Some(TimeInterval { name: name?, spans })
}

fn span(node: &Node, path: &str, problems: &mut Problems) -> Option<Span> {
    let mut fields = Fields::open(node, path, problems)?;
    let times = fields.list("times", problems);
    let times = times.into_iter().filter_map(|(path, node)| time_range(node, &path, problems)).collect();
    let weekdays =
        ranges(&mut fields, "weekdays", |text| named(text, WEEKDAYS).map(|(place, _)| place), problems);
    let days_of_month = fields.list("days_of_month", problems);
    let days_of_month =
        days_of_month.into_iter().filter_map(|(path, node)| day_range(node, &path, problems)).collect();
    let months = ranges(&mut fields, "months", month, problems);
    let years = ranges(&mut fields, "years", |text| text.parse().ok().filter(|year| *year >= 0), problems);
    let zone = match fields.take("location") {
        Some(node) => zone(node, &fields.path("location"), problems)?,
        None => TimeZone::UTC,
    };
    fields.close(problems);
    Some(Span { times, weekdays, days_of_month, months, years, zone })
}

fn zone(node: &Node, path: &str, problems: &mut Problems) -> Option<TimeZone> {
    let name = scalar(node).unwrap_or_default();
    let zone = TimeZone::get(&name).ok().filter(|_| !name.eq_ignore_ascii_case("local"));
    if zone.is_none() {
        let message = format!("`{name}` is not a time zone such as Europe/Berlin");
        problems.add(node.line, path, message, None);
    }
    zone
}

fn time_range(node: &Node, path: &str, problems: &mut Problems) -> Option<(u16, u16)> {
    let mut fields = Fields::open(node, path, problems)?;
    let mut time = |key: &'static str| {
        let node = fields.need(key, problems)?;
        let minutes = scalar(node).as_deref().and_then(minutes);
        if minutes.is_none() {
            let message = "a time from 00:00 to 24:00 is expected here, in quotes";
            problems.add(node.line, &fields.path(key), message, None);
        }
        minutes
    };
    let (from, until) = (time("start_time"), time("end_time"));
    fields.close(problems);
    let (from, until) = (from?, until?);
    if from >= until {
        let message = "start_time must be before end_time; write a span over midnight as two";
        problems.add(node.line, path, message, None);
        return None;
    }
    Some((from, until))
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) =
        text.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

/// The texts of `a` or `a:b`.
fn ends(node: &Node) -> Option<(String, String)> {
    let text = scalar(node)?.to_ascii_lowercase();
    let (from, until) = text.split_once(':').unwrap_or((&text, &text));
    Some((from.trim().to_owned(), until.trim().to_owned()))
}

fn ranges<T: PartialOrd>(
    fields: &mut Fields<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Vec<RangeInclusive<T>> {
    let mut found = Vec::new();
    for (path, node) in fields.list(key, problems) {
        let texts = ends(node);
        let range = texts.as_ref().and_then(|(from, until)| Some(parse(from)?..=parse(until)?));
        match range {
            Some(range) if range.is_empty() => {
                problems.add(node.line, &path, "the range ends before it begins; write it as two", None);
            }
            Some(range) => found.push(range),
            None => {
                let text = scalar(node).unwrap_or_default();
                let meant =
                    closest(&text.to_ascii_lowercase(), if key == "weekdays" { WEEKDAYS } else { MONTHS });
                let message = format!("`{text}` is none of {key}, nor a range of them such as a:b");
                problems.add(node.line, &path, message, meant);
            }
        }
    }
    found
}

/// The place of a word in a list.
fn named<'w>(text: &str, words: &[&'w str]) -> Option<(i8, &'w str)> {
    (0..).zip(words.iter().copied()).find(|(_, word)| *word == text)
}

fn month(text: &str) -> Option<i8> {
    let named = named(text, MONTHS).map(|(place, _)| place + 1);
    named.or_else(|| text.parse().ok().filter(|month| (1..=12).contains(month)))
}

fn day_range(node: &Node, path: &str, problems: &mut Problems) -> Option<(i8, i8)> {
    let day = |text: &str| text.parse().ok().filter(|day: &i8| (-31..=31).contains(day) && *day != 0);
    let range = ends(node).and_then(|(from, until)| Some((day(&from)?, day(&until)?)));
    let message = match range {
        None => "a day from 1 to 31, from -31 to -1 counted from the end, or a range a:b is expected here",
        // The longest month decides: what it cannot hold, none can.
        Some((from, until)) if super::days(from, until, 31).is_empty() => {
            "the range ends before it begins; write it as two"
        }
        Some((from, until)) if from < 0 && until > 0 => {
            "a range that begins before the end of the month must end there"
        }
        Some(range) => return Some(range),
    };
    problems.add(node.line, path, message, None);
    None
}
