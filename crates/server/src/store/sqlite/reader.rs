//! The reading threads: each call sees one snapshot.

use super::engine::trouble;
use crate::store::sql::job::{Job, Jobs};
use crate::store::sql::tx::Tx;
use rusqlite::Connection;

/// A reading thread's life.
pub(super) fn run(conn: &Connection, queue: &Jobs) {
    while let Some(mut job) = queue.pop() {
        if !job.ticket().take() {
            continue;
        }
        match in_snapshot(conn, job.as_mut()) {
            Ok(()) => job.settle(),
            Err(error) => job.fail(&trouble(&error)),
        }
    }
}

fn in_snapshot(conn: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    job.run(Tx(conn));
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
