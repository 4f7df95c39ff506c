//! `cargo xtask bench grid`: how soon the grid's changes are told and what that costs on the wire, what a task costs beside a bare
//! session, what a thousand nodes cost, how soon zombies are gone, and what a large grid costs the console.

mod dispatch;
mod heat;
mod many;
pub mod responder;
mod seen;
pub mod source;
mod wire;
mod zombies;

use crate::harness::Result;
use crate::harness::local::Local;

/// Measures and prints every figure.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    {
        let local = Local::start("bench-grid")?;
        dispatch::run(&local).await?;
        wire::run(&local).await?;
        seen::run(&local).await?;
    }
    many::run().await?;
    zombies::run().await?;
    heat::run().await
}

/// Measures one part alone, by name: `dispatch`, `seen`, `wire`, `many`, `zombies` or `heat`; `None` when there is none such.
///
/// # Errors
/// As [`run`].
pub async fn part(name: &str) -> Option<Result<()>> {
    let on_local = async |work: &str| {
        let local = Local::start("bench-grid")?;
        match work {
            "dispatch" => dispatch::run(&local).await,
            "wire" => wire::run(&local).await,
            _ => seen::run(&local).await,
        }
    };
    match name {
        "dispatch" | "seen" | "wire" => Some(on_local(name).await),
        "many" => Some(many::run().await),
        "heat" => Some(heat::run().await),
        "zombies" => Some(zombies::run().await),
        responder::RESPONDER => Some(responder::serve().await),
        _ => None,
    }
}
