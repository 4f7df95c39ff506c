//! Figures that a test prints itself, since it drives what is inside the server: it is run, and its lines are passed on.

use crate::harness::{HarnessError, Result};
use crate::process;
use crate::stop::Stop;
use crate::workspace::Workspace;
use std::time::Duration;

/// How long compiling and measuring may take.
const WITHIN: Duration = Duration::from_mins(30);

/// Runs `cargo test` with these arguments, the test's output shown, and prints the figures in it.
///
/// # Errors
/// That a test fails, or that it prints no figure of one of these names.
pub(super) fn run(arguments: &[&str], figures: &[&str]) -> Result<()> {
    let workspace = Workspace::find().map_err(HarnessError::new)?;
    let stop = Stop::listen().map_err(HarnessError::new)?;
    let mut cargo = process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .arg("test")
        .args(arguments);
    let mut lines: Vec<String> = Vec::new();
    let passed = process::run_lines(cargo, &stop, WITHIN, |line| {
        // A test's name may stand before it on the line.
        if let Some(at) = line.find("{\"figure\"") {
            lines.push(line.split_at(at).1.to_owned());
        }
    })
    .map_err(HarnessError::new)?;
    for line in &lines {
        crate::say::result(line);
    }
    let missing = figures.iter().find(|figure| {
        let name = format!("\"{figure}\"");
        !lines.iter().any(|line| line.contains(&name))
    });
    let said = arguments.join(" ");
    match missing {
        _ if !passed => Err(HarnessError(format!("`cargo test {said}` failed"))),
        Some(figure) => Err(HarnessError(format!(
            "`cargo test {said}` did not print {figure}"
        ))),
        None => Ok(()),
    }
}
