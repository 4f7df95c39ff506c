//! What can go wrong, each with where it happened and what to do.

use std::path::{Path, PathBuf};

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("could not {what} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "read", "create".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program could not be started at all.
    #[error("could not start `{program}`: {source}. Is it installed and in PATH?")]
    Start {
        /// The program.
        program: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A fault of ours.
    #[error("{0}: this is a fault in xtask; its trace stands above")]
    Broken(&'static str),
    /// A program ended with a failure.
    #[error("`{command}` {status}{}", tail_of(output))]
    Failed {
        /// The command as one could type it.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed; empty when it went to the terminal.
        output: String,
    },
    /// Something is missing and may not be installed from here.
    #[error(
        "{what} is missing, and {why}. Give these commands, then try again:\n{}",
        indented(commands)
    )]
    Missing {
        /// What is missing.
        what: String,
        /// Why it was not installed: no root, no sudo.
        why: String,
        /// The exact commands that install it.
        commands: Vec<String>,
    },
    /// Another program listens on a port that the deployment needs.
    #[error(
        "port {port} ({role}) is in use. Stop what listens there (`ss -ltnp 'sport = :{port}'`), or move all ports with `--ports-from N` (now {ports_from})"
    )]
    PortInUse {
        /// The port.
        port: u16,
        /// What would have listened there.
        role: String,
        /// The present first port.
        ports_from: u16,
    },
    /// Another run uses the same folder.
    #[error(
        "another `cargo xtask run` (pid {holder}) uses {}. Stop it, or choose another folder with `--dir` and other ports with `--ports-from`",
        dir.display()
    )]
    InUse {
        /// The deployment's folder.
        dir: PathBuf,
        /// The process that holds the lock, "unknown" when it has not said.
        holder: String,
    },
    /// The folder holds a deployment on other ports.
    #[error(
        "the deployment in {} lives on ports from {stored}, not {asked}: its databases name the nodes' ports. Start it with `--ports-from {stored}`, or choose another `--dir`",
        dir.display()
    )]
    OtherPorts {
        /// The deployment's folder.
        dir: PathBuf,
        /// The first port it was made with.
        stored: u16,
        /// The first port asked for now.
        asked: u16,
    },
    /// A process of the deployment ended while it should have started.
    #[error("{name} ended while starting ({status}). The end of {}:\n{}", log.display(), indented_text(tail))]
    EndedEarly {
        /// The process: "east-1", "haproxy".
        name: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
    /// Something did not become ready in time.
    #[error("{what} was not ready after {after}: {last}{}", tail_of(tail))]
    NotReady {
        /// What was awaited.
        what: String,
        /// How long it was awaited.
        after: String,
        /// The last answer or failure seen.
        last: String,
        /// The end of the log to look at; may be empty.
        tail: String,
    },
    /// A server answered something that was not expected.
    #[error("{request} answered {status}: {body}")]
    Answer {
        /// The method and address.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer's body.
        body: String,
    },
    /// A request got no answer.
    #[error("{request} got no answer: {reason}")]
    NoAnswer {
        /// The method and address.
        request: String,
        /// What the HTTP client said.
        reason: String,
    },
    /// A file's content is not what it should be.
    #[error("{} {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// What was asked for on the command line cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A signal asked us to stop.
    #[error("stopped by a signal")]
    Stopped,
}

impl Error {
    /// For `map_err`: a failed file operation.
    pub fn file(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::File { what, path, source }
    }
}

fn tail_of(output: &str) -> String {
    if output.trim().is_empty() {
        String::new()
    } else {
        format!(". The end of its output:\n{}", indented_text(output))
    }
}

fn indented(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn indented_text(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
