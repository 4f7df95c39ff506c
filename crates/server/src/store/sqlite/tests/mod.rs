//! What only SQLite's store must stand: files, locks, crashes, full disks. The rest is in `store::contract`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod crash;
mod figures;
mod opening;
mod tidying;
mod tree;
mod trouble;

use super::{SqliteOptions, SqliteStore};
use crate::store::contract::SqliteFile;
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(path, "east").unwrap())
}

fn open_with(path: &Path, options: &SqliteOptions) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open_with(path, "east", options).unwrap())
}

/// A connection as another program would have it.
fn stranger(file: &SqliteFile) -> rusqlite::Connection {
    rusqlite::Connection::open(file.path()).unwrap()
}
