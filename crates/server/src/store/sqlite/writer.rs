//! The writing thread: group commit.
//!
//! Writes of this process go through one queue. The thread begins a transaction as soon as one waits,
//! takes all that wait, runs each in a savepoint of its own (so that one that is refused undoes only
//! itself) and answers after the commit. While a commit waits for the disk the next group gathers.

use super::engine::trouble;
use crate::store::failpoint;
use crate::store::sql::job::{Job, Jobs, claim, fail_all, settle};
use crate::store::sql::tx::Tx;
use rusqlite::Connection;
use std::sync::mpsc::SyncSender;

/// How many writes one transaction takes at most: bounds how long the first waits for its answer.
const GROUP: usize = 128;
/// After how many commits the log is copied into the database file.
const CHECKPOINT_EVERY: u32 = 200;

/// The writing thread's life.
pub(super) fn run(conn: &Connection, queue: &Jobs, checkpoint: &SyncSender<()>) {
    let mut commits = 0_u32;
    while queue.wait() {
        if let Err(error) = conn.execute_batch("BEGIN IMMEDIATE") {
            if is_busy(&error) {
                // Another process writes for long. Those that wait decide themselves when to give up.
                queue.retain(|job| job.ticket().is_waiting());
            } else {
                tracing::error!(%error, "the database cannot be written");
                fail_all(claim(queue, GROUP), &trouble(&error));
            }
            continue;
        }
        let group = claim(queue, GROUP);
        commit_group(conn, group);
        commits += 1;
        if commits.is_multiple_of(CHECKPOINT_EVERY) {
            // Full means that one is asked for already.
            let _ = checkpoint.try_send(());
        }
    }
}

/// Runs and commits a group whose transaction has begun. When the group fails as a whole each of its
/// writes is tried alone, so that one that, say, fills the disk does not fail the others.
fn commit_group(conn: &Connection, mut group: Vec<Box<dyn Job>>) {
    match run_and_commit(conn, &mut group) {
        Ok(()) => settle(group),
        Err(error) if group.len() == 1 => {
            tracing::error!(%error, "a write failed");
            fail_all(group, &trouble(&error));
        }
        Err(error) => {
            tracing::warn!(%error, writes = group.len(), "a group of writes failed; trying each alone");
            for job in group {
                let mut alone = vec![job];
                let outcome = conn
                    .execute_batch("BEGIN IMMEDIATE")
                    .and_then(|()| run_and_commit(conn, &mut alone));
                match outcome {
                    Ok(()) => settle(alone),
                    Err(error) => fail_all(alone, &trouble(&error)),
                }
            }
        }
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
    failpoint::before_commit();
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn ended_early() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
        Some("the disk is full or failed; nothing was written".to_owned()),
    )
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}
