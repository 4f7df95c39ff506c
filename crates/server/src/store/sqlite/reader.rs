//! The reading threads: each call sees one snapshot.

use super::queue::{Queue, Refused};
use super::tx::{Done, Fail, Tx};
use super::writer::Ticket;
use crate::store::{Result, StoreError};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::sync::oneshot;

/// A read in the queue.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The queue of reads.
pub(super) type Reads = Queue<Read>;

/// Does `work` in one read transaction.
pub(super) async fn read<T, F>(
    queue: &Reads,
    deadline: Duration,
    operation: &'static str,
    work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Tx<'_>) -> Done<T> + Send + 'static,
{
    let unavailable = |message: &str| StoreError::Unavailable {
        operation,
        message: message.to_owned(),
    };
    let (answer, outcome) = oneshot::channel();
    let ticket = Ticket::default();
    let taken = ticket.clone();
    queue
        .push(Box::new(move |conn: &Connection| {
            if taken.take() {
                let found = catch_unwind(AssertUnwindSafe(|| in_snapshot(conn, work)))
                    .unwrap_or_else(|_| {
                        Err(Fail::Store(StoreError::Unavailable {
                            operation,
                            message: "a fault in the store stopped this read".to_owned(),
                        }))
                    });
                let _ = answer.send(found.map_err(|fail| fail.into_error(operation)));
            }
        }))
        .map_err(|refused: Refused| unavailable(refused.message()))?;
    match tokio::time::timeout(deadline, outcome).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => Err(unavailable("the reading thread has ended")),
        Err(_) => {
            ticket.give_up();
            Err(unavailable("no answer in time"))
        }
    }
}

fn in_snapshot<T>(conn: &Connection, work: impl FnOnce(Tx<'_>) -> Done<T>) -> Done<T> {
    if !conn.is_autocommit() {
        // A read before this one was stopped by a fault.
        conn.execute_batch("ROLLBACK")?;
    }
    conn.prepare_cached("BEGIN")?.execute([])?;
    let found = work(Tx(conn));
    conn.prepare_cached("COMMIT")?.execute([])?;
    found
}

/// A reading thread's life.
pub(super) fn run(conn: &Connection, queue: &Reads) {
    while let Some(read) = queue.pop() {
        read(conn);
    }
}
