//! How soon a server tells of what died, stopped or fell silent on a node, to who listens to its events.

use crate::bench::Figure;
use crate::bench::stats::median;
use crate::harness::api::Api;
use crate::harness::local::{Local, signal};
use crate::harness::stream::EventStream;
use crate::harness::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

const RUNS: usize = 5;
const NODE: &str = "east-r01";
/// How long a node may take to be whole again.
const BACK: Duration = Duration::from_secs(40);

/// Measures and prints `session_kill_seen_ms`, `listener_kill_seen_ms`, `listener_stop_seen_ms` and `silent_node_seen_ms`.
///
/// # Errors
/// The first thing that could not be measured.
pub(super) async fn run(local: &Local) -> Result<()> {
    let url = local.server("east-1")?.url.clone();
    let api = Api::sign_in(&url, &local.ready.user, &local.ready.password).await?;
    session(&api, &mut EventStream::open(&url, &api).await?).await?;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for (what, times) in [Fault::Killed, Fault::Stopped, Fault::Silent]
            .into_iter()
            .zip(&mut times)
        {
            times.push(fault(what).await?);
        }
    }
    let [killed, stopped, silent] = &times;
    for (name, times, bar) in [
        ("listener_kill_seen_ms", killed, 250.0),
        ("listener_stop_seen_ms", stopped, 400.0),
        ("silent_node_seen_ms", silent, 3_000.0),
    ] {
        Figure::new(name, median(times), "ms", times.len())
            .bar(bar)
            .print();
    }
    Ok(())
}

/// What befalls a node.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Its listener is killed.
    Killed,
    /// Its listener stands still: it accepts, and says nothing.
    Stopped,
    /// All of it stands still.
    Silent,
}

/// How long until a fault is told, ms; in a deployment of its own, for a node that failed often is held back longer each time.
async fn fault(what: Fault) -> Result<f64> {
    let local = Local::start("bench-grid-seen")?;
    let url = &local.server("east-1")?.url;
    let api = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let pid = local.node(NODE)?.pid;
    let mut stream = whole(url, &api).await?;
    let began = Instant::now();
    match what {
        Fault::Killed => signal(pid, Signal::KILL),
        Fault::Stopped => signal(pid, Signal::STOP),
        Fault::Silent => all_of(pid, Signal::STOP),
    }
    let seen = lost(&mut stream, began).await;
    match what {
        Fault::Killed => {}
        Fault::Stopped => signal(pid, Signal::CONT),
        Fault::Silent => all_of(pid, Signal::CONT),
    }
    seen
}

/// A task's session dies under it.
async fn session(api: &Api, stream: &mut EventStream) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let body = json!({ "source": { "code": { "code": "Sys.sleep(60)" } } });
        let made = api.post("tasks", body).await?.body;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        let path = format!("tasks/{id}");
        let pid = wait_for("the task to run", BACK, || async {
            let task = api.get(&path).await?.body;
            Ok(task["attempts"][0]["pid"].as_i64())
        })
        .await?;
        let began = Instant::now();
        signal(i32::try_from(pid).map_err(HarnessError::new)?, Signal::KILL);
        let seen = stream
            .until("the end of the task", |frame| {
                frame.contains("event: task\n")
                    && frame.contains(&id)
                    && frame.contains("\"failed\"")
            })
            .await?;
        times.push((seen - began).as_secs_f64() * 1e3);
    }
    Figure::new("session_kill_seen_ms", median(&times), "ms", times.len())
        .bar(200.0)
        .print();
    Ok(())
}

/// Waits until the stream tells that the node is not healthy any more; how long after `began`, ms.
async fn lost(stream: &mut EventStream, began: Instant) -> Result<f64> {
    let name = format!("\"name\":\"{NODE}\"");
    let seen = stream
        .until("the loss of the node", |frame| {
            frame.contains("event: node\n")
                && frame.contains(&name)
                && !frame.contains("\"health\":\"healthy\"")
        })
        .await?;
    Ok((seen - began).as_secs_f64() * 1e3)
}

/// Waits until the node is healthy with all its slots; a stream that begins then, and so tells nothing of the fault before.
async fn whole(url: &str, api: &Api) -> Result<EventStream> {
    wait_for("the node to be whole", BACK, || async {
        let node = api.get(&format!("nodes/{NODE}")).await?.body;
        let slots = node["slots"].as_array().map_or(0, Vec::len);
        let there = node["health"] == "healthy"
            && slots > 0
            && node["slots"]
                .as_array()
                .is_some_and(|slots| slots.iter().all(|slot| slot["state"] == "idle"));
        Ok(there.then_some(()))
    })
    .await?;
    EventStream::open(url, api).await
}

/// A node's listener and every session of it: nothing of the node answers.
fn all_of(listener: i32, what: Signal) {
    signal(listener, what);
    for process in processes::all() {
        if i64::from(process.parent) == i64::from(listener) {
            process.signal(what);
        }
    }
}
