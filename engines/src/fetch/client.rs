//! Runs a package client to its end. Enters: a command. Leaves: success, or its last lines as an error.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::progress::Progress;
use crate::child::indent;
use crate::deathsig;
use crate::error::{EngineError, Problem};

/// Pause between two looks at how far the client has come.
const LOOK: Duration = Duration::from_millis(200);
/// More of a client's output than anyone reads.
const KEPT_OUTPUT: u64 = 1 << 20;

/// How clients are run.
pub(super) struct Client<'a> {
    /// Where their output goes.
    pub(super) output: PathBuf,
    /// Whether nobody waits for them any more.
    pub(super) cancelled: &'a AtomicBool,
}

impl Client<'_> {
    /// Runs `command` and shows how much it has read meanwhile, which for a client that downloads is close to the truth;
    /// neither npm nor Maven tells progress when it is not on a terminal.
    pub(super) fn run(
        &self,
        mut command: Command,
        shown: &str,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        let io = |what, error| EngineError::io(what, &self.output, error);
        let file = File::create(&self.output).map_err(|error| io("cannot create", error))?;
        let again = file.try_clone().map_err(|error| io("cannot use", error))?;
        command.stdin(Stdio::null()).stdout(file).stderr(again);
        deathsig::die_with_this_thread(&mut command);
        let failed = |status: String| Problem::FetchFailed {
            command: shown.to_owned(),
            status,
            last_lines: indent(&read(&self.output)),
        };
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let status = self.watch(&mut child, progress).map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(status.to_string()).into()) }
    }

    fn watch(&self, child: &mut Child, progress: &Progress) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.cancelled.load(Ordering::Relaxed) {
                child.kill()?;
                return child.wait();
            }
            if let Some(bytes) = bytes_read(child.id()) {
                progress.at(bytes);
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    // A client whose output cannot be read is told of by its status alone.
    let _ = File::open(path).and_then(|file| file.take(KEPT_OUTPUT).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Bytes a process has read from files and sockets, where the system tells.
fn bytes_read(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, cancelled: bool) -> Result<(), EngineError> {
        let dir = tempfile::tempdir().expect("a folder");
        let cancelled = AtomicBool::new(cancelled);
        let client = Client { output: dir.path().join("client.log"), cancelled: &cancelled };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        client.run(command, "the client", &Progress::start("nothing", 1))
    }

    #[test]
    fn failed_client_tells_its_last_lines() {
        let text = run("echo no route to host >&2; exit 7", false).expect_err("it failed").to_string();
        assert!(
            text.starts_with("the client failed (exit status: 7):\n  no route to host\ncure: "),
            "{text}"
        );
    }

    #[test]
    fn client_that_nobody_waits_for_is_ended() {
        let text = run("exec sleep 603", true).expect_err("it was ended").to_string();
        assert!(text.contains("signal: 9"), "{text}");
    }
}
