//! Where things are: the workspace, the build folders, the tools' cache.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// The folders that every command needs.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The root of the checkout.
    pub root: PathBuf,
    /// Where native builds go: `CARGO_TARGET_DIR`, else `target/`.
    pub target: PathBuf,
    /// Where builds for the browser go: `GRIDHELM_WASM_TARGET_DIR`, else `wasm/` in [`Self::target`].
    /// A folder of its own, because another compiler may build there and both may run at once.
    pub wasm_target: PathBuf,
    /// Where tools are kept: `$XDG_CACHE_HOME/gridhelm`, else `~/.cache/gridhelm`.
    pub cache: PathBuf,
}

impl Workspace {
    /// Finds the folders: the checkout is the one that `GRIDHELM_ROOT` names, else the one of the package that cargo runs, else
    /// the one we stand in, else the one we were built from.
    pub fn find() -> Result<Self, Error> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let places = [
            named("GRIDHELM_ROOT"),
            named("CARGO_MANIFEST_DIR"),
            std::env::current_dir().ok(),
            Some(PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
        ];
        let root = places
            .into_iter()
            .flatten()
            .find_map(|place| checkout_of(&place))
            .ok_or_else(|| {
                Error::Usage(
                    "the checkout of Gridhelm was not found: run this as `cargo xtask` inside it"
                        .into(),
                )
            })?;
        let target = folder_from("CARGO_TARGET_DIR", &root).unwrap_or_else(|| root.join("target"));
        let wasm_target =
            folder_from("GRIDHELM_WASM_TARGET_DIR", &root).unwrap_or_else(|| target.join("wasm"));
        Ok(Self {
            target,
            wasm_target,
            cache: cache_folder()?,
            root,
        })
    }

    /// Where the built console lies.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// Where the commands keep what belongs to this checkout alone, whatever `CARGO_TARGET_DIR` says.
    pub fn own_target(&self) -> PathBuf {
        self.root.join("target")
    }
}

fn checkout_of(place: &Path) -> Option<PathBuf> {
    place
        .ancestors()
        .find(|folder| folder.join("crates/xtask/Cargo.toml").is_file())
        .map(Path::to_path_buf)
}

fn folder_from(variable: &str, root: &Path) -> Option<PathBuf> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    Some(root.join(value))
}

fn cache_folder() -> Result<PathBuf, Error> {
    let named = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("gridhelm"))
        .ok_or_else(|| {
            Error::Usage(
                "neither XDG_CACHE_HOME nor HOME is set: set one, tools are kept below it".into(),
            )
        })
}

/// The environment for programs that we start: without the library path that `cargo run` adds, which would make another
/// compiler, or R, load libraries of the wrong toolchain.
pub fn library_path_without_toolchain(value: &str) -> String {
    value
        .split(':')
        .filter(|entry| {
            !entry.is_empty() && !entry.contains("/toolchains/") && !entry.contains("/target")
        })
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_checkout_is_found() {
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join("Cargo.lock").is_file());
        assert!(workspace.cache.ends_with("gridhelm"));
    }

    #[test]
    fn the_toolchain_leaves_the_library_path() {
        let seen = "/w/target/debug/deps:/root/.rustup/toolchains/stable/lib:/opt/lib";
        assert_eq!(library_path_without_toolchain(seen), "/opt/lib");
    }
}
