//! Tokens for programs.

use super::accounts::revoke;
use super::tx::{Done, Tx, conflict, json, not_found, of_json, of_word, word};
use super::value::{Row, params};
use crate::clock;
use crate::store::{MOST_TOKENS, Notes};
use gridhelm_api::account::ApiToken;
use gridhelm_api::event::Event;

const COLUMNS: &str =
    "SELECT id, name, username, role, areas, created_at, expires_at FROM api_tokens";

fn token(r: &Row<'_>) -> Done<ApiToken> {
    Ok(ApiToken {
        id: r.get(0)?,
        name: r.get(1)?,
        username: r.get(2)?,
        role: of_word("a token", &r.get::<String>(3)?)?,
        areas: of_json("a token", &r.get::<String>(4)?)?,
        created_at: r.get(5)?,
        expires_at: r.get(6)?,
    })
}

pub(super) fn all(tx: Tx<'_>, username: Option<&str>) -> Done<Vec<ApiToken>> {
    let now = clock::now();
    match username {
        Some(username) => tx.rows(
            &format!(
                "{COLUMNS} WHERE expires_at > ?1 AND username = ?2 ORDER BY created_at DESC, id"
            ),
            params![now, username],
            token,
        ),
        None => tx.rows(
            &format!("{COLUMNS} WHERE expires_at > ?1 ORDER BY created_at DESC, id"),
            params![now],
            token,
        ),
    }
}

pub(super) fn create(tx: Tx<'_>, new: &ApiToken, notes: &Notes) -> Done<Vec<Event>> {
    tx.execute(
        "DELETE FROM api_tokens WHERE expires_at <= ?1",
        params![clock::now()],
    )?;
    let count: i64 = tx
        .value(
            "SELECT count(*) FROM api_tokens WHERE username = ?1",
            params![new.username],
        )?
        .unwrap_or_default();
    if usize::try_from(count).is_ok_and(|count| count >= MOST_TOKENS) {
        return Err(conflict(format!(
            "{} has {MOST_TOKENS} tokens for programs; end one that nothing uses any more",
            new.username
        )));
    }
    tx.execute(
        "INSERT INTO api_tokens (id, name, username, role, areas, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            new.id,
            new.name,
            new.username,
            word(&new.role)?,
            json(&new.areas)?,
            new.created_at,
            new.expires_at
        ],
    )?;
    tx.notes_about(notes, None, serde_json::to_value(new).ok().as_ref())
}

pub(super) fn end(tx: Tx<'_>, id: &str, username: Option<&str>, notes: &Notes) -> Done<Vec<Event>> {
    let found = tx.row(&format!("{COLUMNS} WHERE id = ?1"), params![id], token)?;
    let found = found.filter(|t| username.is_none_or(|username| t.username == username));
    let old = found.ok_or_else(|| not_found(format!("token {id}")))?;
    tx.execute("DELETE FROM api_tokens WHERE id = ?1", params![id])?;
    revoke(tx, id, old.expires_at)?;
    tx.notes_about(notes, serde_json::to_value(&old).ok().as_ref(), None)
}
