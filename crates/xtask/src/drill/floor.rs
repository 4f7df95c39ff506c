//! What the drills of the grid work with: tasks, the nodes' processes, and what must hold once a fault is over.

use super::{Crew, Verdict};
use crate::harness::api::Api;
use crate::harness::local::signal;
use crate::harness::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const ONE: &str = "east-1";
pub(super) const R1: &str = "east-r01";
pub(super) const R2: &str = "east-r02";
/// How long after a fault's end nothing of it may be left on the nodes.
pub(super) const CLEAN: Duration = Duration::from_secs(5);
/// How what is left of a work directory is told.
const DIRECTORY: &str = "directory";
/// How long anything else may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// The grid of east under a drill.
pub(super) struct Floor {
    pub(super) crew: Crew,
    /// The API at the active server.
    pub(super) api: Api,
    /// The nodes' listeners.
    listeners: BTreeMap<String, i32>,
    /// Every task that was acknowledged.
    tasks: Vec<String>,
    pub(super) verdict: Verdict,
}

/// A task to be.
pub(super) struct Order<'a> {
    pub(super) code: &'a str,
    pub(super) timeout_s: u32,
    /// Whether it may run again.
    pub(super) again: bool,
    pub(super) label: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// Code with a minute's time that may run again anywhere.
    pub(super) const fn of(code: &'a str) -> Self {
        Self {
            code,
            timeout_s: 60,
            again: true,
            label: None,
        }
    }
}

impl Floor {
    pub(super) async fn start(label: &str) -> Result<Self> {
        Self::of(Crew::start(label, &[]).await?).await
    }

    async fn of(crew: Crew) -> Result<Self> {
        let api = crew.api(ONE)?;
        let nodes = crew.local.ready.nodes.iter();
        let nodes = nodes.filter(|node| node.group.as_deref() == Some("east"));
        let floor = Self {
            listeners: nodes.map(|node| (node.name.clone(), node.pid)).collect(),
            api,
            crew,
            tasks: Vec::new(),
            verdict: Verdict::default(),
        };
        floor.until_full().await?;
        Ok(floor)
    }

    pub(super) async fn submit(&mut self, order: &Order<'_>) -> Result<String> {
        let body = json!({
            "source": { "code": { "code": order.code } }, "timeout_s": order.timeout_s,
            "re_executable": order.again, "label": order.label,
        });
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.api.post("tasks", body.clone()).await?;
            match answer.body["id"].as_str() {
                Some(id) if answer.status == 202 => {
                    self.tasks.push(id.to_owned());
                    return Ok(id.to_owned());
                }
                // Nothing was written, says the answer, as to a slow disk: it is sent again, as a client would.
                _ if answer.status == 503 && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => {
                    return Err(HarnessError(format!(
                        "a task was refused: {} {}",
                        answer.status, answer.body
                    )));
                }
            }
        }
    }

    /// Waits until a task is in a state; the task.
    pub(super) async fn until(&self, id: &str, state: &str) -> Result<Value> {
        let path = format!("tasks/{id}");
        let what = format!("task {id} to be {state}");
        let task = wait_for(&what, PATIENCE, || async {
            let task = self.api.get(&path).await?.body;
            Ok((task["state"] == state).then_some(task))
        });
        match task.await {
            Ok(task) => Ok(task),
            Err(error) => {
                let task = self.api.get(&path).await?.body;
                Err(HarnessError(format!("{error}: {task}")))
            }
        }
    }

    /// Waits until something holds of a node; how long that took.
    pub(super) async fn until_node(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        let path = format!("nodes/{name}");
        wait_for(&format!("{what} of {name}"), PATIENCE, || async {
            let node = self.api.get(&path).await?.body;
            Ok(holds(&node).then_some(()))
        })
        .await?;
        Ok(began.elapsed())
    }

    /// Waits until every slot of every node of east is idle or busy.
    pub(super) async fn until_full(&self) -> Result<Duration> {
        let began = Instant::now();
        for name in self.listeners.keys() {
            self.until_node(name, "all slots", is_full).await?;
        }
        Ok(began.elapsed())
    }

    pub(super) fn folder(&self, node: &str) -> Result<PathBuf> {
        let start = PathBuf::from(&self.crew.local.node(node)?.start);
        let folder = start.parent().map(Path::to_owned);
        folder.ok_or_else(|| HarnessError(format!("{node} has no folder")))
    }

    pub(super) fn signal_listener(&self, node: &str, what: Signal) {
        if let Some(pid) = self.listeners.get(node) {
            signal(*pid, what);
        }
    }

    pub(super) async fn restart_listener(&mut self, node: &str) -> Result<()> {
        let pid = self.crew.local.restart_node(node).await?;
        self.listeners.insert(node.to_owned(), pid);
        Ok(())
    }

    /// What is on the nodes that should not be: sessions of older epochs or without a mark, processes below a session that runs
    /// nothing, and directories whose session is gone.
    fn left_over(&self, epoch: i64) -> Vec<String> {
        let mut left = Vec::new();
        let all = processes::all();
        for (name, listener) in &self.listeners {
            let Ok(work) = self.folder(name).map(|folder| folder.join("work")) else {
                continue;
            };
            let mut known = BTreeSet::new();
            for entry in std::fs::read_dir(&work).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let pid = name.to_str().and_then(|n| n.strip_prefix("conn"));
                let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
                    continue;
                };
                known.insert(pid);
                let lives = processes::read(pid).is_some_and(|p| p.lives());
                let marker = std::fs::read_to_string(entry.path().join(".gridhelm"));
                let marker: Value =
                    serde_json::from_str(&marker.unwrap_or_default()).unwrap_or_default();
                if !lives {
                    left.push(format!("{DIRECTORY} {}", entry.path().display()));
                } else if marker["epoch"].as_i64() != Some(epoch) {
                    left.push(format!("session {pid} with the mark {marker}"));
                }
            }
            for process in &all {
                let cwd = std::fs::read_link(format!("/proc/{}/cwd", process.pid));
                let inside = cwd.is_ok_and(|cwd| cwd.starts_with(&work) && cwd != work);
                let child = u32::try_from(*listener).is_ok_and(|pid| process.parent == pid);
                if process.lives() && (inside || child) && !known.contains(&process.pid) {
                    left.push(format!("process {} on {name}", process.pid));
                }
            }
        }
        left
    }

    /// Nothing of a fault is left on the nodes within 5 s from now. Heartbeats come and go, so it is looked at until one moment is
    /// clean.
    pub(super) async fn must_be_clean(&mut self, figure: &'static str) -> Result<()> {
        let epoch = self.api.get("group").await?.body["epoch"]
            .as_i64()
            .unwrap_or(0);
        let began = Instant::now();
        let clean = wait_for("the nodes to be clean", CLEAN, || async {
            Ok(self.left_over(epoch).is_empty().then_some(()))
        });
        if clean.await.is_err() {
            let left = self.left_over(epoch);
            let directories = left.iter().filter(|what| what.starts_with(DIRECTORY));
            let directories = directories.count();
            self.verdict.workdirs += directories;
            self.verdict.zombies += left.len() - directories;
            self.verdict
                .broken
                .push(format!("left on the nodes after 5 s: {}", left.join(", ")));
        }
        self.verdict.figure(figure, began.elapsed());
        Ok(())
    }

    /// Waits until every task has ended and the grid is whole, and judges: no task lost, no result twice, nothing left, and an event
    /// for each of these changes (kind and subject).
    pub(super) async fn judge(mut self, changes: &[(&str, &str)]) -> Result<Verdict> {
        let mut verdict = std::mem::take(&mut self.verdict);
        for id in &self.tasks {
            verdict.acknowledged += 1;
            let path = format!("tasks/{id}");
            let what = format!("the end of {id}");
            let ended = wait_for(&what, PATIENCE, || async {
                let answer = self.api.get(&path).await?;
                let state = answer.body["state"].as_str().unwrap_or_default();
                Ok(["succeeded", "failed", "cancelled", "uncertain"]
                    .contains(&state)
                    .then_some(answer.body))
            });
            let Ok(task) = ended.await else {
                verdict.lost += 1;
                let now = self.api.get(&path).await?.body;
                verdict.broken.push(format!("{id} did not end: {now}"));
                continue;
            };
            let good = good_attempts(&task);
            if good > 1 {
                verdict.doubled += 1;
                verdict
                    .broken
                    .push(format!("{id} ended well {good} times: {task}"));
            }
            if task["state"] == "uncertain" {
                verdict.uncertain += 1;
                verdict.broken.push(format!("{id} is uncertain: {task}"));
            }
        }
        match self.until_full().await {
            Ok(took) => verdict.figure("full_again_ms", took),
            Err(error) => verdict
                .broken
                .push(format!("the grid is not whole again: {error}")),
        }
        self.verdict = verdict;
        self.must_be_clean("clean_at_the_end_ms").await?;
        let mut verdict = std::mem::take(&mut self.verdict);
        let told = self.events().await?;
        for (kind, subject) in changes {
            let found = told
                .iter()
                .any(|(k, s)| k == kind && (s == subject || subject.is_empty()));
            verdict.must(found, || {
                format!("no event tells of {kind} {subject}: {told:?}")
            });
        }
        Ok(verdict)
    }

    /// Kind and subject of every event so far, newest first.
    pub(super) async fn events(&self) -> Result<Vec<(String, String)>> {
        let page = self.api.get("events?limit=1000").await?.body;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        Ok(items
            .iter()
            .map(|e| (text(&e["kind"]), text(&e["subject"])))
            .collect())
    }

    /// Gives a node other slots.
    pub(super) async fn resize(&self, node: &str, slots: u32) -> Result<()> {
        let path = format!("nodes/{node}");
        let tag = self.api.get(&path).await?.etag.unwrap_or_default();
        let headers = [("if-match", tag.as_str())];
        let patch = Some(json!({ "slot_limit": slots }));
        let answer = self
            .api
            .send(reqwest::Method::PATCH, &path, patch, &headers)
            .await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(HarnessError(format!(
            "{node}: {} {}",
            answer.status, answer.body
        )))
    }
}

/// Whether every slot of a node is idle or busy.
pub(super) fn is_full(node: &Value) -> bool {
    let slots = node["slots"].as_array().cloned().unwrap_or_default();
    let limit = node["slot_limit"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    limit == Some(slots.len())
        && slots
            .iter()
            .all(|s| s["state"] == "idle" || s["state"] == "busy")
}

/// The process of a task's last attempt.
pub(super) fn pid_of(task: &Value) -> Result<i32> {
    let last = task["attempts"].as_array().and_then(|all| all.last());
    let pid = last
        .and_then(|a| a["pid"].as_i64())
        .and_then(|pid| i32::try_from(pid).ok());
    pid.ok_or_else(|| HarnessError(format!("no process of {task}")))
}

/// The node of a task's last attempt.
pub(super) fn node_of(task: &Value) -> String {
    let last = task["attempts"].as_array().and_then(|all| all.last());
    last.and_then(|a| a["node"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// Attempts without a failure, of a task that succeeded.
fn good_attempts(task: &Value) -> usize {
    let attempts = task["attempts"].as_array().cloned().unwrap_or_default();
    let good = attempts.iter().filter(|a| a["failure"].is_null());
    if task["state"] == "succeeded" {
        good.count()
    } else {
        0
    }
}
