//! What the model of the group's protocol found: how many states its walks saw, and whether each left-out rule was caught.
//!
//! The model drives the server's own functions and prints its figures itself; here its test runs and its lines are passed on.

use super::printed;
use crate::harness::Result;

/// Runs the model's tests and prints their figures.
///
/// # Errors
/// That they fail, or that a figure is missing.
pub fn run() -> Result<()> {
    printed::run(
        &["--workspace", "--lib", "lease::model", "--", "--nocapture"],
        &["model_states", "mutants_killed"],
    )
}
