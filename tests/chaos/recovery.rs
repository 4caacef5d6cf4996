//! How long counting stands still after a kill: processes enter, a table of times leaves.
//!
//! A time runs from SIGKILL of an aggregator until every partition has counted what was in its log just after the kill. What
//! is measured is told, never asserted: a test that fails when the machine is busy would be worth nothing.

use callmeter_harness::{
    producer::{self, Direct},
    spread::quantile,
    stack::{Stack, eventually},
    topic::Topic,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Records of the log before the first kill: what a restart remembers is read again.
const HISTORY: u64 = 40_000;
/// Longest time that a recovery may take before the run gives up.
const BOUND: Duration = Duration::from_secs(120);

/// Who is there when one is killed.
struct Setting {
    name: &'static str,
    /// Names in the consumer group; an empty one is a new member at each start.
    members: &'static [&'static str],
    session_timeout: &'static str,
    /// Whether the killed process is started again at once.
    restarts: bool,
}

const SETTINGS: [Setting; 4] = [
    Setting {
        name: "one process with a name, restarted",
        members: &["a"],
        session_timeout: "6s",
        restarts: true,
    },
    Setting { name: "one process without, restarted", members: &[""], session_timeout: "6s", restarts: true },
    Setting { name: "two processes, takeover", members: &["a", "b"], session_timeout: "6s", restarts: false },
    Setting {
        name: "two processes, takeover, session 1s",
        members: &["a", "b"],
        session_timeout: "1s",
        restarts: false,
    },
];

/// Kills so often in each setting; true unless counting never went on.
pub(crate) async fn run(kills: usize) -> bool {
    println!("recovery: {kills} kills in each setting, {HISTORY} records in the log");
    println!("{:<40} {:>9} {:>9} {:>9}", "SETTING", "MEDIAN", "P99", "LONGEST");
    for setting in &SETTINGS {
        let times = measure(setting, kills).await;
        let at = |share| format!("{} ms", quantile(&times, share).unwrap_or_default().as_millis());
        let [median, p99, longest] = [0.5, 0.99, 1.0].map(at);
        println!("{:<40} {median:>9} {p99:>9} {longest:>9}", setting.name);
    }
    true
}

async fn measure(setting: &Setting, kills: usize) -> Vec<Duration> {
    let mut stack = Stack::start(|_| ()).await;
    let mut roles = Vec::new();
    for name in setting.members {
        let settings =
            [("AGGREGATOR__INSTANCE", *name), ("AGGREGATOR__SESSION_TIMEOUT", setting.session_timeout)];
        roles.push(stack.role("aggregate", &settings).await);
    }
    let log = Topic::new(&stack.kafka, "callmeter.calls.v1");
    let trickle = Trickle::start(&stack.kafka);
    let mut times = Vec::new();
    for kill in 0..kills {
        settled(&stack, &roles).await;
        counted(&stack, &log.bounds()).await;
        let victim = roles[kill % roles.len()];
        let began = Instant::now();
        stack.kill(victim);
        if setting.restarts {
            stack.restart(victim);
        }
        // What is in the log now was appended after the kill, or was not counted before it.
        counted(&stack, &log.bounds()).await;
        times.push(began.elapsed());
        if !setting.restarts {
            stack.restart(victim);
        }
    }
    trickle.stop().await;
    stack.stop().await;
    times
}

/// Waits until every process counts partitions.
async fn settled(stack: &Stack, roles: &[usize]) {
    eventually("every process counts", BOUND, async || {
        let mut assigned = 0.0;
        for role in roles {
            let mine = stack.metric(*role, "callmeter_aggregator_assigned_partitions").await?;
            if mine == 0.0 {
                return Err(format!("process {role} has no partition"));
            }
            assigned += mine;
        }
        if assigned == 4.0 { Ok(()) } else { Err(format!("{assigned} partitions are assigned")) }
    })
    .await;
}

/// Waits until everything below these ends is counted.
async fn counted(stack: &Stack, ends: &BTreeMap<i32, (i64, i64)>) {
    eventually("counting goes on", BOUND, async || {
        let rows = stack
            .try_rows("SELECT partition, max(next_offset) AS marker FROM markers GROUP BY partition")
            .await?;
        let marker = |wanted: i32| {
            let row = rows.iter().find(|row| row["partition"].as_i64() == Some(wanted.into()));
            row.and_then(|row| row["marker"].as_i64()).unwrap_or(0)
        };
        let behind = ends.iter().find(|(partition, (_, end))| marker(**partition) < *end);
        behind.map_or(Ok(()), |(partition, _)| Err(format!("partition {partition} is behind")))
    })
    .await;
}

/// A few events per second and a history before them.
struct Trickle {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Trickle {
    fn start(brokers: &str) -> Self {
        let (stop, direct) = (Arc::new(AtomicBool::new(false)), Direct::new(brokers));
        let stopped = Arc::clone(&stop);
        (0..HISTORY).for_each(|number| direct.event(&producer::event(number)));
        direct.flush();
        let thread = std::thread::spawn(move || {
            for number in HISTORY.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                direct.event(&producer::event(number));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, thread }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || self.thread.join())
            .await
            .expect("joined")
            .expect("it does not fail");
    }
}
