//! What one change of a slot or a heartbeat costs on a console's stream, while tasks run on real nodes.

use crate::bench::Figure;
use crate::harness::api::Api;
use crate::harness::local::Local;
use crate::harness::stream::{EventStream, PATCHES, WHOLE};
use crate::harness::{HarnessError, Result};
use gridhelm_api::patch::Patch;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long tasks run one after the other, and how long by several callers.
const FOR: Duration = Duration::from_secs(8);
const CALLERS: usize = 4;

/// Measures and prints `wire_bytes_per_change`.
///
/// # Errors
/// The first thing that could not be measured.
pub(super) async fn run(local: &Local) -> Result<()> {
    let url = &local.server("east-1")?.url;
    let api = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let mut stream = EventStream::open_at(url, &api, PATCHES).await?;
    let mut old = EventStream::open_at(url, &api, WHOLE).await?;
    let mut told = Vec::new();
    for callers in [1, CALLERS] {
        let (mut of_patches, mut of_nodes) = (Counted::default(), Counted::default());
        let mut broken = None;
        let (tasks, patches, nodes) = tokio::join!(
            tasks(&api, callers),
            stream.during(FOR, |frame| match changes(frame) {
                Ok(changes) => of_patches.add(frame, changes),
                Err(error) => broken = Some(error),
            }),
            old.during(FOR, |frame| {
                of_nodes.add(frame, usize::from(frame.contains("event: node\n")));
            }),
        );
        patches.and(nodes)?;
        if let Some(error) = broken {
            return Err(error);
        }
        told.push((tasks?, of_patches, of_nodes));
    }
    let all: Vec<_> = told
        .iter()
        .map(|(tasks, patches, nodes)| {
            format!(
                "{tasks} tasks: {} changes in {} patches, {:.0} B each, whole nodes {:.0} B each",
                patches.changes,
                patches.frames,
                patches.each(),
                nodes.each()
            )
        })
        .collect();
    let worst = told.iter().map(|(_, patches, _)| patches.each());
    let worst = worst.fold(0.0, f64::max);
    let changes: usize = told.iter().map(|(_, patches, _)| patches.changes).sum();
    Figure::new("wire_bytes_per_change", worst, "bytes", changes)
        .bar(100.0)
        .peer(format!("the worse of: {}", all.join("; ")))
        .print();
    Ok(())
}

/// Frames that told of changes, in bytes as they came, the chunk's own included.
#[derive(Default)]
struct Counted {
    frames: usize,
    bytes: usize,
    changes: usize,
}

impl Counted {
    fn add(&mut self, frame: &str, changes: usize) {
        if changes > 0 {
            self.frames += 1;
            self.bytes += frame.len() + 2;
            self.changes += changes;
        }
    }

    fn each(&self) -> f64 {
        self.bytes as f64 / self.changes.max(1) as f64
    }
}

/// How many changes of slots and heartbeats a frame tells.
fn changes(frame: &str) -> Result<usize> {
    if !frame.contains("event: patch\n") {
        return Ok(0);
    }
    let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
    let patch: Patch = serde_json::from_str(data.unwrap_or_default()).map_err(HarnessError::new)?;
    let mut changes = 0;
    let read = patch.each(|_, change| changes += change.count());
    read.map_err(|_| HarnessError(format!("a patch that cannot be read: {frame}")))?;
    Ok(changes)
}

/// Tasks of 50 ms by so many callers, each at its next one as soon as the last has ended, for about [`FOR`]; how many.
async fn tasks(api: &Api, callers: usize) -> Result<usize> {
    let end = Instant::now() + FOR.mul_f64(0.9);
    let mut calls = JoinSet::new();
    for _ in 0..callers {
        let api = api.clone();
        calls.spawn(async move { caller(&api, end).await });
    }
    let mut all = 0;
    while let Some(done) = calls.join_next().await {
        all += done.map_err(HarnessError::new)??;
    }
    Ok(all)
}

async fn caller(api: &Api, end: Instant) -> Result<usize> {
    let mut done = 0;
    while Instant::now() < end {
        let body = json!({ "source": { "code": { "code": "Sys.sleep(0.05)" } } });
        let answer = api.post("tasks?wait=30", body).await?;
        if answer.body["state"] != "succeeded" {
            return Err(HarnessError(format!("{} {}", answer.status, answer.body)));
        }
        done += 1;
    }
    Ok(done)
}
