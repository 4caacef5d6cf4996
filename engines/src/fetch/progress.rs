//! Shows how far a fetch has come. Enters: byte counts. Leaves: a bar on a terminal, plain lines elsewhere; all of it on
//! standard error, since standard output is for data.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// One download.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
}

impl Progress {
    pub(super) fn start(what: &str, total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            line(&format!("fetching {what} ({} MB, once)", total / 1_000_000));
            return Self { bar: None, total };
        }
        let bar = ProgressBar::new(total).with_message(format!("fetching {what}"));
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {elapsed}") {
            bar.set_style(style);
        }
        Self { bar: Some(bar), total }
    }

    /// Never shows a full bar before the end: the count is an estimate.
    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes.min(self.total / 100 * 99));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line for people.
pub(crate) fn line(text: &str) {
    eprintln!("{text}");
}
