//! `cargo xtask bench first`: the figures of the first whole journey.

use super::{Figure, console, switch, tasks};
use crate::harness::Result;
use crate::harness::local::Local;

/// Measures and prints every figure; the order goes from quiet to violent.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    // A first start builds; the measured one starts what is built.
    drop(Local::start("bench-build")?);
    let mut local = Local::start("bench")?;
    Figure::new("ready_s", local.took.as_secs_f64(), "s", 1)
        .bar(15.0)
        .print();

    let east = local.server("east-1")?;
    // The figure is that of a server at rest: asked before anything was done with it.
    Figure::new("server_rss_mb", rss_mb(east.pid)?, "MB", 1)
        .bar(60.0)
        .print();
    console::run(&mut local).await?;
    tasks::warm(&local).await?;
    switch::run(&local).await?;
    drop(local);

    tasks::cold().await
}

/// Measures one part alone, by name: `console`, `warm`, `cold` or `switch`; `None` when there is none such.
///
/// # Errors
/// As [`run`].
pub async fn part(name: &str) -> Option<Result<()>> {
    let on_local = async |work: &str| {
        let mut local = Local::start("bench")?;
        match work {
            "console" => console::run(&mut local).await,
            "warm" => tasks::warm(&local).await,
            _ => switch::run(&local).await,
        }
    };
    match name {
        "cold" => Some(tasks::cold().await),
        "console" | "warm" | "switch" => Some(on_local(name).await),
        _ => None,
    }
}

/// Resident memory of a process, MB (10^6 bytes).
fn rss_mb(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let kb: f64 = line
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .unwrap_or(0.0);
    Ok(kb * 1024.0 / 1e6)
}
