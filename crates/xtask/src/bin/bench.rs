//! The measuring program behind `cargo xtask bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "first".to_owned());
    if name != "first" {
        xtask::say::progress(
            "error",
            format_args!("no bench \"{name}\"; there is: first"),
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            xtask::say::progress("error", error);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(xtask::bench::first::run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            xtask::say::progress("error", error);
            ExitCode::FAILURE
        }
    }
}
