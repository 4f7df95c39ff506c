//! A planned switch under a client that keeps asking through the load balancer.

use super::Figure;
use crate::harness::api::Api;
use crate::harness::local::Local;
use crate::harness::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Switches east-1 → east-2 and back while one client asks every 10 ms and another runs tasks; prints the
/// longest gap and the failed tasks over both.
///
/// # Errors
/// When a switch does not end well.
pub async fn run(local: &Local) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let asking = tokio::spawn(ask(
        local.ready.load_balancer.clone(),
        Arc::clone(&stop),
        Arc::clone(&count),
    ));
    let api = Api::sign_in(
        &local.server("east-1")?.url,
        &local.ready.user,
        &local.ready.password,
    )
    .await?;
    let tasks = tokio::spawn(run_tasks(
        local.ready.load_balancer.clone(),
        api.token().to_owned(),
        Arc::clone(&stop),
    ));
    for (from, to) in [("east-1", "east-2"), ("east-2", "east-1")] {
        more(&count, 100).await?;
        planned(&api.at(&local.server(from)?.url), to).await?;
    }
    more(&count, 100).await?;
    stop.store(true, Ordering::Relaxed);
    let (gap, asked) = asking.await.map_err(HarnessError::new)??;
    let (failed, tried) = tasks.await.map_err(HarnessError::new)??;
    Figure::new("planned_switch_gap_ms", gap, "ms", 2)
        .bar(1000.0)
        .peer("Patroni tuned 1800 (seen)")
        .print();
    Figure::new("planned_switch_failed_tasks", failed, "tasks", tried)
        .bar(0.0)
        .print();
    if asked < 100 || tried < 10 {
        return Err(HarnessError(format!(
            "too little was asked to tell: {asked} requests, {tried} tasks"
        )));
    }
    Ok(())
}

/// Waits until so many more requests were made: a switch is watched before, during and after.
async fn more(count: &AtomicUsize, requests: usize) -> Result<()> {
    let goal = count.load(Ordering::Relaxed) + requests;
    wait_for("the client to ask", Duration::from_secs(30), || async {
        Ok((count.load(Ordering::Relaxed) >= goal).then_some(()))
    })
    .await
}

/// Asks for a planned switch and waits until it is done.
///
/// # Errors
/// When it is refused or fails.
pub async fn planned(api: &Api, to: &str) -> Result<Value> {
    let epoch = api.get("group").await?.body["epoch"].clone();
    let body = json!({ "kind": "planned", "to": to, "expect_epoch": epoch, "reason": "measured by the bench" });
    let answer = api.post("switch", body).await?;
    if answer.status >= 300 {
        return Err(HarnessError(format!(
            "switch to {to}: {} {}",
            answer.status, answer.body
        )));
    }
    let id = answer.body["id"].clone();
    wait_for(
        &format!("the switch to {to}"),
        Duration::from_mins(1),
        || async {
            let list = api.get("switches").await?.body;
            let items = list["items"]
                .as_array()
                .or_else(|| list.as_array())
                .cloned()
                .unwrap_or_default();
            let Some(record) = items.into_iter().find(|s| s["id"] == id) else {
                return Ok(None);
            };
            match record["state"].as_str() {
                Some("done") => Ok(Some(record)),
                Some("failed") => Err(HarnessError(format!("the switch failed: {record}"))),
                _ => Ok(None),
            }
        },
    )
    .await
}

/// Asks who is active every 10 ms with east's cookie; the longest time between two good answers (group
/// east, role active, an epoch), milliseconds, and how many were asked.
async fn ask(
    balancer: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Result<(f64, usize)> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let (mut last, mut gap, mut asked) = (Instant::now(), Duration::ZERO, 0);
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        asked += 1;
        count.fetch_add(1, Ordering::Relaxed);
        let request = http
            .get(format!("{balancer}/api/v1/server"))
            .header("cookie", "GROUP=east");
        let Ok(answer) = request.send().await else {
            continue;
        };
        let Ok(body) = answer.json::<Value>().await else {
            continue;
        };
        let good =
            body["group"] == "east" && body["role"] == "active" && body["epoch"].as_i64() > Some(0);
        if good {
            gap = gap.max(last.elapsed());
            last = Instant::now();
        }
    }
    Ok((gap.max(last.elapsed()).as_secs_f64() * 1e3, asked))
}

/// Runs short tasks one after the other through the load balancer; how many failed, of how many.
#[allow(clippy::cast_precision_loss, reason = "a small count")]
async fn run_tasks(balancer: String, token: String, stop: Arc<AtomicBool>) -> Result<(f64, usize)> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .build()?;
    let (mut failed, mut tried) = (0_usize, 0);
    while !stop.load(Ordering::Relaxed) {
        tried += 1;
        let request = http
            .post(format!("{balancer}/api/v1/tasks?wait=30"))
            .header("cookie", "GROUP=east")
            .bearer_auth(&token)
            .json(&json!({ "source": { "code": { "code": "Sys.sleep(0.05); 1+1" } } }));
        let state = match request.send().await {
            Ok(answer) => answer
                .json::<Value>()
                .await
                .map_or(Value::Null, |b| b["state"].clone()),
            Err(_) => Value::Null,
        };
        if state != "succeeded" {
            failed += 1;
        }
    }
    Ok((failed as f64, tried))
}
