//! The null contender: reads the log as the product does, and counts records and bytes only.
//!
//! Consumer settings and threads are the product's: one client, one thread for each partition, librdkafka's raw batch call.

use crate::contender::{report_usage, told};
use anyhow::{anyhow, ensure};
use callmeter_aggregator::{AggregatorConfig, fetch::Fetcher};
use callmeter_schemas::{config::KafkaConfig, topics};
use std::{hint::black_box, sync::Arc, thread, time::Duration};

/// Its word on the command line of its process.
pub(crate) const WORD: &str = "null";
/// Longest wait for one batch, as in the product.
const PATIENCE: Duration = Duration::from_millis(50);

/// Reads the log from start to end, in a process of its own.
pub(crate) fn read() -> anyhow::Result<()> {
    let kafka = KafkaConfig { brokers: told("CALLMETER__KAFKA__BROKERS")?, ..KafkaConfig::default() };
    let wanted: u64 = told("RECORDS")?.parse()?;
    let fetcher = Fetcher::new(&kafka, topics::CALLS, AggregatorConfig::default().fetch_ahead_bytes)?;
    let threads: Vec<_> = fetcher
        .partitions()?
        .into_iter()
        .map(|partition| {
            let fetcher = Arc::clone(&fetcher);
            thread::spawn(move || partition_read(&fetcher, partition))
        })
        .collect();
    let (mut records, mut bytes) = (0, 0);
    for thread in threads {
        let read = thread.join().map_err(|_| anyhow!("a reader panicked"))??;
        records += read.0;
        bytes += read.1;
    }
    ensure!(records == wanted, "{records} records of {wanted}");
    black_box(bytes);
    report_usage()
}

fn partition_read(fetcher: &Arc<Fetcher>, partition: i32) -> anyhow::Result<(u64, u64)> {
    let (start, end) = fetcher.bounds(partition)?;
    let mut tap = fetcher.tap(partition, start)?;
    let (mut records, mut bytes) = (0, 0);
    while tap.position() < end {
        tap.take(PATIENCE, end, |chunk| {
            records += chunk.len() as u64;
            bytes += chunk.iter().map(|record| record.value.len() as u64).sum::<u64>();
        })?;
    }
    Ok((records, bytes))
}
