//! A process of its own that is the console's server for a while: a grid of 10,000 nodes whose slots change, told as a server tells it.
//!
//! It answers no more than the console asks for (sign-in, server, group, nodes, events) and serves the built console.

use crate::harness::{HarnessError, Result};
use gridhelm_api::group::{Group, GroupStats, ServerRole, ServerStatus};
use gridhelm_api::node::{Health, Node, NodeFacts, Slot, SlotState};
use gridhelm_api::stream::{Delta, Snapshot};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

/// The first argument with which the measuring program calls itself.
pub const SOURCE: &str = "source-of-a-large-grid";
/// How many nodes, and slots of each.
pub(super) const NODES: usize = 10_000;
pub(super) const SLOTS: usize = 16;
/// Slot changes a second.
pub(super) const CHANGES: usize = 1_000;
/// The node whose reason tells when the server knew of it, and the words before that time.
pub(super) const MARKED: &str = "bench-00001";
pub(super) const MARK: &str = "known at ";
/// Between two writes of changes.
const EVERY: Duration = Duration::from_millis(10);
/// A mark in every so many writes: four a second.
const MARK_EVERY: usize = 25;
const EPOCH: i64 = 1;
/// The longest request body that is taken, bytes.
const BODY: usize = 64 << 10;

/// Now, ms since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Serves until it is killed. Prints its address first.
///
/// # Errors
/// When no port is free, or the console is not there.
#[allow(clippy::print_stdout, reason = "the other process reads it")]
pub async fn run(console: Option<String>) -> Result<()> {
    let console = PathBuf::from(console.ok_or_else(|| HarnessError::new("give the console"))?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    println!("{origin}");
    let source = Arc::new(Source {
        console,
        origin,
        told: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            // The browser went.
            let _ = source.converse(stream).await;
        });
    }
}

struct Source {
    console: PathBuf,
    origin: String,
    /// Changes told so far, and their bytes.
    told: AtomicU64,
    bytes: AtomicU64,
}

/// A request as far as it matters here.
struct Request {
    method: String,
    path: String,
    stream: bool,
}

impl Source {
    async fn converse(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(request) = request(&mut stream).await? {
            if request.stream {
                return self.tell(stream.get_mut()).await;
            }
            let (status, kind, body) = self.answer(&request);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\ncache-control: no-store\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> (&'static str, &'static str, Vec<u8>) {
        let json = |value: serde_json::Value| {
            let text = value.to_string().into_bytes();
            ("200 OK", "application/json", text)
        };
        let path = request.path.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            (_, "/deployment.json") => json(json!({
                "name": "bench", "label": "", "load_balancer": null,
                "groups": [{ "name": "bench", "servers": [{ "name": "bench-1", "url": self.origin }] }],
            })),
            ("POST", "/api/v1/session") => json(json!({
                "token": "bench", "expires_at": now() + 86_400_000, "group": "bench",
                "user": { "username": "bench", "role": "viewer" },
            })),
            ("GET", "/api/v1/server") => json(json!(status())),
            ("GET", "/api/v1/group") => json(json!(group())),
            ("GET", "/api/v1/events") => json(json!({ "items": [], "next": null, "total": 0 })),
            ("GET", "/told") => json(json!({
                "changes": self.told.load(Ordering::Relaxed), "bytes": self.bytes.load(Ordering::Relaxed),
            })),
            (_, path) if path.starts_with("/api/") => {
                let problem = json!({ "type": "about:blank", "title": "Not here", "status": 404, "code": "not_found", "detail": "" });
                let text = problem.to_string().into_bytes();
                ("404 Not Found", "application/problem+json", text)
            }
            (_, path) => file(&self.console, path),
        }
    }

    /// The event stream: all nodes, then what changes.
    async fn tell(&self, stream: &mut TcpStream) -> Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let mut grid = Grid::new();
        let all = Delta::Snapshot(Box::new(Snapshot {
            server: status(),
            group: group(),
            nodes: grid.nodes.clone(),
            tasks: Vec::new(),
            events: Vec::new(),
            stats: GroupStats::default(),
            switch: None,
        }));
        let mut sequence = 0;
        let mut text = String::new();
        frame(&mut text, &mut sequence, &all)?;
        stream.write_all(text.as_bytes()).await?;
        let mut pace = tokio::time::interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let per_write = CHANGES * usize::try_from(EVERY.as_millis()).unwrap_or(1) / 1_000;
        for write in 0_usize.. {
            pace.tick().await;
            text.clear();
            for _ in 0..per_write {
                let node = grid.change();
                frame(&mut text, &mut sequence, &Delta::Node(Box::new(node)))?;
            }
            self.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
            if write % MARK_EVERY == 0 {
                let node = grid.mark();
                frame(&mut text, &mut sequence, &Delta::Node(Box::new(node)))?;
            }
            if write % 100 == 0 {
                let tick = Delta::Tick {
                    at: now(),
                    stats: Some(GroupStats::default()),
                };
                frame(&mut text, &mut sequence, &tick)?;
            }
            stream.write_all(text.as_bytes()).await?;
            self.told.fetch_add(per_write as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// One message of the stream.
fn frame(text: &mut String, sequence: &mut u64, delta: &Delta) -> Result<()> {
    *sequence += 1;
    let json = serde_json::to_string(delta)?;
    text.push_str(&format!(
        "id: bench:{sequence}\nevent: {}\ndata: {json}\n\n",
        delta.name()
    ));
    Ok(())
}

/// Reads one request; none at the end of the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (mut length, mut stream_wanted) = (0, false);
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).await? == 0 {
            return Ok(None);
        }
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        stream_wanted |= header.starts_with("accept:") && header.contains("text/event-stream");
    }
    if length > BODY {
        return Ok(None);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request {
        method,
        path,
        stream: stream_wanted,
    }))
}

/// A file of the console; its first page for the bare address.
fn file(console: &Path, path: &str) -> (&'static str, &'static str, Vec<u8>) {
    let name = path.trim_start_matches('/');
    let name = if name.is_empty() { "index.html" } else { name };
    let known = !name.split('/').any(|part| part == "..");
    match known.then(|| std::fs::read(console.join(name))) {
        Some(Ok(content)) => ("200 OK", kind_of(name), content),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    }
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript",
        "wasm" => "application/wasm",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn status() -> ServerStatus {
    ServerStatus {
        name: "bench-1".to_owned(),
        group: "bench".to_owned(),
        role: ServerRole::Active,
        epoch: EPOCH,
        active: Some("bench-1".to_owned()),
        ready: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: "bench".to_owned(),
        started_at: now(),
        ..ServerStatus::default()
    }
}

fn group() -> Group {
    Group {
        name: "bench".to_owned(),
        epoch: EPOCH,
        active: Some("bench-1".to_owned()),
        since: Some(now()),
        by: None,
        reason: None,
        members: Vec::new(),
        database: "none".to_owned(),
        database_checks: Vec::new(),
        failover: gridhelm_api::group::Failover::default(),
    }
}

/// The nodes, and what chooses among them: the same changes in each run.
struct Grid {
    nodes: Vec<Node>,
    random: u64,
}

impl Grid {
    fn new() -> Self {
        let at = now();
        Self {
            nodes: (1..=NODES).map(|number| node(number, at)).collect(),
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// A number below `below`, by xorshift.
    fn next(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or(0) % below
    }

    /// One slot of one node changes; the node as it is then.
    fn change(&mut self) -> Node {
        let (which, slot, dice) = (self.next(NODES - 1) + 1, self.next(SLOTS), self.next(100));
        let number = self.random;
        let node = &mut self.nodes[which];
        let slot = &mut node.slots[slot];
        let state = match (slot.state, dice) {
            (_, 0) => SlotState::Stalled,
            (SlotState::Idle, _) => SlotState::Busy,
            _ => SlotState::Idle,
        };
        let runs = state != SlotState::Idle;
        *slot = Slot {
            state,
            task: runs.then(|| format!("t-{number:016x}")),
            pid: runs.then(|| i64::try_from(number % 4_000_000).unwrap_or(0)),
            since: now(),
            ..Slot::default()
        };
        let busy = node
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Busy)
            .count();
        node.load = Some(busy as f64 / SLOTS as f64);
        node.memory_used = Some(0.2 + busy as f64 / 40.0);
        node.last_heartbeat = Some(now());
        node.clone()
    }

    /// The marked node learns of something at this moment.
    fn mark(&mut self) -> Node {
        let node = &mut self.nodes[0];
        node.health = Health::Degraded;
        node.health_reason = Some(format!("{MARK}{}", now()));
        node.clone()
    }
}

fn node(number: usize, at: i64) -> Node {
    let slot = |index: usize| Slot {
        state: if (number + index).is_multiple_of(3) {
            SlotState::Busy
        } else {
            SlotState::Idle
        },
        since: at,
        ..Slot::default()
    };
    Node {
        name: format!("bench-{number:05}"),
        host: format!("10.0.{}.{}", number / 250, number % 250 + 1),
        port: 6311,
        user: Some("rserve".to_owned()),
        slot_limit: u32::try_from(SLOTS).unwrap_or(0),
        operating_type: gridhelm_api::node::OperatingType::Mixed,
        labels: vec![format!("rack {}", number / 40)],
        intent: gridhelm_api::node::Intent::Enabled,
        intent_reason: None,
        intent_by: None,
        intent_since: at,
        intent_until: None,
        intent_force: false,
        version: 1,
        created_at: at,
        health: Health::Healthy,
        health_reason: None,
        health_since: at,
        failures: 0,
        last_heartbeat: Some(at),
        heartbeat_ms: Some(3.2),
        load: Some(0.3),
        memory_used: Some(0.4),
        facts: Some(NodeFacts {
            r_version: "4.2.2".to_owned(),
            rserve_version: "1.8-11".to_owned(),
            cores: 16,
            memory_total: 64 << 30,
            memory_available: 32 << 30,
            disk_free: 100 << 30,
            clock_offset_ms: 1,
            packages: 312,
            host: format!("Debian GNU/Linux 12, host-{number:05}"),
            at,
        }),
        drain: None,
        slots: (0..SLOTS).map(slot).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn each_change_is_of_one_slot_and_told_whole() {
        let mut grid = Grid::new();
        assert_eq!(grid.nodes.len() * SLOTS, 160_000);
        for _ in 0..20 {
            let before = grid.nodes.clone();
            let told = grid.change();
            assert_ne!(told.name, MARKED, "that one is for the marks");
            let was = before.iter().find(|node| node.name == told.name).unwrap();
            let differ = was
                .slots
                .iter()
                .zip(&told.slots)
                .filter(|(a, b)| a.state != b.state)
                .count();
            assert!(differ <= 1);
            assert_ne!(*was, told);
        }
        let marked = grid.mark();
        assert_eq!(marked.name, MARKED);
        assert!(marked.health_reason.unwrap().starts_with(MARK));
    }

    #[test]
    fn nothing_outside_the_console_is_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), "page").unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let console = folder.path().join("in");
        assert_eq!(file(folder.path(), "/").2, b"page");
        assert_eq!(file(&console, "/../index.html").0, "404 Not Found");
    }
}
