//! A whole installation for one test: genuine Kafka and ClickHouse on free ports, roles as processes.
//!
//! What enters is which roles to run; what leaves is addresses, a client and processes that can be
//! killed. Promise: every test has engines and data of its own; nothing outlives the test; if an engine cannot start,
//! the test fails and says what is missing.

use crate::tariff;
use callmeter_engines::{Engines, EnginesOptions, Password};
use callmeter_ingest::keys;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// The engines' keepers live on this runtime for as long as the test process does.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // The program does this itself; a test process must too before it makes an HTTP client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
});

/// Two cores bear one installation at a time.
static TURN: Mutex<()> = Mutex::new(());

const PROGRAM: &str = env!("CARGO_BIN_EXE_callmeter");
const PASSWORD: &str = "for-this-test-only";
/// The price book, in the installation's folder.
pub(crate) const PRICES: &str = "prices.yaml";

/// Waits until no other installation runs.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one test on an installation of its own.
pub(crate) fn with_stack(test: impl AsyncFnOnce(&mut Stack)) {
    let _turn = turn();
    RUNTIME.block_on(async {
        let mut stack = Stack::start().await;
        test(&mut stack).await;
        stack.stop().await;
    });
}

/// One installation.
pub(crate) struct Stack {
    pub folder: tempfile::TempDir,
    pub kafka: String,
    pub clickhouse: String,
    pub key: String,
    pub http: reqwest::Client,
    /// Further variables of roles that are started from now on.
    pub environment: Vec<(String, String)>,
    entry: String,
    engines: Option<Engines>,
    roles: Vec<Role>,
}

/// One role's process.
pub(crate) struct Role {
    pub name: String,
    pub metrics: String,
    args: Vec<String>,
    settings: Vec<(String, String)>,
    child: Child,
    log: PathBuf,
}

impl Stack {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options =
            EnginesOptions::new(folder.path(), Password::new(PASSWORD), Password::new(PASSWORD));
        options.executable = Some(PROGRAM.into());
        options.kafka.port = 0;
        options.kafka.fast_start = true;
        options.clickhouse.http_port = 0;
        let engines = Engines::start(&options).await.unwrap_or_else(|error| panic!("engines: {error}"));
        let made = keys::generate("test", &[7; keys::RANDOM_BYTES]);
        let stack = Self {
            kafka: engines.kafka_brokers().expect("kafka runs"),
            clickhouse: engines.clickhouse_url().expect("clickhouse runs"),
            folder,
            key: made.key,
            http: reqwest::Client::builder().no_proxy().build().expect("an http client"),
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

    async fn stop(mut self) {
        self.roles.clear();
        self.engines.take().expect("stopped once").stop(Duration::from_secs(10)).await;
    }

    /// The program with this installation's settings.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(PROGRAM);
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
    pub(crate) async fn role(&mut self, args: &str, settings: &[(&str, &str)]) -> usize {
        let name = format!("{}-{}", args.replace(' ', "-"), self.roles.len());
        let metrics = format!("127.0.0.1:{}", free_port());
        let mut settings: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| (format!("CALLMETER__{name}"), (*value).to_owned()))
            .collect();
        settings.push(("CALLMETER__METRICS__LISTEN".into(), metrics.clone()));
        settings.extend(self.environment.iter().cloned());
        let log = self.folder.path().join(format!("{name}.log"));
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        let child = self.spawn(&args, &settings, &log);
        self.roles.push(Role { name, metrics, args, settings, child, log });
        let at = self.roles.len() - 1;
        self.await_ready(at).await;
        at
    }

    /// Starts ingest on a free port; its address is returned.
    pub(crate) async fn ingest(&mut self) -> String {
        let address = format!("127.0.0.1:{}", free_port());
        self.role("ingest", &[("INGEST__LISTEN", &address), ("INGEST__ACK_TIMEOUT_MS", "2000")]).await;
        let url = format!("http://{address}");
        let ready = format!("{url}/readyz");
        eventually("ingest is ready", Duration::from_secs(30), async || {
            let answer = self.http.get(&ready).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
        url
    }

    fn spawn(&self, args: &[String], settings: &[(String, String)], log: &PathBuf) -> Child {
        let out = File::options().create(true).append(true).open(log).expect("a log file");
        self.command(&args.join(" "))
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(out.try_clone().expect("the same file"))
            .stderr(out)
            .spawn()
            .expect("the role starts")
    }

    async fn await_ready(&self, at: usize) {
        let url = format!("http://{}/readyz", self.roles[at].metrics);
        let http = self.http.clone();
        let role = &self.roles[at];
        let ready = async || {
            let answer =
                http.get(&url).send().await.map_err(|error| format!("{error}; log: {}", role.tail()))?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        };
        eventually(&role.name, Duration::from_secs(30), ready).await;
    }

    /// Kills a role with SIGKILL.
    pub(crate) fn kill(&mut self, at: usize) {
        let role = &mut self.roles[at];
        role.child.kill().expect("the role runs");
        role.child.wait().expect("the role ended");
    }

    /// Starts a killed role again, as it was.
    pub(crate) fn restart(&mut self, at: usize) {
        let role = &self.roles[at];
        let child = self.spawn(&role.args, &role.settings, &role.log);
        self.roles[at].child = child;
    }

    /// Ends a role with SIGTERM and waits; its exit must be clean.
    pub(crate) fn terminate(&mut self, at: usize) {
        let role = &mut self.roles[at];
        let pid = Pid::from_raw(role.child.id().try_into().expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("the role runs");
        let status = role.child.wait().expect("the role ended");
        assert!(status.success(), "{} ended with {status}: {}", role.name, role.tail());
    }

    /// Stops Kafka's process, or lets it go on.
    pub(crate) fn pause_kafka(&self, pause: bool) {
        let pids = self.engines.as_ref().expect("the engines run").pids();
        let (_, pid) = pids.iter().find(|(name, _)| name == "kafka").expect("kafka runs");
        let signal = if pause { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(Pid::from_raw((*pid).try_into().expect("a pid")), signal).expect("kafka runs");
    }

    /// The value of a metric of a role; labels belong to the name.
    pub(crate) async fn metric(&self, at: usize, name: &str) -> Result<f64, String> {
        let url = format!("http://{}/metrics", self.roles[at].metrics);
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(metric, _)| metric == name));
        let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
        value.ok_or_else(|| format!("no {name} in {text}"))
    }

    /// Runs a statement that answers nothing.
    pub(crate) async fn execute(&self, statement: &str) {
        self.ask(statement).await;
    }

    async fn ask(&self, statement: &str) -> String {
        let answer = self
            .http
            .post(format!(
                "{}/?database=callmeter&output_format_json_quote_64bit_integers=0",
                self.clickhouse
            ))
            .basic_auth(callmeter_engines::ADMIN_USER, Some(PASSWORD))
            .body(statement.to_owned())
            .send()
            .await
            .expect("clickhouse answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a whole answer"));
        assert!(status.is_success(), "{statement}: {text}");
        text
    }

    /// The rows of a query, as JSON objects.
    pub(crate) async fn rows(&self, query: &str) -> Vec<Value> {
        let text = self.ask(&format!("{query} FORMAT JSONEachRow")).await;
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON row")).collect()
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let rows = self.rows(query).await;
        let value = rows[0].as_object().and_then(|row| row.values().next()).expect("one value");
        value.as_i64().unwrap_or_else(|| panic!("{query}: {value} is no integer"))
    }

    /// Sends a body to ingest and returns status and answer.
    pub(crate) async fn send(&self, url: &str, kind: &str, body: Vec<u8>) -> (u16, Value) {
        let request = self.http.post(url).bearer_auth(&self.key).header("content-type", kind).body(body);
        let answer = request.send().await.expect("ingest answers");
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.expect("a whole answer");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Waits until every record of the calls topic has been counted.
    pub(crate) async fn drained(&self, records: i64) {
        eventually("all records are counted", Duration::from_secs(60), async || {
            let consumed = self.number("SELECT toInt64(sum(consumed)) FROM ledger").await;
            if consumed == records {
                Ok(())
            } else {
                Err(format!("{consumed} of {records}; {}", self.tails()))
            }
        })
        .await;
    }

    fn tails(&self) -> String {
        self.roles.iter().map(|role| format!("\n--- {}\n{}", role.name, role.tail())).collect()
    }
}

impl Role {
    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Asks again until it is so; what was last wrong is told when it never is.
pub(crate) async fn eventually(what: &str, bound: Duration, ask: impl AsyncFn() -> Result<(), String>) {
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(()) => return,
            Err(problem) if began.elapsed() > bound => panic!("{what}: not within {bound:?}: {problem}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
