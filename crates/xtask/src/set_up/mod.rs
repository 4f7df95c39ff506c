//! Finds the tools that Gridhelm is built and run with, and installs what is missing.
//!
//! Debian packages come by `apt-get` (as root or with `sudo -n`), everything else goes to the cache folder, where a tool counts
//! as there only when it was put there whole. Two set-ups at once wait for each other at a lock.

pub mod apt;
pub mod cache;
pub mod sysroot;
pub mod tools;
pub mod wasm;

use std::path::PathBuf;
use std::time::Instant;

use crate::deployment::plan::Database;
use crate::error::Error;
use crate::say;
use crate::stop::Stop;
use crate::workspace::Workspace;

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Building the console.
    Build,
    /// Running a deployment too.
    Run,
    /// Testing it in a browser too.
    Test,
}

/// Where the tools are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// How to build for the browser.
    pub wasm: wasm::Environment,
    /// The folder of `trunk`, of the `wasm-bindgen` programs, and of `wasm-opt`.
    pub folders: Vec<PathBuf>,
    /// The accessibility checker's script, for the browser tests.
    pub axe: PathBuf,
}

/// Finds what running what is built already needs, or installs it: R, Rserve, the load balancer and the database.
pub fn set_up_to_start(
    workspace: &Workspace,
    database: Database,
    stop: &Stop,
) -> Result<(), Error> {
    let cache = cache::Cache::open(&workspace.cache)?;
    let wanted = match database {
        Database::Sqlite => apt::TO_START,
        Database::Postgres => apt::TO_START_ON_POSTGRES,
        Database::Patroni => apt::TO_START_ON_PATRONI,
    };
    apt::install_missing(&cache, wanted, stop)
}

/// Finds everything that `need` asks for, or installs it.
pub fn set_up(workspace: &Workspace, need: Need, stop: &Stop) -> Result<Tools, Error> {
    let begun = Instant::now();
    let lock = cache::Cache::open(&workspace.cache)?;
    let before = lock.installed();
    apt::install_missing(&lock, apt::packages(need), stop)?;
    let wasm = wasm::find_or_make(&lock, stop)?;
    let folders = tools::find_or_install(workspace, &lock, stop)?;
    let axe = if need >= Need::Test {
        tools::axe(&lock, stop)?
    } else {
        tools::axe_path(&lock)
    };
    let installed = lock.installed() - before;
    let text = if installed == 0 {
        "all tools are there".into()
    } else {
        format!("{installed} installed")
    };
    say::progress(
        "set-up",
        format_args!("{text} ({})", say::seconds(begun.elapsed())),
    );
    Ok(Tools { wasm, folders, axe })
}
