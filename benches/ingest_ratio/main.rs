//! What ingest costs: seeded requests enter it and a server that only parses them; CPU per event and ack times leave.
//!
//! `cargo bench --bench ingest_ratio -- [--seconds S | --requests N] [--rounds 5] [--batches 1,100,1000] [--seed S]
//! [--pace REQUESTS_PER_SECOND] [--out FOLDER]` starts genuine Kafka and `callmeter ingest`, sends the same bytes to both by
//! turns and writes a table, `ingest.json` and `ingest.svg`. The control is described in [`parse_only`], the traffic in
//! [`bodies`]. Promise: ratios are of pairs from one round; every answer was 202 with every event accepted, and the topic grew
//! by exactly the events that ingest accepted, or there is no result.

mod bare;
mod bodies;
mod load;
mod options;
mod parse_only;
mod report;
mod subject;
mod svg;

use anyhow::{Context, ensure};
use bodies::Request;
use callmeter_harness::usage::Usage;
use load::Load;
use nix::unistd::Pid;
use options::{Length, Options};
use parse_only::ParseOnly;
use report::{Acks, Case, Report};
use std::{sync::Arc, time::Duration};
use subject::Subject;

/// Requests in flight of one event each; larger ones have fewer, down to [`LEAST_IN_FLIGHT`].
const IN_FLIGHT: usize = 128;
const LEAST_IN_FLIGHT: usize = 16;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).is_some_and(|word| word == parse_only::WORD) {
        return parse_only::serve();
    }
    let options = Options::read(std::env::args().skip(1))?;
    let subject = Subject::start()?;
    let control = ParseOnly::start()?;
    let result = measure(&options, &subject, &control);
    if let Ok(report) = &result {
        report.write(&options.out)?;
    }
    subject.stop();
    result.map(|_| ())
}

fn measure(options: &Options, subject: &Subject, control: &ParseOnly) -> anyhow::Result<Report> {
    let mut cases: Vec<Case> = options.batches.iter().map(|batch| Case::new(*batch)).collect();
    let pools: Vec<Arc<Vec<Request>>> = options
        .batches
        .iter()
        .map(|batch| Arc::new(bodies::requests(options.seed, *batch, subject.key())))
        .collect();
    let mut accepted = 0;
    for (case, pool) in cases.iter_mut().zip(&pools) {
        case.event_bytes = bytes_per_event(pool, case.batch);
        eprintln!("batch {}: both answer {} different requests alike?", case.batch, pool.len());
        let once = load(case.batch, pool, Length::Requests(pool.len() as u64));
        run(&once, control.address, control.pid(), case.batch)?;
        accepted += run(&once, subject.address(), subject.pid(), case.batch)?.events;
        ensure!(subject.stored()? == accepted, "the topic did not grow by the accepted events");
    }
    for round in 1..=options.rounds {
        for (case, pool) in cases.iter_mut().zip(&pools) {
            let load = Load { pace: options.pace, ..load(case.batch, pool, options.length) };
            // Who goes first changes with the round: what one leaves behind is not always the other's.
            let (ingest, parse_only) = if round % 2 == 0 {
                let parse_only = run(&load, control.address, control.pid(), case.batch)?;
                (run(&load, subject.address(), subject.pid(), case.batch)?, parse_only)
            } else {
                let ingest = run(&load, subject.address(), subject.pid(), case.batch)?;
                (ingest, run(&load, control.address, control.pid(), case.batch)?)
            };
            accepted += ingest.events;
            case.add(&ingest, &parse_only);
            eprintln!("round {round}, batch {}: {}", case.batch, case.last());
        }
    }
    let peak_mib = |pid| anyhow::Ok(Usage::of(pid)?.peak_bytes as f64 / 1_048_576.0);
    let memory_mib = (peak_mib(subject.pid())?, peak_mib(control.pid())?);
    let (acks, sent) = acks(options, subject, cases.first().context("no batches")?)?;
    ensure!(subject.stored()? == accepted + sent, "the topic did not grow by the accepted events");
    let Options { seed, pace, .. } = *options;
    Ok(Report { cases, acks, memory_mib, seed, pace, events: accepted + sent })
}

/// Ack times of single events at about half of what ingest took, beside those of Kafka alone; and what was stored.
fn acks(options: &Options, subject: &Subject, fullest: &Case) -> anyhow::Result<(Acks, u64)> {
    let requests = Arc::new(bodies::requests(options.seed, 1, subject.key()));
    let per_second = fullest.requests_per_second() / 2.0;
    let bare = bare::Bare::new(subject.kafka(), &requests)?;
    let most = match options.length {
        Length::Time(most) => most,
        Length::Requests(requests) => Duration::from_secs_f64(requests as f64 / per_second),
    };
    let (mut acks, mut sent) = (Acks::new(subject.linger_ms(), per_second), 0);
    for round in 1..=options.rounds {
        let mut load = load(1, &requests, Length::Time(most));
        (load.to, load.pace) = (subject.address(), Some(per_second));
        let ingest = load::run(&load)?.latencies;
        let alone = bare.run(most, per_second)?;
        sent += (ingest.len() + alone.len()) as u64;
        acks.add(&ingest, &alone);
        eprintln!("acks, round {round}: {}", acks.last());
    }
    Ok((acks, sent))
}

fn load(batch: usize, requests: &Arc<Vec<Request>>, length: Length) -> Load {
    let in_flight = (IN_FLIGHT / batch).max(LEAST_IN_FLIGHT);
    Load { to: ([127, 0, 0, 1], 0).into(), requests: requests.clone(), in_flight, length, pace: None }
}

/// Sends a load to a server; what the server's process used for it.
fn run(load: &Load, to: std::net::SocketAddr, pid: Pid, batch: usize) -> anyhow::Result<report::Measured> {
    let before = Usage::of(pid)?.cpu;
    let answered = load::run(&Load { to, ..load.clone() })?;
    let cpu_seconds = (Usage::of(pid)?.cpu - before).as_secs_f64();
    let events = answered.requests * batch as u64;
    Ok(report::Measured { events, requests: answered.requests, seconds: answered.seconds, cpu_seconds })
}

fn bytes_per_event(requests: &[Request], batch: usize) -> f64 {
    let bytes: usize = requests.iter().map(|request| request.body().len()).sum();
    bytes as f64 / (requests.len() * batch) as f64
}
