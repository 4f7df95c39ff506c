//! The command line of `cargo xtask`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use xtask::build::{self, cut};
use xtask::checks;
use xtask::deployment::guard;
use xtask::deployment::plan::{DEFAULT_PORTS_FROM, Database};
use xtask::deployment::run::{self, Options};
use xtask::deployment::sweep::Sweep;
use xtask::error::Error;
use xtask::fuzz;
use xtask::process;
use xtask::say;
use xtask::set_up::{self, Need};
use xtask::stop::Stop;
use xtask::workspace::Workspace;

/// The commands to work on Gridhelm.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, build, start a local deployment, and stop it at Ctrl-C.
    Run(Run),
    /// Build the server (release) and the console into dist/, to be installed.
    Build {
        /// The console alone.
        #[arg(long)]
        console: bool,
    },
    /// Serve the console on port 8080 for the local deployment, and build it anew whenever a source changes (`trunk serve`).
    Serve,
    /// Run every check and test, or one part: fmt, clippy, unit, wasm, journey, static, or a file of tests/.
    Test {
        /// The part.
        name: Option<String>,
    },
    /// Measure; prints one JSON object a line.
    Bench {
        /// Which measurements, and what they take.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Break things on purpose in a running local deployment and check what must hold.
    Drill {
        /// Which drill, or how their names begin; all without a name.
        name: Option<String>,
    },
    /// Try random input on what reads what nodes send; prints one JSON object a line.
    Fuzz {
        /// The target: message, `round_trip`, json, outcome or replies; each in turn without one.
        target: Option<String>,
        /// How long each target runs.
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
    },
    /// Make the pictures of the documentation from a console that runs.
    Pictures {
        /// Where they go (default: docs/pictures).
        folder: Option<PathBuf>,
    },
    /// Only install what building, running and testing need.
    SetUp,
    /// Clean up after a run that was killed.
    #[command(hide = true)]
    Guard(GuardArguments),
    /// Stands in for wasm-bindgen while the console is built.
    #[command(hide = true)]
    WasmBindgen {
        /// What wasm-bindgen was called with.
        #[arg(last = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

#[derive(Args)]
struct Run {
    /// Where data is kept (default: target/deployment).
    #[arg(long, value_name = "D")]
    dir: Option<PathBuf>,
    /// The first of the deployment's 24 ports.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PORTS_FROM)]
    ports_from: u16,
    /// Which database the groups have.
    #[arg(long, value_enum, default_value_t)]
    database: Database,
    /// Speak HTTPS everywhere, by certificates made for this start.
    #[arg(long)]
    tls: bool,
    /// Put the parts on the hosts that this file names; for drills.
    #[arg(long, hide = true)]
    network: Option<PathBuf>,
    /// Write this file when everything answers; it goes away at the end.
    #[arg(long, value_name = "F")]
    ready_file: Option<PathBuf>,
    /// Take the server and the console as they were built before.
    #[arg(long)]
    no_build: bool,
    /// Start this server program instead of the built one; for tests.
    #[arg(long, hide = true)]
    server: Option<PathBuf>,
    /// The folder of the servers' `--failpoints`; for drills.
    #[arg(long, hide = true)]
    failpoints: Option<PathBuf>,
}

#[derive(Args)]
struct GuardArguments {
    root: PathBuf,
    nodes: PathBuf,
    #[arg(long)]
    nodes_are_elsewhere: bool,
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Run(Run {
            dir,
            ports_from,
            database,
            tls,
            network,
            ready_file,
            no_build,
            server,
            failpoints,
        }) => run::run(&Options {
            dir,
            ports_from,
            database,
            tls,
            network,
            ready_file,
            no_build,
            server,
            failpoints,
        })
        .map(|()| true),
        Command::Build { console: true } => {
            Stop::listen().and_then(|stop| build::console_alone(&stop))
        }
        Command::Build { console: false } => Stop::listen().and_then(|stop| build::all(&stop)),
        Command::Serve => Stop::listen().and_then(|stop| build::serve(&stop)),
        Command::Test { name } => checks::run(name.as_deref()),
        Command::Bench { arguments } => {
            program("bench", &["--release", "--features", "bench"], &arguments)
        }
        Command::Drill { name } => program(
            "drill",
            &["--release", "--features", "bench"],
            name.as_slice(),
        ),
        Command::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        // Nothing is measured: built as the browser tests are.
        Command::Pictures { folder } => {
            program("pictures", &["--features", "harness"], folder.as_slice())
        }
        Command::SetUp => Stop::listen()
            .and_then(|stop| set_up::set_up(&Workspace::find()?, Need::Test, &stop))
            .map(|_| true),
        Command::Guard(GuardArguments {
            root,
            nodes,
            nodes_are_elsewhere,
            ready_file,
        }) => {
            guard::watch(&Sweep {
                root,
                nodes,
                nodes_are_elsewhere,
                ready_file,
            });
            Ok(true)
        }
        Command::WasmBindgen { arguments } => cut::bindgen(&arguments).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::progress("error", error);
            ExitCode::FAILURE
        }
    }
}

/// Builds one of the programs that measure, drill and look, in this way, and runs it with all tools in place.
fn program(name: &str, how: &[&str], arguments: &[impl AsRef<OsStr>]) -> Result<bool, Error> {
    let stop = Stop::listen()?;
    let workspace = Workspace::find()?;
    set_up::set_up(&workspace, Need::Test, &stop)?;
    let mut cargo = process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&workspace.root)
        .args(["run", "--package", "xtask"])
        .args(how)
        .args(["--bin", name, "--"])
        .args(arguments);
    if let Ok(xtask) = std::env::current_exe() {
        cargo.env("GRIDHELM_XTASK", xtask);
    }
    process::run_shown(cargo, &stop).map(|()| true)
}
