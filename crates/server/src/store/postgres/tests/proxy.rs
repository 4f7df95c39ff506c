//! A proxy in front of PostgreSQL that breaks connections where a test wants it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

/// What a simple query for the commit looks like on the wire.
const COMMIT: &[u8] = b"COMMIT\0";

/// The proxy. It ends with the test's process.
pub(super) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

#[derive(Default)]
struct Rules {
    to: AtomicU16,
    closed: AtomicBool,
    /// So many commits are passed on and their answers kept.
    keep_answers: AtomicU32,
    /// So many commits are kept.
    keep_commits: AtomicU32,
}

/// Takes one, if there is one left.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

impl Proxy {
    /// To this port on 127.0.0.1.
    pub(super) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            rules: Arc::default(),
        };
        proxy.rules.to.store(port, Ordering::SeqCst);
        let rules = Arc::clone(&proxy.rules);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rules = Arc::clone(&rules);
                std::thread::spawn(move || serve(client, &rules));
            }
        });
        proxy
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// From now on everything is refused (or let through again). Connections break with their next call.
    pub(super) fn close(&self, closed: bool) {
        self.rules.closed.store(closed, Ordering::SeqCst);
    }

    /// The next commits happen, but their answers do not arrive.
    pub(super) fn keep_answers(&self, n: u32) {
        self.rules.keep_answers.store(n, Ordering::SeqCst);
    }

    /// The next commits do not arrive.
    pub(super) fn keep_commits(&self, n: u32) {
        self.rules.keep_commits.store(n, Ordering::SeqCst);
    }

    /// How many of both have not come yet.
    pub(super) fn left(&self) -> u32 {
        self.rules.keep_answers.load(Ordering::SeqCst)
            + self.rules.keep_commits.load(Ordering::SeqCst)
    }
}

fn serve(mut client: TcpStream, rules: &Arc<Rules>) {
    if rules.closed.load(Ordering::SeqCst) {
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", rules.to.load(Ordering::SeqCst))) else {
        return;
    };
    let _ = server.set_nodelay(true);
    let _ = client.set_nodelay(true);
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let mute = Arc::new(AtomicBool::new(false));
    let muted = Arc::clone(&mute);
    let answering = std::thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(n) = answers.read(&mut bytes) {
            let muted = muted.load(Ordering::SeqCst);
            if n == 0 || muted || back.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut bytes = [0; 16 << 10];
    while let Ok(n) = client.read(&mut bytes) {
        let asked = &bytes[..n];
        let commits = asked.windows(COMMIT.len()).any(|part| part == COMMIT);
        if n == 0 || rules.closed.load(Ordering::SeqCst) || (commits && take(&rules.keep_commits)) {
            break;
        }
        if commits && take(&rules.keep_answers) {
            mute.store(true, Ordering::SeqCst);
        }
        if server.write_all(asked).is_err() {
            break;
        }
    }
    if !mute.load(Ordering::SeqCst) {
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }
    let _ = answering.join();
}
