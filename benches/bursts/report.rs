//! The table: phases and probes enter, text leaves.

use crate::{probes::Asked, traffic::Answered, watch::Seen};
use callmeter_harness::spread::quantile;
use std::{fmt::Write, time::Instant};

/// One phase of the load and what was seen in it.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Events per second that were due.
    pub(crate) rate: u64,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    pub(crate) answered: Answered,
    pub(crate) seen: Seen,
}

/// A line for each figure, a column for each phase.
pub(crate) fn table(phases: &[Phase], asked: &Asked) -> String {
    let mut table = String::new();
    let mut line = |name: &str, value: &dyn Fn(&Phase) -> String| {
        // Writing to a String does not fail.
        let _ = write!(table, "{name:<34}");
        for phase in phases {
            let _ = write!(table, "{:>16}", value(phase));
        }
        table.push('\n');
    };
    line("", &|phase| phase.name.to_owned());
    line("offered, events/s", &|phase| phase.rate.to_string());
    line("accepted, events/s", &|phase| per_second(phase, phase.answered.accepted));
    line("refused (429, 503), events/s", &|phase| per_second(phase, phase.answered.refused));
    line("without an answer, events", &|phase| phase.answered.failed.to_string());
    line("not begun by the sender, events/s", &|phase| per_second(phase, phase.answered.held));
    for share in [0.5, 0.99] {
        let name = format!("ack p{:.0}, ms", share * 100.0);
        line(&name, &|phase| told(phase.answered.ack(share).map(|ack| ack.as_secs_f64() * 1e3)));
    }
    for share in [0.5, 0.99, 1.0] {
        let name = format!("sent to visible p{:.0}, ms", share * 100.0);
        line(&name, &|phase| {
            told(
                quantile(&asked.freshness(phase.from, phase.until), share)
                    .map(|time| time.as_secs_f64() * 1e3),
            )
        });
    }
    line("lag at most, records", &|phase| phase.seen.lag.to_string());
    line("batches stored per second", &|phase| format!("{:.1}", phase.seen.inserts_per_second));
    line("active parts at most", &|phase| phase.seen.parts.to_string());
    for (at, name) in ["ingest", "aggregator"].into_iter().enumerate() {
        line(&format!("{name}: memory, MiB"), &|phase| (phase.seen.peaks[at] >> 20).to_string());
    }
    for (at, name) in ["ingest", "aggregator", "ClickHouse"].into_iter().enumerate() {
        line(&format!("{name}: cores"), &|phase| format!("{:.2}", phase.seen.cores[at]));
    }
    table
}

fn per_second(phase: &Phase, events: u64) -> String {
    format!("{:.0}", events as f64 / (phase.until - phase.from).as_secs_f64())
}

fn told(ms: Option<f64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{ms:.0}"))
}
