//! `cargo xtask test`: every check in parts, and the count at the end.

pub mod parts;
#[cfg(test)]
mod supply;
pub mod totals;

use std::time::Instant;

use crate::build;
use crate::error::Error;
use crate::say;
use crate::set_up::{self, Need};
use crate::stop::Stop;
use crate::workspace::Workspace;
use parts::{Part, Run};
use totals::Totals;

/// Runs all parts, or the one of that name. Whether nothing failed.
///
/// Prints the totals as the last line: `N passed, N failed`. A part that cannot be built counts as one failed test.
pub fn run(name: Option<&str>) -> Result<bool, Error> {
    let stop = Stop::listen()?;
    let workspace = Workspace::find()?;
    let files = parts::browser_tests(&workspace.root);
    let chosen = parts::choose(name, &files).map_err(Error::Usage)?;
    let mut sum = Totals::default();
    let mut summary = Vec::new();
    // Formatting needs no tool of ours: tell it at once.
    let needs_tools = chosen.iter().any(|part| *part != Part::Fmt);
    let tools = if needs_tools {
        Some(set_up::set_up(&workspace, Need::Test, &stop)?)
    } else {
        None
    };
    let run = Run {
        workspace: &workspace,
        tools: tools.as_ref(),
        stop: &stop,
    };
    let mut built = false;
    for part in &chosen {
        if part.needs_deployment()
            && !built
            && let Some(tools) = &tools
        {
            // Once here, in sight, so that each test's own deployment starts at once.
            let outcome = build::server(&workspace, &stop)
                .and_then(|_| build::console(&workspace, tools, &stop));
            stop.check()?;
            if let Err(error) = outcome {
                say::progress("error", &error);
            }
            built = true;
        }
        say::progress("testing", part);
        let begun = Instant::now();
        let totals = run.part(part)?;
        stop.check()?;
        let line = format!("{part}: {totals} in {}", say::seconds(begun.elapsed()));
        say::progress("tested", &line);
        summary.push(line);
        sum = sum + totals;
    }
    say::result("");
    for line in summary {
        say::result(line);
    }
    say::result(sum);
    Ok(sum.failed == 0)
}
