//! What the model of the group's protocol found: how many states its walks saw, and whether each left-out rule was caught.
//!
//! The model drives the server's own functions and prints its figures itself; here its test runs and its lines are passed on.

use crate::harness::{HarnessError, Result};
use crate::process;
use crate::stop::Stop;
use crate::workspace::Workspace;
use std::time::Duration;

/// How long compiling and walking may take.
const WITHIN: Duration = Duration::from_mins(30);
/// The figures that it must print.
const FIGURES: [&str; 2] = ["\"model_states\"", "\"mutants_killed\""];

/// Runs the model's tests and prints their figures.
///
/// # Errors
/// That they fail, or that a figure is missing.
pub fn run() -> Result<()> {
    let workspace = Workspace::find().map_err(HarnessError::new)?;
    let stop = Stop::listen().map_err(HarnessError::new)?;
    let mut cargo = process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .args(["test", "--workspace", "--lib", "lease::model"])
        .args(["--", "--nocapture"]);
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
    let missing = FIGURES
        .into_iter()
        .find(|figure| !lines.iter().any(|line| line.contains(figure)));
    match missing {
        _ if !passed => Err(HarnessError("the model of the group does not hold".into())),
        Some(figure) => Err(HarnessError(format!("the model did not print {figure}"))),
        None => Ok(()),
    }
}
