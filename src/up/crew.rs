//! The roles as supervised children: resolved settings enter, running processes leave.
//!
//! Each role is this very program with its settings in the environment, as anyone would run it elsewhere.
//! Promise: a role that dies comes back with the same name in its consumer group and the same addresses.

use super::{receiver::Inbox, store::DataFolder};
use crate::config::Config;
use anyhow::Context;
use callmeter_engines::child::{ChildSpec, ChildStatus, ReadyCheck, Supervised};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

const STARTER_RULES: &str = include_str!("../../rules/starter.yaml");
const EXAMPLE_PRICES: &str = include_str!("../../prices.yaml");

/// The three roles.
pub(crate) struct Crew {
    children: Vec<Supervised>,
    pub(crate) ingest_url: String,
}

impl Crew {
    /// Starts ingest, aggregate and alert, and returns once all are ready.
    pub(crate) async fn start(
        config: &Config,
        config_file: Option<&Path>,
        folder: &DataFolder,
        inbox: &Inbox,
        demo: bool,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        let ingest = folder.address("ingest.listen", &config.ingest.listen)?;
        let role = |name: &'static str,
                    mut settings: Vec<(&'static str, String)>|
         -> anyhow::Result<ChildSpec> {
            let port = ["ingest", "aggregate", "alert"].iter().position(|role| *role == name).unwrap_or(0);
            let wanted = match config.metrics.listen.as_str() {
                "" => format!("127.0.0.1:{}", 9464 + port),
                // One address cannot serve three processes: the others pick their own.
                address if port == 0 => address.to_owned(),
                _ => "127.0.0.1:0".into(),
            };
            let metrics = folder.address(&format!("metrics.listen.{name}"), &wanted)?;
            // Ingest is ready when it takes events, which only its own address tells.
            let ready = format!("http://{}/readyz", if name == "ingest" { &ingest } else { &metrics });
            settings.push(("METRICS__LISTEN", metrics));
            Ok(spec(&program, name, config_file, folder, config, settings, ready))
        };
        let specs = [
            role("ingest", vec![("INGEST__LISTEN", ingest.clone()), ("INGEST__KEYS", keys(config, folder))])?,
            role("aggregate", aggregate_settings(config, folder, demo)?)?,
            role("alert", alert_settings(config, folder, inbox)?)?,
        ];
        let mut children = Vec::new();
        for spec in specs {
            children.push(Supervised::start(spec).await?);
        }
        Ok(Self { children, ingest_url: format!("http://{ingest}") })
    }

    /// Name, process and restarts of each role.
    pub(crate) fn status(&self) -> Vec<tokio::sync::watch::Receiver<ChildStatus>> {
        self.children.iter().map(Supervised::status).collect()
    }

    /// Ends all; ingest first, so that nothing is accepted that is not counted at once.
    pub(crate) async fn stop(self, grace: Duration) {
        let stops = self.children.into_iter().map(|child| tokio::spawn(child.stop(grace)));
        for stop in stops.collect::<Vec<_>>() {
            let _ = stop.await;
        }
    }
}

fn keys(config: &Config, folder: &DataFolder) -> String {
    let own = [folder.secrets().api_entry.clone(), folder.secrets().demo_entry.clone()];
    config.ingest.keys.iter().cloned().chain(own).collect::<Vec<_>>().join(",")
}

/// The demo's calls, and no others, are priced by the example book.
fn aggregate_settings(
    config: &Config,
    folder: &DataFolder,
    demo: bool,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let instance = match config.aggregator.instance.as_str() {
        "" => "up".into(),
        named => named.to_owned(),
    };
    let mut settings = vec![("AGGREGATOR__INSTANCE", instance)];
    if demo && config.aggregator.prices.is_none() {
        let prices = format!("workspaces: [demo]\n{EXAMPLE_PRICES}");
        settings.push(("AGGREGATOR__PRICES", folder.write("example-prices.yaml", &prices)?));
    }
    Ok(settings)
}

fn alert_settings(
    config: &Config,
    folder: &DataFolder,
    inbox: &Inbox,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut settings = Vec::new();
    if config.alerter.rules.is_empty() {
        settings.push(("ALERTER__RULES", folder.write("starter-rules.yaml", STARTER_RULES)?));
    }
    if config.alerter.routing.is_none() {
        let routing = format!(
            "# Written at every start; name a file of your own with alerter.routing.\n\
             route:\n  receiver: built-in\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 10s\n  repeat_interval: 4h\n\
             receivers:\n  - name: built-in\n    webhook_configs:\n      - url: {}\n        send_resolved: true\n        signing_secret: {}\n",
            inbox.url(),
            folder.secrets().signing_secret,
        );
        settings.push(("ALERTER__ROUTING", folder.write("routing.yaml", &routing)?));
        let networks = config.alerter.private_receivers.iter().cloned().chain(["127.0.0.0/8".into()]);
        settings.push(("ALERTER__PRIVATE_RECEIVERS", networks.collect::<Vec<_>>().join(",")));
    }
    Ok(settings)
}

fn spec(
    program: &Path,
    name: &'static str,
    config_file: Option<&Path>,
    folder: &DataFolder,
    config: &Config,
    settings: Vec<(&'static str, String)>,
    ready: String,
) -> ChildSpec {
    let mut spec = ChildSpec::new(name, PathBuf::from(program), folder.log_file(name), ready_check(ready));
    spec.args.push(name.into());
    if let Some(file) = config_file {
        spec.args.extend([OsString::from("--config"), file.into()]);
    }
    let mut all = vec![
        ("KAFKA__BROKERS", config.kafka.brokers.clone()),
        ("CLICKHOUSE__URL", config.clickhouse.url.clone()),
        ("CLICKHOUSE__DATABASE", config.clickhouse.database.clone()),
        ("CLICKHOUSE__USER", config.clickhouse.user.clone()),
        ("CLICKHOUSE__PASSWORD", config.clickhouse.password.reveal().to_owned()),
    ];
    if !config.names("log.filter") {
        all.push(("LOG__FILTER", "info".into()));
    }
    all.extend(settings);
    spec.env =
        all.into_iter().map(|(name, value)| (format!("CALLMETER__{name}").into(), value.into())).collect();
    spec
}

fn ready_check(url: String) -> ReadyCheck {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    Box::new(move || {
        let (client, url) = (client.as_ref().map(Clone::clone).map_err(ToString::to_string), url.clone());
        Box::pin(async move {
            let answer = client?.get(&url).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() {
                Ok(())
            } else {
                Err(format!("{url} answers {}", answer.status()))
            }
        })
    })
}
