//! Twenty zombies of a dead server, reclaimed by its successor: the drill `grid-server`, measured.

use crate::bench::Figure;
use crate::drill;
use crate::harness::{HarnessError, Result};

/// Measures and prints `reclaim_20_zombies_s`, `zombies_left` and `workdirs_left`.
///
/// # Errors
/// When it could not be measured, or something else of the drill did not hold.
pub(super) async fn run() -> Result<()> {
    let verdict = drill::grid_server().await?;
    let ms = |name: &str| verdict.figures.get(name).copied().unwrap_or_default();
    Figure::new(
        "reclaim_20_zombies_s",
        ms("reclaim_20_zombies_ms") / 1e3,
        "s",
        1,
    )
    .bar(5.0)
    .peer(format!(
        "from the moment the standby is active, {:.1} s after the kill",
        ms("taken_over_ms") / 1e3
    ))
    .print();
    for (name, left, unit) in [
        ("zombies_left", verdict.zombies, "sessions and processes"),
        ("workdirs_left", verdict.workdirs, "directories"),
    ] {
        Figure::new(name, left as f64, unit, 1).bar(0.0).print();
    }
    if verdict.holds() {
        return Ok(());
    }
    Err(HarnessError(verdict.broken.join("; ")))
}
