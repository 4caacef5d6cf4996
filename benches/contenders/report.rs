//! Figures become ratios, a table, JSON and SVG; nothing is read or written.
//!
//! A ratio is taken within one round, because a machine's speed drifts between rounds; shown are the median of the
//! rounds' ratios and the range of all of them.

use crate::{
    contender::{Contender, Figures},
    log::Log,
};
use callmeter_harness::spread::Spread;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// Who stands above the line of a ratio.
const NUMERATORS: [Contender; 2] = [Contender::Callmeter, Contender::CallmeterRollups];
const MIB: f64 = 1_048_576.0;

/// All rounds on one log.
#[derive(Debug)]
pub(crate) struct Series {
    /// What was read.
    pub(crate) log: Log,
    /// CPU seconds per second of an idle ClickHouse.
    pub(crate) idle: f64,
    /// CPU of the aggregator's start.
    pub(crate) startup: Duration,
    /// What each contender used, round by round.
    pub(crate) rounds: Vec<BTreeMap<Contender, Figures>>,
}

impl Series {
    pub(crate) fn contenders(&self) -> impl Iterator<Item = Contender> {
        let played = |contender: &&Contender| self.rounds.iter().any(|round| round.contains_key(contender));
        Contender::value_variants().iter().filter(played).copied()
    }

    fn spread(&self, contender: Contender, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| round.get(&contender)).map(value))
    }

    pub(crate) fn median(&self, contender: Contender, value: impl Fn(&Figures) -> f64) -> f64 {
        self.spread(contender, value).map_or(f64::NAN, |spread| spread.median)
    }

    pub(crate) fn per_event(&self, cpu: Duration) -> f64 {
        cpu.as_nanos() as f64 / self.log.shape.events as f64
    }

    /// One contender's CPU divided by another's, round by round.
    fn ratio(
        &self,
        above: Contender,
        below: Contender,
        cpu: impl Fn(&Figures) -> Duration,
    ) -> Option<Spread> {
        let in_round = |round: &BTreeMap<Contender, Figures>| {
            Some(cpu(round.get(&above)?).as_secs_f64() / cpu(round.get(&below)?).as_secs_f64())
        };
        Spread::of(self.rounds.iter().filter_map(in_round))
    }

    fn pairs(&self) -> impl Iterator<Item = (Contender, Contender)> {
        let below = || self.contenders().filter(|contender| !NUMERATORS.contains(contender));
        let above = self.contenders().filter(|contender| NUMERATORS.contains(contender));
        above.flat_map(move |above| below().map(move |below| (above, below)))
    }

    pub(crate) fn title(&self) -> String {
        let Log { shape, value_bytes, repeated, .. } = &self.log;
        format!(
            "{} events of {} B Avro ({} repeated), {} keys, {} partitions, {:?} keys, seed {}: medians of {} rounds",
            shape.events,
            value_bytes / shape.events,
            repeated.calls,
            shape.keys,
            shape.partitions,
            shape.skew,
            shape.seed,
            self.rounds.len()
        )
    }
}

/// One turn in one line.
pub(crate) fn line(contender: Contender, figures: &Figures, events: u64) -> String {
    let per_event = |cpu: Duration| cpu.as_nanos() as f64 / events as f64;
    format!(
        "{:<18} {:>7.0} ns per event, ClickHouse {:>7.0}, {:.1} s",
        contender.name(),
        per_event(figures.process.cpu),
        per_event(figures.clickhouse.cpu),
        figures.wall.as_secs_f64()
    )
}

/// What a person reads.
pub(crate) fn table(series: &Series) -> String {
    let mut text = format!("\n{}\n", series.title());
    let _ = writeln!(
        text,
        "{:<18} {:>12} {:>12} {:>12} {:>10} {:>14} {:>10} {:>7}",
        "", "ns/event", "+ClickHouse", "sum", "peak MiB", "ClickHouse MiB", "rows", "wall s"
    );
    for contender in series.contenders() {
        let _ = writeln!(
            text,
            "{:<18} {:>12.0} {:>12.0} {:>12.0} {:>10.0} {:>14.0} {:>10.0} {:>7.1}",
            contender.name(),
            series.median(contender, |figures| series.per_event(figures.process.cpu)),
            series.median(contender, |figures| series.per_event(figures.clickhouse.cpu)),
            series.median(contender, |figures| series.per_event(figures.total())),
            series.median(contender, |figures| figures.process.peak_bytes as f64 / MIB),
            series.median(contender, |figures| figures.clickhouse.peak_bytes as f64 / MIB),
            series.median(contender, |figures| figures.rows as f64),
            series.median(contender, |figures| figures.wall.as_secs_f64()),
        );
    }
    let _ = writeln!(text, "\n{:<38} {:<26} with ClickHouse's", "paired ratios of CPU", "own process");
    for (above, below) in series.pairs() {
        let show = |spread: Option<Spread>| spread.map_or_else(String::new, |spread| format!("{spread:.3}"));
        let own = show(series.ratio(above, below, Figures::aggregating));
        let total = show(series.ratio(above, below, Figures::total));
        let _ = writeln!(text, "{:<38} {own:<26} {total}", format!("{} ÷ {}", above.name(), below.name()));
    }
    let _ = writeln!(
        text,
        "taken off ClickHouse: {:.1} % of a core, its idling; within callmeter's: {} ms of CPU to start",
        series.idle * 100.0,
        series.startup.as_millis()
    );
    text
}

/// What a script reads. CPU in ns per event, times in s.
pub(crate) fn json(all: &[Series]) -> Value {
    all.iter().map(series_json).collect()
}

fn series_json(series: &Series) -> Value {
    let shape = series.log.shape;
    let contender = |contender: Contender| {
        let spread = |value: &dyn Fn(&Figures) -> f64| series.spread(contender, value);
        json!({
            "contender": contender.name(),
            "process_ns_per_event": spread(&|figures| series.per_event(figures.process.cpu)),
            "clickhouse_ns_per_event": spread(&|figures| series.per_event(figures.clickhouse.cpu)),
            "process_peak_bytes": spread(&|figures| figures.process.peak_bytes as f64),
            "clickhouse_peak_bytes": spread(&|figures| figures.clickhouse.peak_bytes as f64),
            "rows": spread(&|figures| figures.rows as f64),
            "wall_s": spread(&|figures| figures.wall.as_secs_f64()),
        })
    };
    let ratio = |(above, below): (Contender, Contender)| {
        json!({
            "of": above.name(),
            "to": below.name(),
            "process": series.ratio(above, below, Figures::aggregating),
            "with_clickhouse": series.ratio(above, below, Figures::total),
        })
    };
    json!({
        "events": shape.events, "keys": shape.keys, "partitions": shape.partitions,
        "skew": format!("{:?}", shape.skew).to_lowercase(), "seed": shape.seed,
        "value_bytes": series.log.value_bytes, "repeated": series.log.repeated.calls,
        "rounds": series.rounds.len(),
        "clickhouse_idle_cores": series.idle, "callmeter_start_ns": series.startup.as_nanos() as u64,
        "contenders": series.contenders().map(contender).collect::<Vec<_>>(),
        "ratios": series.pairs().map(ratio).collect::<Vec<_>>(),
    })
}
