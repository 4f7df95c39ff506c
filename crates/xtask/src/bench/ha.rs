//! `cargo xtask bench ha`: how long a group is without an active server, by switch, death and hang.

use super::stats::median;
use super::{Figure, model};
use crate::drill::{self, Crew, DRILLS, History};
use crate::harness::load::Asking;
use crate::harness::switch::planned;
use crate::harness::{HarnessError, Result};
use rustix::process::Signal;

const PAIR: [&str; 2] = ["east-1", "east-2"];
/// Runs of each kind; a hang takes longer.
const RUNS: usize = 20;
const HANGS: usize = 10;
/// Failovers of the database.
const DATABASE_RUNS: usize = 3;
/// Cuts of the database; each in a deployment of its own.
const CUTS: usize = 5;
/// Requests before a fault and after it, 10 ms apart.
const AROUND: usize = 60;
/// Twenty failovers in a row are what the servers would not do by themselves.
const NO_LIMIT: [(&str, &str); 1] = [("GRIDHELM_FAILOVER_MOST", "0")];
const PEER: &str = "Patroni at its defaults: switch 4100, failover 21000 to 28000; HAProxy active/backup: 30 to 5700 by setting (seen)";

/// Measures and prints every figure.
///
/// # Errors
/// The first thing that could not be measured, or did not hold.
pub async fn run() -> Result<()> {
    model::run()?;
    switches("switch_gap_ms", &[], 200.0).await?;
    let off = [("GRIDHELM_BALANCER", "off")];
    switches("switch_gap_checks_only_ms", &off, 800.0).await?;
    failovers().await?;
    hangs().await?;
    database().await?;
    cuts().await?;
    drills().await
}

/// Measures one part alone, by name: `model`, `switches`, `failovers`, `hangs`, `database` or `cuts`; `None` when there
/// is none such.
///
/// # Errors
/// As [`run`].
pub async fn part(name: &str) -> Option<Result<()>> {
    match name {
        "model" => Some(model::run()),
        "switches" => Some(switches("switch_gap_ms", &[], 200.0).await),
        "failovers" => Some(failovers().await),
        "hangs" => Some(hangs().await),
        "database" => Some(database().await),
        "cuts" => Some(cuts().await),
        _ => None,
    }
}

/// The longest gap over 20 planned switches, and the requests that failed.
#[allow(clippy::cast_precision_loss, reason = "a small count")]
async fn switches(figure: &'static str, environment: &[(&str, &str)], bar: f64) -> Result<()> {
    let crew = Crew::start("bench-switch", environment).await?;
    let history = History::begin(&crew);
    let asking = Asking::begin(&crew.local.ready.load_balancer, "east");
    for run in 0..RUNS {
        asking.more(AROUND).await?;
        planned(&crew.api(PAIR[run % 2])?, PAIR[(run + 1) % 2]).await?;
    }
    asking.more(5 * AROUND).await?;
    let asked = asking.end().await?;
    let verdict = history.judge(&crew, PAIR[RUNS % 2]).await?;
    Figure::new(
        figure,
        asked.gap.as_secs_f64() * 1e3,
        "ms, the longest",
        RUNS,
    )
    .bar(bar)
    .peer(PEER)
    .print();
    if environment.is_empty() {
        let failed = verdict.failed as f64;
        Figure::new(
            "switch_failed_requests",
            failed,
            "requests",
            verdict.requests,
        )
        .bar(0.0)
        .print();
    }
    for said in &verdict.failures {
        crate::say::progress("failed", said);
    }
    Ok(())
}

/// One fault on the active server while a client asks; the gap that it saw, milliseconds.
async fn fault(crew: &Crew, from: &str, to: &str, signal: Signal) -> Result<f64> {
    let asking = Asking::begin(&crew.local.ready.load_balancer, "east");
    asking.more(AROUND).await?;
    crew.signal(from, signal);
    crew.until_active(to).await?;
    asking.more(AROUND).await?;
    Ok(asking.end().await?.gap.as_secs_f64() * 1e3)
}

fn print_both(names: [&'static str; 2], gaps: &[f64], bars: [f64; 2]) {
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    for ((name, value), bar) in names.into_iter().zip([median(gaps), longest]).zip(bars) {
        Figure::new(name, value, "ms", gaps.len())
            .bar(bar)
            .peer(PEER)
            .print();
    }
}

/// kill -9 of the active server, in automatic mode.
async fn failovers() -> Result<()> {
    let mut crew = Crew::start("bench-failover", &NO_LIMIT).await?;
    crew.set_failover(PAIR[0], "automatic").await?;
    let mut gaps = Vec::new();
    for run in 0..RUNS {
        let (from, to) = (PAIR[run % 2], PAIR[(run + 1) % 2]);
        gaps.push(fault(&crew, from, to, Signal::KILL).await?);
        crew.begin(from).await?;
        crew.until_standby(from).await?;
    }
    let names = ["failover_gap_median_ms", "failover_gap_max_ms"];
    print_both(names, &gaps, [300.0, 800.0]);
    Ok(())
}

/// The active server stopped, so that its lease must lapse.
async fn hangs() -> Result<()> {
    let crew = Crew::start("bench-hang", &NO_LIMIT).await?;
    crew.set_failover(PAIR[0], "automatic").await?;
    let mut gaps = Vec::new();
    for run in 0..HANGS {
        let (from, to) = (PAIR[run % 2], PAIR[(run + 1) % 2]);
        gaps.push(fault(&crew, from, to, Signal::STOP).await?);
        crew.signal(from, Signal::CONT);
        crew.until_standby(from).await?;
    }
    let names = ["hang_gap_median_ms", "hang_gap_max_ms"];
    print_both(names, &gaps, [3_200.0, 4_000.0]);
    Ok(())
}

/// kill -9 of the database's leader: how much longer the group takes than the database itself, which a plain writer
/// with the same hosts measures in the same run.
async fn database() -> Result<()> {
    let mut added = Vec::new();
    let mut own = Vec::new();
    for _ in 0..DATABASE_RUNS {
        let (verdict, inserted) = drill::database::leader().await?;
        if !verdict.holds() {
            return Err(HarnessError(verdict.broken.join("; ")));
        }
        let group = verdict.gap.max(verdict.task_gap);
        added.push((group.as_secs_f64() - inserted.gap.as_secs_f64()) * 1e3);
        own.push(inserted.gap.as_secs_f64() * 1e3);
    }
    let peer = format!(
        "the database's own gap, seen by a plain writer in the same runs: {:.0} ms",
        median(&own)
    );
    Figure::new(
        "db_failover_added_gap_ms",
        median(&added),
        "ms",
        added.len(),
    )
    .bar(1_000.0)
    .peer(peer)
    .print();
    Ok(())
}

/// The active server cut off from its database; nothing where no namespaces can be made.
async fn cuts() -> Result<()> {
    let mut gaps = Vec::new();
    for _ in 0..CUTS {
        let verdict = drill::run("ha-cut-database").await?;
        if verdict.requests == 0 {
            return Ok(());
        }
        gaps.push(verdict.gap.as_secs_f64() * 1e3);
    }
    let names = ["cut_database_gap_median_ms", "cut_database_gap_max_ms"];
    print_both(names, &gaps, [3_500.0, 4_500.0]);
    Ok(())
}

/// What every drill must leave: nothing lost, nothing twice, no zombie.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
async fn drills() -> Result<()> {
    let (mut lost, mut doubled, mut zombies) = (0, 0, 0);
    let of_group = || DRILLS.iter().filter(|(name, _)| name.starts_with("ha-"));
    for (name, _) in of_group() {
        let verdict = drill::run(name).await?;
        lost += verdict.lost;
        doubled += verdict.doubled;
        zombies += verdict.zombies;
    }
    let counts = [
        ("lost_acknowledged", lost, "tasks"),
        ("double_commits", doubled, "tasks"),
        ("zombies_left", zombies, "sessions"),
    ];
    for (name, count, unit) in counts {
        Figure::new(name, count as f64, unit, of_group().count())
            .bar(0.0)
            .print();
    }
    Ok(())
}
