//! The rule files in use: paths enter, a set of rules leaves whenever the files say something new.
//!
//! Promise: changes are seen within seconds, or at once after SIGHUP; a set with mistakes, or one that cannot be read, is told
//! in the log once, shows in metrics and changes nothing: the last good one stays. What cannot be read is tried again.

use crate::{AlerterMetrics, RuleSet};
use callmeter_documents::{Problem, files};
use jiff::Timestamp;
use std::time::Duration;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(2);
/// A disk that takes longer must not hold up the evaluation.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Names and texts.
type Texts = Vec<(String, String)>;

/// The files that hold the rules.
pub(crate) struct RuleFiles {
    paths: Vec<String>,
    poll: Interval,
    hangup: Option<Signal>,
    metrics: AlerterMetrics,
    /// The last good ones.
    rules: RuleSet,
    /// What they said last, be it right or wrong; `None` when they could not be read.
    seen: Option<Texts>,
    /// What was wrong with that, as it was told.
    problems: Vec<Problem>,
}

impl RuleFiles {
    /// Reads the files for the first time, or says everything that is wrong with them.
    pub(crate) fn load(
        paths: &[String],
        metrics: AlerterMetrics,
        now: Timestamp,
    ) -> Result<Self, Vec<Problem>> {
        let texts = files::read_all(paths)?;
        let rules = parse(&texts)?;
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hangup = signal(SignalKind::hangup());
        if let Err(error) = &hangup {
            warn!(%error, "SIGHUP cannot be waited for; rule files are looked at every few seconds");
        }
        let files = Self {
            paths: paths.to_vec(),
            poll,
            hangup: hangup.ok(),
            metrics,
            rules,
            seen: Some(texts),
            problems: Vec::new(),
        };
        files.took(now);
        Ok(files)
    }

    /// The last good rules.
    pub(crate) fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Waits until files are to be looked at; says whether an operator asked for it. May be dropped at any time.
    pub(crate) async fn due(&mut self) -> bool {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.poll.tick() => false,
            () = hangup => {
                info!("SIGHUP: rules, routing and secrets are read again");
                true
            }
        }
    }

    /// Reads the files again; the rules leave when there is something new and nothing wrong.
    pub(crate) async fn look(&mut self, now: Timestamp) -> Option<&RuleSet> {
        let paths = self.paths.clone();
        let reading = tokio::task::spawn_blocking(move || files::read_all(&paths));
        let read = match tokio::time::timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(read)) => read,
            _ => Err(vec![Problem::of_file(&self.paths.join(", "), "reading takes too long".to_owned())]),
        };
        self.judge(read, now)
    }

    fn judge(&mut self, read: Result<Texts, Vec<Problem>>, now: Timestamp) -> Option<&RuleSet> {
        if read.as_ref().is_ok_and(|texts| self.seen.as_ref() == Some(texts)) {
            return None;
        }
        self.seen = read.as_ref().ok().cloned();
        match read.and_then(|texts| parse(&texts)) {
            Ok(rules) => {
                (self.problems, self.rules) = (Vec::new(), rules);
                self.took(now);
                info!(rules = self.rules.rules(), "rule files were read again");
                Some(&self.rules)
            }
            Err(problems) => {
                self.refuse(problems);
                None
            }
        }
    }

    fn refuse(&mut self, problems: Vec<Problem>) {
        if problems == self.problems {
            return;
        }
        for problem in &problems {
            error!(%problem, "rule files were not taken over; the last good rules stay");
        }
        self.metrics.rule_reload_failures.inc();
        self.metrics.rules_stale.set(1);
        self.problems = problems;
    }

    fn took(&self, now: Timestamp) {
        self.metrics.rules.set(self.rules.rules() as i64);
        self.metrics.rules_stale.set(0);
        self.metrics.rules_loaded.set(now.as_second() as f64);
    }
}

fn parse(texts: &Texts) -> Result<RuleSet, Vec<Problem>> {
    RuleSet::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    const GOOD: &str =
        "groups: [{name: g, rules: [{alert: A, metric: calls, window: 5m, op: '>', threshold: 1}]}]";

    #[tokio::test]
    async fn a_change_is_taken_over_and_a_mistake_keeps_the_last_good_rules() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rules.yaml");
        let write = |text: &str| std::fs::write(&file, text).expect("it is written");
        write(GOOD);
        let metrics = AlerterMetrics::register(&mut Registry::default());
        let paths = [file.display().to_string()];
        let at = |second| Timestamp::from_second(second).expect("in range");
        let mut files = RuleFiles::load(&paths, metrics.clone(), at(1)).expect("no mistakes");
        let first = files.rules().clone();
        assert_eq!(files.look(at(2)).await, None, "nothing is new");

        let seen =
            || (metrics.rules_stale.get(), metrics.rule_reload_failures.get(), metrics.rules_loaded.get());
        write(&GOOD.replace("calls", "cals"));
        assert_eq!(files.look(at(3)).await, None);
        assert_eq!(files.look(at(4)).await, None);
        assert_eq!(seen(), (1, 1, 1.0), "one mistake is one failure");
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(files.look(at(5)).await, None);
        assert_eq!(seen(), (1, 2, 1.0));

        write(&GOOD.replace("threshold: 1", "threshold: 2"));
        assert!(files.look(at(6)).await.is_some_and(|second| *second != first));
        assert_eq!(seen(), (0, 2, 6.0));
    }
}
