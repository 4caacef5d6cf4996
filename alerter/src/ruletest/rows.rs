//! Rows of a test: its input series enter, one rollup row per step and key leaves, each with the time at which it is known.
//!
//! Promise: pure. Samples that no stored row could hold, such as more errors than calls, are mistakes of the
//! test. As live, a sample is part of the stored window in which its step lies, and is known from its step on.

use crate::{
    replay::{
        limits::{Limit, Told},
        row::{Key, Row, Sums},
    },
    ruletest::series::Measure,
};
use callmeter_documents::{Problems, duration};
use callmeter_schemas::{
    Amount,
    histogram::{MAX_LATENCY_US, bucket_of},
    money::SCALE,
};
use std::{collections::BTreeMap, time::Duration};

/// One series of a test.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) line: u64,
    /// Its field, for mistakes.
    pub(crate) path: String,
    pub(crate) measure: Measure,
    pub(crate) key: Key,
    pub(crate) samples: Vec<Option<Amount>>,
}

/// What is known from some time on.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// Since the start of the test.
    pub after: Duration,
    /// What it is.
    pub fact: Fact,
}

/// What a step of a test leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Calls.
    Calls(Row),
    /// What was told of a limit.
    Limit(Limit),
}

/// How a test's time lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// From sample to sample.
    pub(crate) interval: Duration,
    /// Length of the stored windows.
    pub(crate) stored: Duration,
    /// Start of the test, seconds since 1970.
    pub(crate) start: u32,
}

/// The rows of all series, in the order of time.
pub(crate) fn rows(series: &[Series], steps: Steps, problems: &mut Problems) -> Vec<Timed> {
    let mut by_key: BTreeMap<(bool, &Key), Vec<&Series>> = BTreeMap::new();
    series.iter().for_each(|one| {
        by_key.entry((one.measure.is_of_limits(), &one.key)).or_default().push(one);
    });
    let mut rows = Vec::new();
    for ((is_limit, key), mut series) in by_key {
        if is_limit {
            rows.extend(limits(key, &series, steps, problems));
            continue;
        }
        // What is part of the calls, or the rest of them, comes after what it is part of.
        series.sort_by_key(|one| one.measure.turn());
        for one in &series {
            if let Some(message) = first_mistake(one, &series, steps) {
                problems.add(one.line, &one.path, message, None);
            }
        }
        let count = series.iter().map(|one| one.samples.len()).max().unwrap_or(0);
        for step in 0..count {
            let sums = sums(&series, step).unwrap_or_default();
            if sums != Sums::default() {
                let after = steps.after(step);
                let row = Row { window_start: steps.window(after), key: key.clone(), sums };
                rows.push(Timed { after, fact: Fact::Calls(row) });
            }
        }
    }
    rows.sort_by_key(|timed| timed.after);
    rows
}

/// What is told of one limit, step by step; the whole of it is as it was told last.
fn limits(key: &Key, series: &[&Series], steps: Steps, problems: &mut Problems) -> Vec<Timed> {
    let of = |measure| series.iter().copied().find(move |one| one.measure == measure);
    let (limit, remaining, resets_in) =
        (of(Measure::QuotaLimit), of(Measure::QuotaRemaining), of(Measure::QuotaResetsIn));
    for one in series {
        let mistake = one.samples.iter().flatten().find_map(|sample| whole(*sample).err());
        if let Some(message) = mistake {
            problems.add(one.line, &one.path, message, None);
        }
    }
    let count =
        |one: Option<&Series>, step| one.and_then(|one| sample_of(one, step)).and_then(|at| whole(at).ok());
    let (mut timed, mut known) = (Vec::new(), None);
    for step in 0..series.iter().map(|one| one.samples.len()).max().unwrap_or(0) {
        known = count(limit, step).or(known);
        if !series.iter().any(|one| sample_of(one, step).is_some()) {
            continue;
        }
        let after = steps.after(step);
        let observed_us = (i64::from(steps.start) + after.as_secs() as i64) * 1_000_000;
        let reset =
            count(resets_in, step).and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000_000));
        let told = Told {
            observed_us,
            limit: known,
            remaining: count(remaining, step),
            reset_us: reset.and_then(|reset| reset.checked_add(observed_us)),
        };
        let limit = Limit { window_start: steps.window(after), key: key.clone(), told, answers: 1 };
        timed.push(Timed { after, fact: Fact::Limit(limit) });
    }
    timed
}

impl Steps {
    fn after(self, step: usize) -> Duration {
        self.interval.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX))
    }

    /// Start of the stored window in which a time of the test lies.
    fn window(self, after: Duration) -> u32 {
        let stored = self.stored.as_secs().max(1);
        let at = u64::from(self.start).saturating_add(after.as_secs());
        u32::try_from(at - at % stored).unwrap_or(u32::MAX)
    }
}

impl Measure {
    fn is_of_limits(self) -> bool {
        matches!(self, Self::QuotaRemaining | Self::QuotaLimit | Self::QuotaResetsIn)
    }

    /// Calls come first, the rest of the measured ones last.
    fn turn(self) -> u8 {
        match self {
            Self::Calls => 0,
            Self::LatencyMs(None) => 2,
            _ => 1,
        }
    }
}

/// What is wrong with a series at the first step where something is.
fn first_mistake(one: &Series, series: &[&Series], steps: Steps) -> Option<String> {
    (0..one.samples.len()).find_map(|step| {
        let before = series.iter().copied().take_while(|other| !std::ptr::eq(*other, one));
        let before: Vec<&Series> = before.filter(|other| sample_of(other, step).is_some()).collect();
        // A mistake of an earlier series is told there.
        let mut sums = sums(&before, step).ok()?;
        let message = add(one, step, &mut sums).err()?;
        Some(format!("at {}: {message}", duration::print(steps.after(step))))
    })
}

fn sums(series: &[&Series], step: usize) -> Result<Sums, String> {
    let mut sums = Sums::default();
    series.iter().try_for_each(|one| add(one, step, &mut sums))?;
    Ok(sums)
}

fn sample_of(series: &Series, step: usize) -> Option<Amount> {
    series.samples.get(step).copied().flatten()
}

/// Adds one sample, if there is one at this step.
fn add(series: &Series, step: usize, sums: &mut Sums) -> Result<(), String> {
    let Some(sample) = sample_of(series, step) else { return Ok(()) };
    match series.measure {
        Measure::Calls => sums.calls = plus(sums.calls, sample)?,
        Measure::Errors(class) => {
            let count = whole(sample)?;
            sums.errors = part(sums.errors.saturating_add(count), sums.calls, "errors")?;
            let of_class = sums.errors_by_class.entry(class).or_default();
            *of_class = of_class.saturating_add(count);
        }
        Measure::Retried => sums.retried = part(plus(sums.retried, sample)?, sums.calls, "retried calls")?,
        Measure::LatencyMs(count) => measure(sample, count, sums)?,
        Measure::BytesIn => sums.bytes_in = plus(sums.bytes_in, sample)?,
        Measure::BytesOut => sums.bytes_out = plus(sums.bytes_out, sample)?,
        Measure::Cost => sums.cost = sums.cost.saturating_add(sample.units()),
        // They stand apart from calls.
        Measure::QuotaRemaining | Measure::QuotaLimit | Measure::QuotaResetsIn => {}
    }
    Ok(())
}

fn measure(sample: Amount, count: Option<u64>, sums: &mut Sums) -> Result<(), String> {
    let rest = sums.calls.saturating_sub(sums.measured());
    let count = count.unwrap_or(rest);
    if count > rest || count == 0 {
        return Err("latency of more calls than there are: give calls{…} with the same labels, or _".into());
    }
    let us = u64::try_from(sample.units() / 10_i128.pow(SCALE - 3)).ok().filter(|us| *us <= MAX_LATENCY_US);
    let us = us.ok_or("a latency is between 0 and 1099511627 ms")?;
    sums.latency_us = sums.latency_us.saturating_add(us.saturating_mul(count));
    let bucket = sums.latency.entry(bucket_of(us)).or_default();
    *bucket = bucket.saturating_add(count);
    Ok(())
}

fn part(part: u64, calls: u64, what: &str) -> Result<u64, String> {
    if part > calls {
        let advice = "each is a call too: give calls{…} with the same labels";
        return Err(format!("{part} {what} of {calls} calls; {advice}"));
    }
    Ok(part)
}

fn plus(sum: u64, sample: Amount) -> Result<u64, String> {
    whole(sample).map(|count| sum.saturating_add(count))
}

fn whole(sample: Amount) -> Result<u64, String> {
    let unit = 10_i128.pow(SCALE);
    let count = (sample.units() % unit == 0).then(|| u64::try_from(sample.units() / unit).ok()).flatten();
    count.ok_or_else(|| format!("{} is no count", sample.units() as f64 / unit as f64))
}
