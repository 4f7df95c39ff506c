//! Tokens by which servers join the group.

use super::tx::{Done, Tx, conflict, not_found};
use super::value::{Row, params};
use crate::store::{Notes, StoredJoinToken};
use gridhelm_api::Millis;
use gridhelm_api::event::Event;

/// How long a token whose time is over stays in the list.
const KEPT_MS: Millis = 30 * 24 * 3600 * 1000;

const COLUMNS: &str =
    "SELECT id, hash, made_by, made_at, expires_at, used_by, used_at, revoked_by FROM join_tokens";

fn stored(r: &Row<'_>) -> Done<StoredJoinToken> {
    Ok(StoredJoinToken {
        id: r.get(0)?,
        hash: r.get(1)?,
        made_by: r.get(2)?,
        made_at: r.get(3)?,
        expires_at: r.get(4)?,
        used_by: r.get(5)?,
        used_at: r.get(6)?,
        revoked_by: r.get(7)?,
    })
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<StoredJoinToken>> {
    tx.rows(
        &format!("{COLUMNS} ORDER BY made_at DESC, id"),
        params![],
        stored,
    )
}

pub(super) fn by_hash(tx: Tx<'_>, hash: &str) -> Done<Option<StoredJoinToken>> {
    tx.row(&format!("{COLUMNS} WHERE hash = ?1"), params![hash], stored)
}

pub(super) fn create(tx: Tx<'_>, token: &StoredJoinToken, notes: &Notes) -> Done<Vec<Event>> {
    tx.execute(
        "DELETE FROM join_tokens WHERE expires_at < ?1",
        params![token.made_at - KEPT_MS],
    )?;
    tx.execute(
        "INSERT INTO join_tokens (id, hash, made_by, made_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![token.id, token.hash, token.made_by, token.made_at, token.expires_at],
    )?;
    tx.notes(notes)
}

pub(super) fn revoke(tx: Tx<'_>, id: &str, by: &str, notes: &Notes) -> Done<Vec<Event>> {
    let found = tx.row(&format!("{COLUMNS} WHERE id = ?1"), params![id], stored)?;
    let found = found.ok_or_else(|| not_found(format!("join token {id}")))?;
    if let Some(server) = found.used_by {
        return Err(conflict(format!(
            "{server} has joined by this token; stop that server and give the database a new password instead"
        )));
    }
    if found.revoked_by.is_some() {
        return Ok(Vec::new());
    }
    tx.execute(
        "UPDATE join_tokens SET revoked_by = ?2 WHERE id = ?1",
        params![id, by],
    )?;
    tx.notes(notes)
}

/// Marks a token as used, if it is still open: of two that come at once, one finds it so.
pub(super) fn take(
    tx: Tx<'_>,
    hash: &str,
    server: &str,
    now: Millis,
    notes: &Notes,
) -> Done<Option<Vec<Event>>> {
    let taken = tx.execute(
        "UPDATE join_tokens SET used_by = ?2, used_at = ?3
         WHERE hash = ?1 AND used_by IS NULL AND revoked_by IS NULL AND expires_at > ?3",
        params![hash, server, now],
    )?;
    if taken == 0 {
        return Ok(None);
    }
    tx.notes(notes).map(Some)
}
