//! The guard: a small process that cleans up when we are killed without a chance to do so ourselves.
//!
//! It waits at a pipe that ends with us. It holds a copy of the folder's lock, so that a new run starts only when it is done.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt as _;

use super::folder::Folder;
use super::sweep::Sweep;
use crate::error::Error;

/// What we write to the guard when there is nothing left for it to do.
const DONE: u8 = b'.';

/// The running guard.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts it.
    pub fn start(folder: &Folder, sweep: &Sweep) -> Result<Self, Error> {
        let program = PathBuf::from("/proc/self/exe");
        let mut command = Command::new(&program);
        command.arg("guard").arg(&sweep.root).arg(&sweep.nodes);
        if sweep.nodes_are_elsewhere {
            command.arg("--nodes-are-elsewhere");
        }
        if let Some(file) = &sweep.ready_file {
            command.arg("--ready-file").arg(file);
        }
        // The lock's copy travels as the guard's standard output, which it never writes to.
        command
            .stdin(Stdio::piped())
            .stdout(folder.lock_twin()?)
            .stderr(Stdio::null())
            .process_group(0)
            .current_dir("/");
        let mut child = command.spawn().map_err(|source| Error::Start {
            program: "the guard".into(),
            source,
        })?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it that all is clean and waits for its end.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(&[DONE]);
        }
        let _ = self.child.wait();
    }
}

/// The guard's life.
pub fn watch(sweep: &Sweep) {
    let mut heard = Vec::new();
    let _ = std::io::stdin().lock().read_to_end(&mut heard);
    if heard.contains(&DONE) {
        return;
    }
    sweep.end(&[], Duration::from_secs(3));
    sweep.tidy();
}
