//! The writing thread: group commit.
//!
//! Writes of this process go through one queue. The thread begins a transaction as soon as one waits,
//! takes all that wait, runs each in a savepoint of its own (so that one that is refused undoes only
//! itself) and answers after the commit. While a commit waits for the disk the next group gathers.
//!
//! A caller learns one of two things: committed, or not committed. When its deadline passes before the
//! thread took its write, the write is dropped; once taken, the caller waits for the outcome.

use super::queue::{Queue, Refused};
use super::tx::{Done, Fail, Tx, of_sqlite};
use crate::store::{Result, StoreError};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::oneshot;

/// How many writes one transaction takes at most: bounds how long the first waits for its answer.
const GROUP: usize = 128;
/// After how many commits the log is copied into the database file.
const CHECKPOINT_EVERY: u32 = 200;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const DROPPED: u8 = 2;

/// Tells who decides about a waiting call: the thread that takes it or the caller that gives up.
#[derive(Clone, Default)]
pub(super) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// The thread takes the call; false when the caller gave it up.
    pub(super) fn take(&self) -> bool {
        self.swap(TAKEN)
    }

    /// The caller gives the call up; false when it is under way.
    pub(super) fn give_up(&self) -> bool {
        self.swap(DROPPED)
    }

    fn is_waiting(&self) -> bool {
        self.0.load(Ordering::Acquire) == WAITING
    }

    fn swap(&self, to: u8) -> bool {
        self.0
            .compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// A write in the queue.
pub(super) trait Job: Send {
    fn ticket(&self) -> &Ticket;
    /// Does the work; whether it shall be kept.
    fn run(&mut self, tx: Tx<'_>) -> bool;
    /// Answers with what `run` found; call it after the commit.
    fn settle(self: Box<Self>);
    /// Answers that the database failed and nothing was written.
    fn fail(self: Box<Self>, error: &rusqlite::Error);
}

struct Write<T, F> {
    operation: &'static str,
    ticket: Ticket,
    work: F,
    found: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Fn(Tx<'_>) -> Done<T> + Send> Job for Write<T, F> {
    fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn run(&mut self, tx: Tx<'_>) -> bool {
        let found = catch_unwind(AssertUnwindSafe(|| (self.work)(tx))).unwrap_or_else(|_| {
            Err(Fail::Store(StoreError::Unavailable {
                operation: self.operation,
                message: "a fault in the store stopped this write; nothing was written".to_owned(),
            }))
        });
        let keep = found.is_ok();
        self.found = Some(found.map_err(|fail| fail.into_error(self.operation)));
        keep
    }

    fn settle(self: Box<Self>) {
        let found = self.found.unwrap_or_else(|| {
            Err(StoreError::Unavailable {
                operation: self.operation,
                message: "the write was not run; nothing was written".to_owned(),
            })
        });
        // The caller may have gone; its write stands all the same.
        let _ = self.answer.send(found);
    }

    fn fail(self: Box<Self>, error: &rusqlite::Error) {
        let _ = self.answer.send(Err(of_sqlite(self.operation, error)));
    }
}

/// The queue of writes.
pub(super) type Writes = Queue<Box<dyn Job>>;

/// Does `work` in a transaction of the writing thread and answers after its commit. `work` may run twice
/// when a whole group failed; each run starts from the committed state.
pub(super) async fn write<T, F>(
    queue: &Writes,
    deadline: Duration,
    operation: &'static str,
    work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
{
    let unavailable = |message: &str| StoreError::Unavailable {
        operation,
        message: message.to_owned(),
    };
    let (answer, mut outcome) = oneshot::channel();
    let ticket = Ticket::default();
    queue
        .push(Box::new(Write {
            operation,
            ticket: ticket.clone(),
            work,
            found: None,
            answer,
        }))
        .map_err(|refused: Refused| unavailable(refused.message()))?;
    let outcome = match tokio::time::timeout(deadline, &mut outcome).await {
        Ok(outcome) => outcome,
        Err(_) if ticket.give_up() => {
            return Err(unavailable(
                "no answer in time: the database is held by another process or its disk is stuck; nothing was written",
            ));
        }
        Err(_) => outcome.await,
    };
    outcome.unwrap_or_else(|_| Err(unavailable("the writing thread has ended")))
}

/// The writing thread's life.
pub(super) fn run(conn: &Connection, queue: &Writes, checkpoint: &SyncSender<()>) {
    let mut commits = 0_u32;
    while queue.wait() {
        if let Err(error) = conn.execute_batch("BEGIN IMMEDIATE") {
            if is_busy(&error) {
                // Another process writes for long. Those that wait decide themselves when to give up.
                queue.retain(|job| job.ticket().is_waiting());
            } else {
                tracing::error!(%error, "the database cannot be written");
                fail_all(claimed(queue), &error);
            }
            continue;
        }
        let group = claimed(queue);
        commit_group(conn, group);
        commits += 1;
        if commits.is_multiple_of(CHECKPOINT_EVERY) {
            // Full means that one is asked for already.
            let _ = checkpoint.try_send(());
        }
    }
}

fn claimed(queue: &Writes) -> Vec<Box<dyn Job>> {
    let mut group = queue.take(GROUP);
    group.retain(|job| job.ticket().take());
    group
}

/// Runs and commits a group whose transaction has begun. When the group fails as a whole each of its
/// writes is tried alone, so that one that, say, fills the disk does not fail the others.
fn commit_group(conn: &Connection, mut group: Vec<Box<dyn Job>>) {
    match run_and_commit(conn, &mut group) {
        Ok(()) => group.into_iter().for_each(Job::settle),
        Err(error) if group.len() == 1 => {
            tracing::error!(%error, "a write failed");
            fail_all(group, &error);
        }
        Err(error) => {
            tracing::warn!(%error, writes = group.len(), "a group of writes failed; trying each alone");
            for job in group {
                let mut alone = vec![job];
                let outcome = conn
                    .execute_batch("BEGIN IMMEDIATE")
                    .and_then(|()| run_and_commit(conn, &mut alone));
                match outcome {
                    Ok(()) => alone.into_iter().for_each(Job::settle),
                    Err(error) => fail_all(alone, &error),
                }
            }
        }
    }
}

fn fail_all(jobs: Vec<Box<dyn Job>>, error: &rusqlite::Error) {
    for job in jobs {
        job.fail(error);
    }
}

fn run_and_commit(conn: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let outcome = run_group(conn, group);
    if outcome.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    outcome
}

fn run_group(conn: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in group {
        conn.prepare_cached("SAVEPOINT job")?.execute([])?;
        let keep = job.run(Tx(conn));
        if conn.is_autocommit() {
            // Some failures (a full disk, an I/O error) end the whole transaction at once.
            return Err(ended_early());
        }
        if !keep {
            conn.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        conn.prepare_cached("RELEASE job")?.execute([])?;
    }
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn ended_early() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
        Some("the disk is full or failed; nothing was written".to_owned()),
    )
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}
