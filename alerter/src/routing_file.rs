//! The routing file in use: its path enters, routes and targets with their secrets leave.
//!
//! Promise: a file with mistakes, or one that cannot be read, is told in the log once, shows in a metric and changes nothing:
//! the last good one stays. Secrets in files of their own are read again with it, and whenever that is asked for.

use crate::{AlerterConfig, AlerterMetrics, config::endpoints, notify::Endpoint, routing::Routing};
use callmeter_documents::{Problem, files};
use std::time::Duration;
use tracing::{error, info, warn};

/// A disk that takes longer must not hold up the evaluation.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The file that says whom to notify.
pub(crate) struct RoutingFile {
    config: AlerterConfig,
    metrics: AlerterMetrics,
    /// The last good one; `None` where none is configured.
    routing: Option<Routing>,
    endpoints: Vec<Endpoint>,
    /// Its text when it was taken over; `None` where it is to be read again.
    seen: Option<String>,
    /// What was wrong with that, as it was told.
    problems: Vec<Problem>,
}

/// Routes, targets and the text that they stand in.
type Read = (Routing, Vec<Endpoint>, String);

impl RoutingFile {
    /// Reads the file for the first time, or says everything that is wrong with it.
    pub(crate) fn load(config: &AlerterConfig, metrics: AlerterMetrics) -> Result<Self, Vec<Problem>> {
        let mut this = Self {
            config: config.clone(),
            metrics,
            routing: None,
            endpoints: Vec::new(),
            seen: None,
            problems: Vec::new(),
        };
        match &config.routing {
            Some(path) => this.take(read(path, config)?),
            None => warn!("alerter.routing is not set: alerts are stored and nobody is notified"),
        }
        Ok(this)
    }

    /// The last good routes.
    pub(crate) fn routing(&self) -> Option<&Routing> {
        self.routing.as_ref()
    }

    /// Their targets.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Looks at the file again, and at the secrets when it changed or `asked` says so; whether there is something new.
    pub(crate) async fn look(&mut self, asked: bool) -> bool {
        let Some(path) = self.config.routing.clone() else { return false };
        let (config, seen) = (self.config.clone(), self.seen.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let text = files::read(&path).ok();
            (asked || text != seen).then(|| read(&path, &config))
        });
        match tokio::time::timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(None)) => false,
            Ok(Ok(Some(Ok(read)))) => {
                self.take(read);
                info!(targets = self.endpoints.len(), "the routing file was read again");
                true
            }
            Ok(Ok(Some(Err(problems)))) => {
                self.refuse(problems);
                false
            }
            _ => {
                let path = self.config.routing.as_deref().unwrap_or_default();
                self.refuse(vec![Problem::of_file(path, "reading takes too long".to_owned())]);
                false
            }
        }
    }

    fn take(&mut self, (routing, endpoints, text): Read) {
        (self.routing, self.endpoints, self.seen) = (Some(routing), endpoints, Some(text));
        self.problems = Vec::new();
        self.metrics.routing_stale.set(0);
    }

    fn refuse(&mut self, problems: Vec<Problem>) {
        // A secret that is missing may come later.
        self.seen = None;
        if problems == self.problems {
            return;
        }
        for problem in &problems {
            error!(%problem, "the routing file was not taken over; the last good one stays");
        }
        self.metrics.routing_stale.set(1);
        self.problems = problems;
    }
}

fn read(path: &str, config: &AlerterConfig) -> Result<Read, Vec<Problem>> {
    let text = files::read(path).map_err(|problem| vec![problem])?;
    let routing = Routing::parse(path, &text)?;
    let endpoints = endpoints(path, &routing.receivers, config)?;
    Ok((routing, endpoints, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[tokio::test]
    async fn a_change_is_taken_over_a_mistake_is_not_and_secrets_are_read_again_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, secret) = (folder.path().join("routing.yaml"), folder.path().join("url"));
        std::fs::write(&secret, "https://one.example/hook").expect("it is written");
        let text = |receiver: &str| {
            format!(
                "route: {{receiver: {receiver}}}\nreceivers: [{{name: ops, webhook_configs: [{{url_file: {}}}]}}]\n",
                secret.display()
            )
        };
        let write = |text: String| std::fs::write(&file, text).expect("it is written");
        write(text("ops"));
        let metrics = AlerterMetrics::register(&mut Registry::default());
        let config = AlerterConfig { routing: Some(file.display().to_string()), ..AlerterConfig::default() };
        let mut used = RoutingFile::load(&config, metrics.clone()).expect("no mistakes");
        assert!(!used.look(false).await, "nothing is new");
        assert!(used.look(true).await, "the secrets may be");

        write(text("opps"));
        assert!(!used.look(false).await);
        assert_eq!((metrics.routing_stale.get(), used.endpoints().len()), (1, 1), "the last good one stays");
        std::fs::remove_file(&secret).expect("it was there");
        write(text("ops"));
        assert!(!used.look(false).await, "a secret is missing");
        std::fs::write(&secret, "https://two.example/hook").expect("it is written");
        assert!(used.look(false).await, "what was missing is looked for again");
        assert_eq!(metrics.routing_stale.get(), 0);
    }
}
