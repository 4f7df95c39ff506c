//! What a trivial task costs through the API over raw Rserve, with sessions opened ahead and without.

use super::Figure;
use super::stats::median;
use crate::harness::api::Api;
use crate::harness::local::Local;
use crate::harness::{HarnessError, Result};
use gridhelm_rserve::{Connection, Credentials, Endpoint, Options};
use serde_json::json;
use std::time::{Duration, Instant};

const RUNS: usize = 200;
const PACE: Duration = Duration::from_millis(50);

/// Tasks that find a session opened ahead.
///
/// # Errors
/// The first task that did not succeed.
pub async fn warm(local: &Local) -> Result<()> {
    let (task, raw) = measure(local).await?;
    Figure::new("task_warm_p50_over_rserve_ms", task - raw, "ms", RUNS)
        .bar(0.0)
        .peer(format!(
            "raw Rserve connect+login+eval {raw:.3} ms, task {task:.3} ms"
        ))
        .print();
    Ok(())
}

/// Tasks for which a session is opened: a deployment of its own that opens none ahead.
///
/// # Errors
/// The first task that did not succeed.
pub async fn cold() -> Result<()> {
    let local = Local::start_with("bench-cold", &[("GRIDHELM_SESSIONS_AHEAD", "0")])?;
    let (task, raw) = measure(&local).await?;
    Figure::new("task_cold_p50_over_rserve_ms", task - raw, "ms", RUNS)
        .bar(2.0)
        .peer(format!(
            "raw Rserve connect+login+eval {raw:.3} ms, task {task:.3} ms"
        ))
        .print();
    Ok(())
}

/// Medians of task and raw, milliseconds, taken in turn at 20 a second each.
async fn measure(local: &Local) -> Result<(f64, f64)> {
    let east = local.server("east-1")?;
    let api = Api::sign_in(&east.url, &local.ready.user, &local.ready.password).await?;
    let node = local.node("east-r01")?;
    let endpoint = Endpoint {
        host: node.host.clone(),
        port: node.port,
    };
    let password = gridhelm_rserve::Secret::new(local.ready.node_password.clone());
    let credentials = Credentials {
        user: local.ready.node_user.clone(),
        password,
    };
    let (mut tasks, mut raws) = (Vec::new(), Vec::new());
    let mut pace = tokio::time::interval(PACE / 2);
    for _ in 0..RUNS {
        pace.tick().await;
        let began = Instant::now();
        let mut connection = Connection::open(&endpoint, Some(&credentials), &Options::default())
            .await
            .map_err(HarnessError::new)?;
        connection.eval("1+1").await.map_err(HarnessError::new)?;
        raws.push(began.elapsed().as_secs_f64() * 1e3);
        connection.close().await;

        pace.tick().await;
        let began = Instant::now();
        let answer = api
            .post(
                "tasks?wait=30",
                json!({ "source": { "code": { "code": "1+1" } } }),
            )
            .await?;
        tasks.push(began.elapsed().as_secs_f64() * 1e3);
        if answer.body["state"] != "succeeded" {
            return Err(HarnessError(format!(
                "a trivial task: {} {}",
                answer.status, answer.body
            )));
        }
    }
    Ok((median(&tasks), median(&raws)))
}
