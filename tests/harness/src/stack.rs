//! A whole installation for one test: genuine Kafka and ClickHouse on free ports, roles as processes.
//!
//! What enters is which roles to run; what leaves is addresses, a client and processes that can be
//! killed. Promise: every test has engines and data of its own; nothing outlives the test; if an engine cannot start,
//! the test fails and says what is missing.

use crate::{
    role::{Role, last_lines},
    shared::lock,
    tariff,
};
use callmeter_engines::{Engines, EnginesOptions, Password};
use callmeter_ingest::keys;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// The engines' keepers live on this runtime for as long as the test process does.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // The program does this itself; a test process must too before it makes an HTTP client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
});

/// Two cores bear one installation at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Longest time until a role is ready.
pub const READY: Duration = Duration::from_secs(30);
const PASSWORD: &str = "for-this-test-only";
/// Numbers as numbers; and no machine code, which takes ClickHouse longer to compile than a test's question to answer.
const QUESTION_SETTINGS: &str =
    "output_format_json_quote_64bit_integers=0&compile_expressions=0&compile_aggregate_expressions=0";
/// The price book, in the installation's folder.
pub const PRICES: &str = "prices.yaml";

/// The program under test: Cargo builds it beside the tests that need it.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    test.ancestors().nth(2).expect("the folder of the profile").join("callmeter")
}

/// Waits until no other installation runs.
pub fn turn() -> MutexGuard<'static, ()> {
    lock(&TURN)
}

/// Runs one test on an installation of its own.
pub fn with_stack(test: impl AsyncFnOnce(&mut Stack)) {
    let _turn = turn();
    RUNTIME.block_on(async {
        let mut stack = Stack::start(|_| ()).await;
        test(&mut stack).await;
        stack.stop().await;
    });
}

/// One installation.
pub struct Stack {
    /// Everything it writes.
    pub folder: tempfile::TempDir,
    /// `host:port` of the broker.
    pub kafka: String,
    /// Address of ClickHouse.
    pub clickhouse: String,
    /// API key of the workspace `test`.
    pub key: String,
    /// A client without a proxy.
    pub http: reqwest::Client,
    /// Offsets within which an id that occurs again is a duplicate.
    pub horizon: i64,
    /// Further variables of roles that are started from now on.
    pub environment: Vec<(String, String)>,
    /// Processes of roles, in the order of their start.
    pub roles: Vec<Role>,
    entry: String,
    engines: Option<Engines>,
}

impl Stack {
    /// Starts the engines and creates topics and tables; `adjust` may change the engines' options.
    pub async fn start(adjust: impl FnOnce(&mut EnginesOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options =
            EnginesOptions::new(folder.path(), Password::new(PASSWORD), Password::new(PASSWORD));
        options.executable = Some(program());
        options.kafka.port = 0;
        options.kafka.fast_start = true;
        options.clickhouse.http_port = 0;
        adjust(&mut options);
        let engines = Engines::start(&options).await.unwrap_or_else(|error| panic!("engines: {error}"));
        let made = keys::generate("test", &[7; keys::RANDOM_BYTES]);
        let stack = Self {
            kafka: engines.kafka_brokers().expect("kafka runs"),
            clickhouse: engines.clickhouse_url().expect("clickhouse runs"),
            folder,
            key: made.key,
            http: reqwest::Client::builder().no_proxy().build().expect("an http client"),
            horizon: 1_000_000,
            environment: Vec::new(),
            entry: made.entry,
            engines: Some(engines),
            roles: Vec::new(),
        };
        std::fs::write(stack.folder.path().join(PRICES), tariff::book()).expect("the price book is written");
        let migrated = stack.command("migrate").output().expect("migrate runs");
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        stack
    }

    /// Ends the roles at once and the engines in order.
    pub async fn stop(mut self) {
        self.roles.clear();
        self.engines.take().expect("stopped once").stop(Duration::from_secs(10)).await;
    }

    /// The program with this installation's settings.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(program());
        command.args(args.split(' ')).current_dir(self.folder.path()).stdin(Stdio::null());
        let settings = [
            ("KAFKA__BROKERS", self.kafka.as_str()),
            ("CLICKHOUSE__URL", &self.clickhouse),
            ("CLICKHOUSE__USER", callmeter_engines::ADMIN_USER),
            ("CLICKHOUSE__PASSWORD", PASSWORD),
            ("INGEST__KEYS", &self.entry),
            ("AGGREGATOR__PRICES", PRICES),
        ];
        command.envs(settings.map(|(name, value)| (format!("CALLMETER__{name}"), value)));
        command
    }

    /// Starts a role and waits until it is ready; its place in the list of roles is returned.
    pub async fn role(&mut self, args: &str, settings: &[(&str, &str)]) -> usize {
        let name = format!("{}-{}", args.replace(' ', "-"), self.roles.len());
        let metrics = format!("127.0.0.1:{}", free_port());
        let mut settings: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| (format!("CALLMETER__{name}"), (*value).to_owned()))
            .collect();
        settings.push(("CALLMETER__METRICS__LISTEN".into(), metrics.clone()));
        settings.extend(self.environment.iter().cloned());
        let at = self.roles.len();
        let role = Role::start(self.command(args), name, metrics, settings, self.folder.path());
        self.roles.push(role);
        self.await_ready(at).await;
        at
    }

    /// Starts ingest on a free port; its address is returned.
    pub async fn ingest(&mut self) -> String {
        let address = format!("127.0.0.1:{}", free_port());
        self.role("ingest", &[("INGEST__LISTEN", &address), ("INGEST__ACK_TIMEOUT_MS", "2000")]).await;
        let url = format!("http://{address}");
        eventually("ingest is ready", READY, || self.is_ready(&url)).await;
        url
    }

    async fn await_ready(&self, at: usize) {
        let role = &self.roles[at];
        let url = format!("http://{}", role.metrics);
        eventually(&role.name, READY, async || {
            self.is_ready(&url).await.map_err(|problem| format!("{problem}; log: {}", role.tail()))
        })
        .await;
    }

    /// Whether a role says at this address that it is ready; else why not.
    pub async fn is_ready(&self, url: &str) -> Result<(), String> {
        let answer =
            self.http.get(format!("{url}/readyz")).send().await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    /// Kills a role with SIGKILL.
    pub fn kill(&mut self, at: usize) {
        self.roles[at].kill();
    }

    /// Starts a killed role again, as it was.
    pub fn restart(&mut self, at: usize) {
        self.roles[at].restart();
    }

    /// Ends a role with SIGTERM and waits; its exit must be clean.
    pub fn terminate(&mut self, at: usize) {
        self.roles[at].terminate();
    }

    /// The process of an engine; `None` when it does not run at this moment.
    pub fn engine_pid(&self, engine: &str) -> Option<Pid> {
        let pids = self.engines.as_ref().expect("the engines run").pids();
        let pid = pids.iter().find(|(name, _)| name == engine)?.1;
        Some(Pid::from_raw(pid.try_into().expect("a pid")))
    }

    /// Sends a signal to an engine; false when it does not run at this moment.
    pub fn signal_engine(&self, engine: &str, signal: Signal) -> bool {
        self.engine_pid(engine).is_some_and(|pid| kill(pid, signal).is_ok())
    }

    /// Stops Kafka's process, or lets it go on.
    pub fn pause_kafka(&self, pause: bool) {
        let signal = if pause { Signal::SIGSTOP } else { Signal::SIGCONT };
        assert!(self.signal_engine("kafka", signal), "kafka runs");
    }

    /// The value of a metric of a role; labels belong to the name.
    pub async fn metric(&self, at: usize, name: &str) -> Result<f64, String> {
        let text = self.metrics(&self.roles[at]).await?;
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(metric, _)| metric == name));
        let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
        value.ok_or_else(|| format!("no {name} in {text}"))
    }

    /// All metrics of a role, as it tells them.
    pub async fn metrics(&self, role: &Role) -> Result<String, String> {
        let url = format!("http://{}/metrics", role.metrics);
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        answer.text().await.map_err(|error| error.to_string())
    }

    /// Runs a statement that answers nothing.
    pub async fn execute(&self, statement: &str) {
        self.ask(statement).await;
    }

    async fn ask(&self, statement: &str) -> String {
        self.try_ask(statement).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What a statement answers, or why it does not.
    pub async fn try_ask(&self, statement: &str) -> Result<String, String> {
        let url = format!("{}/?database=callmeter&{QUESTION_SETTINGS}", self.clickhouse);
        let request = self.http.post(url).basic_auth(callmeter_engines::ADMIN_USER, Some(PASSWORD));
        let request = request.body(statement.to_owned()).timeout(Duration::from_secs(60));
        let answer = request.send().await.map_err(|error| format!("{statement}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{statement}: {error}"))?;
        if status.is_success() { Ok(text) } else { Err(format!("{statement}: {text}")) }
    }

    /// The rows of a query, as JSON objects.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        self.try_rows(query).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The rows of a query, as JSON objects, or why there are none.
    pub async fn try_rows(&self, query: &str) -> Result<Vec<Value>, String> {
        let text = self.try_ask(&format!("{query} FORMAT JSONEachRow")).await?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(|error| format!("{query}: {error}")))
            .collect()
    }

    /// The one number that a query answers.
    pub async fn number(&self, query: &str) -> i64 {
        let rows = self.rows(query).await;
        let value = rows[0].as_object().and_then(|row| row.values().next()).expect("one value");
        value.as_i64().unwrap_or_else(|| panic!("{query}: {value} is no integer"))
    }

    /// Sends a body to ingest and returns status and answer.
    pub async fn send(&self, url: &str, kind: &str, body: Vec<u8>) -> (u16, Value) {
        let request = self.http.post(url).bearer_auth(&self.key).header("content-type", kind).body(body);
        let answer = request.send().await.expect("ingest answers");
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.expect("a whole answer");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Records that the ledger has consumed.
    pub async fn consumed(&self) -> Result<i64, String> {
        let rows = self.try_rows("SELECT toInt64(sum(consumed)) AS consumed FROM ledger").await?;
        rows[0]["consumed"].as_i64().ok_or_else(|| format!("{} is no number", rows[0]))
    }

    /// Waits until every record of the calls topic has been counted.
    pub async fn drained(&self, records: i64) {
        eventually("all records are counted", Duration::from_secs(60), async || {
            let consumed = self.consumed().await?;
            if consumed == records {
                Ok(())
            } else {
                Err(format!("{consumed} of {records}; {}", self.tails()))
            }
        })
        .await;
    }

    /// The last lines of the logs of every role and of the engines.
    pub fn tails(&self) -> String {
        let engines = self.engines.iter().flat_map(Engines::log_files);
        let engines = engines.map(|(name, file)| format!("\n--- {name}\n{}", last_lines(&file)));
        let roles = self.roles.iter().map(|role| format!("\n--- {}\n{}", role.name, role.tail()));
        roles.chain(engines).collect()
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A port that is free now and that no outgoing connection will take: a server that is killed finds it free again.
pub fn lasting_port() -> u16 {
    // Below the range that systems take outgoing ports from; begun at a place that differs between processes.
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let free = (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("one of some thousand ports is free")
}

/// Asks again until it is so; what was last wrong is told when it never is.
pub async fn eventually(what: &str, bound: Duration, ask: impl AsyncFn() -> Result<(), String>) {
    let answer = within(bound, ask).await;
    answer.unwrap_or_else(|problem| panic!("{what}: not within {bound:?}: {problem}"));
}

/// Asks again until it is so, or says what was last wrong.
pub async fn within(bound: Duration, ask: impl AsyncFn() -> Result<(), String>) -> Result<(), String> {
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(()) => return Ok(()),
            Err(problem) if began.elapsed() > bound => return Err(problem),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
