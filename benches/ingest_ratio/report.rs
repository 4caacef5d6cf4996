//! The result: measurements enter, a table on standard output, `ingest.json` and `ingest.svg` leave.

use crate::svg;
use anyhow::Context;
use callmeter_harness::spread::{Spread, quantile};
use serde_json::json;
use std::{path::Path, time::Duration};

/// What one server used for one load.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Measured {
    fn us_per_event(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.events as f64
    }
}

/// One batch size over all rounds.
pub(crate) struct Case {
    pub(crate) batch: usize,
    pub(crate) event_bytes: f64,
    rounds: Vec<(Measured, Measured)>,
}

impl Case {
    pub(crate) fn new(batch: usize) -> Self {
        Self { batch, event_bytes: 0.0, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, ingest: &Measured, parse_only: &Measured) {
        self.rounds.push((*ingest, *parse_only));
    }

    /// The round that was added last, in words.
    pub(crate) fn last(&self) -> String {
        let pair =
            self.rounds.last().map(|(ingest, control)| (ingest.us_per_event(), control.us_per_event()));
        let (ingest, control) = pair.unwrap_or_default();
        format!(
            "ingest {ingest:.2}, parse-only {control:.2} µs of CPU per event, ratio {:.2}",
            ingest / control
        )
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        spread(self.rounds.iter().map(|(ingest, _)| ingest.requests as f64 / ingest.seconds)).median
    }

    fn ingest_us(&self) -> Spread {
        spread(self.rounds.iter().map(|(ingest, _)| ingest.us_per_event()))
    }

    fn parse_only_us(&self) -> Spread {
        spread(self.rounds.iter().map(|(_, control)| control.us_per_event()))
    }

    pub(crate) fn ratio(&self) -> Spread {
        spread(self.rounds.iter().map(|(ingest, control)| ingest.us_per_event() / control.us_per_event()))
    }

    /// The most that the ratio may be.
    pub(crate) fn target(&self) -> f64 {
        if self.batch == 1 { 1.25 } else { 2.3 }
    }
}

/// Ack times in ms, by round.
pub(crate) struct Acks {
    linger_ms: u64,
    per_second: f64,
    /// p50 and p99 of ingest, then of Kafka alone.
    rounds: Vec<[f64; 4]>,
}

impl Acks {
    pub(crate) fn new(linger_ms: u64, per_second: f64) -> Self {
        Self { linger_ms, per_second, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, ingest: &[Duration], alone: &[Duration]) {
        let ms =
            |times: &[Duration], share| quantile(times, share).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        self.rounds.push([ms(ingest, 0.5), ms(ingest, 0.99), ms(alone, 0.5), ms(alone, 0.99)]);
    }

    pub(crate) fn last(&self) -> String {
        let [p50, p99, alone_p50, alone_p99] = self.rounds.last().copied().unwrap_or_default();
        format!("ingest p50 {p50:.1}, p99 {p99:.1} ms; kafka alone p50 {alone_p50:.1}, p99 {alone_p99:.1} ms")
    }

    fn of(&self, place: usize) -> Spread {
        spread(self.rounds.iter().map(|round| round[place]))
    }

    /// The most that the p99 of ingest may be.
    fn bound_ms(&self) -> Spread {
        spread(self.rounds.iter().map(|round| self.linger_ms as f64 + 2.0 * round[3]))
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) cases: Vec<Case>,
    pub(crate) acks: Acks,
    /// Most memory of ingest and of the control, MiB.
    pub(crate) memory_mib: (f64, f64),
    pub(crate) seed: u64,
    /// Requests per second that both were sent; `None` when as fast as they answered.
    pub(crate) pace: Option<f64>,
    /// Events that the topic holds.
    pub(crate) events: u64,
}

impl Report {
    /// Prints the table and writes the files.
    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        println!("{}", self.table());
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        std::fs::write(out.join("ingest.json"), format!("{:#}\n", self.json()))?;
        std::fs::write(out.join("ingest.svg"), svg::chart(&self.cases))?;
        println!("written: {}/ingest.json, ingest.svg", out.display());
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = match self.pace {
            Some(pace) => format!("both were sent {pace} requests per second, as far as they took them\n"),
            None => "both were sent requests as fast as they answered\n".to_owned(),
        };
        table += &format!(
            "{:>6} {:>8} {:>24} {:>24} {:>24} {:>7}\n",
            "batch", "B/event", "ingest µs CPU/event", "parse-only µs CPU/event", "ratio", "target"
        );
        for case in &self.cases {
            table += &format!(
                "{:>6} {:>8.0} {:>24} {:>24} {:>24} {:>7}\n",
                case.batch,
                case.event_bytes,
                case.ingest_us(),
                case.parse_only_us(),
                case.ratio(),
                case.target()
            );
        }
        let acks = &self.acks;
        table += &format!(
            "ack of single events at {:.0}/s, linger {} ms: ingest p50 {} p99 {} ms; kafka alone (linger 0) p50 {} p99 {} ms; \
             bound {} ms\n",
            acks.per_second,
            acks.linger_ms,
            acks.of(0),
            acks.of(1),
            acks.of(2),
            acks.of(3),
            acks.bound_ms()
        );
        table += &format!(
            "memory at most: ingest {:.0} MiB, parse-only {:.0} MiB\n",
            self.memory_mib.0, self.memory_mib.1
        );
        table + &format!("every answer was 202; the topic grew by the {} accepted events", self.events)
    }

    fn json(&self) -> serde_json::Value {
        let cases = self.cases.iter().map(|case| {
            json!({
                "batch": case.batch,
                "event_bytes": case.event_bytes,
                "ingest_us_per_event": case.ingest_us(),
                "parse_only_us_per_event": case.parse_only_us(),
                "ratio": case.ratio(),
                "target": case.target(),
                "ingest_requests_per_second": case.requests_per_second(),
            })
        });
        let acks = &self.acks;
        json!({
            "seed": self.seed,
            "requests_per_second": self.pace,
            "rounds": acks.rounds.len(),
            "events": self.events,
            "cases": cases.collect::<Vec<_>>(),
            "ack_ms": {
                "linger": acks.linger_ms,
                "per_second": acks.per_second,
                "ingest_p50": acks.of(0),
                "ingest_p99": acks.of(1),
                "kafka_alone_p50": acks.of(2),
                "kafka_alone_p99": acks.of(3),
                "bound": acks.bound_ms(),
            },
            "peak_memory_mib": {"ingest": self.memory_mib.0, "parse_only": self.memory_mib.1},
        })
    }
}

/// Of the rounds, of which there is one at least.
fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    Spread::of(values).unwrap_or_default()
}
