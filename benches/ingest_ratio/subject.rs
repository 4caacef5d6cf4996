//! What is measured: genuine Kafka with the product's topics, and `callmeter ingest` as a process on its defaults.

use anyhow::Context;
use callmeter_harness::{
    stack::{READY, RUNTIME, Stack, eventually, free_port},
    topic::Topic,
};
use callmeter_ingest::IngestConfig;
use callmeter_schemas::topics;
use nix::unistd::Pid;
use std::net::SocketAddr;

/// The installation.
pub(crate) struct Subject {
    stack: Stack,
    ingest: usize,
    address: SocketAddr,
}

impl Subject {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let (stack, ingest) = RUNTIME.block_on(async {
            // A broker as it is run for throughput, not one that starts soonest.
            let mut stack = Stack::start(|engines| engines.kafka.fast_start = false).await;
            let ingest = stack.role("ingest", &[("INGEST__LISTEN", &address)]).await;
            let url = format!("http://{address}");
            eventually("ingest has seen the topic's partitions", READY, || stack.is_ready(&url)).await;
            (stack, ingest)
        });
        Ok(Self { stack, ingest, address: address.parse().context("no address")? })
    }

    pub(crate) fn stop(self) {
        RUNTIME.block_on(self.stack.stop());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Pid {
        self.stack.roles[self.ingest].pid()
    }

    pub(crate) fn key(&self) -> &str {
        &self.stack.key
    }

    pub(crate) fn kafka(&self) -> &str {
        &self.stack.kafka
    }

    /// How long ingest gathers records, ms.
    pub(crate) fn linger_ms(&self) -> u64 {
        IngestConfig::default().linger_ms
    }

    /// Records that the topic ever took.
    pub(crate) fn stored(&self) -> anyhow::Result<u64> {
        let ends: i64 =
            Topic::new(&self.stack.kafka, topics::CALLS).bounds().values().map(|(_, end)| end).sum();
        u64::try_from(ends).context("offsets below zero")
    }
}
