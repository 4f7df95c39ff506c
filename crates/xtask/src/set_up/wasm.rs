//! A Rust that can build for the browser (`wasm32-unknown-unknown`).
//!
//! In this order: the compiler in use has the target already; a sysroot that an earlier set-up made is in the cache; rustup adds
//! the target; Debian's Rust brings its library's source, from which a sysroot is made. The order is a function of what is known
//! ([`next`]), so that it is tested without a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt::{self, WEB_RUST};
use super::cache::Cache;
use super::sysroot;
use crate::error::Error;
use crate::process;
use crate::say;
use crate::stop::Stop;

/// The target's name.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What to set so that `cargo` and `trunk` build for the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// The compiler in use has the target: nothing to set.
    AsIs,
    /// A folder with `cargo` and `rustc` that must come first in PATH.
    Wrapped(PathBuf),
}

impl Environment {
    /// Prepares a command that builds for the browser. `folders` hold the other tools.
    pub fn apply(&self, command: &mut Command, folders: &[PathBuf], target_dir: &Path) {
        let mut path: Vec<PathBuf> = Vec::new();
        if let Self::Wrapped(bin) = self {
            path.push(bin.clone());
            command
                .env("RUSTC", bin.join("rustc"))
                .env("CARGO", bin.join("cargo"));
            command.env_remove("RUSTUP_TOOLCHAIN");
        }
        path.extend_from_slice(folders);
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        if let Ok(joined) = std::env::join_paths(path) {
            command.env("PATH", joined);
        }
        command.env("CARGO_TARGET_DIR", target_dir);
    }

    /// The program to call for `cargo`.
    pub fn cargo(&self) -> PathBuf {
        match self {
            Self::AsIs => std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from),
            Self::Wrapped(bin) => bin.join("cargo"),
        }
    }
}

/// What is known about this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The compiler in use has the target.
    pub in_use: bool,
    /// A finished sysroot of Debian's present compiler.
    pub sysroot: Option<PathBuf>,
    /// What rustup can do.
    pub rustup: Rustup,
    /// Debian's Rust and its source are there.
    pub debian: bool,
}

/// What rustup can do about the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rustup {
    /// It is not on this machine.
    #[default]
    Absent,
    /// It is there and has not been asked.
    Unasked,
    /// It was asked and could not add the target.
    Failed,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done.
    Use(Environment),
    /// Ask rustup for the target.
    AskRustup,
    /// Install Debian's Rust and its source.
    InstallDebian,
    /// Build the library and compose the sysroot.
    MakeSysroot,
}

/// Chooses the next thing to do from what is known.
pub fn next(known: &Known) -> Next {
    if known.in_use {
        return Next::Use(Environment::AsIs);
    }
    if let Some(sysroot) = &known.sysroot {
        return Next::Use(Environment::Wrapped(sysroot.join("bin")));
    }
    if known.rustup == Rustup::Unasked {
        return Next::AskRustup;
    }
    if known.debian {
        Next::MakeSysroot
    } else {
        Next::InstallDebian
    }
}

/// Finds a Rust for the browser, or makes one.
pub fn find_or_make(cache: &Cache, stop: &Stop) -> Result<Environment, Error> {
    let rustup = if which("rustup") {
        Rustup::Unasked
    } else {
        Rustup::Absent
    };
    let mut known = Known {
        in_use: in_use(),
        rustup,
        ..Known::default()
    };
    loop {
        known.debian = apt::find(&WEB_RUST).is_some();
        known.sysroot = known.debian.then(|| sysroot::find(cache)).flatten();
        match next(&known) {
            Next::Use(environment) => return Ok(environment),
            Next::AskRustup => {
                let asked = say::timed("installing", "the browser target by rustup", || {
                    ask_rustup(cache, stop)
                });
                stop.check()?;
                known.in_use = asked.is_ok() && in_use();
                if known.in_use {
                    cache.count();
                } else {
                    known.rustup = Rustup::Failed;
                    say::progress(
                        "note",
                        "rustup could not add the target; trying Debian's Rust",
                    );
                }
            }
            Next::InstallDebian => apt::install_missing(cache, &[WEB_RUST], stop)?,
            Next::MakeSysroot => {
                sysroot::make(cache, stop)?;
            }
        }
    }
}

fn ask_rustup(cache: &Cache, stop: &Stop) -> Result<(), Error> {
    let mut rustup = process::command("rustup");
    rustup
        .args(["target", "add", TARGET])
        .env("RUSTUP_MAX_RETRIES", "1");
    process::run_logged(rustup, &cache.log("rustup"), stop)
}

/// The compiler that cargo would use knows the target's library.
fn in_use() -> bool {
    let mut rustc = process::command("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let folder = process::answer(rustc).map(PathBuf::from);
    folder.is_some_and(|folder| has_std(&folder))
}

/// The folder holds a built standard library.
pub fn has_std(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            rustup: Rustup::Unasked,
            ..Known::default()
        }
    }

    #[test]
    fn a_target_in_use_wins_over_everything() {
        let known = Known {
            in_use: true,
            sysroot: Some("/s".into()),
            debian: true,
            ..known()
        };
        assert_eq!(next(&known), Next::Use(Environment::AsIs));
    }

    #[test]
    fn a_finished_sysroot_spares_the_network() {
        let known = Known {
            sysroot: Some("/s".into()),
            debian: true,
            ..known()
        };
        assert_eq!(
            next(&known),
            Next::Use(Environment::Wrapped("/s/bin".into()))
        );
    }

    #[test]
    fn rustup_is_asked_first_and_only_once() {
        assert_eq!(next(&known()), Next::AskRustup);
        assert_eq!(
            next(&Known {
                debian: true,
                ..known()
            }),
            Next::AskRustup
        );
        assert_eq!(
            next(&Known {
                rustup: Rustup::Failed,
                ..known()
            }),
            Next::InstallDebian
        );
        assert_eq!(
            next(&Known {
                rustup: Rustup::Failed,
                debian: true,
                ..known()
            }),
            Next::MakeSysroot
        );
    }

    #[test]
    fn without_rustup_debian_is_the_way() {
        assert_eq!(next(&Known::default()), Next::InstallDebian);
        assert_eq!(
            next(&Known {
                debian: true,
                ..Known::default()
            }),
            Next::MakeSysroot
        );
    }

    #[test]
    fn a_wrapped_compiler_comes_first_in_path() {
        let mut command = Command::new("cargo");
        Environment::Wrapped("/s/bin".into()).apply(
            &mut command,
            &["/trunk/bin".into()],
            Path::new("/t"),
        );
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .map(|value| value.to_string_lossy().into_owned());
        assert!(path.is_some_and(|path| path.starts_with("/s/bin:/trunk/bin:")));
        assert!(
            command.get_envs().any(|(name, value)| name == "RUSTC"
                && value.is_some_and(|value| value == "/s/bin/rustc"))
        );
    }
}
