//! The life lock on SQLite: a lock of the operating system on a file beside the database. Whoever gains it
//! knows that the last holder's process is gone: the system frees it with the process, and with nothing else.

use crate::store::LifeLock;
use futures_util::future::{BoxFuture, FutureExt as _, pending};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl LifeLock for FileLock {
    /// Never: nothing takes it from a process that lives.
    fn lost(&self) -> BoxFuture<'static, ()> {
        pending().boxed()
    }
}

/// The file beside the database that the active server holds locked.
pub(super) fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".active.lock");
    name.into()
}

impl FileLock {
    /// Tries to gain the lock; `None` when another process (or another holder in this one) has it. The
    /// file is made when it is absent and never removed: removing it would let two hold "the" lock.
    ///
    /// # Errors
    /// When the file cannot be made or locked at all.
    pub(super) fn try_gain(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("east.db.active.lock");
        let held = FileLock::try_gain(&path).unwrap();
        assert!(held.is_some());
        assert!(FileLock::try_gain(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::try_gain(&path).unwrap().is_some());
    }

    #[test]
    fn the_lock_lies_beside_the_database() {
        let lock = lock_file(Path::new("/data/east.db"));
        assert_eq!(lock, Path::new("/data/east.db.active.lock"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(FileLock::try_gain(Path::new("/nowhere/at/all.lock")).is_err());
    }
}
