//! Clients of a group that keep asking through the load balancer, and what they saw.

use super::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often the asking client asks.
const PACE: Duration = Duration::from_millis(10);

/// What a client saw that asked who is active.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// How many requests were sent.
    pub requests: usize,
    /// The longest time between two good answers, or from the last one to the end. An answer is good that
    /// names the group, an epoch, and the role active.
    pub gap: Duration,
    /// Answers that named another group.
    pub foreign: usize,
    /// The epochs of the good answers, each once, in the order in which they were seen.
    pub epochs: Vec<i64>,
}

impl Asked {
    /// Whether every epoch was higher than the one before.
    pub fn epochs_grew(&self) -> bool {
        self.epochs.is_sorted_by(|a, b| a < b)
    }
}

/// A client with a group's cookie that asks every 10 ms who is active.
pub struct Asking {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    client: JoinHandle<Result<Asked>>,
}

impl Asking {
    /// Begins to ask.
    pub fn begin(balancer: &str, group: &str) -> Self {
        let (stop, count) = (Arc::default(), Arc::default());
        let client = tokio::spawn(ask(
            balancer.to_owned(),
            group.to_owned(),
            Arc::clone(&stop),
            Arc::clone(&count),
        ));
        Self {
            stop,
            count,
            client,
        }
    }

    /// Waits until so many more requests were made: what is measured is watched before, during and after.
    ///
    /// # Errors
    /// When they were not made within 30 s.
    pub async fn more(&self, requests: usize) -> Result<()> {
        let goal = self.count.load(Ordering::Relaxed) + requests;
        wait_for("the client to ask", Duration::from_secs(30), || async {
            Ok((self.count.load(Ordering::Relaxed) >= goal).then_some(()))
        })
        .await
    }

    /// Ends; what it saw.
    ///
    /// # Errors
    /// When the client could not be made.
    pub async fn end(self) -> Result<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.client.await.map_err(HarnessError::new)?
    }
}

async fn ask(
    balancer: String,
    group: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Result<Asked> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut asked, mut last) = (Asked::default(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        asked.requests += 1;
        count.fetch_add(1, Ordering::Relaxed);
        let request = http
            .get(format!("{balancer}/api/v1/server"))
            .header("cookie", format!("GROUP={group}"));
        let Ok(answer) = request.send().await else {
            continue;
        };
        let Ok(body) = answer.json::<Value>().await else {
            continue;
        };
        let named = body["group"].as_str();
        if named.is_some_and(|named| named != group) {
            asked.foreign += 1;
        }
        let active = named == Some(group.as_str()) && body["role"] == "active";
        let Some(epoch) = body["epoch"].as_i64().filter(|epoch| active && *epoch > 0) else {
            continue;
        };
        if asked.epochs.last() != Some(&epoch) {
            asked.epochs.push(epoch);
        }
        asked.gap = asked.gap.max(last.elapsed());
        last = Instant::now();
    }
    asked.gap = asked.gap.max(last.elapsed());
    Ok(asked)
}

/// What became of the tasks that a client ran.
#[derive(Debug, Clone, Default)]
pub struct Worked {
    /// How many were run.
    pub tasks: usize,
    /// What became of those that did not succeed: when, after how long, and the answer.
    pub failed: Vec<String>,
    /// The ids of those that were accepted.
    pub accepted: Vec<String>,
}

/// A client with a group's cookie that runs short tasks, one after the other.
pub struct Working {
    stop: Arc<AtomicBool>,
    client: JoinHandle<Result<Worked>>,
}

impl Working {
    /// Begins to run tasks.
    pub fn begin(balancer: &str, group: &str, token: &str) -> Self {
        let stop = Arc::default();
        let client = tokio::spawn(work(
            balancer.to_owned(),
            group.to_owned(),
            token.to_owned(),
            Arc::clone(&stop),
        ));
        Self { stop, client }
    }

    /// Ends after the task under way; what became of them.
    ///
    /// # Errors
    /// When the client could not be made.
    pub async fn end(self) -> Result<Worked> {
        self.stop.store(true, Ordering::Relaxed);
        self.client.await.map_err(HarnessError::new)?
    }
}

async fn work(
    balancer: String,
    group: String,
    token: String,
    stop: Arc<AtomicBool>,
) -> Result<Worked> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .build()?;
    let (mut worked, began) = (Worked::default(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        worked.tasks += 1;
        let asked = Instant::now();
        let request = http
            .post(format!("{balancer}/api/v1/tasks?wait=30"))
            .header("cookie", format!("GROUP={group}"))
            .bearer_auth(&token)
            .json(&json!({ "source": { "code": { "code": "Sys.sleep(0.05); 1+1" } } }));
        let (state, answer) = match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                let body = answer.json::<Value>().await.unwrap_or_default();
                worked
                    .accepted
                    .extend(body["id"].as_str().map(str::to_owned));
                (body["state"].clone(), format!("{status} {body}"))
            }
            Err(error) => (Value::Null, format!("{error:?}")),
        };
        if state != "succeeded" {
            worked.failed.push(format!(
                "{:.3} s, after {:.0} ms: {answer}",
                began.elapsed().as_secs_f64(),
                asked.elapsed().as_secs_f64() * 1e3
            ));
        }
    }
    Ok(worked)
}
