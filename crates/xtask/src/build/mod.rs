//! Building the server and the console.

pub mod cut;
pub mod fingerprint;
pub mod pieces;
pub mod precompress;
pub mod short_names;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::say;
use crate::set_up::{self, Need, Tools};
use crate::stop::Stop;
use crate::workspace::Workspace;

/// What the console is built from.
const CONSOLE_SOURCES: [&str; 13] = [
    "Cargo.toml",
    "build.rs",
    "Cargo.lock",
    "index.html",
    "Trunk.toml",
    "public",
    "style",
    "src",
    "crates/api",
    "crates/client",
    "crates/replicate",
    "crates/view",
    "crates/xtask/src/build",
];

/// Sets up what is missing, and builds the server and the console.
pub fn all(stop: &Stop) -> Result<bool, Error> {
    let workspace = Workspace::find()?;
    let tools = set_up::set_up(&workspace, Need::Run, stop)?;
    let program = server(&workspace, stop)?;
    console(&workspace, &tools, stop)?;
    say::result(program.display());
    say::result(workspace.dist().display());
    Ok(true)
}

/// Sets up what is missing, and builds the console.
///
/// # Errors
/// [`Error`], when a tool is missing or it does not compile.
pub fn console_alone(stop: &Stop) -> Result<bool, Error> {
    let workspace = Workspace::find()?;
    let tools = set_up::set_up(&workspace, Need::Run, stop)?;
    console(&workspace, &tools, stop)?;
    say::result(workspace.dist().display());
    Ok(true)
}

/// Builds the server as the tests use it: with debug assertions, of what the unit tests have compiled already. Gives the program's path.
pub fn server_for_tests(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, Error> {
    // It comes with the tests that start it. By `cargo build` it would have other features, and all of it would be compiled once more.
    let words = ["test", "--workspace", "--no-run", "--test", "processes"];
    cargo("the server for tests", &words, workspace, stop)?;
    Ok(workspace.target.join("debug/gridhelm-server"))
}

/// Builds the server in release mode and gives the program's path.
pub fn server(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, Error> {
    let words = [
        "build",
        "--release",
        "--package",
        "gridhelm-server",
        "--bin",
        "gridhelm-server",
    ];
    cargo("the server", &words, workspace, stop)?;
    server_program(workspace)
}

fn cargo(what: &str, words: &[&str], workspace: &Workspace, stop: &Stop) -> Result<(), Error> {
    say::timed("building", what, || {
        let mut cargo =
            process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&workspace.root).args(words);
        cargo.env("CARGO_TARGET_DIR", &workspace.target);
        process::run_shown(cargo, stop)
    })
}

/// The built server; an error that tells what to do when it is not there.
pub fn server_program(workspace: &Workspace) -> Result<PathBuf, Error> {
    let program = workspace.target.join("release/gridhelm-server");
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Content {
        path: program,
        what: "is not there: run without `--no-build`".into(),
    })
}

/// Builds the console into `dist/` with its compressed twins, unless what is there was built from the same sources.
///
/// It is built beside and then moved into place, so that `dist/` is always whole.
pub fn console(workspace: &Workspace, tools: &Tools, stop: &Stop) -> Result<(), Error> {
    let own = workspace.own_target();
    std::fs::create_dir_all(&own).map_err(Error::file("create", &own))?;
    let lock_path = own.join("console.lock");
    let lock = File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
    lock.lock().map_err(Error::file("lock", &lock_path))?;
    let stamp = own.join("console.stamp");
    let sources = fingerprint::of(&workspace.root, &CONSOLE_SOURCES)?;
    let dist = workspace.dist();
    let current = || Ok::<_, Error>(format!("{sources} {}", fingerprint::of(&dist, &["."])?));
    if dist.join("index.html").is_file()
        && std::fs::read_to_string(&stamp).is_ok_and(|seen| current().is_ok_and(|now| now == seen))
    {
        say::progress("building", "the console: nothing has changed");
        return Ok(());
    }
    let staging = own.join("console-staging");
    say::timed("building", "the console", || {
        bundle(workspace, tools, &staging, stop)
    })?;
    let twins = say::timed("compressing", "the console", || {
        precompress::folder(&staging)
    })?;
    say::progress("compressed", format_args!("{twins}"));
    replace(&staging, &dist, &own.join("console-previous"))?;
    std::fs::write(&stamp, current()?).map_err(Error::file("write", &stamp))
}

/// Copies the running program to `to`: building may replace the file that it was started from.
pub fn own_copy(to: &Path) -> Result<PathBuf, Error> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    let beside = to.with_extension(std::process::id().to_string());
    std::fs::copy("/proc/self/exe", &beside).map_err(Error::file("write", &beside))?;
    std::fs::rename(&beside, to).map_err(Error::file("replace", to))?;
    Ok(to.to_owned())
}

fn bundle(workspace: &Workspace, tools: &Tools, staging: &Path, stop: &Stop) -> Result<(), Error> {
    let pieces = workspace.own_target().join("console-pieces");
    let ours = workspace.own_target().join("console-tools");
    let this = own_copy(&ours.join("xtask"))?;
    cut::stand_in(&ours, &this)?;
    let tool = |name: &str, folders: &[PathBuf]| tool(name, folders, workspace, tools);
    let folders: Vec<_> = std::iter::once(ours).chain(tools.folders.clone()).collect();
    let mut trunk = tool("trunk", &folders);
    trunk
        .args([
            "build",
            "--release",
            "--offline",
            "--skip-version-check",
            "--features",
            "split",
            "--dist",
        ])
        .arg(staging);
    trunk
        .env(cut::BINDGEN, find(&tools.folders, "wasm-bindgen")?)
        .env(cut::FOLDER, &pieces);
    // trunk takes NO_COLOR for a boolean of its own.
    trunk.env_remove("NO_COLOR");
    process::run_shown(trunk, stop)?;
    say::timed("shrinking", "the console's pieces", || {
        let source = workspace.root.join("index.html");
        let tool = |name: &str| tool(name, &tools.folders);
        pieces::place(&pieces, &source, staging, &tool, stop)
    })
}

/// Serves the console by trunk and builds it anew whenever a source changes, until it is stopped. For the deployment that runs
/// in its usual folder.
///
/// # Errors
/// [`Error`], when a tool is missing, or trunk ends by itself.
pub fn serve(stop: &Stop) -> Result<bool, Error> {
    let workspace = Workspace::find()?;
    let tools = set_up::set_up(&workspace, Need::Run, stop)?;
    let mut trunk = tool("trunk", &tools.folders, &workspace, &tools);
    trunk
        .args(["serve", "--offline", "--skip-version-check", "--dist"])
        .arg(workspace.own_target().join("console-served"));
    trunk.env_remove("NO_COLOR");
    match process::run_shown(trunk, stop) {
        Err(Error::Stopped) => Ok(true),
        ended => ended.map(|()| true),
    }
}

/// A command of the set-up's, with what compiling for the browser needs around it.
fn tool(name: &str, folders: &[PathBuf], workspace: &Workspace, tools: &Tools) -> Command {
    let mut command = process::command(name);
    tools
        .wasm
        .apply(&mut command, folders, &workspace.wasm_target);
    command.current_dir(&workspace.root);
    command
}

/// A tool that the set-up brought.
fn find(folders: &[PathBuf], name: &str) -> Result<PathBuf, Error> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Usage(format!("{name} is not where the set-up puts it: try again with an empty cache folder (`~/.cache/gridhelm`)")))
}

/// Puts `new` in the place of `old`; `aside` holds the old one for the blink between the two renames.
fn replace(new: &Path, old: &Path, aside: &Path) -> Result<(), Error> {
    let remove = |path: &Path| {
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(Error::file("remove", path))
        } else {
            Ok(())
        }
    };
    remove(aside)?;
    if old.exists() {
        std::fs::rename(old, aside).map_err(Error::file("move aside", old))?;
    }
    std::fs::rename(new, old).map_err(Error::file("move into place", new))?;
    remove(aside)
}
