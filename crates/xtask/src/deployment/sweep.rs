//! Ending everything that belongs to a deployment, and removing what must not stay.
//!
//! Whoever was started for it has its mark in the environment, R sessions and what they started included; what R code started
//! without an environment is found by its folder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::MARK;
use super::folder::Folder;
use crate::process::TICK;
use crate::processes::{self, Process};

/// What to end and remove.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The deployment's folder.
    pub root: PathBuf,
    /// The nodes' folder.
    pub nodes: PathBuf,
    /// The nodes' folder is outside and goes as a whole.
    pub nodes_are_elsewhere: bool,
    /// The file that said that all was ready.
    pub ready_file: Option<PathBuf>,
}

impl Sweep {
    /// For this folder.
    pub fn new(folder: &Folder, ready_file: Option<&Path>) -> Self {
        Self {
            root: folder.root().to_path_buf(),
            nodes: folder.nodes().to_path_buf(),
            nodes_are_elsewhere: folder.nodes_are_elsewhere(),
            ready_file: ready_file.map(Path::to_path_buf),
        }
    }

    /// The living processes of the deployment, `spare` and ourselves left out.
    pub fn living(&self, spare: &[u32]) -> Vec<Process> {
        let mark = format!("{MARK}={}", self.root.display());
        let us = std::process::id();
        processes::all()
            .into_iter()
            .filter(|process| process.pid != us && !spare.contains(&process.pid) && process.lives())
            .filter(|process| {
                process.marked(&mark) || self.works_in_a_node(process) || self.is_postgres(process)
            })
            .collect()
    }

    /// Only where nodes have a user of their own: a person's shell in the folder must not end.
    fn works_in_a_node(&self, process: &Process) -> bool {
        let Some((node_user, _)) = super::node::user() else {
            return false;
        };
        let entry = PathBuf::from(format!("/proc/{}", process.pid));
        std::fs::metadata(&entry).is_ok_and(|facts| facts.uid() == node_user)
            && std::fs::read_link(entry.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.nodes))
    }

    /// PostgreSQL's processes write their titles over their environment, where the mark was.
    fn is_postgres(&self, process: &Process) -> bool {
        let entry = PathBuf::from(format!("/proc/{}", process.pid));
        let named =
            std::fs::read_to_string(entry.join("comm")).is_ok_and(|name| name == "postgres\n");
        let ours = |cwd: PathBuf| {
            let member = cwd.strip_prefix(self.root.join("patroni"));
            cwd == super::postgres::data(&self.root)
                || member.is_ok_and(|rest| rest.ends_with("data"))
        };
        named && std::fs::read_link(entry.join("cwd")).is_ok_and(ours)
    }

    /// Ends all of them: SIGTERM, `grace` to go, SIGKILL. Gives those that live even then.
    pub fn end(&self, spare: &[u32], grace: Duration) -> Vec<Process> {
        for (signal, patience) in [
            (Signal::TERM, grace),
            (Signal::KILL, Duration::from_secs(2)),
        ] {
            // A process may start another while we look: signal until none is left.
            let until = Instant::now() + patience;
            let mut told = Vec::new();
            loop {
                let living = self.living(spare);
                if living.is_empty() {
                    return living;
                }
                for process in living {
                    if !told.contains(&(process.pid, process.started)) {
                        told.push((process.pid, process.started));
                        process.signal(signal);
                    }
                }
                if Instant::now() >= until {
                    break;
                }
                std::thread::sleep(TICK);
            }
        }
        self.living(spare)
    }

    /// Removes what must not stay: the ready file, sessions' work folders, sockets. Data stays.
    pub fn tidy(&self) {
        if let Some(file) = &self.ready_file {
            let _ = std::fs::remove_file(file);
        }
        let _ = std::fs::remove_file(self.root.join("haproxy/admin.sock"));
        if self.nodes_are_elsewhere {
            let _ = std::fs::remove_dir_all(&self.nodes);
            return;
        }
        for node in std::fs::read_dir(&self.nodes)
            .into_iter()
            .flatten()
            .flatten()
        {
            for made in ["work", "run"] {
                let _ = std::fs::remove_dir_all(node.path().join(made));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    fn sweep(root: &Path) -> Sweep {
        Sweep {
            root: root.to_path_buf(),
            nodes: root.join("nodes"),
            nodes_are_elsewhere: false,
            ready_file: Some(root.join("ready")),
        }
    }

    #[test]
    fn what_bears_the_mark_ends_however_stubborn_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut stubborn = Command::new("sh")
            .args(["-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"])
            .env(MARK, dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(stubborn.stdout.take().unwrap()),
            &mut line,
        )
        .unwrap();
        let mut other = Command::new("sleep")
            .arg("60")
            .env(MARK, dir.path().join("other"))
            .spawn()
            .unwrap();
        let sweep = sweep(dir.path());
        assert!(
            sweep
                .living(&[])
                .iter()
                .any(|process| process.pid == stubborn.id())
        );
        assert!(
            sweep
                .living(&[stubborn.id()])
                .iter()
                .all(|process| process.pid != stubborn.id())
        );
        let left = sweep.end(&[], Duration::from_millis(200));
        assert!(left.is_empty(), "{left:?}");
        assert!(!stubborn.wait().unwrap().success());
        assert!(
            other.try_wait().unwrap().is_none(),
            "another deployment's process lives"
        );
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn data_stays_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        for made in ["nodes/a/work/conn1", "nodes/a/run", "groups/east"] {
            std::fs::create_dir_all(dir.path().join(made)).unwrap();
        }
        for file in ["ready", "groups/east/group.sqlite", "nodes/a/Rserve.conf"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        sweep(dir.path()).tidy();
        for gone in ["ready", "nodes/a/work", "nodes/a/run"] {
            assert!(!dir.path().join(gone).exists(), "{gone}");
        }
        assert!(dir.path().join("groups/east/group.sqlite").exists());
    }
}
