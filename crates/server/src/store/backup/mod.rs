//! A group's whole database as one file that SQLite and PostgreSQL both make and take: made of one snapshot while the
//! servers work, read back before it counts, put back into an empty group. See `docs/decisions/047-backup.md`.
//!
//! The file is written and read as a stream; what is in memory at a time is a block of rows.

mod error;
mod export;
mod file;
mod fit;
mod head;
mod import;
mod read;
mod record;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod write;

pub use error::BackupError;
pub use head::{Counted, End, Head};
pub use import::{How, Restored};
pub use read::{Contents, head_of, look};
pub use write::{Maker, Progress, Stage};

pub(super) use import::{Emptiness, Loading};
pub(super) use write::Saving;

/// Where the databases' SQL differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}
