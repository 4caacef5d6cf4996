//! Section `alerter` of the configuration, and the files it names: settings enter, checked settings,
//! rules and routing leave.
//!
//! Promise: every mistake is reported in one run; secrets from files are read here and never print.

use crate::{
    address::{Network, Policy},
    notify::Endpoint,
    routing::{
        Routing,
        receivers::{Receiver, Source},
    },
    rules::RuleSet,
};
use callmeter_documents::{Problem, Problems, files};
use callmeter_schemas::config::Secret;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Duration};

/// Section `alerter`. Durations are texts such as `500ms` or `1m`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct AlerterConfig {
    /// Rule files; `*` in a file name stands for any characters.
    pub rules: Vec<String>,
    /// Routing file; without one, alerts are stored and nobody is notified.
    pub routing: Option<String>,
    /// Networks that receivers may be reached in although private, such as `127.0.0.0/8`.
    pub private_receivers: Vec<String>,
    /// How often groups without an `interval` of their own are evaluated, at most: an evaluation that
    /// takes long is followed by a pause of three times as long.
    pub interval: SignedDuration,
    /// Counting that is behind by more than this holds the evaluation.
    pub max_lag: SignedDuration,
    /// Length of the stored windows, as `aggregator.window`; windows of rules shorter than two of them are
    /// widened to two.
    pub rollup_window: SignedDuration,
    /// Where people find Callmeter: stands in every notification.
    pub external_url: String,
    /// Whether Callmeter says by alerts of its own whose fault it is that calls fail.
    pub judge_faults: bool,
}

impl Default for AlerterConfig {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            routing: None,
            private_receivers: Vec::new(),
            interval: SignedDuration::from_secs(1),
            max_lag: SignedDuration::from_secs(30),
            rollup_window: SignedDuration::from_mins(1),
            external_url: "http://127.0.0.1:8081".into(),
            judge_faults: true,
        }
    }
}

impl AlerterConfig {
    /// Everything that is wrong with it, each with its key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let within = |value: SignedDuration, low: i64, high: i64| {
            (SignedDuration::from_millis(low)..=SignedDuration::from_millis(high)).contains(&value)
        };
        let mut check = |fine: bool, problem: String| {
            if !fine {
                problems.push(format!("alerter.{problem}"));
            }
        };
        check(within(self.interval, 100, 3_600_000), "interval must be 100ms to 1h".into());
        check(within(self.max_lag, 1_000, 3_600_000), "max_lag must be 1s to 1h".into());
        check(within(self.rollup_window, 1_000, 3_600_000), "rollup_window must be 1s to 1h".into());
        let web = ["http://", "https://"].iter().any(|scheme| self.external_url.starts_with(scheme));
        check(web, "external_url must begin with http:// or https://".into());
        for text in &self.private_receivers {
            let network = Network::parse(text);
            check(
                network.is_some(),
                format!("private_receivers: `{text}` is not a network such as 127.0.0.0/8"),
            );
        }
        problems
    }

    pub(crate) fn networks(&self) -> Vec<Network> {
        self.private_receivers.iter().filter_map(|text| Network::parse(text)).collect()
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval.unsigned_abs()
    }
}

/// Reads and judges rule files; what `callmeter rules check` does.
pub fn check_rules<P: AsRef<Path>>(paths: &[P]) -> Result<RuleSet, Vec<Problem>> {
    let texts = files::read_all(paths)?;
    RuleSet::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

/// Reads and judges a routing file.
pub fn check_routing(path: &str) -> Result<Routing, Vec<Problem>> {
    let text = files::read(path).map_err(|problem| vec![problem])?;
    Routing::parse(path, &text)
}

/// Makes targets of receivers ready to be sent to; mistakes of all of them are reported together.
pub(crate) fn endpoints<'a>(
    path: &str,
    receivers: impl IntoIterator<Item = &'a Receiver>,
    config: &AlerterConfig,
) -> Result<Vec<Endpoint>, Vec<Problem>> {
    let policy = Policy { private: config.networks(), encrypted: true };
    let (mut endpoints, mut problems) = (Vec::new(), Problems::new(path));
    for target in receivers.into_iter().flat_map(|receiver| &receiver.targets) {
        match Endpoint::new(target, &policy, &config.external_url) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(message) => problems.add(target.line, &target.path, message, None),
        }
    }
    if problems.count() == 0 { Ok(endpoints) } else { Err(problems.into_vec()) }
}

/// Reads a secret from where it is kept; the error names the place and never the text.
pub(crate) fn reveal(source: &Source) -> Result<Secret, String> {
    let secret = match source {
        Source::Inline(secret) => return Ok(secret.clone()),
        Source::File(path) => {
            let text = files::read(path).map_err(|problem| format!("{path}: {}", problem.message))?;
            Secret::new(text.trim())
        }
        Source::Variable(name) => {
            let text = std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?;
            Secret::new(text.trim())
        }
    };
    match secret.reveal().is_empty() {
        true => Err("the secret is empty".to_owned()),
        false => Ok(secret),
    }
}
