//! The tools that build the console: trunk, wasm-bindgen and wasm-opt; and axe for the tests.

use std::path::{Path, PathBuf};

use super::cache::Cache;
use crate::error::Error;
use crate::process;
use crate::stop::Stop;
use crate::workspace::Workspace;

/// trunk bundles the console. 0.22 asks for a newer Rust than ours.
const TRUNK: &str = "0.21.14";
/// binaryen brings wasm-opt. Debian's own is too old for what Rust emits.
const BINARYEN: &str = "132";
/// axe-core finds accessibility faults in the browser tests.
const AXE: &str = "4.14.1";

const AXE_FILE: &str = "node_modules/axe-core/axe.min.js";

/// The folders to put into PATH for building the console; installs what is missing.
pub fn find_or_install(
    workspace: &Workspace,
    cache: &Cache,
    stop: &Stop,
) -> Result<Vec<PathBuf>, Error> {
    let bindgen = locked_version(&workspace.root.join("Cargo.lock"), "wasm-bindgen")?;
    let trunk = cargo_install(cache, "trunk", TRUNK, "bin/trunk", true, stop)?;
    // Its own lock file names a crate that registries no longer offer: resolve anew.
    let wasm_bindgen = cargo_install(
        cache,
        "wasm-bindgen-cli",
        &bindgen,
        "bin/wasm-bindgen-test-runner",
        false,
        stop,
    )?;
    let binaryen = npm_install(
        cache,
        "binaryen",
        BINARYEN,
        "node_modules/.bin/wasm-opt",
        stop,
    )?;
    Ok(vec![
        trunk.join("bin"),
        wasm_bindgen.join("bin"),
        binaryen.join("node_modules/.bin"),
    ])
}

/// The accessibility checker's script; installs it when missing.
pub fn axe(cache: &Cache, stop: &Stop) -> Result<PathBuf, Error> {
    npm_install(cache, "axe-core", AXE, AXE_FILE, stop).map(|folder| folder.join(AXE_FILE))
}

/// Where [`axe`] puts the script.
pub fn axe_path(cache: &Cache) -> PathBuf {
    cache.path(&format!("axe-core-{AXE}")).join(AXE_FILE)
}

fn cargo_install(
    cache: &Cache,
    package: &str,
    version: &str,
    proof: &str,
    locked: bool,
    stop: &Stop,
) -> Result<PathBuf, Error> {
    let short = package.strip_suffix("-cli").unwrap_or(package);
    let name = format!("{short}-{version}");
    cache.install(&name, proof, &format!("{package} {version}"), |folder| {
        let mut cargo =
            process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Built in a place of its own: it must not disturb, or wait for, the project's builds.
        let build = folder.join("build");
        cargo
            .args(["install", package, "--version", version, "--root"])
            .arg(folder)
            .arg("--target-dir")
            .arg(&build);
        if locked {
            cargo.arg("--locked");
        }
        process::run_logged(cargo, &cache.log(&name), stop)?;
        std::fs::remove_dir_all(&build).map_err(Error::file("remove", &build))
    })
}

fn npm_install(
    cache: &Cache,
    package: &str,
    version: &str,
    proof: &str,
    stop: &Stop,
) -> Result<PathBuf, Error> {
    let name = format!("{package}-{version}");
    cache.install(&name, proof, &format!("{package} {version}"), |folder| {
        let mut npm = process::command("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ])
        .arg(folder);
        npm.arg(format!("{package}@{version}"));
        process::run_logged(npm, &cache.log(&name), stop)
    })
}

/// The version of a package in Cargo.lock.
fn locked_version(lock: &Path, package: &str) -> Result<String, Error> {
    let text = std::fs::read_to_string(lock).map_err(Error::file("read", lock))?;
    version_in(&text, package).ok_or_else(|| Error::Content {
        path: lock.to_path_buf(),
        what: format!("names no package {package}: the console needs it, so the file is broken; restore it from git"),
    })
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let wanted = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    lines.next()?;
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_itself() {
        let lock = "[[package]]\nname = \"wasm-bindgen-backend\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(version_in(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in(lock, "trunk"), None);
    }

    #[test]
    fn the_project_s_lock_file_names_wasm_bindgen() {
        let workspace = Workspace::find().unwrap();
        let version = locked_version(&workspace.root.join("Cargo.lock"), "wasm-bindgen").unwrap();
        assert!(version.starts_with("0.2."), "{version}");
    }
}
