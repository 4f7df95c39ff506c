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

/// One request of a [`Load`], by the load's own clock.
#[derive(Debug, Clone)]
pub struct Answered {
    /// When it was sent.
    pub sent: Duration,
    /// When its answer, or its failure, was there.
    pub answered: Duration,
    /// The epoch of a good answer: one that names the group and its epoch.
    pub epoch: Option<i64>,
    /// The id of a task whose acceptance it tells.
    pub task: Option<String>,
    /// What was said, where it was not good.
    pub said: String,
}

/// How often a load sends.
const LOAD_PACE: Duration = Duration::from_millis(20);
/// The load's tasks: some time, and a value that can be told.
const LOAD_CODE: &str = "Sys.sleep(0.02); sum(1:10)";

/// 50 requests a second with a group's cookie, whether or not earlier ones were answered; half of them tasks.
pub struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    sender: JoinHandle<Vec<Answered>>,
}

impl Load {
    /// Begins to send.
    pub fn begin(balancer: &str, group: &str, token: &str) -> Self {
        let (stop, good) = (Arc::default(), Arc::default());
        let target = Target {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(20))
                .build()
                .unwrap_or_default(),
            balancer: balancer.to_owned(),
            group: group.to_owned(),
            token: token.to_owned(),
            began: Instant::now(),
            good: Arc::clone(&good),
        };
        let sender = tokio::spawn(send_all(Arc::new(target), Arc::clone(&stop)));
        Self { stop, good, sender }
    }

    /// Waits until so many more requests were answered well.
    ///
    /// # Errors
    /// When they were not within a minute.
    pub async fn good(&self, more: usize) -> Result<()> {
        let goal = self.good.load(Ordering::Relaxed) + more;
        wait_for("good answers", Duration::from_mins(1), || async {
            Ok((self.good.load(Ordering::Relaxed) >= goal).then_some(()))
        })
        .await
    }

    /// Sends no more; every request with its answer, in the order of sending.
    pub async fn end(self) -> Vec<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.await.unwrap_or_default()
    }
}

struct Target {
    http: reqwest::Client,
    balancer: String,
    group: String,
    token: String,
    began: Instant,
    good: Arc<AtomicUsize>,
}

async fn send_all(target: Arc<Target>, stop: Arc<AtomicBool>) -> Vec<Answered> {
    let mut pace = tokio::time::interval(LOAD_PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let number = sent.len();
        let target = Arc::clone(&target);
        sent.push(tokio::spawn(async move { target.send(number).await }));
    }
    let mut answers = Vec::with_capacity(sent.len());
    for request in sent {
        answers.extend(request.await);
    }
    answers
}

impl Target {
    async fn send(&self, number: usize) -> Answered {
        let sent = self.began.elapsed();
        let is_task = number % 2 == 1;
        let path = if is_task { "tasks" } else { "group" };
        let url = format!("{}/api/v1/{path}", self.balancer);
        let request = if is_task {
            // Every second task may run twice.
            let body = json!({
                "source": { "code": { "code": LOAD_CODE } }, "re_executable": number % 4 == 1,
            });
            self.http.post(url).json(&body)
        } else {
            self.http.get(url)
        };
        let request = request
            .bearer_auth(&self.token)
            .header("cookie", format!("GROUP={}", self.group));
        let mut answer = Answered {
            sent,
            answered: sent,
            epoch: None,
            task: None,
            said: String::new(),
        };
        match request.send().await {
            Ok(response) => self.read(response, is_task, &mut answer).await,
            Err(error) => answer.said = format!("{error:?}"),
        }
        answer.answered = self.began.elapsed();
        if answer.epoch.is_some() {
            self.good.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn read(&self, response: reqwest::Response, is_task: bool, answer: &mut Answered) {
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let of_group = header("x-gridhelm-group").is_some_and(|group| group == self.group);
        let epoch = header("x-gridhelm-epoch").and_then(|e| e.parse::<i64>().ok());
        let body: Value = response.json().await.unwrap_or_default();
        let told = if is_task {
            answer.task = body["id"].as_str().map(str::to_owned);
            answer.task.is_some()
        } else {
            // Between release and take nobody is active; the server that answers knows of no epoch after it.
            body["epoch"].is_i64()
        };
        if status.is_success() && of_group && told {
            answer.epoch = epoch.filter(|epoch| *epoch > 0);
        }
        if answer.epoch.is_none() {
            answer.said = format!("{status} {body}");
        }
    }
}
