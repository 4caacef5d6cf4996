//! The load generator: prepared requests enter a server over keep-alive connections, what they took leaves.
//!
//! Each connection has one request in flight, so that their number is fixed; with a pace, requests begin at given times.
//! One thread drives all connections, so that two cores are left to the server. Promise: any answer but 202 with every
//! event accepted ends the run.

use crate::{bodies::Request, options::Length};
use anyhow::{Context, bail};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What to send.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    pub(crate) requests: Arc<Vec<Request>>,
    pub(crate) in_flight: usize,
    pub(crate) length: Length,
    /// Requests per second; `None` sends as fast as answers come.
    pub(crate) pace: Option<f64>,
}

/// What was sent and answered.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Time from writing a request to its answer, in the order of no importance.
    pub(crate) latencies: Vec<Duration>,
}

/// Sends everything and waits for the last answer.
pub(crate) fn run(load: &Load) -> anyhow::Result<Answered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let began = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let mut connections = JoinSet::new();
        for _ in 0..load.in_flight {
            connections.spawn(connection(load.clone(), next.clone(), began));
        }
        let mut answered = Answered::default();
        while let Some(latencies) = connections.join_next().await {
            answered.latencies.extend(latencies.context("a connection failed")??);
        }
        answered.requests = answered.latencies.len() as u64;
        answered.seconds = began.elapsed().as_secs_f64();
        Ok(answered)
    })
}

async fn connection(load: Load, next: Arc<AtomicU64>, began: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(load.to).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(1024));
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if let Some(pace) = load.pace {
            tokio::time::sleep_until((began + Duration::from_secs_f64(number as f64 / pace)).into()).await;
        }
        let done = match load.length {
            Length::Time(most) => began.elapsed() >= most,
            Length::Requests(most) => number >= most,
        };
        if done {
            return Ok(latencies);
        }
        let request = &load.requests[number as usize % load.requests.len()];
        let sent = Instant::now();
        stream.write_all(&request.bytes).await.context("cannot send")?;
        answer(&mut stream, &mut buffer, &request.answer).await?;
        latencies.push(sent.elapsed());
    }
}

/// Reads one answer to its end and compares it.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, wanted: &str) -> anyhow::Result<()> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.context("cannot read")? == 0 {
            bail!("the server closed the connection after {}", String::from_utf8_lossy(buffer));
        }
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let body = &buffer[head + 4..];
        if buffer.starts_with(b"HTTP/1.1 202 ") && body == wanted.as_bytes() {
            return Ok(());
        }
        // A shorter body may be the beginning of the right one.
        if !buffer.starts_with(b"HTTP/1.1 202 ") || !wanted.as_bytes().starts_with(body) {
            bail!("not {wanted}: {}", String::from_utf8_lossy(buffer));
        }
    }
}
