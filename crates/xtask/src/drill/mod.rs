//! `cargo xtask drill`: breaks things on purpose in a local deployment of its own, under load, and checks over the
//! recorded history what must hold. Prints one JSON object a line.

mod crew;
pub mod database;
mod ha;
mod history;
mod transaction;

pub use crew::Crew;
pub use history::{History, Verdict};

use crate::harness::{HarnessError, Result};
use serde_json::json;

/// Every drill, by name, with what it does.
pub const DRILLS: [(&str, &str); 9] = [
    ("ha-switch", "planned switches there and back"),
    (
        "ha-kill",
        "kill -9 of the active server, automatic failover, and its return",
    ),
    (
        "ha-stop",
        "SIGSTOP of the active server until another took over, then SIGCONT",
    ),
    (
        "ha-restart",
        "the active server ends in order and starts again",
    ),
    (
        "ha-both",
        "both servers killed, and started in the other order",
    ),
    (
        "ha-database-leader",
        "kill -9 of the leader of the group's database, and its return",
    ),
    (
        "ha-database-stopped",
        "the group's database stands still for 20 s, then ends and starts again",
    ),
    (
        "ha-transaction-sqlite",
        "the active server stops before a commit until another took over, on SQLite",
    ),
    ("ha-transaction-postgres", "the same on PostgreSQL"),
];

/// Runs one drill; its verdict, and what the first failed requests were told, is printed.
///
/// # Errors
/// When the drill could not be made, or something did not hold.
pub async fn run(name: &str) -> Result<Verdict> {
    let verdict = match name {
        "ha-switch" => ha::switch().await,
        "ha-kill" => ha::kill().await,
        "ha-stop" => ha::stop().await,
        "ha-restart" => ha::restart().await,
        "ha-both" => ha::both().await,
        "ha-database-stopped" => database::stopped().await,
        "ha-transaction-sqlite" => transaction::run("sqlite").await,
        "ha-transaction-postgres" => transaction::run("postgres").await,
        "ha-database-leader" => database::leader().await.map(|(verdict, _)| verdict),
        _ => {
            let names: Vec<_> = DRILLS.iter().map(|(name, _)| *name).collect();
            return Err(HarnessError(format!(
                "no drill \"{name}\"; there are: {}",
                names.join(", ")
            )));
        }
    }
    .map_err(|error| HarnessError(format!("{name}: {error}")))?;
    print(name, &verdict);
    for said in &verdict.failures {
        crate::say::progress("seen", said);
    }
    if verdict.holds() {
        Ok(verdict)
    } else {
        Err(HarnessError(format!(
            "{name}: {}",
            verdict.broken.join("; ")
        )))
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the command's answer is its standard output"
)]
fn print(name: &str, verdict: &Verdict) {
    let line = json!({
        "drill": name,
        "ok": verdict.holds(),
        "requests": verdict.requests,
        "failed_requests": verdict.failed,
        "tasks_acknowledged": verdict.acknowledged,
        "lost_acknowledged": verdict.lost,
        "double_commits": verdict.doubled,
        "uncertain": verdict.uncertain,
        "zombies_left": verdict.zombies,
        "gap_ms": (verdict.gap.as_secs_f64() * 1e4).round() / 10.0,
        "task_gap_ms": (verdict.task_gap.as_secs_f64() * 1e4).round() / 10.0,
        "epochs": verdict.epochs,
        "broken": verdict.broken,
    });
    println!("{line}");
}
