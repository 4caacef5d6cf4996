//! A TCP proxy that does what networks do: connections enter, their bytes leave, or do not.
//!
//! A [`Trap`] waits for the connection that carries so many bytes in one direction after it was set, or within a request
//! that names something, forwards exactly up to that byte and then bites, once. Promise: without a trap and without a switch every byte is forwarded as it came.

use crate::shared::lock;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

/// Bytes that are forwarded at once.
const CHUNK: usize = 16 << 10;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    Up,
    /// From the server to clients.
    Down,
}

/// What a trap does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bite {
    /// Both directions end.
    Cut,
    /// This direction stands still for so long, then goes on.
    Stall(Duration),
}

/// Waits for one connection.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// Direction whose bytes count.
    pub way: Way,
    /// Bytes that pass before it bites: since it was set, or since the request began that `within` asks for.
    pub after: u64,
    /// Bites only in a request whose first bytes hold this text, or in its answer; `None`: anywhere.
    pub within: Option<&'static str>,
    /// What it does.
    pub bite: Bite,
}

#[derive(Default)]
struct State {
    upstream: Mutex<Option<SocketAddr>>,
    trap: Mutex<Option<Trap>>,
    /// Counts traps that were set, so that connections begin to count anew.
    set: AtomicU64,
    bitten: AtomicU64,
    refusing: AtomicBool,
    /// Pause after each chunk, µs.
    pause_us: AtomicU64,
}

/// A running proxy; it ends with its runtime.
#[derive(Clone)]
pub struct Proxy {
    state: Arc<State>,
    port: u16,
}

impl Proxy {
    /// Listens on a free port; connections are closed until there is an upstream.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State::default());
        tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { state, port }
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where connections go from now on: `host:port`.
    pub fn forward_to(&self, upstream: &str) {
        *lock(&self.state.upstream) = Some(upstream.parse().expect("an address"));
    }

    /// Sets a trap, in place of one that has not bitten yet.
    pub fn set(&self, trap: Trap) {
        *lock(&self.state.trap) = Some(trap);
        self.state.set.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes the trap away.
    pub fn disarm(&self) {
        *lock(&self.state.trap) = None;
    }

    /// How often a trap has bitten.
    pub fn bitten(&self) -> u64 {
        self.state.bitten.load(Ordering::SeqCst)
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuse: bool) {
        self.state.refusing.store(refuse, Ordering::SeqCst);
    }

    /// Pause after every 16 KiB and every smaller piece; zero lets everything pass.
    pub fn slow(&self, pause: Duration) {
        self.state.pause_us.store(pause.as_micros() as u64, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        if !state.refusing.load(Ordering::SeqCst) {
            tokio::spawn(join(client, Arc::clone(&state)));
        }
    }
}

/// What both directions of one connection share.
#[derive(Default)]
struct Connection {
    ended: Notify,
    request: Mutex<Request>,
}

/// What went up since something last came down, and how much of its answer came down.
#[derive(Default)]
struct Request {
    first: Vec<u8>,
    up: u64,
    down: u64,
}

impl Request {
    /// Adds bytes; how many passed before them in this direction.
    fn carries(&mut self, way: Way, bytes: &[u8]) -> u64 {
        if way == Way::Up && self.down > 0 {
            *self = Self::default();
        }
        if way == Way::Up && self.up == 0 {
            self.first = bytes.to_vec();
        }
        let passed = if way == Way::Up { &mut self.up } else { &mut self.down };
        let before = *passed;
        *passed += bytes.len() as u64;
        before
    }

    fn holds(&self, text: &str) -> bool {
        self.first.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

async fn join(client: TcpStream, state: Arc<State>) {
    let Some(upstream) = *lock(&state.upstream) else { return };
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let connection = Connection::default();
    let up = Pump { way: Way::Up, state: &state, connection: &connection, passed: 0, set: 0 };
    let down = Pump { way: Way::Down, state: &state, connection: &connection, passed: 0, set: 0 };
    tokio::select! {
        // A cut ends both directions, whatever they wait for.
        () = connection.ended.notified() => {}
        _ = async { tokio::join!(up.run(from_client, to_server), down.run(from_server, to_client)) } => {}
    }
}

/// One direction of one connection.
struct Pump<'a> {
    way: Way,
    state: &'a State,
    connection: &'a Connection,
    /// Bytes that passed since the trap was set.
    passed: u64,
    /// Which trap that was.
    set: u64,
}

impl Pump<'_> {
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => length,
                // A clean end of one direction is passed on; the other may go on.
                Ok(_) => return to.shutdown().await.unwrap_or_default(),
                Err(_) => return self.connection.ended.notify_one(),
            };
            if self.forward(&chunk[..length], &mut to).await.is_err() {
                return self.connection.ended.notify_one();
            }
            let pause = Duration::from_micros(self.state.pause_us.load(Ordering::Relaxed));
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn forward(&mut self, bytes: &[u8], to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let Some((before, bite)) = self.springs(bytes) else {
            return to.write_all(bytes).await;
        };
        to.write_all(&bytes[..before]).await?;
        match bite {
            Bite::Cut => Err(std::io::ErrorKind::ConnectionReset.into()),
            Bite::Stall(time) => {
                tokio::time::sleep(time).await;
                to.write_all(&bytes[before..]).await
            }
        }
    }

    /// How many of the next bytes still pass, and what then happens; `None` when nothing does.
    fn springs(&mut self, bytes: &[u8]) -> Option<(usize, Bite)> {
        let mut request = lock(&self.connection.request);
        let before_in_request = request.carries(self.way, bytes);
        let set = self.state.set.load(Ordering::SeqCst);
        if set != self.set {
            (self.set, self.passed) = (set, 0);
        }
        let before_since_set = self.passed;
        self.passed += bytes.len() as u64;
        let mut armed = lock(&self.state.trap);
        let trap = armed
            .filter(|trap| trap.way == self.way && trap.within.is_none_or(|text| request.holds(text)))?;
        let before = if trap.within.is_some() { before_in_request } else { before_since_set };
        // A request that was past the byte when the trap was set is not the one.
        if before > trap.after || before + bytes.len() as u64 <= trap.after {
            return None;
        }
        *armed = None;
        self.state.bitten.fetch_add(1, Ordering::SeqCst);
        Some(((trap.after - before) as usize, trap.bite))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with its double, and the client's end of a connection through the proxy.
    async fn doubled() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Proxy::start().await;
        proxy.forward_to(&listener.local_addr().expect("bound").to_string());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0; 1];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        if stream.write_all(&[byte[0] * 2]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("the proxy listens");
        (proxy, client)
    }

    async fn ask(client: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        client.write_all(&[byte]).await?;
        let mut answer = [0; 1];
        client.read_exact(&mut answer).await?;
        Ok(answer[0])
    }

    #[tokio::test]
    async fn a_cut_lets_exactly_its_bytes_pass_and_bites_once() {
        let (proxy, mut client) = doubled().await;
        assert_eq!(ask(&mut client, 1).await.expect("no trap"), 2);
        proxy.set(Trap { way: Way::Up, after: 2, within: None, bite: Bite::Cut });
        assert_eq!(ask(&mut client, 2).await.expect("the first byte passes"), 4);
        assert_eq!(ask(&mut client, 3).await.expect("the second byte passes"), 6);
        assert!(ask(&mut client, 4).await.is_err());
        assert_eq!(proxy.bitten(), 1);
        let mut next = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("the proxy listens");
        for byte in 0..9 {
            assert_eq!(ask(&mut next, byte).await.expect("the trap is gone"), byte * 2);
        }
    }

    #[tokio::test]
    async fn an_answer_is_swallowed_although_the_server_has_the_request() {
        let (proxy, mut client) = doubled().await;
        proxy.set(Trap { way: Way::Down, after: 0, within: Some("A"), bite: Bite::Cut });
        assert_eq!(ask(&mut client, 1).await.expect("another request"), 2);
        client.write_all(b"A").await.expect("sent");
        let mut answer = [0; 1];
        assert!(client.read_exact(&mut answer).await.is_err());
    }

    #[tokio::test]
    async fn a_stalled_direction_goes_on_with_every_byte() {
        let (proxy, mut client) = doubled().await;
        proxy.set(Trap {
            way: Way::Up,
            after: 0,
            within: None,
            bite: Bite::Stall(Duration::from_millis(50)),
        });
        assert_eq!(ask(&mut client, 7).await.expect("late, but whole"), 14);
        assert_eq!(proxy.bitten(), 1);
    }
}
