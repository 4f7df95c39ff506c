//! The program behind `cargo xtask drill`.

use std::process::ExitCode;
use xtask::drill::{self, DRILLS};

fn main() -> ExitCode {
    xtask::harness::provide();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            xtask::say::progress("error", error);
            return ExitCode::FAILURE;
        }
    };
    let asked = std::env::args().nth(1);
    let names = DRILLS.iter().map(|(name, _)| *name);
    let names: Vec<_> = match &asked {
        None => names.collect(),
        Some(name) => {
            let found: Vec<_> = names.filter(|n| n.starts_with(name.as_str())).collect();
            if found.is_empty() {
                vec![name.as_str()]
            } else {
                found
            }
        }
    };
    let mut good = true;
    for name in names {
        if let Err(error) = runtime.block_on(drill::run(name)) {
            xtask::say::progress("failed", error);
            good = false;
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
