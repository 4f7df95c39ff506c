//! The measuring program behind `cargo xtask bench`.

use std::process::ExitCode;
use xtask::bench::{base, first, ha, values};

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
            values::PEAK => Some(values::peak(std::env::args().nth(2)).await),
            part => {
                if let Some(done) = ha::part(part).await {
                    Some(done)
                } else if let Some(done) = base::part(part).await {
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
            let there = "first (or one part of it: console, warm, cold, switch), ha (or: switches, failovers, hangs, database, cuts), base (or: values, axe, backup, reads, streams)";
            xtask::say::progress(
                "error",
                format_args!("no bench \"{name}\"; there is: {there}"),
            );
            ExitCode::FAILURE
        }
    }
}
