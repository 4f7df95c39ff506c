//! The measuring program behind `cargo xtask bench`.

use std::process::ExitCode;
use xtask::bench::{base, first, grid, groups, ha, replicate, values};

fn main() -> ExitCode {
    xtask::harness::provide();
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "first".to_owned());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            xtask::say::progress("error", error);
            return ExitCode::FAILURE;
        }
    };
    let measured = runtime.block_on(async {
        match name.as_str() {
            "first" => Some(first::run().await),
            "ha" => Some(ha::run().await),
            "base" => Some(base::run().await),
            "grid" => match std::env::args().nth(2) {
                Some(part) => grid::part(&part).await,
                None => Some(grid::run().await),
            },
            "replicate" => Some(match replicate::run().await {
                Ok(()) => groups::run().await,
                failed => failed,
            }),
            "groups" => Some(groups::run().await),
            values::PEAK => Some(values::peak(std::env::args().nth(2)).await),
            grid::source::SOURCE => Some(grid::source::run(std::env::args().nth(2)).await),
            part => {
                if let Some(done) = ha::part(part).await {
                    Some(done)
                } else if let Some(done) = base::part(part).await {
                    Some(done)
                } else if let Some(done) = grid::part(part).await {
                    Some(done)
                } else {
                    first::part(part).await
                }
            }
        }
    });
    match measured {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            xtask::say::progress("error", error);
            ExitCode::FAILURE
        }
        None => {
            let there = "first (or one part of it: console, warm, cold, switch), ha (or: model, switches, failovers, hangs, database, cuts), base (or: values, axe, backup, reads, streams), grid (or: dispatch, wire, seen, many, zombies, heat), replicate (or: groups)";
            xtask::say::progress(
                "error",
                format_args!("no bench \"{name}\"; there is: {there}"),
            );
            ExitCode::FAILURE
        }
    }
}
