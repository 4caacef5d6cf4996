//! `up`, as a newcomer meets it: one command, an event of one's own in SQL, children that come back, a clean end.

use callmeter_harness::stack::{RUNTIME, eventually, free_port, turn};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // Its children end with it, even when it is killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path) -> Up {
    let free = ["INGEST__LISTEN", "BOARD__LISTEN", "METRICS__LISTEN"]
        .map(|name| (format!("CALLMETER__{name}"), "127.0.0.1:0"));
    let ports = ["KAFKA_PORT", "CLICKHOUSE_PORT"].map(|name| (format!("CALLMETER__ENGINES__{name}"), "0"));
    let log = std::fs::File::create(data.with_extension("log")).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_callmeter"))
        .args(["up", "--data"])
        .arg(data)
        .envs(free)
        .envs(ports)
        .env("CALLMETER__ENGINES__FAST_START", "true")
        .current_dir(data.parent().expect("a folder"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("up starts");
    Up(child)
}

async fn run_json(data: &Path) -> Value {
    let log = || std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
    // Long, because on a new machine the engines are fetched first.
    eventually("run.json is written", Duration::from_secs(300), async || {
        if data.join("run.json").exists() { Ok(()) } else { Err(log()) }
    })
    .await;
    serde_json::from_slice(&std::fs::read(data.join("run.json")).expect("readable")).expect("JSON")
}

async fn calls(http: &reqwest::Client, run: &Value, workspace: &str) -> Result<u64, String> {
    let text = |name: &str| run[name].as_str().expect("a text").to_owned();
    let answer = http
        .post(format!("{}/?database={}", text("clickhouse_url"), text("clickhouse_database")))
        .basic_auth(text("clickhouse_user"), Some(text("clickhouse_password")))
        .body(format!("SELECT sum(calls) FROM rollups WHERE workspace = '{workspace}'"))
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    text.trim().parse().map_err(|_| text)
}

async fn send(http: &reqwest::Client, run: &Value, id: &str) -> Result<(), String> {
    let url = format!("{}/v1/events", run["ingest_url"].as_str().expect("a text"));
    let event = json!({"id": id, "customer": "me", "integration": "hubspot", "status": 200});
    let request = http.post(url).bearer_auth(run["api_key"].as_str().expect("a text")).json(&event);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    if answer.status() == 202 { Ok(()) } else { Err(answer.status().to_string()) }
}

/// Processes whose parent is this one.
fn children(of: u32) -> BTreeSet<u32> {
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let all = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent(*pid) == Some(of)).collect()
}

#[test]
fn up_counts_ones_own_event_survives_every_kill_and_leaves_nothing_behind() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    RUNTIME.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().expect("an http client");
        let mut up = start(&data);
        let run = run_json(&data).await;
        send(&http, &run, "mine-0").await.expect("accepted");
        counted(&http, &run, 1).await;
        eventually("demo traffic is counted", Duration::from_secs(30), async || {
            match calls(&http, &run, "demo").await? {
                0 => Err("none yet".into()),
                _ => Ok(()),
            }
        })
        .await;

        eventually("the board shows the demo's rollups", Duration::from_secs(30), async || {
            let page = http
                .get(run["board_url"].as_str().expect("a text"))
                .send()
                .await
                .map_err(|error| error.to_string())?;
            let page = page.text().await.map_err(|error| error.to_string())?;
            if page.contains("hubspot") { Ok(()) } else { Err(page) }
        })
        .await;

        let family = children(up.0.id());
        assert_eq!(family.len(), 5, "kafka, clickhouse, ingest, aggregate, alert");
        for (round, pid) in (1..).zip(&family) {
            kill(Pid::from_raw((*pid).try_into().expect("a pid")), Signal::SIGKILL).expect("it runs");
            let id = format!("mine-{round}");
            eventually("an event is accepted again", Duration::from_secs(60), async || {
                send(&http, &run, &id).await
            })
            .await;
            counted(&http, &run, round + 1).await;
        }
        assert_eq!(children(up.0.id()).len(), 5, "all came back");

        let family = children(up.0.id());
        let began = Instant::now();
        kill(Pid::from_raw(up.0.id().try_into().expect("a pid")), Signal::SIGINT).expect("it runs");
        assert!(up.0.wait().expect("it ends").success());
        assert!(began.elapsed() < Duration::from_secs(12), "it took {:?}", began.elapsed());
        assert!(!data.join("run.json").exists(), "run.json is removed at a clean stop");
        for pid in family {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
        }

        let _again = start(&data);
        let run = run_json(&data).await;
        counted(&http, &run, 6).await;
        send(&http, &run, "mine-0").await.expect("accepted");
        send(&http, &run, "mine-6").await.expect("accepted");
        counted(&http, &run, 7).await;
    });
}

async fn counted(http: &reqwest::Client, run: &Value, events: u64) {
    eventually("the event is in the rollups", Duration::from_secs(60), async || {
        let calls = calls(http, run, "default").await?;
        if calls == events { Ok(()) } else { Err(format!("{calls} of {events}")) }
    })
    .await;
}

#[test]
fn a_taken_port_is_named_with_the_setting_that_moves_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = free_port();
    let _holder = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port");
    let output = Command::new(env!("CARGO_BIN_EXE_callmeter"))
        .args(["aggregate"])
        .env("CALLMETER__METRICS__LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&port.to_string()) && said.contains("metrics.listen"), "{said}");
}
