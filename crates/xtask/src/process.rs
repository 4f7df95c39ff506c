//! Running programs to their end: building, installing, testing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::Error;
use crate::stop::Stop;
use crate::workspace::library_path_without_toolchain;

/// How often a waiting loop looks.
pub const TICK: Duration = Duration::from_millis(20);

/// Whether cargo sets this variable for the one package that it runs or compiles.
fn is_of_our_package(name: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

/// A command in a process group of its own that dies with us: `setpriv` asks the kernel for that.
///
/// The kernel's promise holds for the thread that starts the command: start from a thread that lives as long as it should.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "--"])
        .arg(program)
        .process_group(0)
        .stdin(Stdio::null());
    // What cargo says of the package that it runs means nothing for another one, and build scripts that watch it
    // (ring's) would run anew each time that we are started in another way.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_our_package) {
            command.env_remove(&name);
        }
    }
    if let Ok(value) = std::env::var("LD_LIBRARY_PATH") {
        let rest = library_path_without_toolchain(&value);
        if rest.is_empty() {
            command.env_remove("LD_LIBRARY_PATH");
        } else {
            command.env("LD_LIBRARY_PATH", rest);
        }
    }
    command
}

/// The command as one could type it, without our wrapping.
pub fn shown(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let inner = words
        .iter()
        .position(|word| word == "--")
        .map_or(0, |at| at + 1);
    words.get(inner..).unwrap_or_default().join(" ")
}

/// Runs the command to its end, its output in `log`. The error holds the log's end.
pub fn run_logged(mut command: Command, log: &Path, stop: &Stop) -> Result<(), Error> {
    let file = File::create(log).map_err(Error::file("create", log))?;
    let twin = file.try_clone().map_err(Error::file("open", log))?;
    command.stdout(file).stderr(twin);
    finish(command, stop, None)?.map_err(|(command, status)| Error::Failed {
        command,
        status,
        output: tail(log, 25),
    })
}

/// Runs the command to its end with its output on our terminal.
pub fn run_shown(command: Command, stop: &Stop) -> Result<(), Error> {
    finish(command, stop, None)?.map_err(|(command, status)| Error::Failed {
        command,
        status,
        output: String::new(),
    })
}

/// Runs the command and gives what it printed to standard output, trimmed; `None` when it fails or is not there.
pub fn answer(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs the command to its end within `limit`, handing each line of its standard output to `line`. Whether it succeeded.
pub fn run_lines(
    command: Command,
    stop: &Stop,
    limit: Duration,
    line: impl FnMut(&str) + Send,
) -> Result<bool, Error> {
    run_streams(command, stop, limit, line, None::<fn(&str)>)
}

/// As [`run_lines`], with each line of its standard error handed to `told`.
pub fn run_both(
    command: Command,
    stop: &Stop,
    limit: Duration,
    line: impl FnMut(&str) + Send,
    told: impl FnMut(&str) + Send,
) -> Result<bool, Error> {
    run_streams(command, stop, limit, line, Some(told))
}

fn run_streams(
    mut command: Command,
    stop: &Stop,
    limit: Duration,
    line: impl FnMut(&str) + Send,
    told: Option<impl FnMut(&str) + Send>,
) -> Result<bool, Error> {
    command.stdout(Stdio::piped());
    if told.is_some() {
        command.stderr(Stdio::piped());
    }
    let mut child = spawn(&mut command)?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_lines(output, line));
        let other = told.map(|told| scope.spawn(move || read_lines(errors, told)));
        let ended = wait(&mut child, stop, Some(limit));
        // A grandchild that outlives the command would hold the pipe open for ever.
        end_group(&child);
        let _ = reader.join();
        let _ = other.map(std::thread::ScopedJoinHandle::join);
        ended.map(|status| status.is_some_and(|status| status.success()))
    })
}

fn read_lines(output: Option<impl std::io::Read>, mut line: impl FnMut(&str)) {
    let Some(output) = output else { return };
    let mut reader = BufReader::new(output);
    let mut buffer = Vec::new();
    while reader
        .read_until(b'\n', &mut buffer)
        .is_ok_and(|count| count > 0)
    {
        line(String::from_utf8_lossy(&buffer).trim_end());
        buffer.clear();
    }
}

type Finished = Result<(), (String, String)>;

fn finish(mut command: Command, stop: &Stop, limit: Option<Duration>) -> Result<Finished, Error> {
    let mut child = spawn(&mut command)?;
    let status = wait(&mut child, stop, limit)?;
    Ok(match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err((shown(&command), describe(status))),
        None => Err((shown(&command), "took too long and was ended".into())),
    })
}

/// Starts the command.
pub fn spawn(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|source| Error::Start {
        program: shown(command),
        source,
    })
}

/// Waits for the child's end, or ends it at a signal (an error) or at the limit (`None`).
fn wait(
    child: &mut Child,
    stop: &Stop,
    limit: Option<Duration>,
) -> Result<Option<ExitStatus>, Error> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) => {}
            Err(source) => {
                return Err(Error::Start {
                    program: format!("process {}", child.id()),
                    source,
                });
            }
        }
        let late = limit.is_some_and(|limit| begun.elapsed() > limit);
        if late || stop.asked() {
            end_group(child);
            let _ = child.wait();
            return if late { Ok(None) } else { Err(Error::Stopped) };
        }
        std::thread::sleep(TICK);
    }
}

/// Ends what is left of the child's process group: politely, then for good.
fn end_group(child: &Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    if rustix::process::kill_process_group(group, Signal::TERM).is_err() {
        return;
    }
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if !crate::processes::all()
            .iter()
            .any(|process| process.group == child.id() && process.lives())
        {
            return;
        }
        std::thread::sleep(TICK);
    }
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
}

/// How a process ended, for people.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// The last lines of a log, at most 16 KiB of them.
pub fn tail(log: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_cargo_says_of_one_package_is_not_handed_on() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_EXE_x"] {
            assert!(is_of_our_package(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO", "PATH"] {
            assert!(!is_of_our_package(name), "{name}");
        }
    }

    #[test]
    fn a_failure_names_the_command_and_the_end_of_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut failing = command("sh");
        failing.args(["-c", "echo one; echo two >&2; exit 3"]);
        let error = run_logged(failing, &log, &Stop::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`sh -c") && error.contains("code 3") && error.contains("two"),
            "{error}"
        );
    }

    #[test]
    fn lines_arrive_and_success_is_told() {
        let mut seen = Vec::new();
        let mut good = command("sh");
        good.args(["-c", "printf 'a\\nb'"]);
        let success = run_lines(good, &Stop::default(), Duration::from_secs(10), |line| {
            seen.push(line.to_owned());
        })
        .unwrap();
        assert!(success);
        assert_eq!(seen, ["a", "b"]);
    }

    #[test]
    fn a_command_over_its_limit_is_ended_with_all_it_started() {
        let mut slow = command("sh");
        slow.args(["-c", "sleep 60 & echo $!; wait"]);
        let mut grandchild = String::new();
        let success = run_lines(slow, &Stop::default(), Duration::from_millis(300), |line| {
            line.clone_into(&mut grandchild);
        })
        .unwrap();
        assert!(!success);
        let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}
