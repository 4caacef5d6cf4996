//! Keeps child processes: starts one, waits until it answers, brings it back when it dies, ends it for good.
//! Enters: a [`ChildSpec`]. Leaves: a [`Supervised`] handle with a watchable [`ChildStatus`].
//!
//! Promises: a child has a process group of its own, which ends as a whole; it ends with this process, even when this
//! process is killed; its log is bounded at all times; a start that fails tells the last lines of that log.
//! Not promised: a child that hangs after it was ready once is not restarted.

mod log;
mod process;
mod supervise;

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::error::EngineError;

pub(crate) use log::indent;
pub use log::last_lines;

/// Asks a child one question; `Err` says why it is not ready yet.
pub type ReadyCheck = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What to run, and how.
pub struct ChildSpec {
    /// How messages and the status call it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to this process' environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; `None` is here.
    pub working_dir: Option<PathBuf>,
    /// Whether it gets a pipe as standard input that closes when it is to end.
    pub hold_stdin: bool,
    /// Where its output goes. One older file of the same size is kept beside it, named `.1`.
    pub log_file: PathBuf,
    /// Size at which the log starts afresh.
    pub max_log_bytes: u64,
    /// How it is asked to end.
    pub stop: StopBy,
    /// The question that decides whether it is ready; asked again and again until it is.
    pub ready: ReadyCheck,
    /// How long it may take until it is ready.
    pub ready_timeout: Duration,
    /// How long to wait before it is started again.
    pub backoff: Backoff,
}

/// How a child is asked to end before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBy {
    /// SIGTERM to its process group.
    Terminate,
    /// SIGINT to its process group.
    Interrupt,
    /// End of file on its standard input; needs [`ChildSpec::hold_stdin`].
    CloseStdin,
}

/// Pauses between restarts: the first one, doubled each time up to the longest; a run of `calm` starts over.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Pause before the first restart.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// A run this long counts as healthy.
    pub calm: Duration,
}

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// The process runs and does not answer yet.
    Starting,
    /// It answered.
    Ready,
    /// It died and waits to be started again.
    BackingOff,
    /// It was ended for good.
    Stopped,
}

/// What a status display shows of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildStatus {
    /// The name in its [`ChildSpec`].
    pub name: String,
    /// Where it is in its life.
    pub state: ChildState,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<String>,
}

/// A child that is kept alive. Dropping the handle kills it at once; [`Supervised::stop`] is the polite way.
#[derive(Debug)]
pub struct Supervised {
    name: String,
    log_file: PathBuf,
    status: watch::Receiver<ChildStatus>,
    stop: Option<oneshot::Sender<Duration>>,
    keeper: JoinHandle<()>,
}

impl Supervised {
    /// Starts a child and returns once it is ready; from then on it is restarted whenever it dies.
    ///
    /// Dropping the future before it is done kills what was started.
    ///
    /// # Errors
    /// When the program cannot be run, ends early, or is not ready in time. Nothing is left running then.
    pub async fn start(spec: ChildSpec) -> Result<Self, EngineError> {
        let (name, log_file) = (spec.name.clone(), spec.log_file.clone());
        let (publish, status) = watch::channel(ChildStatus {
            name: name.clone(),
            state: ChildState::Starting,
            pid: None,
            restarts: 0,
            last_exit: None,
        });
        let (stop, asked_to_stop) = oneshot::channel();
        let first = supervise::first_start(&spec, &publish).await?;
        let keeper = tokio::spawn(supervise::keep(spec, first, publish, asked_to_stop));
        Ok(Self { name, log_file, status, stop: Some(stop), keeper })
    }

    /// The name in its [`ChildSpec`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log_file(&self) -> &std::path::Path {
        &self.log_file
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.status.borrow().pid
    }

    /// Its status now and from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ChildStatus> {
        self.status.clone()
    }

    /// Asks it to end, waits at most `grace`, then kills its whole process group. Returns when it is gone.
    pub async fn stop(mut self, grace: Duration) {
        if let Some(stop) = self.stop.take() {
            // A keeper that is gone already has nothing left to stop.
            let _ = stop.send(grace);
        }
        if let Err(error) = self.keeper.await {
            tracing::error!(child = self.name, %error, "the keeper of a child failed");
        }
    }
}

impl ChildSpec {
    /// A child that is ended by SIGTERM, has a 10 MiB log, a minute to become ready and short pauses between restarts.
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log_file: impl Into<PathBuf>,
        ready: ReadyCheck,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            working_dir: None,
            hold_stdin: false,
            log_file: log_file.into(),
            max_log_bytes: 10 << 20,
            stop: StopBy::Terminate,
            ready,
            ready_timeout: Duration::from_secs(60),
            backoff: Backoff::default(),
        }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments and environment may hold secrets of the caller: they stay out.
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            calm: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The pause before restart number `attempt` in a row, counted from 0.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(1 << attempt.min(20)).min(self.longest)
    }
}
