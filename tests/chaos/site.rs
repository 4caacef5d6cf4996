//! What faults are done to: genuine engines, three aggregators and two ingest processes, with a proxy before each
//! connection that may break.
//!
//! Promise: every aggregator has a proxy to ClickHouse of its own; what inspects goes to ClickHouse directly; after
//! [`Site::calm`] nothing is broken any more.

use crate::disk::SmallDisk;
use callmeter_harness::{
    proxy::Proxy,
    stack::{Stack, eventually, lasting_port, within},
};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Offsets within which a repeated id is a duplicate; what a restart reads again.
const HORIZON: i64 = 50_000;
const AGGREGATORS: usize = 3;
const INGESTS: usize = 2;
/// Lets a constraint answer with any error code; the bound on queries is one by which the profile is seen to be in force.
const PROFILE: &str = "<max_query_size>8192</max_query_size>\
    <allow_custom_error_code_in_throwif>1</allow_custom_error_code_in_throwif>";

/// An installation with proxies.
pub(crate) struct Site {
    pub(crate) stack: Stack,
    /// Places of the aggregators among the roles; each has the proxy of the same number.
    pub(crate) aggregators: Vec<usize>,
    pub(crate) clickhouse: Vec<Proxy>,
    pub(crate) kafka: Proxy,
    /// Where Kafka itself listens.
    kafka_port: u16,
    pub(crate) ingests: Vec<usize>,
    pub(crate) doors: Vec<Proxy>,
    /// The disk of ClickHouse when it may be filled.
    pub(crate) disk: Option<SmallDisk>,
    settings: Vec<(&'static str, String)>,
}

impl Site {
    /// Starts everything; `small_disk` puts ClickHouse's data on a disk that can be filled. The seeded bug is one that test
    /// builds know by name.
    pub(crate) async fn start(small_disk: bool, bug: Option<&str>) -> Self {
        let (kafka, kafka_port) = (Proxy::start().await, lasting_port());
        kafka.forward_to(&format!("127.0.0.1:{kafka_port}"));
        let mut disk = None;
        let mut stack = Stack::start(|options| {
            options.kafka.advertised_port = Some(kafka.port());
            options.kafka.port = kafka_port;
            disk = small_disk.then(|| SmallDisk::mount(&options.data_dir.join("clickhouse")));
        })
        .await;
        stack.horizon = HORIZON;
        if let Some(bug) = bug {
            stack.environment.push(("CALLMETER_SEEDED_BUG".to_owned(), bug.to_owned()));
        }
        if let Some((_, statement)) = PREPARATIONS.iter().find(|(name, _)| bug == Some(name)) {
            stack.execute(statement).await;
        }
        adjust_profile(&stack).await;
        let settings = settings();
        let mut site = Self {
            stack,
            aggregators: Vec::new(),
            clickhouse: Vec::new(),
            kafka,
            kafka_port,
            ingests: Vec::new(),
            doors: Vec::new(),
            disk,
            settings,
        };
        for _ in 0..AGGREGATORS {
            site.add_aggregator().await;
        }
        for _ in 0..INGESTS {
            site.add_ingest().await;
        }
        site
    }

    async fn add_aggregator(&mut self) {
        let proxy = Proxy::start().await;
        proxy.forward_to(self.stack.clickhouse.trim_start_matches("http://"));
        let name = format!("a{}", self.aggregators.len());
        let url = format!("http://127.0.0.1:{}", proxy.port());
        let mut settings = self.settings.clone();
        settings.push(("CLICKHOUSE__URL", url));
        // One of them is a dynamic member of the group.
        if !self.aggregators.is_empty() {
            settings.push(("AGGREGATOR__INSTANCE", name));
        }
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.aggregators.push(self.stack.role("aggregate", &settings).await);
        self.clickhouse.push(proxy);
    }

    async fn add_ingest(&mut self) {
        let url = self.stack.ingest().await;
        let proxy = Proxy::start().await;
        proxy.forward_to(url.trim_start_matches("http://"));
        self.ingests.push(self.stack.roles.len() - 1);
        self.doors.push(proxy);
    }

    /// Another member for a moment: it joins, and is gone again when its process is killed.
    pub(crate) fn visitor(&self) -> std::process::Child {
        let mut command = self.stack.command("aggregate");
        let settings = self.settings.iter().map(|(name, value)| (format!("CALLMETER__{name}"), value));
        command.envs(settings).env("CALLMETER__METRICS__LISTEN", "127.0.0.1:0");
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().expect("the role starts")
    }

    /// Starts again what died, as a supervisor would.
    pub(crate) fn supervise(&mut self) {
        for role in &mut self.stack.roles {
            if !role.is_running() {
                role.restart();
            }
        }
    }

    /// Takes every fault away and waits until both engines answer.
    pub(crate) async fn calm(&mut self) -> Result<(), String> {
        for proxy in self.clickhouse.iter().chain(&self.doors).chain([&self.kafka]) {
            proxy.disarm();
            proxy.refuse(false);
            proxy.slow(Duration::ZERO);
        }
        if let Some(disk) = &self.disk {
            disk.free();
        }
        self.supervise();
        self.stack.roles.iter().for_each(|role| role.signal(Signal::SIGCONT));
        for engine in ["kafka", "clickhouse"] {
            self.stack.signal_engine(engine, Signal::SIGCONT);
        }
        within(Duration::from_secs(60), async || {
            for (_, mend) in HINDRANCES {
                self.stack.try_ask(mend).await?;
            }
            let kafka = tokio::net::TcpStream::connect(("127.0.0.1", self.kafka_port)).await;
            kafka.map(drop).map_err(|error| format!("Kafka: {error}"))
        })
        .await
    }
}

fn settings() -> Vec<(&'static str, String)> {
    vec![
        // Small and frequent batches, and short patience: more moments at which a fault hurts.
        ("AGGREGATOR__FLUSH_INTERVAL", "50ms".to_owned()),
        ("AGGREGATOR__SESSION_TIMEOUT", "1s".to_owned()),
        ("AGGREGATOR__INSERT_TIMEOUT", "30s".to_owned()),
        ("AGGREGATOR__DUPLICATE_HORIZON", HORIZON.to_string()),
    ]
}

/// The profile that all queries run with is read when ClickHouse starts.
async fn adjust_profile(stack: &Stack) {
    let file = stack.folder.path().join("clickhouse/users.xml");
    let text = std::fs::read_to_string(&file).expect("the engines wrote it");
    let adjusted = text.replacen("<default></default>", &format!("<default>{PROFILE}</default>"), 1);
    assert_ne!(adjusted, text, "there is a default profile");
    std::fs::write(&file, adjusted).expect("written");
    assert!(stack.signal_engine("clickhouse", Signal::SIGKILL), "clickhouse runs");
    eventually("clickhouse is back", Duration::from_secs(60), async || {
        match stack.try_ask("SELECT getSetting('max_query_size')").await?.trim() {
            "8192" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}

/// What bugs need of ClickHouse.
const PREPARATIONS: [(&str, &str); 2] = [
    // Without it MergeTree forgets every token at once.
    ("TokenOnly", "ALTER TABLE deltas MODIFY SETTING non_replicated_deduplication_window = 1000"),
    // The library has no queue of asynchronous inserts; this table gathers and answers as that does.
    (
        "AsyncInsert",
        "CREATE TABLE deltas_gathered AS deltas \
         ENGINE = Buffer(currentDatabase(), deltas, 1, 1, 1, 1000000, 1000000, 1000000000, 1000000000)",
    ),
];

/// Statements after which ClickHouse refuses or delays every insert, and those that mend it.
pub(crate) const HINDRANCES: [(&str, &str); 4] = [
    // Error 252.
    (
        "ALTER TABLE deltas MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1",
        "ALTER TABLE deltas RESET SETTING parts_to_throw_insert, parts_to_delay_insert",
    ),
    // Error 241, as a query gets it that finds no memory.
    (
        "ALTER TABLE deltas ADD CONSTRAINT memory CHECK NOT throwIf(calls >= 0, 'no memory', toInt16(241))",
        "ALTER TABLE deltas DROP CONSTRAINT IF EXISTS memory",
    ),
    // Error 243.
    (
        "ALTER TABLE deltas MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000",
        "ALTER TABLE deltas RESET SETTING min_free_disk_bytes_to_perform_insert",
    ),
    // One function may sleep no longer.
    (
        "ALTER TABLE deltas ADD CONSTRAINT slow_1 CHECK sleep(3) = 0, ADD CONSTRAINT slow_2 CHECK sleep(3) = 0, \
         ADD CONSTRAINT slow_3 CHECK sleep(3) = 0",
        "ALTER TABLE deltas DROP CONSTRAINT IF EXISTS slow_1, DROP CONSTRAINT IF EXISTS slow_2, \
         DROP CONSTRAINT IF EXISTS slow_3",
    ),
];
