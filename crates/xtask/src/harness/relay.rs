//! A way to a server that can be cut: a port of ours that passes everything on, counts it, and stops when it is told to, also at a
//! given byte.

use super::{HarnessError, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Read at once, bytes.
const PIECE: usize = 16 << 10;

/// What the way does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It passes them on.
    Open,
    /// It keeps them; connections stay, and nothing comes.
    Silent,
    /// It breaks connections, and takes no new ones.
    Broken,
}

/// One of the two directions.
#[derive(Debug)]
struct Direction {
    passed: AtomicU64,
    /// At so many bytes the way is cut.
    limit: AtomicU64,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            passed: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
        }
    }
}

/// How it is, and how often it was broken: a connection that was open then does not come back.
#[derive(Debug, Clone, Copy)]
struct Now {
    way: Way,
    broken: u64,
}

#[derive(Debug)]
struct State {
    to: String,
    way: watch::Sender<Now>,
    /// What it becomes at a limit.
    then: watch::Sender<Way>,
    up: Direction,
    down: Direction,
}

impl State {
    fn become_so(&self, way: Way) {
        self.way.send_modify(|now| {
            now.way = way;
            now.broken += u64::from(way == Way::Broken);
        });
    }
}

/// A way to a server; it ends with the value.
#[derive(Debug)]
pub struct Relay {
    /// Its address for clients.
    pub url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// A way to the server at a port of this machine, which need not listen yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", super::ports::one()?)).await?;
        let state = Arc::new(State {
            to: format!("127.0.0.1:{port}"),
            way: watch::Sender::new(Now {
                way: Way::Open,
                broken: 0,
            }),
            then: watch::Sender::new(Way::Broken),
            up: Direction::default(),
            down: Direction::default(),
        });
        Ok(Self {
            url: format!("http://{}", listener.local_addr()?),
            accepting: tokio::spawn(accept(listener, Arc::clone(&state))),
            state,
        })
    }

    /// A way to the server with this address.
    ///
    /// # Errors
    /// As [`Relay::to`].
    pub async fn to_url(url: &str) -> Result<Self> {
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
        Self::to(port.ok_or_else(|| HarnessError(format!("no port in {url}")))?).await
    }

    /// From now on it is so, and has no limits.
    pub fn set(&self, way: Way) {
        self.state.up.limit.store(u64::MAX, Ordering::SeqCst);
        self.state.down.limit.store(u64::MAX, Ordering::SeqCst);
        self.state.become_so(way);
    }

    /// It becomes so once this many more bytes went towards the server.
    pub fn cut_up(&self, after: u64, then: Way) {
        self.state.then.send_replace(then);
        let at = self.up().saturating_add(after);
        self.state.up.limit.store(at, Ordering::SeqCst);
    }

    /// It becomes so once this many more bytes came from the server.
    pub fn cut_down(&self, after: u64, then: Way) {
        self.state.then.send_replace(then);
        let at = self.down().saturating_add(after);
        self.state.down.limit.store(at, Ordering::SeqCst);
    }

    /// Waits until it is cut.
    pub async fn cut(&self) {
        let mut way = self.state.way.subscribe();
        // The sender lives as long as this.
        let _ = way.wait_for(|now| now.way != Way::Open).await;
    }

    /// Bytes that went towards the server.
    pub fn up(&self) -> u64 {
        self.state.up.passed.load(Ordering::SeqCst)
    }

    /// Bytes that came from the server.
    pub fn down(&self) -> u64 {
        self.state.down.passed.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.become_so(Way::Broken);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let mut way = state.way.subscribe();
            let broken = way.borrow().broken;
            if way.borrow().way == Way::Broken || !unsilenced(&mut way, broken).await {
                return;
            }
            let Ok(server) = TcpStream::connect(&state.to).await else {
                return;
            };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // The end of one direction ends the connection: nobody here closes half of one.
            tokio::select! {
                _ = pass(from_client, to_server, &state, &state.up, broken) => {}
                _ = pass(from_server, to_client, &state, &state.down, broken) => {}
            }
        });
    }
}

/// Waits while it is silent; whether it was not broken more often than that.
async fn unsilenced(way: &mut watch::Receiver<Now>, broken: u64) -> bool {
    let now = way.wait_for(|now| now.way != Way::Silent || now.broken != broken);
    now.await.is_ok_and(|now| now.broken == broken)
}

/// Passes bytes on until the connection ends or is broken.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    state: &State,
    direction: &Direction,
    broken: u64,
) -> std::io::Result<()> {
    let mut way = state.way.subscribe();
    let mut piece = vec![0; PIECE];
    loop {
        let many = tokio::select! {
            _ = way.wait_for(|now| now.broken != broken) => return Ok(()),
            many = from.read(&mut piece) => many?,
        };
        if many == 0 {
            return Ok(());
        }
        let mut rest = &piece[..many];
        while !rest.is_empty() {
            if !unsilenced(&mut way, broken).await {
                return Ok(());
            }
            let passed = direction.passed.load(Ordering::SeqCst);
            let limit = direction.limit.load(Ordering::SeqCst);
            let room = usize::try_from(limit.saturating_sub(passed)).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            to.write_all(now).await?;
            direction
                .passed
                .fetch_add(now.len() as u64, Ordering::SeqCst);
            if !later.is_empty() {
                direction.limit.store(u64::MAX, Ordering::SeqCst);
                let then = *state.then.borrow();
                state.become_so(then);
            }
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn it_is_cut_at_a_byte_and_goes_on_where_it_stood() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::to(server.local_addr().unwrap().port())
            .await
            .unwrap();
        relay.cut_up(3, Way::Silent);
        let at = relay.url.trim_start_matches("http://").to_owned();
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(b"abcdef").await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();
        let mut got = [0; 3];
        served.read_exact(&mut got).await.unwrap();
        relay.cut().await;
        assert_eq!((&got, relay.up()), (b"abc", 3));
        relay.set(Way::Open);
        served.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"def");
        served.write_all(b"back").await.unwrap();
        let mut back = [0; 4];
        client.read_exact(&mut back).await.unwrap();
        assert_eq!((&back, relay.down()), (b"back", 4));
        relay.set(Way::Broken);
        assert_eq!(client.read(&mut back).await.unwrap(), 0);
    }
}
