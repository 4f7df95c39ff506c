//! The deployment's processes as our children.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt as _;

use rustix::process::{Pid, Signal};

use crate::error::Error;
use crate::process::{TICK, describe, tail};
use crate::say;
use crate::stop::Stop;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 20;

/// One process that we started.
#[derive(Debug)]
struct Member {
    name: String,
    log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
}

/// All processes that we started, in the order of their start.
#[derive(Debug, Default)]
pub struct Children(Vec<Member>);

impl Children {
    /// Runs a start script, tied to us. `environment` is for secrets that must not be in the script.
    ///
    /// Call it from the main thread only: the tie is to the thread that starts the process.
    pub fn start(
        &mut self,
        name: &str,
        script: &Path,
        log: PathBuf,
        environment: &[(&str, &str)],
    ) -> Result<u32, Error> {
        let mut command = Command::new(script);
        command
            .arg("tied")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        command.envs(environment.iter().copied());
        if let Ok(value) = std::env::var("LD_LIBRARY_PATH") {
            command.env(
                "LD_LIBRARY_PATH",
                crate::workspace::library_path_without_toolchain(&value),
            );
        }
        let child = command.spawn().map_err(|source| Error::Start {
            program: script.display().to_string(),
            source,
        })?;
        let pid = child.id();
        self.0.push(Member {
            name: name.to_owned(),
            log,
            child,
            ended: None,
        });
        Ok(pid)
    }

    /// An error when one of them has ended; for the time of starting.
    pub fn check(&mut self) -> Result<(), Error> {
        self.collect();
        let Some(member) = self.0.iter().find(|member| member.ended.is_some()) else {
            return Ok(());
        };
        Err(Error::EndedEarly {
            name: member.name.clone(),
            status: member.ended.map_or_else(String::new, describe),
            log: member.log.clone(),
            tail: tail(&member.log, TAIL_LINES),
        })
    }

    /// Notices those that have ended and gives the names and ends of the new ones.
    pub fn collect(&mut self) -> Vec<(String, String)> {
        let mut news = Vec::new();
        for member in self.0.iter_mut().filter(|member| member.ended.is_none()) {
            if let Ok(Some(status)) = member.child.try_wait() {
                member.ended = Some(status);
                news.push((member.name.clone(), describe(status)));
            }
        }
        news
    }

    /// Waits until `done`, an answer or the reason why not yet; fails when a process ends, a signal comes, or `limit` passes.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        stop: &Stop,
        mut done: impl FnMut() -> Result<(), String>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            stop.check()?;
            self.check()?;
            let last = match done() {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            if begun.elapsed() > limit {
                let log = self
                    .0
                    .iter()
                    .find(|member| what.contains(&member.name))
                    .map(|member| tail(&member.log, TAIL_LINES));
                return Err(Error::NotReady {
                    what: what.to_owned(),
                    after: say::seconds(limit),
                    last,
                    tail: log.unwrap_or_default(),
                });
            }
            std::thread::sleep(TICK);
        }
    }

    /// Asks those whose name `chosen` likes to end, and waits for them at most `grace`; not at all when a second signal came.
    pub fn end(&mut self, grace: Duration, stop: &Stop, chosen: impl Fn(&str) -> bool) {
        self.collect();
        for member in self
            .0
            .iter()
            .filter(|member| member.ended.is_none() && chosen(&member.name))
        {
            if let Some(pid) = i32::try_from(member.child.id())
                .ok()
                .and_then(Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, Signal::TERM);
            }
        }
        let until = Instant::now() + grace;
        while Instant::now() < until && !stop.hasty() {
            self.collect();
            if !self
                .0
                .iter()
                .any(|member| member.ended.is_none() && chosen(&member.name))
            {
                return;
            }
            std::thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::deployment::folder::write_with_mode;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("start");
        write_with_mode(&path, &format!("#!/bin/sh\n{text}\n"), 0o700).unwrap();
        path
    }

    #[test]
    fn one_that_ends_while_starting_stops_the_start_and_shows_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let path = script(
            dir.path(),
            &format!("echo 'address in use' >{}; exit 7", log.display()),
        );
        let mut children = Children::default();
        children.start("east-1", &path, log, &[]).unwrap();
        let never = || Err("still waiting".to_owned());
        let error = children
            .wait_for("it", Duration::from_secs(20), &Stop::default(), never)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("east-1")
                && error.contains("code 7")
                && error.contains("address in use"),
            "{error}"
        );
    }

    #[test]
    fn what_is_awaited_too_long_is_told_with_the_last_reason() {
        let mut children = Children::default();
        let never = || Err("503".to_owned());
        let error = children
            .wait_for("west-1", Duration::from_millis(50), &Stop::default(), never)
            .unwrap_err()
            .to_string();
        assert!(error.contains("west-1") && error.contains("503"), "{error}");
    }

    #[test]
    fn only_the_chosen_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "exec sleep 60");
        let mut children = Children::default();
        for name in ["east-1", "node"] {
            children
                .start(name, &path, dir.path().join("log"), &[])
                .unwrap();
        }
        children.end(Duration::from_secs(10), &Stop::default(), |name| {
            name == "east-1"
        });
        assert!(children.0[0].ended.is_some() && children.0[1].ended.is_none());
        children.end(Duration::from_secs(10), &Stop::default(), |_| true);
        assert!(children.0[1].ended.is_some());
    }
}
