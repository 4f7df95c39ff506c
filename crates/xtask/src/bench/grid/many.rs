//! A thousand nodes at one server: what looking after them costs it, and what an idle grid costs a console's stream.

use super::responder::Responder;
use crate::bench::Figure;
use crate::bench::lone::{self, Bench, cpu_s};
use crate::harness::api::Api;
use crate::harness::stream::{EventStream, PATCHES};
use crate::harness::{HarnessError, Result};
use serde_json::json;
use std::time::{Duration, Instant};

const NODES: usize = 1_000;
const SLOTS: u32 = 4;
const LIMITS: &str = "[limits]\nrequests_per_address = 1000000\nrequests_per_user = 1000000\n";
/// How long all nodes may take to be healthy.
const UP: Duration = Duration::from_mins(3);
/// What begins with a node (its first probe, its packages) is over after this.
const SETTLES: Duration = Duration::from_secs(40);
/// Measured for so long: two probes of each node.
const FOR: Duration = Duration::from_mins(1);

/// Measures and prints `heartbeat_1000_cpu_pct`, `heartbeat_1000_rss_mb` and `idle_bytes_per_node_s`.
///
/// # Errors
/// The first thing that could not be measured.
pub(super) async fn run() -> Result<()> {
    let bench = Bench::new("bench-grid-many")?;
    let responder = Responder::start()?;
    let address = lone::address()?;
    let url = format!("http://{address}");
    let server = bench.start(&bench.configuration("many", &url, LIMITS)?)?;
    let api = server.admin(&url, None).await?;
    register(&api, &responder).await?;
    let end = Instant::now() + UP;
    while healthy(&api).await? < NODES {
        if Instant::now() > end {
            return Err(HarnessError("not all nodes became healthy".into()));
        }
        // The answer is large; it must not be what the server is busy with.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    tokio::time::sleep(SETTLES).await;

    // A console looks on, as one will.
    let mut stream = EventStream::open_at(&url, &api, PATCHES).await?;
    // What still belongs to the snapshot is read first.
    stream.during(Duration::from_secs(2), |_| {}).await?;
    let before = (cpu_s(server.pid())?, cpu_s(responder.pid())?, stream.bytes);
    let began = Instant::now();
    let mut highest = 0;
    let mut frames = Frames::default();
    while began.elapsed() < FOR {
        let step = Duration::from_millis(500);
        stream.during(step, |frame| frames.count(frame)).await?;
        highest = highest.max(server.resident_kb()?);
    }
    let took = began.elapsed().as_secs_f64();
    let share = |now: f64, before: f64| (now - before) * 100.0 / took;
    let cpu = share(cpu_s(server.pid())?, before.0);
    let of_responder = share(cpu_s(responder.pid())?, before.1);
    if healthy(&api).await? != NODES {
        return Err(HarnessError("not all nodes are healthy any more".into()));
    }
    Figure::new("heartbeat_1000_cpu_pct", cpu, "% of a core", 1)
        .bar(30.0)
        .peer(format!(
            "{NODES} nodes with {SLOTS} slots, default settings, a console looking on, {took:.0} s; the responder's own process {of_responder:.0} %"
        ))
        .print();
    Figure::new(
        "heartbeat_1000_rss_mb",
        highest as f64 / 1024.0,
        "MB, the highest",
        1,
    )
    .bar(150.0)
    .print();
    let each = (stream.bytes - before.2) as f64 / NODES as f64 / took;
    Figure::new("idle_bytes_per_node_s", each, "bytes", 1)
        .bar(5.0)
        .peer(format!(
            "{NODES} nodes, all that the stream carried in {took:.0} s: {}; seen at others: Dask 454, Ray 8,800",
            frames.words()
        ))
        .print();
    Ok(())
}

/// What a stream carried, by the events' names.
#[derive(Default)]
struct Frames(std::collections::BTreeMap<String, (usize, usize)>);

impl Frames {
    fn count(&mut self, frame: &str) {
        let name = frame.lines().find_map(|line| line.strip_prefix("event: "));
        let (count, bytes) = self
            .0
            .entry(name.unwrap_or("other").to_owned())
            .or_default();
        *count += 1;
        *bytes += frame.len() + 2;
    }

    fn words(&self) -> String {
        let each = self.0.iter();
        let words: Vec<_> = each
            .map(|(name, (count, bytes))| format!("{count} {name} of {bytes} B"))
            .collect();
        words.join(", ")
    }
}

async fn register(api: &Api, responder: &Responder) -> Result<()> {
    for number in 0..NODES {
        let (host, port) = responder.node(number);
        let draft = json!({
            "name": format!("node-{number:04}"), "host": host, "port": port, "slot_limit": SLOTS,
        });
        let made = api.post("nodes", draft).await?;
        if made.status != 201 {
            return Err(HarnessError(format!("{} {}", made.status, made.body)));
        }
    }
    Ok(())
}

async fn healthy(api: &Api) -> Result<usize> {
    let all = api.get("nodes").await?.body;
    let nodes = all["items"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(nodes
        .iter()
        .filter(|node| node["health"] == "healthy")
        .count())
}
