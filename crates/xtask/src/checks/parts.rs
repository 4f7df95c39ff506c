//! The parts of `cargo xtask test`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::reasons::Reasons;
use super::totals::Totals;
use crate::build;
use crate::error::Error;
use crate::process;
use crate::say;
use crate::set_up::Tools;
use crate::set_up::wasm::TARGET;
use crate::stop::Stop;
use crate::workspace::Workspace;

/// The package that the browser tests belong to.
const CONSOLE: &str = "gridhelm-console";
/// The browser test that serves the console from a plain static host.
const STATIC: &str = "static_host";
/// The drills: each in a deployment of its own, and mostly waiting for what must happen, so several run at a time.
const DRILLS: &str = "drills";
/// The longest that one command may take: longer than a cold build on two cores.
const LIMIT: Duration = Duration::from_mins(25);

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `cargo fmt --check`.
    Fmt,
    /// Clippy on everything, warnings denied.
    Clippy,
    /// All native tests.
    Unit,
    /// The console's tests inside a browser.
    Wasm,
    /// A file of `tests/`: the console in a browser against a deployment.
    Browser(String),
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Unit => "unit",
            Self::Wasm => "wasm",
            Self::Browser(name) => name,
        })
    }
}

impl Part {
    /// It starts deployments, so the server and the console must be built.
    pub fn needs_deployment(&self) -> bool {
        matches!(self, Self::Browser(_))
    }

    /// The drills.
    pub fn is_drills(&self) -> bool {
        matches!(self, Self::Browser(name) if name == DRILLS)
    }
}

/// The names of the browser tests: the files of the root's `tests/`, sorted.
pub fn browser_tests(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("tests"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut names: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The names of the crates' integration tests: the files of `crates/*/tests/`, and its folders with a `main.rs`; sorted.
pub fn crate_tests(root: &Path) -> Vec<String> {
    let below = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut names: Vec<_> = below(&root.join("crates"))
        .iter()
        .flat_map(|member| below(&member.join("tests")))
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs")
                || path.join("main.rs").is_file()
        })
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The parts that `name` asks for: all without a name. The message lists the names that there are.
pub fn choose(name: Option<&str>, files: &[String]) -> Result<Vec<Part>, String> {
    let browser = |of_static: bool| {
        files
            .iter()
            .filter(move |file| (file.as_str() == STATIC) == of_static)
            .cloned()
            .map(Part::Browser)
            .collect::<Vec<_>>()
    };
    let native = vec![Part::Fmt, Part::Clippy, Part::Unit, Part::Wasm];
    let chosen = match name {
        None => [native, browser(false), browser(true)].concat(),
        Some("fmt") => vec![Part::Fmt],
        Some("clippy") => vec![Part::Clippy],
        Some("unit") => vec![Part::Unit],
        Some("wasm") => vec![Part::Wasm],
        Some("journey") => browser(false),
        Some("static") => browser(true),
        Some(name) => files
            .iter()
            .filter(|file| *file == name)
            .cloned()
            .map(Part::Browser)
            .collect(),
    };
    if chosen.is_empty() {
        let names = ["fmt", "clippy", "unit", "wasm", "journey", "static"]
            .into_iter()
            .chain(files.iter().map(String::as_str));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(format!(
            "there is no part `{}` with tests in it; there are: {names}",
            name.unwrap_or_default()
        ));
    }
    Ok(chosen)
}

/// What running a part needs.
#[derive(Debug)]
pub struct Run<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// The tools; absent only for parts that need none.
    pub tools: Option<&'a Tools>,
    /// Whether to stop.
    pub stop: &'a Stop,
    /// A copy of our own program: building the tests may replace the file that we were started from.
    kept: Option<PathBuf>,
    /// The server that deployments run; what `cargo xtask run` builds, when absent.
    pub server: Option<PathBuf>,
    /// Why tests failed.
    pub reasons: Mutex<Reasons>,
}

impl<'a> Run<'a> {
    /// In this checkout, with these tools.
    pub fn new(workspace: &'a Workspace, tools: Option<&'a Tools>, stop: &'a Stop) -> Self {
        let kept = build::own_copy(&workspace.own_target().join("xtask-in-use")).ok();
        Self {
            workspace,
            tools,
            stop,
            kept,
            server: None,
            reasons: Mutex::default(),
        }
    }

    /// Builds the tests of these parts. What does not build fails in its part.
    pub fn build(&self, parts: &[&Part]) -> Result<(), Error> {
        let mut cargo = self.cargo(&["test", "--workspace", "--no-run"]);
        for part in parts {
            if let Part::Browser(name) = part {
                cargo.args(["--test", name]);
            }
        }
        match process::run_shown(cargo, self.stop) {
            Err(Error::Stopped) => Err(Error::Stopped),
            _ => Ok(()),
        }
    }

    /// Runs one part. What does not build is a failed test, not an error.
    pub fn part(&self, part: &Part) -> Result<Totals, Error> {
        match part {
            Part::Fmt => self.yes_or_no(&["fmt", "--all", "--check"]),
            Part::Clippy => self.yes_or_no(&[
                "clippy",
                "--workspace",
                "--features",
                "xtask/bench",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
            Part::Unit => {
                // Always the whole workspace, and of it the targets by name: then every part builds with the
                // same features, and nothing is built twice. The root's `tests/` come on their own.
                let libraries =
                    self.counted(self.cargo(&["test", "--workspace", "--lib", "--no-fail-fast"]))?;
                let mut cargo = self.cargo(&["test", "--workspace", "--no-fail-fast"]);
                for name in crate_tests(&self.workspace.root) {
                    cargo.args(["--test", &name]);
                }
                Ok(libraries + self.counted(cargo)?)
            }
            Part::Wasm => self.wasm(),
            Part::Browser(name) => {
                let mut cargo =
                    self.cargo(&["test", "--workspace", "--test", name, "--no-fail-fast"]);
                let at_once = if part.is_drills() { "2" } else { "1" };
                cargo.args(["--", "--test-threads", at_once, "--nocapture"]);
                self.counted(cargo)
            }
        }
    }

    fn wasm(&self) -> Result<Totals, Error> {
        let Some(tools) = self.tools else {
            return Ok(Totals::one(false));
        };
        let mut cargo = process::command(tools.wasm.cargo());
        tools
            .wasm
            .apply(&mut cargo, &tools.folders, &self.workspace.wasm_target);
        cargo.current_dir(&self.workspace.root);
        cargo.args(["test", "--target", TARGET, "--package", CONSOLE, "--lib"]);
        cargo.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            "wasm-bindgen-test-runner",
        );
        cargo
            .env("WASM_BINDGEN_USE_BROWSER", "1")
            .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
            .env("CHROMEDRIVER", "/usr/bin/chromedriver");
        self.counted(cargo)
    }

    fn yes_or_no(&self, arguments: &[&str]) -> Result<Totals, Error> {
        match process::run_shown(self.cargo(arguments), self.stop) {
            Ok(()) => Ok(Totals::one(true)),
            Err(Error::Stopped) => Err(Error::Stopped),
            Err(error) => {
                say::progress("failed", error);
                Ok(Totals::one(false))
            }
        }
    }

    fn counted(&self, command: Command) -> Result<Totals, Error> {
        let totals = Mutex::new(Totals::default());
        let shown = process::shown(&command);
        let reason = |line: &str| {
            if let Ok(mut reasons) = self.reasons.lock() {
                reasons.line(line);
            }
        };
        // A captured test tells its reason on standard output, one that is not on standard error.
        let line = |line: &str| {
            say::result(line);
            reason(line);
            if let (Some(found), Ok(mut totals)) = (Totals::in_line(line), totals.lock()) {
                *totals = *totals + found;
            }
        };
        let told = |line: &str| {
            say::error(line);
            reason(line);
        };
        let succeeded = process::run_both(command, self.stop, LIMIT, line, told)?;
        if !succeeded {
            say::progress("failed", shown);
        }
        Ok(totals
            .into_inner()
            .unwrap_or_default()
            .of_command(succeeded))
    }

    /// Native cargo, with what the browser tests ask the environment for.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo =
            process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.workspace.root).args(arguments);
        cargo
            .env("CARGO_TARGET_DIR", &self.workspace.target)
            .env("GRIDHELM_ROOT", &self.workspace.root);
        cargo.env("CHROMEDRIVER", "/usr/bin/chromedriver");
        if let Some(xtask) = &self.kept {
            cargo.env("GRIDHELM_XTASK", xtask);
        }
        if let Some(server) = &self.server {
            cargo.env("GRIDHELM_SERVER", server);
        }
        if let Some(tools) = self.tools {
            cargo.env("GRIDHELM_AXE", &tools.axe);
        }
        cargo
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn files() -> Vec<String> {
        ["accessibility", "journey", "static_host"]
            .map(String::from)
            .into()
    }

    fn names(name: Option<&str>) -> Vec<String> {
        choose(name, &files())
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn everything_comes_in_order() {
        assert_eq!(
            names(None),
            [
                "fmt",
                "clippy",
                "unit",
                "wasm",
                "accessibility",
                "journey",
                "static_host"
            ]
        );
    }

    #[test]
    fn every_integration_test_of_a_crate_is_found() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "crates/a/tests/one.rs",
            "crates/b/tests/two/main.rs",
            "crates/b/tests/common/mod.rs",
            "tests/journey.rs",
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(crate_tests(root.path()), ["one", "two"]);
    }

    #[test]
    fn parts_and_files_can_be_named() {
        assert_eq!(names(Some("journey")), ["accessibility", "journey"]);
        assert_eq!(names(Some("static")), ["static_host"]);
        assert_eq!(names(Some("accessibility")), ["accessibility"]);
        assert_eq!(names(Some("wasm")), ["wasm"]);
    }

    #[test]
    fn an_unknown_part_lists_those_that_there_are() {
        let text = choose(Some("nothing"), &files()).unwrap_err();
        assert!(
            text.contains("`nothing`") && text.contains("clippy") && text.contains("accessibility"),
            "{text}"
        );
        assert!(
            choose(Some("journey"), &[]).is_err(),
            "a part without tests is no success"
        );
    }
}
