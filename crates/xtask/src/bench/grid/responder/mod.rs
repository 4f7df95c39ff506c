//! A grid that is not there: one process that answers, at as many addresses of this host as are asked for, what Rserve answers to all that
//! a server asks of a node that it looks after. It speaks the protocol (QAP1, `Rsrv.h` of Rserve 1.8), keeps sessions with their marks,
//! and runs nothing. For benches only.

mod answers;
mod value;

use crate::harness::{HarnessError, Result};
use answers::Seen;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The first argument with which the measuring program calls itself.
pub const RESPONDER: &str = "grid-that-is-not-there";
/// With what it greets: nobody has to sign in.
const BANNER: &[u8; 32] = b"Rsrv0103QAP1\r\n\r\n--------------\r\n";
const HEADER: usize = 16;
const CMD_EVAL: u32 = 3;
const RESP_OK: u32 = 0x1_0001;
const DT_SEXP: u8 = 10;
/// No request is longer: the server sends a program of 30 kB at most.
const LONGEST: usize = 1 << 20;
/// Addresses that follow one another within one block of 127.1.0.0/16.
const IN_A_BLOCK: usize = 250;

/// The process that answers; ends with this.
pub struct Responder {
    child: Child,
    port: u16,
}

impl Responder {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started or tells no port.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(RESPONDER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let port = line.trim().parse();
        let port = port.map_err(|_| HarnessError(format!("the responder said \"{line}\"")))?;
        Ok(Self { child, port })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port of one of its nodes, from 0.
    pub fn node(&self, number: usize) -> (String, u16) {
        let (block, place) = (number / IN_A_BLOCK, number % IN_A_BLOCK + 1);
        (format!("127.1.{block}.{place}"), self.port)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sessions that are open, by address and process, with their marks.
#[derive(Default)]
struct Sessions {
    open: Mutex<BTreeMap<Ipv4Addr, BTreeMap<u32, String>>>,
    last: AtomicU32,
}

impl Sessions {
    fn of(&self, node: Ipv4Addr, work: impl FnOnce(&mut BTreeMap<u32, String>)) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        work(open.entry(node).or_default());
    }
}

/// In a process of its own: tells its port, and answers until its standard input ends.
///
/// # Errors
/// When it cannot listen.
#[allow(clippy::print_stdout, reason = "the other process reads it")]
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    println!("{}", listener.local_addr()?.port());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1]));
    tokio::select! {
        () = accept(listener) => {}
        _ = end => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener) {
    let sessions = Arc::new(Sessions::default());
    while let Ok((stream, _)) = listener.accept().await {
        let sessions = Arc::clone(&sessions);
        tokio::spawn(async move {
            // One that breaks off is none of ours to tell.
            let _ = session(stream, &sessions).await;
        });
    }
}

/// One session, until its client ends it.
async fn session(mut stream: TcpStream, sessions: &Sessions) -> Result<()> {
    stream.set_nodelay(true)?;
    let IpAddr::V4(node) = stream.local_addr()?.ip() else {
        return Err(HarnessError("not an address of these nodes".into()));
    };
    let pid = 100_000 + sessions.last.fetch_add(1, Ordering::Relaxed);
    stream.write_all(BANNER).await?;
    let done = requests(&mut stream, node, pid, sessions).await;
    sessions.of(node, |open| drop(open.remove(&pid)));
    done
}

async fn requests(
    stream: &mut TcpStream,
    node: Ipv4Addr,
    pid: u32,
    sessions: &Sessions,
) -> Result<()> {
    let mut body = Vec::new();
    loop {
        let mut header = [0; HEADER];
        if stream.read_exact(&mut header).await.is_err() {
            return Ok(());
        }
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = word(4) as usize;
        if length > LONGEST || word(12) != 0 {
            return Err(HarnessError("too long a request".into()));
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        let value = if word(0) == CMD_EVAL {
            let mut seen = Seen {
                node,
                pid,
                open: BTreeMap::new(),
            };
            sessions.of(node, |open| {
                if let Some(mark) = answers::mark(&body) {
                    open.insert(pid, mark);
                }
                if answers::looks_around(&body) {
                    seen.open.clone_from(open);
                }
            });
            answers::to(&body, &seen)
        } else {
            value::null()
        };
        stream.write_all(&answer(&value)).await?;
    }
}

/// A whole message with this value.
fn answer(value: &[u8]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut message = Vec::with_capacity(HEADER + 4 + value.len());
    message.extend_from_slice(&RESP_OK.to_le_bytes());
    message.extend_from_slice(&length(value.len() + 4));
    message.extend_from_slice(&[0; 8]);
    message.push(DT_SEXP);
    message.extend_from_slice(&length(value.len())[..3]);
    message.extend_from_slice(value);
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use gridhelm_rserve::reclaim::Marker;
    use gridhelm_rserve::run::{self, RunRequest};
    use gridhelm_rserve::watch::{self, Listener};
    use gridhelm_rserve::{Connection, Endpoint, Options, packages};

    #[tokio::test]
    async fn it_answers_as_a_node_does() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = tokio::spawn(accept(listener));
        let endpoint = |host: &str| Endpoint {
            host: host.to_owned(),
            port,
        };
        let options = Options::default();
        let here = endpoint("127.1.2.3");
        watch::heartbeat(&here, None, &options).await.unwrap();
        let mut connection = Connection::open(&here, None, &options).await.unwrap();
        let marker = Marker {
            group: "east".to_owned(),
            server: "east-1".to_owned(),
            epoch: 7,
        };
        let session = run::prepare(&mut connection, &marker.text()).await.unwrap();
        let start = watch::listener_start(&mut connection, &session)
            .await
            .unwrap();
        let start = start.unwrap();
        let glance = watch::glance(&mut connection, session.listener_pid, start, &[])
            .await
            .unwrap();
        assert_eq!(glance.listener, Listener::Running);
        assert!(glance.memory_available < glance.memory_total);
        run::warm_up(&mut connection).await.unwrap();
        let nothing = RunRequest::default();
        assert!(
            run::run(&mut connection, &nothing, |_| {})
                .await
                .unwrap()
                .error
                .is_none()
        );
        let read = packages::packages(&mut connection, 1_000).await.unwrap();
        assert_eq!(read.installed.len(), 60);

        // Another session sees it with its mark, and those of another node it does not.
        let mut other = Connection::open(&here, None, &options).await.unwrap();
        let probe = watch::probe(&mut other, &session).await.unwrap();
        assert_eq!(
            (probe.cores, probe.packages.len(), probe.strays),
            (4, 60, 0)
        );
        let marks: Vec<_> = probe.sessions.iter().map(|s| s.marker.clone()).collect();
        assert_eq!(marks, [Some(marker)]);
        let mut elsewhere = Connection::open(&endpoint("127.1.2.4"), None, &options)
            .await
            .unwrap();
        assert!(
            watch::probe(&mut elsewhere, &session)
                .await
                .unwrap()
                .sessions
                .is_empty()
        );
        answers.abort();
    }
}
