//! ClickHouse's files cannot grow any more: what it acknowledged is there, nothing else is, and it comes back by itself.

use callmeter_engines::{ADMIN_USER, Engines, EnginesOptions, Password, child::ChildState};
use callmeter_harness::stack::{RUNTIME, eventually, program, turn};
use std::{os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

const PASSWORD: &str = "for-this-test-only";
/// What a file may hold once the limit is set: more than any of ClickHouse's own small files.
const LIMIT: &str = "--fsize=1000000";
/// Rows of 1 KiB: a few that fit, and a block that does not.
const FITS: u64 = 10;
const TOO_LARGE: u64 = 20_000;

/// Runs the program with the signal ignored that a write beyond the limit brings: it then fails, as on a full disk.
fn executable(folder: &Path) -> std::path::PathBuf {
    let script = folder.join("program");
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nexec '{}' \"$@\"\n", program().display());
    std::fs::write(&script, text).expect("written");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).expect("executable");
    script
}

async fn ask(engines: &Engines, statement: &str) -> Result<String, String> {
    let url = engines.clickhouse_url().expect("clickhouse was wanted");
    let http = reqwest::Client::builder().no_proxy().build().expect("an http client");
    let request = http.post(url).basic_auth(ADMIN_USER, Some(PASSWORD)).body(statement.to_owned());
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    if good { Ok(text.trim().to_owned()) } else { Err(text) }
}

async fn insert(engines: &Engines, rows: u64) -> Result<String, String> {
    ask(engines, &format!("INSERT INTO kept SELECT randomString(1024) FROM numbers({rows})")).await
}

#[test]
fn clickhouse_ends_at_a_failed_write_and_comes_back_with_all_that_it_acknowledged() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a temporary folder");
    RUNTIME.block_on(async {
        let mut options =
            EnginesOptions::new(folder.path(), Password::new(PASSWORD), Password::new(PASSWORD));
        options.executable = Some(executable(folder.path()));
        (options.start_kafka, options.clickhouse.http_port) = (false, 0);
        let engines = Engines::start(&options).await.expect("clickhouse starts");
        ask(&engines, "CREATE TABLE kept (text String) ENGINE = MergeTree ORDER BY ()").await.expect("made");
        let mut status = engines.status().remove(0);
        let mut acknowledged = 0;
        for life in 1..=3 {
            insert(&engines, FITS).await.expect("there is room");
            acknowledged += FITS;
            let pid = status.borrow().pid.expect("it runs").to_string();
            let limited = Command::new("prlimit").args(["--pid", &pid, LIMIT]).status();
            assert!(limited.expect("prlimit is a program").success());
            insert(&engines, FITS).await.expect("a small file still fits");
            acknowledged += FITS;

            let answer = insert(&engines, TOO_LARGE).await;

            assert!(answer.is_err(), "acknowledged what was not stored");
            let back = status.wait_for(|now| now.restarts == life && now.state == ChildState::Ready);
            let back = tokio::time::timeout(Duration::from_secs(60), back).await;
            let end = back.expect("in time").expect("kept").last_exit.clone();
            assert_eq!(end.as_deref(), Some("exit code 74"));
            // The lengths are read from the files; the count alone would do without them.
            eventually("what was acknowledged is read", Duration::from_secs(30), async || {
                let there = ask(&engines, "SELECT count(), sum(length(text)) FROM kept").await?;
                let wanted = format!("{acknowledged}\t{}", acknowledged * 1024);
                if there == wanted { Ok(()) } else { Err(format!("{there} and not {wanted}")) }
            })
            .await;
        }
        let log = std::fs::read_to_string(&engines.log_files()[0].1).expect("the log");
        let said = "clickhouse: a write to its data failed (File too large); ending";
        assert_eq!(log.matches(said).count(), 3, "{log}");
        engines.stop(Duration::from_secs(10)).await;
    });
}
