//! What the stores have in common: the calls of [`Store`](super::Store) as SQL that SQLite and PostgreSQL
//! both understand, and the way of a call to a thread of the database and back.
//!
//! Writes go through one thread with group commit, reads through threads of their own, each on a snapshot.
//! What differs (how a transaction begins, what makes the fence hold, what a broken connection means) is
//! in `sqlite` and `postgres`.

mod accounts;
mod calls;
pub(super) mod changesets;
pub(super) mod content;
mod files;
mod group;
pub(super) mod job;
mod joins;
mod journal;
mod nodes;
pub(super) mod queue;
mod sessions;
mod task_rows;
mod tasks;
pub(super) mod tidy;
mod tokens;
pub(super) mod tx;
mod uploads;
pub(super) mod value;

use super::{LifeLock, Result, StoreError};
use async_trait::async_trait;
use gridhelm_api::switch::Check;
use job::{Jobs, Kind, call};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tx::{Done, Tx};

/// What differs between the databases, as far as callers see it.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The database in a few words, for people.
    fn shown(&self) -> String;

    /// As [`Store::on_one_host`](super::Store::on_one_host).
    fn on_one_host(&self) -> bool;

    /// As [`Store::try_life_lock`](super::Store::try_life_lock).
    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>>;

    /// As [`Store::look_at_database`](super::Store::look_at_database).
    async fn look(&self) -> Vec<Check> {
        Vec::new()
    }
}

/// A group's database that speaks SQL.
pub struct SqlStore<B: Backend> {
    pub(super) backend: B,
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
            backend,
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
