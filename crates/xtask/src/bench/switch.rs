//! A planned switch under a client that keeps asking through the load balancer.

use super::Figure;
use crate::harness::api::Api;
use crate::harness::load::{Asking, Working};
use crate::harness::local::Local;
use crate::harness::switch::planned;
use crate::harness::{HarnessError, Result};

/// Switches east-1 → east-2 and back while one client asks every 10 ms and another runs tasks; prints the
/// longest gap and the failed tasks over both.
///
/// # Errors
/// When a switch does not end well.
#[allow(clippy::cast_precision_loss, reason = "a small count")]
pub async fn run(local: &Local) -> Result<()> {
    let ready = &local.ready;
    let api = Api::sign_in(&local.server("east-1")?.url, &ready.user, &ready.password).await?;
    let asking = Asking::begin(&ready.load_balancer, "east");
    let working = Working::begin(&ready.load_balancer, "east", api.token());
    for (from, to) in [("east-1", "east-2"), ("east-2", "east-1")] {
        asking.more(100).await?;
        planned(&api.at(&local.server(from)?.url), to).await?;
        // The balancer's checks, and what is still under way at the old server, end well after the switch.
        asking.more(500).await?;
    }
    let (asked, worked) = (asking.end().await?, working.end().await?);
    let gap = asked.gap.as_secs_f64() * 1e3;
    Figure::new("planned_switch_gap_ms", gap, "ms", 2)
        .bar(1000.0)
        .peer("Patroni tuned 1800 (seen)")
        .print();
    let failed = worked.failed.len() as f64;
    Figure::new("planned_switch_failed_tasks", failed, "tasks", worked.tasks)
        .bar(0.0)
        .print();
    if let Some(first) = worked.failed.first() {
        crate::say::progress("failed", first);
    }
    if asked.requests < 100 || worked.tasks < 10 {
        return Err(HarnessError(format!(
            "too little was asked to tell: {} requests, {} tasks",
            asked.requests, worked.tasks
        )));
    }
    Ok(())
}
