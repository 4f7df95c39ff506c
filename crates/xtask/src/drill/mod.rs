//! `cargo xtask drill`: breaks things on purpose in a local deployment of its own, under load, and checks over the
//! recorded history what must hold. Prints one JSON object a line.

mod crew;
pub mod database;
mod floor;
mod grid;
mod ha;
mod history;
mod namespaces;
mod network;
mod replicate;
mod transaction;
mod upgrade;

pub use crew::Crew;
pub use history::{History, Verdict};

use crate::harness::{HarnessError, Result};
use replicate::Base;
use serde_json::json;

/// Every drill, by name, with what it does.
pub const DRILLS: [(&str, &str); 38] = [
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
    (
        "ha-upgrade",
        "a rolling upgrade, back and forth; a release that is too old for the database",
    ),
    (
        "ha-cut-database",
        "the active server cut off from the database, and back",
    ),
    (
        "ha-cut-nodes",
        "the active server cut off from the nodes, and back",
    ),
    (
        "ha-cut-balancer",
        "the active server cut off from the load balancer, and back",
    ),
    (
        "ha-cut-standby-database",
        "the standby cut off from the database, and back",
    ),
    (
        "ha-reject",
        "a firewall refuses the standby's connections to the active server, which lives; then it is killed",
    ),
    (
        "grid-session",
        "kill -9 of a session that runs a task, SIGSTOP of another one",
    ),
    (
        "grid-listener",
        "kill -9 of a node's listener under tasks, back after 1 s; SIGSTOP of another one",
    ),
    ("grid-back", "a node away for 1 s, and for 30 s"),
    ("grid-flapping", "a listener stops and goes on twenty times"),
    (
        "grid-server",
        "kill -9 of the active server with 20 running tasks of four kinds, which the standby reclaims",
    ),
    ("grid-disk", "a node whose disk of 1 MB is full"),
    ("grid-clock", "a node whose clock is an hour ahead"),
    ("grid-burst", "200 tasks at once on 6 slots"),
    (
        "replicate-kill",
        "the target, or the source, killed at points of a replication, among them within its commit",
    ),
    (
        "replicate-people",
        "two plans at once, a plan applied twice, a file edited during a replication",
    ),
    (
        "replicate-bit",
        "a bit flips on the target's disk: the deep check finds it",
    ),
    ("replicate-disk", "the target's disk is full, then is not"),
    ("replicate-versions", "a file with a thousand versions"),
    (
        "replicate-cut",
        "the network to the target cut at points of a replication, and back; that between the servers, too",
    ),
    (
        "replicate-slow",
        "a network of 2 Mbit/s: no time-out, progress, and a call-off",
    ),
    (
        "replicate-clock",
        "a target whose clock is an hour ahead, and one whose clock is an hour behind",
    ),
    (
        "replicate-large",
        "a model of 2 GiB, from server to server and by hand, cut in the middle",
    ),
    ("replicate-kill-postgres", "the same on PostgreSQL"),
    ("replicate-people-postgres", "the same on PostgreSQL"),
    ("replicate-versions-postgres", "the same on PostgreSQL"),
    ("replicate-cut-postgres", "the same on PostgreSQL"),
    ("replicate-clock-postgres", "the same on PostgreSQL"),
    ("replicate-large-postgres", "the same on PostgreSQL"),
];

/// Runs one drill; its verdict, and what the first failed requests were told, is printed.
///
/// # Errors
/// When the drill could not be made, or something did not hold.
pub async fn run(name: &str) -> Result<Verdict> {
    crate::harness::provide();
    let known = DRILLS.iter().map(|(known, _)| *known);
    let across = known
        .filter(|known| *known == name)
        .find_map(|known| Some((known, network::drill(known)?)));
    if across.is_some()
        && let Some(why) = namespaces::missing()
    {
        crate::say::progress("skipped", format_args!("{name}: {why}"));
        return Ok(Verdict::default());
    }
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
        "ha-upgrade" => upgrade::upgrade().await,
        "grid-session" => grid::session().await,
        "grid-listener" => grid::listener().await,
        "grid-back" => grid::back().await,
        "grid-flapping" => grid::flapping().await,
        "grid-server" => grid::server().await,
        "grid-disk" => grid::disk().await,
        "grid-clock" => grid::clock().await,
        "grid-burst" => grid::burst().await,
        "replicate-kill" => replicate::killed(Base::Sqlite).await,
        "replicate-people" => replicate::people(Base::Sqlite).await,
        "replicate-kill-postgres" => replicate::killed(Base::Postgres).await,
        "replicate-people-postgres" => replicate::people(Base::Postgres).await,
        "replicate-versions-postgres" => replicate::versions(Base::Postgres).await,
        "replicate-cut" => replicate::cut(Base::Sqlite).await,
        "replicate-cut-postgres" => replicate::cut(Base::Postgres).await,
        "replicate-slow" => replicate::slow().await,
        "replicate-clock" => replicate::clock(Base::Sqlite).await,
        "replicate-clock-postgres" => replicate::clock(Base::Postgres).await,
        "replicate-large" => replicate::large(Base::Sqlite).await,
        "replicate-large-postgres" => replicate::large(Base::Postgres).await,
        "replicate-bit" => replicate::flipped().await,
        "replicate-disk" => replicate::disk().await,
        "replicate-versions" => replicate::versions(Base::Sqlite).await,
        name => {
            if let Some((name, drill)) = across {
                return judged(name, network::run(name, drill).await);
            }
            let names: Vec<_> = DRILLS.iter().map(|(name, _)| *name).collect();
            return Err(HarnessError(format!(
                "no drill \"{name}\"; there are: {}",
                names.join(", ")
            )));
        }
    };
    judged(name, verdict)
}

/// The drill `grid-server`, for a bench: what it found, whether it held or not.
///
/// # Errors
/// When it could not be made.
pub async fn grid_server() -> Result<Verdict> {
    crate::harness::provide();
    grid::server().await
}

/// Prints a verdict; an error when it does not hold.
fn judged(name: &str, verdict: Result<Verdict>) -> Result<Verdict> {
    let verdict = verdict.map_err(|error| HarnessError(format!("{name}: {error}")))?;
    print(name, &verdict);
    for said in &verdict.failures {
        crate::say::progress("seen", said);
    }
    if verdict.holds() {
        Ok(verdict)
    } else {
        let seen = verdict
            .failures
            .iter()
            .map(|said| format!("\nseen: {said}"));
        Err(HarnessError(format!(
            "{name}: {}{}",
            verdict.broken.join("; "),
            seen.collect::<String>()
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
        "workdirs_left": verdict.workdirs,
        "gap_ms": (verdict.gap.as_secs_f64() * 1e4).round() / 10.0,
        "task_gap_ms": (verdict.task_gap.as_secs_f64() * 1e4).round() / 10.0,
        "epochs": verdict.epochs,
        "figures": verdict.figures,
        "broken": verdict.broken,
    });
    println!("{line}");
}
