//! The folder where tools are kept, and the rule that nothing half done is ever taken for done.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::say;

/// The file that is written last into a tool's folder.
const STAMP: &str = ".complete";

/// The cache folder, locked for one set-up at a time. The lock ends with this value.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    installed: Cell<usize>,
    _lock: File,
}

impl Cache {
    /// Makes the folder if needed and waits until no other set-up works in it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        let path = folder.join("set-up.lock");
        let lock = File::create(&path).map_err(Error::file("create", &path))?;
        if lock.try_lock().is_err() {
            say::progress("waiting", "another set-up is at work");
            lock.lock().map_err(Error::file("lock", &path))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            installed: Cell::new(0),
            _lock: lock,
        })
    }

    /// How many things this set-up has installed.
    pub fn installed(&self) -> usize {
        self.installed.get()
    }

    /// Counts one installed thing.
    pub fn count(&self) {
        self.installed.set(self.installed.get() + 1);
    }

    /// The folder of a tool; it may not be there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the output of an installation goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// The tool's folder, if it was put there whole and still holds `proof`.
    pub fn complete(&self, name: &str, proof: &str) -> Option<PathBuf> {
        let folder = self.path(name);
        (folder.join(STAMP).is_file() && folder.join(proof).exists()).then_some(folder)
    }

    /// Installs a tool: an empty folder is handed to `install`, and only when that succeeded and `proof` is there is it stamped.
    /// What a broken-off installation left is removed first.
    pub fn install(
        &self,
        name: &str,
        proof: &str,
        text: &str,
        install: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        if let Some(folder) = self.complete(name, proof) {
            return Ok(folder);
        }
        let folder = self.path(name);
        say::timed("installing", text, || {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
            }
            std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
            install(&folder)?;
            if !folder.join(proof).exists() {
                let what = format!(
                    "is not there after installing {text}: see {}",
                    self.log(name).display()
                );
                return Err(Error::Content {
                    path: folder.join(proof),
                    what,
                });
            }
            let stamp = folder.join(STAMP);
            std::fs::write(&stamp, text).map_err(Error::file("write", &stamp))
        })?;
        self.count();
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_a_whole_installation_counts() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let broken = cache.install("tool-1", "bin", "a tool", |path| {
            std::fs::write(path.join("bin"), "half").unwrap();
            Err(Error::Stopped)
        });
        assert!(broken.is_err());
        assert_eq!(cache.complete("tool-1", "bin"), None);
        let unproven = cache.install("tool-1", "bin", "a tool", |_| Ok(()));
        assert!(unproven.is_err(), "what left nothing is no installation");
        let made = cache.install("tool-1", "bin", "a tool", |path| {
            assert!(
                !path.join("bin").exists(),
                "the half-done folder was emptied"
            );
            std::fs::write(path.join("bin"), "whole").map_err(Error::file("write", path))
        });
        assert_eq!(cache.complete("tool-1", "bin"), made.ok());
        assert_eq!(cache.installed(), 1);
        let again = cache.install("tool-1", "bin", "a tool", |_| Err(Error::Stopped));
        assert!(again.is_ok(), "what is there is not installed again");
    }

    #[test]
    fn two_set_ups_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = Cache::open(folder.path()).unwrap();
        let path = folder.path().to_path_buf();
        let (sender, receiver) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let cache = Cache::open(&path).unwrap();
            sender.send(()).unwrap();
            drop(cache);
        });
        assert!(
            receiver
                .recv_timeout(std::time::Duration::from_millis(200))
                .is_err(),
            "the second had to wait"
        );
        drop(first);
        receiver
            .recv_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        second.join().unwrap();
    }
}
