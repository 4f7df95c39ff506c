//! `cargo xtask test`: every check in parts, and the count at the end.

pub mod parts;
pub mod reasons;
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
    let mut run = Run::new(&workspace, tools.as_ref(), &stop);
    let (deployments, others): (Vec<_>, Vec<_>) =
        chosen.iter().partition(|part| part.needs_deployment());
    // The console is only needed later, and tests of the server leave a processor idle now and then.
    let ahead = (!deployments.is_empty())
        .then_some(tools.as_ref())
        .flatten();
    std::thread::scope(|scope| {
        if let Some(tools) = ahead {
            scope.spawn(|| console_aside(&workspace, tools, &stop));
        }
        for part in others {
            summary.push(timed(&run, part)?);
        }
        Ok::<_, Error>(())
    })?;
    if !deployments.is_empty() {
        if let Some(tools) = &tools {
            // Once here, in sight, so that each test's own deployment starts at once.
            let outcome = build::console(&workspace, tools, &stop)
                .and_then(|()| build::server_for_tests(&workspace, &stop));
            stop.check()?;
            match outcome {
                Ok(server) => run.server = Some(server),
                Err(error) => say::progress("error", &error),
            }
        }
        summary.extend(on_deployments(&run, &deployments)?);
    }
    let reasons = run.reasons.into_inner().unwrap_or_default();
    for reason in reasons.told() {
        say::result(reason);
    }
    say::result("");
    for (line, totals) in summary {
        say::result(line);
        sum = sum + totals;
    }
    say::result(sum);
    Ok(sum.failed == 0)
}

/// Builds the console with what others leave of the processors. What goes wrong is told by who needs it.
fn console_aside(workspace: &Workspace, tools: &set_up::Tools, stop: &Stop) {
    // Linux counts this by thread, and what the thread starts inherits it.
    if rustix::process::setpriority_process(None, 19).is_ok() {
        let _ = build::console(workspace, tools, stop);
    }
}

/// A part's line of the summary, and its totals.
type Tested = (String, Totals);

fn timed(run: &Run<'_>, part: &Part) -> Result<Tested, Error> {
    say::progress("testing", part);
    let begun = Instant::now();
    let totals = run.part(part)?;
    run.stop.check()?;
    let line = format!("{part}: {totals} in {}", say::seconds(begun.elapsed()));
    say::progress("tested", &line);
    Ok((line, totals))
}

/// Runs parts that start deployments: the drills, which mostly wait, beside the browser tests, which come one by one.
fn on_deployments(run: &Run<'_>, parts: &[&Part]) -> Result<Vec<Tested>, Error> {
    // Built before anything is timed.
    run.build(parts)?;
    let (drills, browser): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.is_drills());
    let one_by_one = |parts: Vec<&&Part>| -> Result<Vec<Tested>, Error> {
        parts.into_iter().map(|part| timed(run, part)).collect()
    };
    std::thread::scope(|scope| {
        let drilling = scope.spawn(|| one_by_one(drills));
        let mut done = one_by_one(browser)?;
        let drilled = drilling.join().unwrap_or(Err(Error::Broken(
            "the thread of the drills ended by itself",
        )));
        done.extend(drilled?);
        Ok(done)
    })
}
