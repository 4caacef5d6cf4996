//! What a rebuild does, for people: steps enter, bars on a terminal and plain lines elsewhere leave, on standard error.

use callmeter_aggregator::rebuild::{Tell, plan::Plan};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one rebuild.
pub(crate) struct Progress {
    swap: bool,
    into: String,
    /// `None` where there is no terminal.
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

struct State {
    bars: BTreeMap<i32, ProgressBar>,
    /// Records counted, and to be counted, by partition.
    counts: BTreeMap<i32, (i64, i64)>,
    told: Instant,
}

impl Progress {
    /// Shows nothing yet.
    pub(crate) fn start(swap: bool, into: &str) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let state = State { bars: BTreeMap::new(), counts: BTreeMap::new(), told: Instant::now() };
        Self { swap, into: into.to_owned(), bars, state: Mutex::new(state) }
    }

    /// Shows one step.
    pub(crate) fn tell(&self, tell: Tell) {
        match tell {
            Tell::Planned(plan) => self.planned(&plan),
            Tell::Line(line) => self.line(&line),
            Tell::Counted { partition, first, next, until } => {
                self.counted(partition, next - first, until - first)
            }
        }
    }

    fn planned(&self, plan: &Plan) {
        let firsts: Vec<String> =
            plan.starts.iter().map(|start| format!("{}:{}", start.partition, start.first)).collect();
        let windows = match jiff::Timestamp::from_second(plan.cut_s) {
            Ok(cut) if plan.cut_s > 0 => format!("windows from {cut} on"),
            _ => "all windows".to_owned(),
        };
        let book = match plan.price_book.as_str() {
            "" => "no price book".to_owned(),
            book => format!("price book {book}"),
        };
        let (windows, into) = (&windows, &self.into);
        self.line(&format!(
            "counting anew from {} (partition:offset) into {into}: {windows}, {book}",
            firsts.join(",")
        ));
        if let Some(bars) = &self.bars {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            for partition in plan.starts.iter().map(|start| start.partition) {
                state.bars.insert(partition, bars.add(bar(partition)));
            }
        }
        if self.swap {
            self.line(&format!(
                "then {windows} of deltas are replaced; the table as it was stays under another name"
            ));
        }
    }

    fn counted(&self, partition: i32, done: i64, all: i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bars) = &self.bars {
            let bar = state.bars.entry(partition).or_insert_with(|| bars.add(bar(partition)));
            bar.set_length(all.max(0) as u64);
            bar.set_position(done.max(0) as u64);
            return;
        }
        state.counts.insert(partition, (done, all));
        if state.told.elapsed() >= LINE_EVERY {
            state.told = Instant::now();
            let (done, all) =
                state.counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
            drop(state);
            self.line(&format!("{done} of {all} records"));
        }
    }

    fn line(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Takes the bars away.
    pub(crate) fn end(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bars.values().for_each(ProgressBar::finish_and_clear);
    }
}

fn bar(partition: i32) -> ProgressBar {
    let bar = ProgressBar::no_length().with_message(format!("partition {partition}"));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
