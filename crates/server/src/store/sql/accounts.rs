//! Accounts and tokens.

use super::tx::{Done, Tx, conflict, corrupt, not_found, of_word, word};
use super::value::{Row, params};
use crate::clock;
use crate::store::{Notes, StoreError, StoredAccount, TokenState};
use gridhelm_api::Millis;
use gridhelm_api::account::{Account, Role};
use gridhelm_api::event::Event;

/// Length of the key that signs tokens, bytes.
const KEY: usize = 32;

pub(super) fn token_key(tx: Tx<'_>) -> Done<Vec<u8>> {
    if let Some(Some(key)) =
        tx.value::<Option<Vec<u8>>>("SELECT token_key FROM identity", params![])?
    {
        return Ok(key);
    }
    let mut key = vec![0; KEY];
    getrandom::fill(&mut key).map_err(|e| StoreError::Unavailable {
        operation: "token key",
        message: format!("the system gives no random bytes: {e}"),
    })?;
    if tx.execute("UPDATE identity SET token_key = ?1", params![&key])? == 0 {
        return Err(corrupt("the group's identity", "the row is not there"));
    }
    Ok(key)
}

const COLUMNS: &str =
    "SELECT username, role, disabled, created_at, hash, generation, signed_in_at FROM accounts";

fn stored(r: &Row<'_>) -> Done<StoredAccount> {
    Ok(StoredAccount {
        account: Account {
            username: r.get(0)?,
            role: of_word("an account", &r.get::<String>(1)?)?,
            disabled: r.get(2)?,
            created_at: r.get(3)?,
            signed_in_at: r.get(6)?,
        },
        hash: r.get(4)?,
        generation: r.get(5)?,
    })
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<Account>> {
    tx.rows(&format!("{COLUMNS} ORDER BY username"), params![], |r| {
        Ok(stored(r)?.account)
    })
}

pub(super) fn one(tx: Tx<'_>, username: &str) -> Done<Option<StoredAccount>> {
    tx.row(
        &format!("{COLUMNS} WHERE username = ?1"),
        params![username],
        stored,
    )
}

pub(super) fn create(tx: Tx<'_>, new: &StoredAccount, notes: &Notes) -> Done<Vec<Event>> {
    let account = &new.account;
    if one(tx, &account.username)?.is_some() {
        return Err(StoreError::AlreadyExists {
            field: "username",
            what: format!("account {}", account.username),
        }
        .into());
    }
    tx.execute(
        "INSERT INTO accounts (username, role, disabled, created_at, hash, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            account.username,
            word(&account.role)?,
            account.disabled,
            account.created_at,
            new.hash,
            new.generation
        ],
    )?;
    tx.notes_about(notes, None, serde_json::to_value(account).ok().as_ref())
}

pub(super) fn update(
    tx: Tx<'_>,
    username: &str,
    role: Option<Role>,
    disabled: Option<bool>,
    hash: Option<&str>,
    notes: &Notes,
) -> Done<Vec<Event>> {
    let old = one(tx, username)?.ok_or_else(|| not_found(format!("account {username}")))?;
    let mut new = old.account.clone();
    new.role = role.unwrap_or(new.role);
    new.disabled = disabled.unwrap_or(new.disabled);
    let manages = |a: &Account| a.role == Role::Admin && !a.disabled;
    if manages(&old.account) && !manages(&new) {
        let others: i64 = tx
            .value(
                "SELECT count(*) FROM accounts WHERE role = 'admin' AND disabled = FALSE AND username <> ?1",
                params![username],
            )?
            .unwrap_or_default();
        if others == 0 {
            return Err(conflict(format!(
                "{username} is the last account that can manage accounts; make another admin first"
            )));
        }
    }
    tx.execute(
        "UPDATE accounts SET role = ?2, disabled = ?3, hash = ?4, generation = generation + 1 WHERE username = ?1",
        params![username, word(&new.role)?, new.disabled, hash.unwrap_or(&old.hash)],
    )?;
    tx.notes_about(
        notes,
        serde_json::to_value(&old.account).ok().as_ref(),
        serde_json::to_value(&new).ok().as_ref(),
    )
}

pub(super) fn revoke_token(tx: Tx<'_>, id: &str, expires_at: Millis, notes: &Notes) -> Done<()> {
    revoke(tx, id, expires_at)?;
    tx.notes(notes)?;
    Ok(())
}

/// Records that a token ended before its time.
pub(super) fn revoke(tx: Tx<'_>, id: &str, expires_at: Millis) -> Done<()> {
    tx.execute(
        "DELETE FROM revoked_tokens WHERE expires_at < ?1",
        params![clock::now()],
    )?;
    tx.execute(
        "INSERT INTO revoked_tokens (id, expires_at) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
        params![id, expires_at],
    )?;
    Ok(())
}

pub(super) fn signed_in(tx: Tx<'_>, username: &str, at: Millis, notes: &Notes) -> Done<()> {
    tx.execute(
        "UPDATE accounts SET signed_in_at = ?2 WHERE username = ?1",
        params![username, at],
    )?;
    tx.notes(notes)?;
    Ok(())
}

pub(super) fn token_state(tx: Tx<'_>) -> Done<TokenState> {
    let revoked = tx.rows(
        "SELECT id FROM revoked_tokens WHERE expires_at >= ?1",
        params![clock::now()],
        |r| r.get(0),
    )?;
    let accounts = tx.rows(COLUMNS, params![], |r| {
        let a = stored(r)?;
        Ok((
            a.account.username,
            (a.generation, a.account.role, a.account.disabled),
        ))
    })?;
    Ok(TokenState {
        revoked: revoked.into_iter().collect(),
        accounts: accounts.into_iter().collect(),
    })
}
