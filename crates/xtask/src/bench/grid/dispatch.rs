//! Tasks through the API beside bare Rserve sessions, by one, eight and sixty-four callers at once, in the same run.

use crate::bench::Figure;
use crate::bench::stats::median;
use crate::harness::api::Api;
use crate::harness::local::Local;
use crate::harness::{HarnessError, Result};
use gridhelm_rserve::{Connection, Credentials, Endpoint, Options, Secret};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long each number of callers works on each side, in turn, so many times.
const FOR: Duration = Duration::from_secs(4);
const TURNS: usize = 3;

/// What callers did within a time.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    a_second: f64,
    failed: usize,
}

/// Measures and prints `dispatch_1_ratio`, `dispatch_8_ratio`, `dispatch_64_ratio`, `dispatch_reuse_8_tps`, `dispatch_failed` and `dispatch_own_p50_ms`.
///
/// # Errors
/// The first thing that could not be measured.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
pub(super) async fn run(local: &Local) -> Result<()> {
    let url = &local.server("east-1")?.url;
    let api = Arc::new(Api::sign_in(url, &local.ready.user, &local.ready.password).await?);
    let raw = Arc::new(Raw::new(local)?);
    let (mut failed, mut asked) = (0, 0);
    for (name, callers, bar) in [
        ("dispatch_1_ratio", 1, 0.8),
        ("dispatch_8_ratio", 8, 0.8),
        ("dispatch_64_ratio", 64, 1.0),
    ] {
        let (mut ratios, mut ours, mut bare, mut lost) = (vec![], vec![], vec![], 0);
        for _ in 0..TURNS {
            let one = callers_of(callers, &raw, |raw, n| async move { raw.once(n).await }).await;
            let other = callers_of(callers, &api, |api, _| async move { task(&api).await }).await;
            ratios.push(other.a_second / one.a_second.max(0.001));
            ours.push(other.a_second);
            bare.push(one.a_second);
            lost += one.failed;
            failed += other.failed;
            asked += 1;
        }
        let peer = format!(
            "raw Rserve connect+login+eval {:.0}/s with {lost} lost, tasks {:.0}/s",
            median(&bare),
            median(&ours)
        );
        Figure::new(name, median(&ratios), "×", TURNS)
            .bar(bar)
            .peer(peer)
            .print();
    }
    let mut again = vec![];
    for _ in 0..TURNS {
        let done = callers_of(8, &api, |api, _| async move { task_in(&api, true).await }).await;
        again.push(done.a_second);
        failed += done.failed;
        asked += 1;
    }
    Figure::new("dispatch_reuse_8_tps", median(&again), "tasks/s", TURNS)
        .bar(2_000.0)
        .print();
    Figure::new("dispatch_failed", failed as f64, "tasks", asked)
        .bar(0.0)
        .print();
    own(&api).await
}

/// So many callers, each at its next call as soon as the last one is answered.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
async fn callers_of<T: Send + Sync + 'static, F: Future<Output = Result<()>> + Send>(
    callers: usize,
    of: &Arc<T>,
    call: impl Fn(Arc<T>, usize) -> F + Copy + Send + 'static,
) -> Done {
    let (done, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let mut all = JoinSet::new();
    for n in 0..callers {
        let (of, done, failed) = (Arc::clone(of), Arc::clone(&done), Arc::clone(&failed));
        all.spawn(async move {
            while began.elapsed() < FOR {
                let counted = match call(Arc::clone(&of), n).await {
                    Ok(()) => &done,
                    Err(_) => &failed,
                };
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    all.join_all().await;
    Done {
        a_second: done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64(),
        failed: failed.load(Ordering::Relaxed),
    }
}

async fn task(api: &Api) -> Result<()> {
    task_in(api, false).await
}

/// `reuse`: in a session that ran such tasks before.
async fn task_in(api: &Api, reuse: bool) -> Result<()> {
    let body = json!({ "source": { "code": { "code": "1+1" } }, "reuse": reuse });
    let answer = api.post("tasks?wait=30", body).await?;
    if answer.body["state"] == "succeeded" {
        return Ok(());
    }
    Err(HarnessError(format!("{} {}", answer.status, answer.body)))
}

/// Bare sessions on the group's nodes, in turn.
struct Raw {
    nodes: Vec<Endpoint>,
    credentials: Credentials,
}

impl Raw {
    fn new(local: &Local) -> Result<Self> {
        let mut nodes = Vec::new();
        for name in ["east-r01", "east-r02"] {
            let node = local.node(name)?;
            nodes.push(Endpoint {
                host: node.host.clone(),
                port: node.port,
            });
        }
        let password = Secret::new(local.ready.node_password.clone());
        let user = local.ready.node_user.clone();
        Ok(Self {
            nodes,
            credentials: Credentials { user, password },
        })
    }

    async fn once(&self, n: usize) -> Result<()> {
        let node = &self.nodes[n % self.nodes.len()];
        let opened = Connection::open(node, Some(&self.credentials), &Options::default()).await;
        let mut connection = opened.map_err(HarnessError::new)?;
        let value = connection.eval("1+1").await.map_err(HarnessError::new)?;
        connection.close().await;
        if value.as_f64() == Some(2.0) {
            return Ok(());
        }
        Err(HarnessError("1+1 is not 2".into()))
    }
}

/// What of a task's time in the server is not R's: its session, the two commits, its files. Beside it what a caller
/// notices: the median of its waits less R's part, HTTP and the caller itself included.
async fn own(api: &Api) -> Result<()> {
    let before = Spent::of(api).await?;
    let mut times = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..200 {
        pace.tick().await;
        let began = Instant::now();
        task(api).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let after = Spent::of(api).await?;
    let mean = |phase: &str| after.mean_ms(&before, phase);
    let r = mean("evaluate");
    let spans = ["session", "start", "files", "finish"].map(|phase| (phase, mean(phase)));
    let words: Vec<_> = spans.iter().map(|(p, ms)| format!("{p} {ms:.3}")).collect();
    Figure::new(
        "dispatch_own_p50_ms",
        spans.iter().map(|(_, ms)| ms).sum(),
        "ms, the mean of the server's phases but R's",
        times.len(),
    )
    .bar(0.5)
    .peer(format!(
        "{}; at the caller {:.3} ms less R's {r:.3} are {:.3}",
        words.join(", "),
        median(&times),
        median(&times) - r
    ))
    .print();
    Ok(())
}

/// The time that tasks spent by phase, as `/metrics` counts it.
struct Spent(String);

impl Spent {
    async fn of(api: &Api) -> Result<Self> {
        Ok(Self(api.metrics().await?))
    }

    fn value(&self, name: &str, phase: &str) -> f64 {
        let start = format!("gridhelm_task_phase_seconds_{name}{{phase=\"{phase}\"}} ");
        let line = self.0.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0.0)
    }

    /// The mean of a phase since then, milliseconds.
    fn mean_ms(&self, before: &Self, phase: &str) -> f64 {
        let grown = |name| self.value(name, phase) - before.value(name, phase);
        grown("sum") * 1e3 / grown("count").max(1.0)
    }
}
