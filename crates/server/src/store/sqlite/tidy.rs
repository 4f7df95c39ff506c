//! Removing what nothing refers to any more: given-up uploads and changesets, unreferenced content.
//!
//! Runs beside the writes on a connection of its own, in transactions of a few rows, so that nobody waits.

use super::content::KEPT_MS;
use gridhelm_api::Millis;
use rusqlite::{Connection, TransactionBehavior, params};

/// Rows looked at or removed in one transaction.
const STEP: usize = 16;

/// What makes a content superfluous at `?1`, with `b` its row.
const SUPERFLUOUS: &str = "b.created_at < ?1
    AND NOT EXISTS (SELECT 1 FROM versions WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM files WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM operations WHERE sha256 = b.sha256)";

/// Tidies up as of `now`; answers how many contents were removed.
pub(super) fn tidy(conn: &Connection, now: Millis) -> rusqlite::Result<usize> {
    let before = now - KEPT_MS;
    // Operations are of no use once committed; a changeset that was never committed goes whole.
    in_steps(
        conn,
        "SELECT id FROM changesets c WHERE committed IS NULL AND opened_at < ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        "DELETE FROM changesets WHERE id = ?2 AND committed IS NULL AND opened_at < ?1",
        before,
        String::new(),
    )?;
    in_steps(
        conn,
        "SELECT id FROM changesets c WHERE committed IS NOT NULL AND opened_at < ?1 AND id > ?2
         AND EXISTS (SELECT 1 FROM operations WHERE changeset = c.id) ORDER BY id LIMIT ?3",
        "DELETE FROM operations WHERE changeset = ?2 AND ?1 IS NOT NULL",
        before,
        String::new(),
    )?;
    in_steps(
        conn,
        &format!(
            "SELECT b.id FROM blobs b WHERE {SUPERFLUOUS} AND b.id > ?2 ORDER BY b.id LIMIT ?3"
        ),
        // Looked at again under the write lock: a reference may have come meanwhile.
        &format!("DELETE FROM blobs AS b WHERE b.id = ?2 AND {SUPERFLUOUS}"),
        before,
        0_i64,
    )
}

/// Finds keys step by step and removes each step in a transaction of its own; answers how many rows went.
fn in_steps<K>(
    conn: &Connection,
    find: &str,
    remove: &str,
    before: Millis,
    first: K,
) -> rusqlite::Result<usize>
where
    K: rusqlite::ToSql + rusqlite::types::FromSql + Clone,
{
    let mut removed = 0;
    let mut last = first;
    loop {
        let keys = conn
            .prepare_cached(find)?
            .query_map(
                params![before, last, i64::try_from(STEP).unwrap_or(1)],
                |r| r.get::<_, K>(0),
            )?
            .collect::<rusqlite::Result<Vec<K>>>()?;
        let Some(end) = keys.last() else {
            return Ok(removed);
        };
        last = end.clone();
        let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        for key in &keys {
            removed += tx.prepare_cached(remove)?.execute(params![before, key])?;
        }
        tx.commit()?;
    }
}
