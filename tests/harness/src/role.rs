//! One role as a process: a command enters, a process leaves that can be killed, frozen and started again.
//!
//! Promise: it ends with its handle; its output is kept in one log over all its starts.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// One role's process.
pub struct Role {
    /// Its command and its place among the roles.
    pub name: String,
    /// Address of its metrics.
    pub metrics: String,
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Role {
    /// Starts the process; its log goes into the folder.
    pub fn start(
        mut command: Command,
        name: String,
        metrics: String,
        settings: Vec<(String, String)>,
        folder: &Path,
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        command.envs(settings);
        let child = spawn(&mut command, &log);
        Self { name, metrics, command, child, log }
    }

    /// Its process id; that of the last start when it does not run.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid"))
    }

    /// Whether it runs, frozen or not.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("the role runs");
        self.child.wait().expect("the role ended");
    }

    /// Starts it again, as it was.
    pub fn restart(&mut self) {
        self.child = spawn(&mut self.command, &self.log);
    }

    /// Ends it with SIGTERM and waits; its exit must be clean.
    pub fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("the role ended");
        assert!(status.success(), "{} ended with {status}: {}", self.name, self.tail());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the role was not waited for");
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        last_lines(&self.log)
    }
}

/// The last lines of a log; nothing when there is none.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let out = File::options().create(true).append(true).open(log).expect("a log file");
    command.stdout(out.try_clone().expect("the same file")).stderr(out).spawn().expect("the role starts")
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
