//! What can go wrong with a backup.

use crate::store::StoreError;
use crate::store::sql::tx::Fail;
use std::path::{Path, PathBuf};

/// Why a backup was not made, read or restored: what, where, and what to do. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or a folder could not be used.
    #[error("cannot {what} {}: {why}", path.display())]
    Io {
        /// What was tried: "read", "write".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// There is a file of that name already.
    #[error("{} is there already; name another file, or remove it first", .0.display())]
    Exists(PathBuf),
    /// The file would fill its disk.
    #[error("the disk of {} has less than 256 MiB free; make room, or write to another disk", .0.display())]
    Full(PathBuf),
    /// It is no backup of ours.
    #[error("{} is not a backup of gridhelm-server: it does not begin as one", .0.display())]
    Foreign(PathBuf),
    /// It was made by a newer program.
    #[error("{} is of a newer kind ({what}): restore it with the gridhelm-server {by} that made it, or a later one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What this build does not know.
        what: String,
        /// The version of the program that made it.
        by: String,
    },
    /// It ends before its end.
    #[error("{} ends at byte {at}, in the middle: it was cut off, take a whole copy", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        at: u64,
    },
    /// It is not as it was written.
    #[error("{} was changed or damaged in the block at byte {at}: {why}. Take another copy", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// How that shows.
        why: String,
    },
    /// The rows that were written are not those that the backup has.
    #[error("what was written is not what the backup has: {0}. Nothing was kept")]
    Differs(String),
    /// It is of another group.
    #[error("this is a backup of group {found}, and the configuration is of group {wanted}")]
    OtherGroup {
        /// The backup's.
        found: String,
        /// The configuration's.
        wanted: String,
    },
    /// The group that would be written into is not empty.
    #[error("group {group} at {place} is not empty: it has {has}. {hint}")]
    NotEmpty {
        /// The group.
        group: String,
        /// The database.
        place: String,
        /// What it has.
        has: String,
        /// What to do.
        hint: &'static str,
    },
    /// A server of the group runs.
    #[error("a server of the group runs ({0}); stop all of them first")]
    Running(String),
    /// It was called off.
    #[error("it was called off")]
    CalledOff,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(crate) fn io(what: &'static str, path: &Path, why: &std::io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Why writing or reading within a transaction stopped.
pub(super) enum Stop {
    Database(Fail),
    Backup(BackupError),
}

impl From<Fail> for Stop {
    fn from(fail: Fail) -> Self {
        Self::Database(fail)
    }
}

impl From<BackupError> for Stop {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}
