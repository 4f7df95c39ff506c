//! A sysroot for the browser made from Debian's Rust, in the cache: nothing below `/usr` is changed.
//!
//! `wasm-VERSION/lib/rustlib/` holds links to Debian's host libraries, source and a linker, and the target's library, built here
//! once (about two minutes) by the very compiler that the source belongs to. `wasm-VERSION/bin/` holds the `rustc` and `cargo` to
//! put first in PATH.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::apt::{self, LLD};
use super::cache::Cache;
use super::wasm::{TARGET, has_std};
use crate::error::Error;
use crate::process;
use crate::stop::Stop;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const RUSTLIB: &str = "/usr/lib/rustlib";

/// The package that is built to have the library built: it only has to link.
const THROW_AWAY: &str = r#"[package]
name = "library-for-the-browser"
version = "0.0.0"
edition = "2021"

[lib]
path = "lib.rs"
crate-type = ["cdylib"]

[profile.release]
debug = false

[workspace]
"#;

/// Debian's compiler: its version and the machine it runs on.
struct Compiler {
    version: String,
    host: String,
}

fn compiler() -> Option<Compiler> {
    let mut rustc = process::command(RUSTC);
    rustc.arg("-vV");
    let answer = process::answer(rustc)?;
    let field = |name: &str| {
        answer
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    Some(Compiler {
        version: field("release:")?,
        host: field("host:")?,
    })
}

/// The finished sysroot of Debian's present compiler. One of an older compiler does not count: its library would be refused.
pub fn find(cache: &Cache) -> Option<PathBuf> {
    let compiler = compiler()?;
    let folder = cache.complete(&name(&compiler), "bin/rustc")?;
    let linker = folder.join(linker_in_sysroot(&compiler.host));
    (linker.exists() && has_std(&folder.join(library_in_sysroot()))).then_some(folder)
}

/// Builds the library and composes the sysroot.
pub fn make(cache: &Cache, stop: &Stop) -> Result<PathBuf, Error> {
    let Some(compiler) = compiler() else {
        return Err(Error::Content {
            path: RUSTC.into(),
            what: "does not tell its version: reinstall Debian's rustc-web".into(),
        });
    };
    let linker = linker(cache, &compiler.host, stop)?;
    let name = name(&compiler);
    let leftover = cache.path(&name);
    if leftover.exists() && find(cache).is_none() {
        std::fs::remove_dir_all(&leftover).map_err(Error::file("remove", &leftover))?;
    }
    let text = format!("the browser target's library for Rust {}", compiler.version);
    cache.install(&name, "bin/rustc", &text, |folder| {
        compose(folder, &compiler.host, &linker)?;
        build_library(cache, &name, folder, stop)
    })
}

fn name(compiler: &Compiler) -> String {
    format!("wasm-{}", compiler.version)
}

fn library_in_sysroot() -> PathBuf {
    Path::new("lib/rustlib").join(TARGET).join("lib")
}

fn linker_in_sysroot(host: &str) -> PathBuf {
    Path::new("lib/rustlib").join(host).join("bin/rust-lld")
}

fn compose(folder: &Path, host: &str, linker: &Path) -> Result<(), Error> {
    let rustlib = folder.join("lib/rustlib");
    for made in [
        rustlib.join(host).join("bin"),
        folder.join(library_in_sysroot()),
        folder.join("bin"),
    ] {
        std::fs::create_dir_all(&made).map_err(Error::file("create", &made))?;
    }
    let debian = Path::new(RUSTLIB);
    for (original, link) in [
        (
            debian.join(host).join("lib"),
            rustlib.join(host).join("lib"),
        ),
        (debian.join("src"), rustlib.join("src")),
        (linker.to_path_buf(), folder.join(linker_in_sysroot(host))),
    ] {
        symlink(&original, &link).map_err(Error::file("link", &link))?;
    }
    script(
        &folder.join("bin/rustc"),
        &format!("exec {RUSTC} --sysroot {} \"$@\"", quoted(folder)),
    )?;
    script(&folder.join("bin/cargo"), &format!("exec {CARGO} \"$@\""))
}

/// A path as one word of a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn script(path: &Path, line: &str) -> Result<(), Error> {
    std::fs::write(path, format!("#!/bin/sh\n{line}\n")).map_err(Error::file("write", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(Error::file("make executable", path))
}

fn build_library(cache: &Cache, name: &str, folder: &Path, stop: &Stop) -> Result<(), Error> {
    let build = folder.join("build");
    std::fs::create_dir_all(&build).map_err(Error::file("create", &build))?;
    for (file, text) in [("Cargo.toml", THROW_AWAY), ("lib.rs", "")] {
        std::fs::write(build.join(file), text).map_err(Error::file("write", build.join(file)))?;
    }
    let mut cargo = process::command(CARGO);
    cargo
        .current_dir(&build)
        .args(["build", "--release", "--target", TARGET]);
    // `test` lets `cargo test` run in the browser too.
    cargo.arg("-Zbuild-std=std,panic_abort,test");
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", folder.join("bin/rustc"))
        .env_remove("RUSTUP_TOOLCHAIN");
    // Without bitcode in the library, the console's link-time optimisation fails.
    cargo
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_TARGET_DIR", build.join("target"));
    process::run_logged(cargo, &cache.log(name), stop)?;
    let outcome = build.join("target").join(TARGET).join("release/deps");
    let entries = std::fs::read_dir(&outcome).map_err(Error::file("read", &outcome))?;
    for entry in entries.flatten().filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rlib")
    }) {
        let to = folder.join(library_in_sysroot()).join(entry.file_name());
        std::fs::copy(entry.path(), &to).map_err(Error::file("copy", &to))?;
    }
    std::fs::remove_dir_all(&build).map_err(Error::file("remove", &build))
}

/// A linker for the target: the one that rustup brought, else LLVM's of Debian.
fn linker(cache: &Cache, host: &str, stop: &Stop) -> Result<PathBuf, Error> {
    let mut rustc = process::command("rustc");
    rustc.args(["--print", "sysroot"]);
    let in_use = process::answer(rustc).map(PathBuf::from);
    if let Some(found) = linker_candidates(in_use.as_deref(), host)
        .into_iter()
        .find(|path| path.exists())
    {
        return Ok(found);
    }
    apt::install_missing(cache, &[LLD], stop)?;
    apt::find(&LLD)
        .map(Path::to_path_buf)
        .ok_or_else(|| Error::Content {
            path: LLD.found_at.first().map(PathBuf::from).unwrap_or_default(),
            what: "is not there though its package is installed".into(),
        })
}

fn linker_candidates(sysroot_in_use: Option<&Path>, host: &str) -> Vec<PathBuf> {
    let rustup = sysroot_in_use.map(|sysroot| sysroot.join(linker_in_sysroot(host)));
    rustup
        .into_iter()
        .chain(LLD.found_at.iter().map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_linker_of_the_toolchain_in_use_comes_first() {
        let candidates = linker_candidates(Some(Path::new("/t")), "x86_64-unknown-linux-gnu");
        assert_eq!(
            candidates[0],
            Path::new("/t/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld")
        );
        assert!(linker_candidates(None, "h")[0].starts_with("/usr/lib"));
    }

    #[test]
    fn the_sysroot_is_composed_of_links_and_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("it's here");
        compose(&root, "host", Path::new("/bin/true")).unwrap();
        assert_eq!(
            std::fs::read_link(root.join("lib/rustlib/host/bin/rust-lld")).unwrap(),
            Path::new("/bin/true")
        );
        let rustc = std::fs::read_to_string(root.join("bin/rustc")).unwrap();
        assert!(
            rustc.contains(r"it'\''s here") && rustc.contains("--sysroot"),
            "{rustc}"
        );
        assert!(root.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir());
    }
}
