//! `cargo xtask fuzz`: random bytes against what reads what a node sends, guided by what each input reaches.
//!
//! The targets are a workspace of their own (`crates/rserve/fuzz`), since the fuzzer's macro needs `unsafe`. The compiler of the
//! workspace instruments them by itself; cargo-fuzz and a nightly compiler are not needed.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process;
use crate::say;
use crate::stop::Stop;
use crate::workspace::Workspace;

/// The targets, each a program.
pub const TARGETS: [&str; 5] = ["message", "round_trip", "json", "outcome", "replies"];
/// Where the targets are built for: the instrumentation then leaves build scripts alone.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};
/// What makes the compiler count which code an input reaches.
const INSTRUMENTED: &str = "-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=3 \
     -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
     -C llvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// Longest input that is tried, bytes.
const LONGEST: u32 = 4096;

/// Builds the targets and runs `target`, or each in turn, for `seconds`; prints what was run as JSON lines. Whether nothing was
/// found.
///
/// # Errors
/// [`Error`], when a target cannot be built or run.
pub fn run(target: Option<&str>, seconds: u64) -> Result<bool, Error> {
    if let Some(name) = target.filter(|name| !TARGETS.contains(name)) {
        say::progress(
            "error",
            format_args!("no target \"{name}\"; there is: {}", TARGETS.join(", ")),
        );
        return Ok(false);
    }
    let stop = Stop::listen()?;
    let workspace = Workspace::find()?;
    let folder = workspace.root.join("crates/rserve/fuzz");
    let own = workspace.own_target().join("fuzz");
    build(&folder, &own, &stop)?;
    let (mut inputs, mut crashes) = (0, 0);
    for name in TARGETS
        .iter()
        .filter(|name| target.is_none_or(|t| t == **name))
    {
        let found = one(name, &folder, &own, seconds, &stop)?;
        say::progress(
            "fuzz",
            format_args!(
                "{name}: {} inputs, {} found",
                found.inputs,
                found.crashes.len()
            ),
        );
        for crash in &found.crashes {
            say::progress("found", crash.display());
        }
        inputs += found.inputs;
        crashes += found.crashes.len();
    }
    let targets = if target.is_some() { 1 } else { TARGETS.len() };
    say::result(format_args!(
        "{{\"figure\":\"fuzz_execs\",\"value\":{inputs},\"unit\":\"inputs\",\"n\":{targets}}}"
    ));
    say::result(format_args!(
        "{{\"figure\":\"fuzz_crashes\",\"value\":{crashes},\"unit\":\"inputs\",\"n\":{targets},\"bar\":0}}"
    ));
    Ok(crashes == 0)
}

fn build(folder: &Path, own: &Path, stop: &Stop) -> Result<(), Error> {
    let mut cargo = process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(folder)
        .env("RUSTFLAGS", INSTRUMENTED)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([
            "build",
            "--release",
            "--quiet",
            "--target",
            PLATFORM,
            "--target-dir",
        ])
        .arg(own);
    say::timed("build", "the fuzz targets", || {
        process::run_shown(cargo, stop)
    })
}

/// What a target's run gave.
struct Found {
    inputs: u64,
    crashes: Vec<PathBuf>,
}

fn one(name: &str, folder: &Path, own: &Path, seconds: u64, stop: &Stop) -> Result<Found, Error> {
    let grown = own.join("corpus").join(name);
    let artifacts = own.join("found").join(name);
    for made in [&grown, &artifacts] {
        std::fs::create_dir_all(made).map_err(Error::file("create", made))?;
    }
    let log = own.join(format!("{name}.log"));
    let mut command = process::command("nice");
    command
        .args(["-n", "19"])
        .arg(own.join(PLATFORM).join("release").join(name))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .arg(&grown)
        .arg(folder.join("corpus").join(name));
    let before = files(&artifacts)?;
    let ended = process::run_logged(command, &log, stop);
    stop.check()?;
    let mut crashes = files(&artifacts)?;
    crashes.retain(|file| !before.contains(file));
    // A target that found something ends with a failure; one that could not run at all left nothing.
    if let Err(error) = ended
        && crashes.is_empty()
    {
        return Err(error);
    }
    let text = std::fs::read(&log).map_err(Error::file("read", &log))?;
    Ok(Found {
        inputs: inputs_of(&String::from_utf8_lossy(&text)),
        crashes,
    })
}

/// How many inputs a log says were tried.
fn inputs_of(log: &str) -> u64 {
    log.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_default()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::file("read", folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuzzers_count_is_found_in_its_log() {
        let log = "#2\tINITED\nstat::number_of_executed_units: 331368\nstat::average_exec_per_sec:     25489\n";
        assert_eq!(inputs_of(log), 331_368);
        assert_eq!(inputs_of("==900== ERROR"), 0);
    }

    #[test]
    fn every_target_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rserve/fuzz/fuzz_targets");
        let mut found: Vec<_> = files(Path::new(folder)).unwrap_or_default();
        found.sort();
        let mut wanted: Vec<_> = TARGETS
            .iter()
            .map(|name| Path::new(folder).join(format!("{name}.rs")))
            .collect();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}
