//! One round: a schedule enters, faults happen to the site at their times, what took effect leaves.
//!
//! Promise: a step that cannot be done is told as not done; nothing here waits for an engine that a fault has stopped.

use crate::{
    disk::SmallDisk,
    fault::{Act, Line, Step, Then, TrapKind},
    site::{HINDRANCES, Site},
};
use callmeter_harness::{
    inspector::{Inspector, Violation},
    proxy::{Bite, Proxy, Trap, Way},
};
use nix::sys::signal::Signal;
use std::{
    process::Child,
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(5);
/// How long a supervisor takes to notice a death.
const SUPERVISE_EVERY: Duration = Duration::from_millis(300);
const GLANCE_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for a statement that breaks or mends something.
const STATEMENT: Duration = Duration::from_secs(2);
/// Pause of a slow connection after each piece.
const SLOW: Duration = Duration::from_millis(15);
/// What an insert of deltas has in its address, and no other request.
const INSERT: &str = "INTO+deltas";

/// A trap that was set and what follows its bite.
struct Armed {
    fault: usize,
    line: Line,
    bitten_before: u64,
    then: Then,
}

/// A round that runs.
struct Round<'a> {
    site: &'a mut Site,
    armed: Vec<Armed>,
    visitors: Vec<Child>,
    /// Whether each fault did what it was to do.
    took: Vec<bool>,
}

/// Plays all steps; says which faults took effect, and what was seen to be violated meanwhile.
pub(crate) async fn play(
    site: &mut Site,
    faults: usize,
    steps: &[Step],
    inspector: &mut Inspector,
) -> (Vec<bool>, Vec<Violation>) {
    let mut round = Round { site, armed: Vec::new(), visitors: Vec::new(), took: vec![true; faults] };
    let mut violations = Vec::new();
    let (began, mut steps) = (Instant::now(), steps.iter().peekable());
    let (mut supervised, mut glanced) = (began, began);
    while steps.peek().is_some() {
        while let Some(step) = steps.next_if(|step| step.at <= began.elapsed()) {
            let done = round.act(step).await;
            round.took[step.fault] &= done;
        }
        round.follow_bites();
        if supervised.elapsed() > SUPERVISE_EVERY {
            round.site.supervise();
            supervised = Instant::now();
        }
        if glanced.elapsed() > GLANCE_EVERY {
            let glance = tokio::time::timeout(GLANCE_EVERY, inspector.glance(&round.site.stack)).await;
            violations.extend(glance.unwrap_or_default());
            glanced = Instant::now();
        }
        tokio::time::sleep(TICK).await;
    }
    round.send_visitors_home();
    (round.took, violations)
}

impl Round<'_> {
    /// Does a step; false when there was nothing that it could be done to.
    async fn act(&mut self, step: &Step) -> bool {
        let site = &mut *self.site;
        match step.act {
            Act::KillAggregator(number) => kill(site, site.aggregators[number]),
            Act::KillIngest(number) => kill(site, site.ingests[number]),
            Act::FreezeAggregator(number) => signal(site, site.aggregators[number], Signal::SIGSTOP),
            Act::FreezeIngest(number) => signal(site, site.ingests[number], Signal::SIGSTOP),
            Act::KillEngine(engine) => site.stack.signal_engine(engine, Signal::SIGKILL),
            Act::FreezeEngine(engine) => site.stack.signal_engine(engine, Signal::SIGSTOP),
            Act::Hinder(number, true) => statement(site, HINDRANCES[number].0).await,
            Act::Bitten(line) => self.bitten(step.fault, line),
            act => {
                self.always(step.fault, act).await;
                true
            }
        }
    }

    /// Steps that take effect whatever happened meanwhile: what was killed needs no waking.
    async fn always(&mut self, fault: usize, act: Act) {
        let site = &mut *self.site;
        match act {
            Act::WakeAggregator(number) => drop(signal(site, site.aggregators[number], Signal::SIGCONT)),
            Act::WakeIngest(number) => drop(signal(site, site.ingests[number], Signal::SIGCONT)),
            Act::WakeEngine(engine) => drop(site.stack.signal_engine(engine, Signal::SIGCONT)),
            Act::Refuse(number, refuse) => site.clickhouse[number].refuse(refuse),
            Act::Slow(number, slow) => {
                site.clickhouse[number].slow(if slow { SLOW } else { Duration::ZERO });
            }
            Act::Hinder(number, _) => drop(statement(site, HINDRANCES[number].1).await),
            Act::FullDisk(true) => site.disk.iter().for_each(SmallDisk::fill),
            Act::FullDisk(false) => site.disk.iter().for_each(SmallDisk::free),
            Act::SetTrap(line, kind, then) => self.arm(fault, line, kind, then),
            Act::VisitorComes => self.visitors.push(self.site.visitor()),
            Act::VisitorGoes => self.send_visitors_home(),
            other => unreachable!("{other:?} may fail to take effect"),
        }
    }

    fn arm(&mut self, fault: usize, line: Line, kind: TrapKind, then: Then) {
        let proxy = proxy(self.site, line);
        let trap = |way, after, bite| Trap { way, after, within: None, bite };
        proxy.set(match kind {
            TrapKind::CutUp { after } => trap(Way::Up, after, Bite::Cut),
            TrapKind::CutDown { after } => trap(Way::Down, after, Bite::Cut),
            TrapKind::StallUp { after, time } => trap(Way::Up, after, Bite::Stall(time)),
            TrapKind::StallInsert { after, time } => {
                Trap { within: Some(INSERT), ..trap(Way::Up, after, Bite::Stall(time)) }
            }
            TrapKind::SwallowAnswer => Trap { within: Some(INSERT), ..trap(Way::Down, 0, Bite::Cut) },
            TrapKind::StallAnswer { time } => {
                Trap { within: Some(INSERT), ..trap(Way::Down, 0, Bite::Stall(time)) }
            }
        });
        self.armed.push(Armed { fault, line, bitten_before: proxy.bitten(), then });
    }

    /// Does what follows each bite, once.
    fn follow_bites(&mut self) {
        for at in 0..self.armed.len() {
            let Armed { line, bitten_before, then, .. } = self.armed[at];
            if then == Then::Nothing || proxy(self.site, line).bitten() == bitten_before {
                continue;
            }
            self.armed[at].then = Then::Nothing;
            match then {
                Then::Kill(number) => kill(self.site, self.site.aggregators[number]),
                Then::Freeze(number) => signal(self.site, self.site.aggregators[number], Signal::SIGSTOP),
                Then::Nothing => true,
            };
        }
    }

    fn bitten(&mut self, fault: usize, line: Line) -> bool {
        let Some(at) = self.armed.iter().position(|armed| armed.fault == fault) else { return false };
        let bitten = proxy(self.site, line).bitten() > self.armed[at].bitten_before;
        if !bitten {
            self.armed.remove(at);
        }
        bitten
    }

    fn send_visitors_home(&mut self) {
        for mut visitor in self.visitors.drain(..) {
            // It may have ended by itself.
            let _ = visitor.kill();
            let _ = visitor.wait();
        }
    }
}

fn proxy(site: &Site, line: Line) -> &Proxy {
    match line {
        Line::ClickHouse(number) => &site.clickhouse[number],
        Line::Kafka => &site.kafka,
        Line::Ingest(number) => &site.doors[number],
    }
}

fn kill(site: &mut Site, role: usize) -> bool {
    let role = &mut site.stack.roles[role];
    let runs = role.is_running();
    if runs {
        role.kill();
    }
    runs
}

fn signal(site: &mut Site, role: usize, signal: Signal) -> bool {
    let role = &mut site.stack.roles[role];
    let runs = role.is_running();
    if runs {
        role.signal(signal);
    }
    runs
}

async fn statement(site: &Site, statement: &str) -> bool {
    matches!(tokio::time::timeout(STATEMENT, site.stack.try_ask(statement)).await, Ok(Ok(_)))
}
