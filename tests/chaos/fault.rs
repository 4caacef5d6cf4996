//! The faults: a seed enters, a schedule of small acts leaves.
//!
//! Promise: pure; the same seed draws the same schedule. Whether an act took effect is known only when it was done.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use std::time::Duration;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is told by its name")]
pub(crate) enum Fault {
    KillAggregator,
    FreezeAggregator,
    ZombieInsert,
    SlowInsert,
    CutInsert,
    StallInsert,
    SwallowAnswer,
    KillAtAnswer,
    RefuseClickHouse,
    SlowClickHouse,
    KillClickHouse,
    FreezeClickHouse,
    TooManyParts,
    NoMemory,
    DiskQuota,
    FullDisk,
    KillKafka,
    FreezeKafka,
    CutKafka,
    StallKafka,
    KillIngest,
    FreezeIngest,
    CutIngest,
    RebalanceStorm,
}

/// All of them, with their names in reports.
pub(crate) const ALL: [(Fault, &str); 24] = [
    (Fault::KillAggregator, "SIGKILL of an aggregator"),
    (Fault::FreezeAggregator, "aggregator frozen past its session, then woken"),
    (Fault::ZombieInsert, "aggregator frozen in mid-insert; the insert goes on after its partitions moved"),
    (Fault::SlowInsert, "inserts slow inside ClickHouse, an aggregator frozen meanwhile"),
    (Fault::CutInsert, "connection to ClickHouse cut at a random byte"),
    (Fault::StallInsert, "insert stalled at a random byte"),
    (Fault::SwallowAnswer, "answer lost after the insert ended"),
    (Fault::KillAtAnswer, "SIGKILL of an aggregator at the answer to its insert"),
    (Fault::RefuseClickHouse, "connections to ClickHouse refused"),
    (Fault::SlowClickHouse, "slow connections to ClickHouse"),
    (Fault::KillClickHouse, "kill -9 of ClickHouse"),
    (Fault::FreezeClickHouse, "ClickHouse frozen"),
    (Fault::TooManyParts, "ClickHouse answers \"too many parts\""),
    (Fault::NoMemory, "ClickHouse answers \"memory limit\""),
    (Fault::DiskQuota, "ClickHouse answers \"not enough space\""),
    (Fault::FullDisk, "ClickHouse's disk full"),
    (Fault::KillKafka, "kill -9 of Kafka"),
    (Fault::FreezeKafka, "Kafka frozen"),
    (Fault::CutKafka, "connection to Kafka cut at a random byte"),
    (Fault::StallKafka, "connection to Kafka stalled at a random byte"),
    (Fault::KillIngest, "SIGKILL of ingest"),
    (Fault::FreezeIngest, "ingest frozen, then woken"),
    (Fault::CutIngest, "connection to ingest cut at a random byte"),
    (Fault::RebalanceStorm, "rebalance storm: members join and vanish"),
];

/// Its name in reports.
pub(crate) fn name(fault: Fault) -> &'static str {
    ALL.iter().find(|(known, _)| *known == fault).map_or("", |(_, name)| name)
}

/// One small step of a fault. Numbers name aggregators or ingest processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    KillAggregator(usize),
    FreezeAggregator(usize),
    WakeAggregator(usize),
    /// A trap on a line, and what follows its bite at once.
    SetTrap(Line, TrapKind, Then),
    /// By now the trap must have bitten.
    Bitten(Line),
    Refuse(usize, bool),
    Slow(usize, bool),
    KillEngine(&'static str),
    FreezeEngine(&'static str),
    WakeEngine(&'static str),
    /// One of [`crate::site::HINDRANCES`].
    Hinder(usize, bool),
    FullDisk(bool),
    KillIngest(usize),
    FreezeIngest(usize),
    WakeIngest(usize),
    VisitorComes,
    VisitorGoes,
}

/// A connection with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    ClickHouse(usize),
    Kafka,
    Ingest(usize),
}

/// What a trap waits for, and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrapKind {
    CutUp {
        after: u64,
    },
    CutDown {
        after: u64,
    },
    StallUp {
        after: u64,
        time: Duration,
    },
    /// The same in an insert of deltas.
    StallInsert {
        after: u64,
        time: Duration,
    },
    /// The answer to an insert of deltas never arrives.
    SwallowAnswer,
    /// It arrives later.
    StallAnswer {
        time: Duration,
    },
}

/// What happens to the aggregator whose connection was bitten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    Kill(usize),
    Freeze(usize),
}

/// A step and when it happens, from the start of the round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) fault: usize,
    pub(crate) act: Act,
}

/// How many there are of what a fault can choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets {
    pub(crate) aggregators: usize,
    pub(crate) ingests: usize,
}

/// Draws the faults of one round and the steps of all of them, in order.
pub(crate) fn draw(
    random: &mut StdRng,
    among: &[Fault],
    count: usize,
    span: Duration,
    targets: Targets,
) -> (Vec<Fault>, Vec<Step>) {
    let (mut faults, mut steps) = (Vec::new(), Vec::new());
    for number in 0..count {
        let fault = *among.choose(random).expect("some faults are allowed");
        let start = span.mul_f64(random.random());
        let acts = acts(random, fault, targets);
        steps.extend(acts.into_iter().map(|(after, act)| Step { at: start + after, fault: number, act }));
        faults.push(fault);
    }
    steps.sort_by_key(|step| step.at);
    (faults, steps)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The steps of one fault, each with its time after the fault's start.
fn acts(random: &mut StdRng, fault: Fault, targets: Targets) -> Vec<(Duration, Act)> {
    let aggregator = random.random_range(0..targets.aggregators);
    let ingest = random.random_range(0..targets.ingests);
    let line = Line::ClickHouse(aggregator);
    // Small requests and large blocks alike.
    let after = 1 << random.random_range(4..19_u32);
    let after = random.random_range(after / 2..after);
    let (short, long) = (ms(random.random_range(200..1_500)), ms(random.random_range(1_500..4_000)));
    // Longer than the group takes to give the partitions to others, and those to begin.
    let moved = ms(random.random_range(8_000..13_000));
    let trap = |line, kind| vec![(ms(0), Act::SetTrap(line, kind, Then::Nothing)), (long, Act::Bitten(line))];
    match fault {
        Fault::KillAggregator => vec![(ms(0), Act::KillAggregator(aggregator))],
        Fault::FreezeAggregator => {
            vec![(ms(0), Act::FreezeAggregator(aggregator)), (moved, Act::WakeAggregator(aggregator))]
        }
        Fault::ZombieInsert => {
            // Past the request's head of 9 KB and before the end of a large block. The block is one LZ4 frame, so that
            // ClickHouse compares the marker only when all of it has come.
            let after = random.random_range(14_000..22_000);
            let kind = TrapKind::StallInsert { after, time: moved };
            vec![
                (ms(0), Act::SetTrap(line, kind, Then::Freeze(aggregator))),
                (long, Act::Bitten(line)),
                (long + moved + short, Act::WakeAggregator(aggregator)),
            ]
        }
        // ClickHouse has compared the marker before it sleeps, and others have the partition before it is awake.
        Fault::SlowInsert => vec![
            (ms(0), Act::Hinder(3, true)),
            (ms(400), Act::FreezeAggregator(aggregator)),
            (moved, Act::Hinder(3, false)),
            (moved + short, Act::WakeAggregator(aggregator)),
        ],
        Fault::CutInsert if random.random() => trap(line, TrapKind::CutUp { after }),
        Fault::CutInsert => trap(line, TrapKind::CutDown { after: after.min(2_000) }),
        Fault::StallInsert => trap(line, TrapKind::StallInsert { after, time: long }),
        Fault::SwallowAnswer => trap(line, TrapKind::SwallowAnswer),
        Fault::KillAtAnswer => vec![
            (ms(0), Act::SetTrap(line, TrapKind::StallAnswer { time: short }, Then::Kill(aggregator))),
            (long, Act::Bitten(line)),
        ],
        Fault::RefuseClickHouse => {
            vec![(ms(0), Act::Refuse(aggregator, true)), (long, Act::Refuse(aggregator, false))]
        }
        Fault::SlowClickHouse => {
            vec![(ms(0), Act::Slow(aggregator, true)), (long, Act::Slow(aggregator, false))]
        }
        Fault::KillClickHouse => vec![(ms(0), Act::KillEngine("clickhouse"))],
        Fault::FreezeClickHouse => freeze("clickhouse", long),
        Fault::TooManyParts => hinder(0, long),
        Fault::NoMemory => hinder(1, long),
        Fault::DiskQuota => hinder(2, long),
        // ClickHouse ends at each write that fails and is started again, until there is room.
        Fault::FullDisk => vec![(ms(0), Act::FullDisk(true)), (long, Act::FullDisk(false))],
        Fault::KillKafka => vec![(ms(0), Act::KillEngine("kafka"))],
        Fault::FreezeKafka => freeze("kafka", long),
        Fault::CutKafka if random.random() => trap(Line::Kafka, TrapKind::CutUp { after }),
        Fault::CutKafka => trap(Line::Kafka, TrapKind::CutDown { after }),
        Fault::StallKafka => trap(Line::Kafka, TrapKind::StallUp { after, time: long }),
        Fault::KillIngest => vec![(ms(0), Act::KillIngest(ingest))],
        Fault::FreezeIngest => vec![(ms(0), Act::FreezeIngest(ingest)), (long, Act::WakeIngest(ingest))],
        Fault::CutIngest if random.random() => trap(Line::Ingest(ingest), TrapKind::CutUp { after }),
        Fault::CutIngest => trap(Line::Ingest(ingest), TrapKind::CutDown { after: after.min(400) }),
        Fault::RebalanceStorm => (0..3)
            .flat_map(|visit| {
                let comes = short * 2 * visit;
                [(comes, Act::VisitorComes), (comes + short + ms(700), Act::VisitorGoes)]
            })
            .collect(),
    }
}

fn hinder(number: usize, time: Duration) -> Vec<(Duration, Act)> {
    vec![(ms(0), Act::Hinder(number, true)), (time, Act::Hinder(number, false))]
}

fn freeze(engine: &'static str, time: Duration) -> Vec<(Duration, Act)> {
    vec![(ms(0), Act::FreezeEngine(engine)), (time, Act::WakeEngine(engine))]
}
