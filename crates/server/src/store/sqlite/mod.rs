//! The store on SQLite: one file, shared by the group's servers on one host.
//!
//! Writes go through one thread with group commit ([`writer`]), reads through threads of their own, each
//! on a snapshot ([`reader`]), checkpoints and tidying through another. Several processes share the file: every write
//! transaction is `BEGIN IMMEDIATE`, so what it reads (the fence above all) holds until its commit.

mod engine;
mod lock;
mod reader;
mod restore;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

pub use restore::{Held, hold, restore, save_held};

use super::backup::Dialect;
use super::sql::tidy::{self, Place};
use super::sql::tx::{Fail, Tx};
use super::sql::{Backend, LongRead, SqlStore};
use super::{LifeLock, Result, StoreError};
use async_trait::async_trait;
use engine::of_sqlite;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// How often content without a reference is looked for.
const TIDY_EVERY: Duration = Duration::from_hours(1);

/// How a [`SqliteStore`] works; the default suits.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// How long a call waits for the database before it is [`StoreError::Unavailable`].
    pub deadline: Duration,
    /// How many calls read at the same time, 1 to 16.
    pub readers: usize,
    /// The file's largest size in pages of 4,096 bytes; `None`: as large as the disk allows.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            readers: 2,
            max_pages: None,
        }
    }
}

/// An SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
}

/// The group's database in an SQLite file. When it is closed, the last connection copies the log into the
/// file.
pub type SqliteStore = SqlStore<Sqlite>;

#[async_trait]
impl Backend for Sqlite {
    fn shown(&self) -> String {
        "SQLite, one host".to_owned()
    }

    fn on_one_host(&self) -> bool {
        true
    }

    fn at_length(&self, operation: &'static str, work: LongRead<'_>) -> Result<()> {
        let conn = schema::connect(&self.path, None)?;
        let error = |e| of_sqlite(operation, &e);
        conn.execute_batch("BEGIN").map_err(error)?;
        let read = (work.0)(Tx(&conn), Dialect::Sqlite);
        conn.execute_batch("COMMIT").map_err(error)?;
        read.map_err(|fail| fail.into_error(operation))
    }

    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>> {
        let file = lock::lock_file(&self.path);
        match lock::FileLock::try_gain(&file) {
            Ok(held) => Ok(held.map(|lock| Box::new(lock) as Box<dyn LifeLock>)),
            Err(error) => Err(StoreError::Unavailable {
                operation: "life lock",
                message: format!("cannot lock {}: {error}", file.display()),
            }),
        }
    }
}

impl SqliteStore {
    /// Opens the group's database, makes it when it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened, is of a schema that this build does not
    /// know, or belongs to another group; [`StoreError::Corrupt`] when it is not a database.
    pub fn open(path: &Path, group: &str) -> Result<Self> {
        Self::open_with(path, group, &SqliteOptions::default())
    }

    /// As [`SqliteStore::open`], with options.
    pub fn open_with(path: &Path, group: &str, options: &SqliteOptions) -> Result<Self> {
        schema::prepare(path, options.max_pages)?;
        let connect = || schema::connect(path, options.max_pages);
        let writing = connect()?;
        claim_for(&writing, group, path)?;
        let backend = Sqlite {
            path: path.to_owned(),
        };
        let store = Self::new(backend, group, options.deadline);
        let (nudge, nudges) = sync_channel(1);
        let writes = Arc::clone(&store.writes);
        store.spawn("store-write", move || {
            writer::run(&writing, &writes, &nudge);
        })?;
        let caring = connect()?;
        store.spawn("store-care", move || {
            care(&caring, &nudges);
        })?;
        for _ in 0..options.readers.clamp(1, 16) {
            let reading = connect()?;
            let reads = Arc::clone(&store.reads);
            store.spawn("store-read", move || reader::run(&reading, &reads))?;
        }
        Ok(store)
    }
}

/// A database belongs to one group; the first to open it says which. Only that one writes: a start must not
/// wait for another server's long write.
fn claim_for(conn: &rusqlite::Connection, group: &str, path: &Path) -> Result<()> {
    let error = |e| of_sqlite("open", &e);
    let read = || {
        conn.query_row("SELECT group_name FROM identity", [], |r| {
            r.get::<_, String>(0)
        })
        .optional()
        .map_err(error)
    };
    if read()?.is_none() {
        conn.execute(
            "INSERT OR IGNORE INTO identity (id, group_name) VALUES (1, ?1)",
            params![group],
        )
        .map_err(error)?;
    }
    let of = read()?.unwrap_or_default();
    if of == group {
        return Ok(());
    }
    Err(StoreError::Unavailable {
        operation: "open",
        message: format!(
            "{} is the database of group {of}, not of {group}: check the server's configuration",
            path.display()
        ),
    })
}

/// Copies the log into the file whenever the writer asks, beside the writes and without stopping them; once
/// an hour it tidies up.
fn care(conn: &rusqlite::Connection, nudges: &Receiver<()>) {
    let mut tidied: Option<Instant> = None;
    while nudges.recv().is_ok() {
        if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "a checkpoint of the database failed; the next one tries again");
        }
        if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            match tidy_up(conn, crate::clock::now()) {
                Ok(0) => {}
                Ok(removed) => {
                    tracing::info!(removed, "contents that nothing refers to were removed");
                }
                Err(fail) => {
                    let error = fail.into_error("tidy up");
                    tracing::warn!(%error, "the database could not be tidied; the next time tries again");
                }
            }
        }
    }
}

/// Removes what nothing refers to any more, as of `now`; answers how many contents went.
fn tidy_up(
    conn: &rusqlite::Connection,
    now: gridhelm_api::Millis,
) -> core::result::Result<usize, Fail> {
    let mut removed = 0;
    let mut place = Some(Place::START);
    while let Some(from) = place {
        let step = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        let (gone, next) = tidy::step(Tx(&*step), now, &from)?;
        step.commit()?;
        removed += gone;
        place = next;
    }
    Ok(removed)
}
