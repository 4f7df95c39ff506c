//! The store on SQLite: one file, shared by the group's servers on one host.
//!
//! Writes go through one thread with group commit ([`writer`]), reads through threads of their own, each
//! on a snapshot ([`reader`]), checkpoints and tidying through another. Several processes share the file: every write
//! transaction is `BEGIN IMMEDIATE`, so what it reads (the fence above all) holds until its commit.

mod accounts;
mod calls;
mod changesets;
mod content;
mod files;
mod group;
mod journal;
mod lock;
mod nodes;
mod queue;
mod reader;
mod schema;
mod sessions;
mod task_rows;
mod tasks;
#[cfg(test)]
mod tests;
mod tidy;
mod tx;
mod uploads;
mod writer;

use super::{LifeLock, Result, StoreError};
use queue::Queue;
use reader::Reads;
use rusqlite::{OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use tx::{Done, Tx, of_sqlite};
use writer::Writes;

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

/// The group's database in an SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    group: String,
    deadline: Duration,
    writes: Arc<Writes>,
    reads: Arc<Reads>,
    threads: Arc<Threads>,
}

type Threads = Mutex<Vec<JoinHandle<()>>>;

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
        let store = Self {
            path: path.to_owned(),
            group: group.to_owned(),
            deadline: options.deadline,
            writes: Arc::new(Queue::new()),
            reads: Arc::new(Queue::new()),
            threads: Arc::default(),
        };
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

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|e| StoreError::Unavailable {
                operation: "open",
                message: format!("a thread cannot be started: {e}"),
            })?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Takes no more calls, does those that wait, and ends the threads; the last connection to close
    /// copies the log into the file. Blocks for as long as the calls under way take. Later calls are
    /// [`StoreError::Unavailable`].
    pub fn close(&self) {
        self.writes.close();
        self.reads.close();
        join(&self.threads);
    }

    /// As [`SqliteStore::close`], without blocking the caller's thread.
    async fn close_aside(&self) {
        self.writes.close();
        self.reads.close();
        let threads = Arc::clone(&self.threads);
        if tokio::task::spawn_blocking(move || join(&threads))
            .await
            .is_err()
        {
            tracing::error!("closing the database failed");
        }
    }

    /// Tries to lock the file beside the database.
    fn lock_for_life(&self) -> Result<Option<Box<dyn LifeLock>>> {
        let file = lock::lock_file(&self.path);
        match lock::FileLock::try_gain(&file) {
            Ok(held) => Ok(held.map(|lock| Box::new(lock) as Box<dyn LifeLock>)),
            Err(error) => Err(StoreError::Unavailable {
                operation: "life lock",
                message: format!("cannot lock {}: {error}", file.display()),
            }),
        }
    }

    async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
    {
        writer::write(&self.writes, self.deadline, operation, work).await
    }

    async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Tx<'_>) -> Done<T> + Send + 'static,
    {
        reader::read(&self.reads, self.deadline, operation, work).await
    }
}

fn join(threads: &Threads) {
    let threads = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the store ended with a fault");
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl core::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .field("group", &self.group)
            .finish_non_exhaustive()
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
            match tidy::tidy(conn, crate::clock::now()) {
                Ok(0) => {}
                Ok(removed) => {
                    tracing::info!(removed, "contents that nothing refers to were removed");
                }
                Err(error) => {
                    tracing::warn!(%error, "the database could not be tidied; the next time tries again");
                }
            }
        }
    }
}
