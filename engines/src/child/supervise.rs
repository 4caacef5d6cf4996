//! The life after the first start: wait ready, wait dead, pause, start again, until asked to stop.
//! Enters: a specification and its first process. Leaves: a status after each change.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::log::last_lines;
use super::process::Process;
use super::{ChildSpec, ChildState, ChildStatus};
use crate::error::{EngineError, Problem};

/// Pause between two questions of a readiness check.
const ASK_AGAIN: Duration = Duration::from_millis(50);

type Publish = watch::Sender<ChildStatus>;

/// Starts the child and waits until it is ready; on failure nothing is left running.
pub(super) async fn first_start(spec: &ChildSpec, publish: &Publish) -> Result<Process, EngineError> {
    let mut process = start(spec, publish).await?;
    if let Err(error) = wait_ready(spec, &mut process).await {
        process.kill().await;
        return Err(error);
    }
    publish.send_modify(|status| status.state = ChildState::Ready);
    Ok(process)
}

/// Keeps the child alive until `asked_to_stop`; a dropped sender asks for an end at once.
pub(super) async fn keep(
    spec: ChildSpec,
    first: Process,
    publish: Publish,
    mut asked_to_stop: oneshot::Receiver<Duration>,
) {
    let mut running = Some(first);
    let mut attempt = 0;
    let grace = loop {
        let began = Instant::now();
        let life = one_life(&spec, &mut running, &publish);
        let end = tokio::select! {
            biased;
            grace = &mut asked_to_stop => break grace,
            end = life => end,
        };
        if let Some(late) = running.take() {
            // It may live and not be ready: its ports must be free before the next one starts.
            late.kill().await;
        }
        attempt = if began.elapsed() >= spec.backoff.calm { 0 } else { attempt };
        let pause = spec.backoff.pause(attempt);
        attempt = attempt.saturating_add(1);
        tracing::warn!(
            child = spec.name,
            end,
            pause_ms = pause.as_millis(),
            "a child ended and will be started again"
        );
        publish.send_modify(|status| {
            status.state = ChildState::BackingOff;
            status.pid = None;
            status.last_exit = Some(end);
            status.restarts += 1;
        });
        tokio::select! {
            biased;
            grace = &mut asked_to_stop => break grace,
            () = tokio::time::sleep(pause) => {}
        }
    };
    if let Some(process) = running {
        process.stop(spec.stop, grace.unwrap_or_default()).await;
    }
    publish.send_modify(|status| {
        status.state = ChildState::Stopped;
        status.pid = None;
    });
}

/// From a process, or from none, to the reason why there is none any more.
async fn one_life(spec: &ChildSpec, running: &mut Option<Process>, publish: &Publish) -> String {
    if running.is_none() {
        let process = match start(spec, publish).await {
            Ok(process) => running.insert(process),
            Err(error) => return error.to_string(),
        };
        if let Err(error) = wait_ready(spec, process).await {
            return error.to_string();
        }
        publish.send_modify(|status| status.state = ChildState::Ready);
    }
    match running {
        Some(process) => process.exited().await,
        None => "no process".to_owned(),
    }
}

async fn start(spec: &ChildSpec, publish: &Publish) -> Result<Process, EngineError> {
    let process = Process::start(spec).await.map_err(|error| Problem::Spawn {
        name: spec.name.clone(),
        program: spec.program.clone(),
        error,
    })?;
    publish.send_modify(|status| {
        status.state = ChildState::Starting;
        status.pid = Some(process.pid());
    });
    Ok(process)
}

async fn wait_ready(spec: &ChildSpec, process: &mut Process) -> Result<(), EngineError> {
    let mut reason = "it was never asked".to_owned();
    let asking = async {
        while let Err(not_yet) = (spec.ready)().await {
            reason = not_yet;
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        status = process.exited() => Err(Problem::EndedBeforeReady {
            name: spec.name.clone(),
            status,
            log: spec.log_file.clone(),
            last_lines: last_lines(&spec.log_file),
        }
        .into()),
        done = tokio::time::timeout(spec.ready_timeout, asking) => done.map_err(|_| {
            Problem::NotReady {
                name: spec.name.clone(),
                seconds: spec.ready_timeout.as_secs(),
                reason,
                log: spec.log_file.clone(),
                last_lines: last_lines(&spec.log_file),
            }
            .into()
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{StopBy, Supervised};
    use super::*;

    fn shell(dir: &Path, script: &str, answers: bool) -> ChildSpec {
        let ready = move || -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
            Box::pin(async move { if answers { Ok(()) } else { Err("no answer".to_owned()) } })
        };
        let mut spec = ChildSpec::new("shell", "/bin/sh", dir.join("shell.log"), Box::new(ready));
        spec.args = vec!["-c".into(), script.into()];
        spec.ready_timeout = Duration::from_millis(300);
        spec
    }

    fn exists(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn killed_child_comes_back_and_stop_leaves_no_process() {
        let dir = tempfile::tempdir().expect("a folder");
        let child = Supervised::start(shell(dir.path(), "exec sleep 600", true)).await.expect("a child");
        let mut status = child.status();
        let first = child.pid().expect("a process");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.cast_signed()), nix::sys::signal::SIGKILL)
            .expect("killed");
        let back = status.wait_for(|now| now.restarts == 1 && now.state == ChildState::Ready);
        let back =
            tokio::time::timeout(Duration::from_secs(5), back).await.expect("in time").expect("kept").clone();
        assert_eq!(back.last_exit.as_deref(), Some("killed by SIGKILL"));
        let second = back.pid.expect("a process");
        assert_ne!(first, second);
        child.stop(Duration::from_secs(5)).await;
        assert!(!exists(first) && !exists(second));
    }

    #[tokio::test]
    async fn stop_kills_a_child_that_will_not_end_and_its_own_children() {
        let dir = tempfile::tempdir().expect("a folder");
        let script = "trap '' TERM; sleep 601 & echo $! > grandchild; while :; do sleep 1; done";
        let mut spec = shell(dir.path(), script, true);
        spec.working_dir = Some(dir.path().to_path_buf());
        let child = Supervised::start(spec).await.expect("a child");
        let grandchild: u32 = loop {
            let written = std::fs::read_to_string(dir.path().join("grandchild")).unwrap_or_default();
            match written.trim().parse() {
                Ok(pid) => break pid,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert!(exists(grandchild));
        child.stop(Duration::from_millis(100)).await;
        assert!(!exists(grandchild));
    }

    #[tokio::test]
    async fn closed_stdin_ends_a_child_that_reads() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spec = shell(dir.path(), "cat; echo good bye", true);
        (spec.hold_stdin, spec.stop) = (true, StopBy::CloseStdin);
        let child = Supervised::start(spec).await.expect("a child");
        let log = child.log_file().to_path_buf();
        child.stop(Duration::from_secs(5)).await;
        assert_eq!(last_lines(&log), "  good bye");
    }

    #[tokio::test]
    async fn failed_start_tells_the_last_lines() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = Supervised::start(shell(dir.path(), "echo the disk is on fire >&2; exit 3", false))
            .await
            .expect_err("it ended");
        let text = error.to_string();
        assert!(text.contains("(exit code 3)") && text.contains("the disk is on fire"), "{text}");
    }

    #[tokio::test]
    async fn silent_child_is_not_ready_in_time_and_does_not_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spec = shell(dir.path(), "echo $$ > pid; exec sleep 602", false);
        spec.working_dir = Some(dir.path().to_path_buf());
        let error = Supervised::start(spec).await.expect_err("it never answers");
        assert!(
            matches!(error.problem(), Problem::NotReady { reason, .. } if reason == "no answer"),
            "{error}"
        );
        let written = std::fs::read_to_string(dir.path().join("pid")).expect("it ran");
        assert!(!exists(written.trim().parse().expect("a process id")));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = super::super::Backoff::default();
        let pauses: Vec<u128> = [0, 1, 2, 6, 7, 99].map(|attempt| backoff.pause(attempt).as_millis()).into();
        assert_eq!(pauses, [100, 200, 400, 6_400, 10_000, 10_000]);
    }
}
