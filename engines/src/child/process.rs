//! One life of a child. Enters: a [`ChildSpec`]. Leaves: a process that can be signalled until it is reaped.
//!
//! A thread of its own starts the process and waits for it. That is not a detail: Linux ties the parent-death signal to
//! the *thread* that started the child, and the threads of a runtime come and go; this one lives exactly as long as the
//! child. It also marks the child as gone before it reaps it, so that no signal ever reaches a reused process id.

use std::io::{self, PipeWriter};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use super::log::BoundedLog;
use super::{ChildSpec, StopBy};
use crate::deathsig;

/// How long the last output of a dead child may take to reach its log.
const DRAIN: Duration = Duration::from_secs(1);

/// A started process; dropping it kills its group.
pub(super) struct Process {
    id: Pid,
    alive: Arc<Mutex<bool>>,
    stdin: Option<ChildStdin>,
    exited: oneshot::Receiver<String>,
    end: Option<String>,
}

struct Started {
    id: Pid,
    stdin: Option<ChildStdin>,
}

impl Process {
    pub(super) async fn start(spec: &ChildSpec) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let log = BoundedLog::open(&spec.log_file, spec.max_log_bytes)?;
        let command = command(spec, writer)?;
        let (tell_started, started) = oneshot::channel();
        let (tell_exited, exited) = oneshot::channel();
        let alive = Arc::new(Mutex::new(true));
        let shared = Arc::clone(&alive);
        std::thread::Builder::new().name(format!("keep {}", spec.name)).spawn(move || {
            let (drained, wait_drained) = mpsc::channel();
            let copier = std::thread::spawn(move || {
                log.copy_from(reader);
                // Nobody waits any more when the child's grandchildren kept its output open.
                let _ = drained.send(());
            });
            live(command, &shared, tell_started, tell_exited, &wait_drained);
            drop(copier);
        })?;
        let started = started.await.map_err(io::Error::other)??;
        Ok(Self { id: started.id, alive, stdin: started.stdin, exited, end: None })
    }

    pub(super) fn pid(&self) -> u32 {
        self.id.as_raw().unsigned_abs()
    }

    /// Waits for its end and says how it ended.
    pub(super) async fn exited(&mut self) -> String {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let end = (&mut self.exited).await.unwrap_or_else(|_| "unknown end".to_owned());
        self.end.insert(end).clone()
    }

    /// Asks it to end, then kills it; returns when it is gone.
    pub(super) async fn stop(mut self, by: StopBy, grace: Duration) {
        match by {
            StopBy::Terminate => self.signal(Signal::SIGTERM),
            StopBy::Interrupt => self.signal(Signal::SIGINT),
            StopBy::CloseStdin => drop(self.stdin.take()),
        }
        if tokio::time::timeout(grace, self.exited()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills it; returns when it is gone.
    pub(super) async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.exited().await;
    }

    fn signal(&self, signal: Signal) {
        if *locked(&self.alive) {
            // The group is ours and its leader is not reaped yet: failure means that it is ending already.
            let _ = killpg(self.id, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

fn command(spec: &ChildSpec, output: PipeWriter) -> io::Result<Command> {
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = &spec.working_dir {
        command.current_dir(dir);
    }
    command.stdin(if spec.hold_stdin { Stdio::piped() } else { Stdio::null() });
    command.stdout(output.try_clone()?).stderr(output).process_group(0);
    deathsig::die_with_this_thread(&mut command);
    Ok(command)
}

/// The thread of one child, from its start to its end.
fn live(
    mut command: Command,
    alive: &Mutex<bool>,
    started: oneshot::Sender<io::Result<Started>>,
    exited: oneshot::Sender<String>,
    drained: &mpsc::Receiver<()>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return drop(started.send(Err(error))),
    };
    // The command holds the write end of the output; with it open the copier would never see the end.
    drop(command);
    let id = Pid::from_raw(child.id().cast_signed());
    if let Err(Ok(unwanted)) = started.send(Ok(Started { id, stdin: child.stdin.take() })) {
        // Whoever asked for the child has gone away meanwhile.
        let _ = killpg(unwanted.id, Signal::SIGKILL);
    }
    let status = reap(&mut child, id, alive);
    let _ = drained.recv_timeout(DRAIN);
    let _ = exited.send(describe(status));
}

/// Waits without reaping, ends what is left of the group, and only then reaps: until that moment the id is ours.
fn reap(child: &mut Child, id: Pid, alive: &Mutex<bool>) -> io::Result<ExitStatus> {
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {
    }
    let mut alive = locked(alive);
    *alive = false;
    // An empty group answers with an error, which is the wish.
    let _ = killpg(id, Signal::SIGKILL);
    child.wait()
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal().and_then(|raw| Signal::try_from(raw).ok())) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("unknown end: {error}"),
    }
}

fn locked(alive: &Mutex<bool>) -> MutexGuard<'_, bool> {
    alive.lock().unwrap_or_else(PoisonError::into_inner)
}
