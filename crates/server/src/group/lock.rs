//! The lock that the active server holds for life: a lock of the operating system on a file beside the
//! SQLite database. Whoever gains it knows that the last holder's process is gone: the system frees it
//! with the process, and with nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Tries to gain the lock; `None` when another process (or another holder in this one) has it. The
    /// file is made when it is absent and never removed: removing it would let two hold "the" lock.
    ///
    /// # Errors
    /// When the file cannot be made or locked at all.
    pub fn try_gain(path: &Path) -> io::Result<Option<Self>> {
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
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(FileLock::try_gain(Path::new("/nowhere/at/all.lock")).is_err());
    }
}
