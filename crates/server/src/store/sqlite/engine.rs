//! An SQLite connection in a transaction, as the shared SQL sees it.

use crate::clock;
use crate::store::chain::{self, Link};
use crate::store::sql::tx::{
    Done, Engine, Fail, OWNERSHIP, Ownership, Trouble, Tx, json, severity_number, word,
};
use crate::store::sql::value::{Row, Value, params};
use crate::store::{AuditDraft, EventDraft, StoreError};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, params_from_iter};

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(trouble(&error))
    }
}

/// What an error of SQLite means.
pub(super) fn trouble(error: &rusqlite::Error) -> Trouble {
    use rusqlite::Error as E;
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let message = error.to_string();
    if matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    ) {
        return Trouble::Corrupt {
            what: Some("the database file".to_owned()),
            message: format!("{message}; restore it from a backup"),
        };
    }
    match error {
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::InvalidColumnType(..) => Trouble::Corrupt {
            what: None,
            message,
        },
        _ => Trouble::Unavailable(message),
    }
}

/// The store's error for an error of SQLite.
pub(super) fn of_sqlite(operation: &'static str, error: &rusqlite::Error) -> StoreError {
    trouble(error).into_error(operation)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::{Null, ValueRef};
        Ok(match self {
            Self::Null => ToSqlOutput::from(Null),
            Self::Integer(n) => ToSqlOutput::from(*n),
            Self::Bool(yes) => ToSqlOutput::from(*yes),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A write transaction holds SQLite's write lock (`BEGIN IMMEDIATE`), so nothing that it reads changes
/// before its commit, and ids grow in commit order.
impl Engine for Connection {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Done<usize> {
        Ok(self
            .prepare_cached(sql)?
            .execute(params_from_iter(values))?)
    }

    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Done<bool>,
    ) -> Done<()> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if !each(&Row::Sqlite(row))? {
                break;
            }
        }
        Ok(())
    }

    fn ownership(&self) -> Done<Ownership> {
        let mut found = Ownership::default();
        self.query(OWNERSHIP, params![], &mut |row| {
            found = Ownership::of(row)?;
            Ok(false)
        })?;
        Ok(found)
    }

    fn put_audit(&self, row: &AuditDraft) -> Done<()> {
        let tx = Tx(self);
        let last = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
        let id = tx.value::<i64>(last, params![])?.unwrap_or_default() + 1;
        let head = "SELECT hash FROM audit_head";
        let previous = tx.value::<String>(head, params![])?.unwrap_or_default();
        let before = row.before.as_ref().map(json).transpose()?;
        let after = row.after.as_ref().map(json).transpose()?;
        let link = Link {
            id,
            at: clock::now(),
            fields: [
                Some(&row.actor),
                Some(row.action),
                Some(&row.subject),
                before.as_deref(),
                after.as_deref(),
                row.reason.as_deref(),
                Some(&row.address),
                Some(&row.agent),
                Some(&row.request_id),
            ],
        };
        let hash = chain::hash(&previous, &link);
        tx.execute(
            "INSERT INTO audit (id, at, actor, action, subject, before, after, reason, address, agent, request_id, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                id,
                link.at,
                row.actor,
                row.action,
                row.subject,
                before,
                after,
                row.reason,
                row.address,
                row.agent,
                row.request_id,
                hash,
            ],
        )?;
        tx.execute(
            "UPDATE audit_head SET last = ?1, hash = ?2",
            params![id, hash],
        )?;
        Ok(())
    }

    fn put_event(&self, event: &EventDraft, at: i64, epoch: i64) -> Done<i64> {
        Tx(self).execute(
            "INSERT INTO events (at, severity, topic, kind, subject, message, actor, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                at,
                severity_number(event.severity),
                word(&event.topic)?,
                event.kind,
                event.subject,
                event.message,
                event.actor,
                epoch,
            ],
        )?;
        Ok(self.last_insert_rowid())
    }
}
