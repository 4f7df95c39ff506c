//! What the stores have in common: the calls of [`Store`](super::Store) as SQL that SQLite and PostgreSQL
//! both understand, and the way of a call to a thread of the database and back.
//!
//! Writes go through one thread with group commit, reads through threads of their own, each on a snapshot.
//! What differs (how a transaction begins, what makes the fence hold, what a broken connection means) is
//! in `sqlite` and `postgres`.

mod accounts;
mod alerts;
mod calls;
pub(super) mod changesets;
pub(super) mod content;
mod files;
mod group;
mod holds;
pub(super) mod job;
mod joins;
mod journal;
mod listing;
pub(super) mod mend;
mod nodes;
pub(super) mod queue;
mod sessions;
mod settings;
mod sizes;
mod task_rows;
mod tasks;
pub(super) mod tidy;
mod tokens;
pub(super) mod tree;
pub(super) mod tx;
mod uploads;
pub(super) mod value;

use super::backup::{BackupError, Contents, Dialect, Maker, Progress, Saving};
use super::{LifeLock, Result, StoreError};
use async_trait::async_trait;
use gridhelm_api::switch::Check;
use job::{Jobs, Kind, call};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tx::{Done, Tx};

/// What reads a snapshot for longer than a call may.
pub struct LongRead<'w>(pub(in crate::store) &'w mut dyn FnMut(Tx<'_>, Dialect) -> Done<()>);

/// What differs between the databases, as far as callers see it.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The database in a few words, for people.
    fn shown(&self) -> String;

    /// As [`Store::on_one_host`](super::Store::on_one_host).
    fn on_one_host(&self) -> bool;

    /// As [`Store::try_life_lock`](super::Store::try_life_lock).
    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>>;

    /// Reads one snapshot on a connection of its own, however long that takes. Blocks.
    fn at_length(&self, operation: &'static str, work: LongRead<'_>) -> Result<()>;

    /// As [`Store::look_at_database`](super::Store::look_at_database).
    async fn look(&self) -> Vec<Check> {
        Vec::new()
    }
}

/// A group's database that speaks SQL.
pub struct SqlStore<B: Backend> {
    pub(super) backend: Arc<B>,
    pub(super) group: String,
    deadline: Duration,
    pub(super) writes: Arc<Jobs>,
    /// The same queue as that of the writes where the database has one writer at a time anyway.
    pub(super) renewals: Arc<Jobs>,
    pub(super) reads: Arc<Jobs>,
    threads: Arc<Threads>,
}

type Threads = Mutex<Vec<JoinHandle<()>>>;

impl<B: Backend> SqlStore<B> {
    pub(super) fn new(backend: B, group: &str, deadline: Duration) -> Self {
        let writes = Arc::new(Jobs::new());
        Self::over(backend, group, deadline, Arc::clone(&writes), writes)
    }

    /// As [`SqlStore::new`], with these queues.
    pub(super) fn over(
        backend: B,
        group: &str,
        deadline: Duration,
        writes: Arc<Jobs>,
        renewals: Arc<Jobs>,
    ) -> Self {
        Self {
            backend: Arc::new(backend),
            group: group.to_owned(),
            deadline,
            writes,
            renewals,
            reads: Arc::new(Jobs::new()),
            threads: Arc::default(),
        }
    }

    /// Starts a thread that ends when the queues are closed.
    pub(super) fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
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

    /// Takes no more calls, does those that wait, and ends the threads. Blocks for as long as the calls under
    /// way take. Later calls are [`StoreError::Unavailable`].
    pub fn close(&self) {
        for queue in [&self.writes, &self.renewals, &self.reads] {
            queue.close();
        }
        join(&self.threads);
    }

    /// As [`SqlStore::close`], without blocking the caller's thread.
    async fn close_aside(&self) {
        for queue in [&self.writes, &self.renewals, &self.reads] {
            queue.close();
        }
        let threads = Arc::clone(&self.threads);
        if tokio::task::spawn_blocking(move || join(&threads))
            .await
            .is_err()
        {
            tracing::error!("closing the database failed");
        }
    }

    /// As [`Store::back_up`](super::Store::back_up).
    async fn save(
        &self,
        path: PathBuf,
        by: &str,
        server: &str,
        progress: Arc<Progress>,
    ) -> std::result::Result<Contents, BackupError> {
        let maker = Maker {
            group: self.group.clone(),
            server: server.to_owned(),
            by: by.to_owned(),
            database: self.backend.shown(),
        };
        let backend = Arc::clone(&self.backend);
        let saved = tokio::task::spawn_blocking(move || {
            let mut saving = Saving::begin(maker, &path, &progress)?;
            let mut work = |tx: Tx<'_>, dialect| saving.write(tx, dialect);
            backend.at_length("back up", LongRead(&mut work))?;
            saving.finish()
        });
        saved.await.unwrap_or_else(|error| {
            Err(BackupError::Store(StoreError::Unavailable {
                operation: "back up",
                message: error.to_string(),
            }))
        })
    }

    /// Reads on a connection of its own, on a thread that may block.
    pub(super) async fn read_at_length<T, F>(&self, operation: &'static str, read: F) -> Result<T>
    where
        T: Default + Send + 'static,
        F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
    {
        let backend = Arc::clone(&self.backend);
        let reading = tokio::task::spawn_blocking(move || {
            let mut found = T::default();
            let mut work = |tx: Tx<'_>, _| {
                found = read(tx)?;
                Ok(())
            };
            backend.at_length(operation, LongRead(&mut work))?;
            Ok(found)
        });
        reading.await.unwrap_or_else(|error| {
            Err(StoreError::Unavailable {
                operation,
                message: error.to_string(),
            })
        })
    }

    async fn call<T, F>(&self, kind: Kind, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
    {
        let queue = match kind {
            Kind::Read => &self.reads,
            Kind::Renew => &self.renewals,
            Kind::Write | Kind::TakeEpoch => &self.writes,
        };
        call(queue, self.deadline, kind, operation, work).await
    }

    pub(super) async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
    {
        self.call(Kind::Write, operation, work).await
    }

    async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
    {
        self.call(Kind::Read, operation, work).await
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

impl<B: Backend> Drop for SqlStore<B> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<B: Backend> core::fmt::Debug for SqlStore<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SqlStore")
            .field("database", &self.backend.shown())
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
