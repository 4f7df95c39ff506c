//! What a transaction can do: SQL with cached statements, the fence, notes.

use crate::clock;
use crate::store::{AuditDraft, EventDraft, Fence, Notes, StoreError};
use gridhelm_api::event::{Event, Severity};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// Why a transaction's work stopped.
#[derive(Debug)]
pub(super) enum Fail {
    /// The database failed.
    Sqlite(rusqlite::Error),
    /// The store refuses.
    Store(StoreError),
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fail {
    /// The store's error for callers.
    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sqlite(error) => of_sqlite(operation, &error),
        }
    }
}

/// The store's error for an error of SQLite.
pub(super) fn of_sqlite(operation: &'static str, error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let message = error.to_string();
    if matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    ) {
        return StoreError::Corrupt {
            what: format!("the database file ({operation})"),
            message: format!("{message}; restore it from a backup"),
        };
    }
    match error {
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::InvalidColumnType(..) => StoreError::Corrupt {
            what: operation.to_owned(),
            message,
        },
        _ => StoreError::Unavailable { operation, message },
    }
}

/// What work in a transaction answers.
pub(super) type Done<T> = Result<T, Fail>;

/// An open transaction. Whoever made it commits or rolls back.
#[derive(Clone, Copy)]
pub(super) struct Tx<'c>(pub(super) &'c Connection);

impl Tx<'_> {
    /// Runs a statement; answers how many rows it changed.
    pub(super) fn execute(self, sql: &str, params: impl Params) -> Done<usize> {
        Ok(self.0.prepare_cached(sql)?.execute(params)?)
    }

    /// The first row, if there is one.
    pub(super) fn row<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Done<T>,
    ) -> Done<Option<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    /// All rows.
    pub(super) fn rows<T>(
        self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Done<T>,
    ) -> Done<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The id of the row inserted last.
    pub(super) fn last_id(self) -> i64 {
        self.0.last_insert_rowid()
    }

    /// Checks inside the transaction that the caller still owns the epoch and has not released it. A
    /// write transaction holds SQLite's write lock, so this cannot change before its commit.
    pub(super) fn fence(self, fence: &Fence) -> Done<()> {
        let held = self.row(
            "SELECT e.epoch, e.boot, e.server, l.released FROM epoch e, lease l",
            [],
            |r| {
                Ok((
                    r.get::<_, i64>(0)?,
                    r.get::<_, Option<String>>(1)?,
                    r.get::<_, Option<String>>(2)?,
                    r.get::<_, bool>(3)?,
                ))
            },
        )?;
        let (epoch, boot, owner, released) = held.unwrap_or_default();
        if epoch == fence.epoch && boot.as_deref() == Some(&fence.boot) && !released {
            return Ok(());
        }
        Err(StoreError::Fenced { epoch, owner }.into())
    }

    /// The epoch as it stands.
    pub(super) fn epoch(self) -> Done<i64> {
        Ok(self
            .row("SELECT epoch FROM epoch", [], |r| Ok(r.get(0)?))?
            .unwrap_or_default())
    }

    /// Writes the notes; answers the events with their ids.
    pub(super) fn notes(self, notes: &Notes) -> Done<Vec<Event>> {
        for row in &notes.audit {
            self.audit(row)?;
        }
        if notes.events.is_empty() {
            return Ok(Vec::new());
        }
        let epoch = self.epoch()?;
        notes.events.iter().map(|e| self.event(e, epoch)).collect()
    }

    /// As [`Tx::notes`], filling in what audit rows leave open about the state before and after.
    pub(super) fn notes_about(
        self,
        notes: &Notes,
        before: Option<&serde_json::Value>,
        after: Option<&serde_json::Value>,
    ) -> Done<Vec<Event>> {
        let mut notes = notes.clone();
        for row in &mut notes.audit {
            row.before = row.before.take().or_else(|| before.cloned());
            row.after = row.after.take().or_else(|| after.cloned());
        }
        self.notes(&notes)
    }

    fn audit(self, row: &AuditDraft) -> Done<()> {
        self.execute(
            "INSERT INTO audit (at, actor, action, subject, before, after, reason, address, request_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                clock::now(),
                row.actor,
                row.action,
                row.subject,
                row.before.as_ref().map(json).transpose()?,
                row.after.as_ref().map(json).transpose()?,
                row.reason,
                row.address,
                row.request_id,
            ],
        )?;
        Ok(())
    }

    fn event(self, draft: &EventDraft, epoch: i64) -> Done<Event> {
        let at = clock::now();
        self.execute(
            "INSERT INTO events (at, severity, topic, kind, subject, message, actor, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                at,
                severity_number(draft.severity),
                word(&draft.topic)?,
                draft.kind,
                draft.subject,
                draft.message,
                draft.actor,
                epoch,
            ],
        )?;
        Ok(Event {
            id: self.last_id(),
            at,
            severity: draft.severity,
            topic: draft.topic,
            kind: draft.kind.to_owned(),
            subject: draft.subject.clone(),
            message: draft.message.clone(),
            actor: draft.actor.clone(),
            epoch,
        })
    }

    /// One value, `None` without a row.
    pub(super) fn value<T: rusqlite::types::FromSql>(
        self,
        sql: &str,
        params: impl Params,
    ) -> Done<Option<T>> {
        Ok(self
            .0
            .prepare_cached(sql)?
            .query_row(params, |r| r.get(0))
            .optional()?)
    }
}

/// How a severity is kept: a number, so that "at least so grave" is one comparison.
pub(super) const fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Good => 1,
        Severity::Warn => 2,
        Severity::Fail => 3,
    }
}

/// JSON text of a value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Done<String> {
    serde_json::to_string(value).map_err(|e| {
        StoreError::Corrupt {
            what: "a value to be written".to_owned(),
            message: e.to_string(),
        }
        .into()
    })
}

/// The value of a JSON column.
pub(super) fn of_json<T: DeserializeOwned>(what: &str, text: &str) -> Done<T> {
    serde_json::from_str(text).map_err(|e| corrupt(what, e))
}

/// The API's word for a value of an enumeration.
pub(super) fn word<T: Serialize>(value: &T) -> Done<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(corrupt("a word to be written", format!("{other:?}"))),
    }
}

/// The value of the API's word.
pub(super) fn of_word<'d, T: Deserialize<'d>>(what: &str, word: &'d str) -> Done<T> {
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(word))
        .map_err(|e| corrupt(what, e))
}

/// The error for a row that cannot be understood.
pub(super) fn corrupt(what: &str, message: impl core::fmt::Display) -> Fail {
    StoreError::Corrupt {
        what: what.to_owned(),
        message: format!("{message}"),
    }
    .into()
}

/// A count or a size out of SQLite's signed integers.
pub(super) fn unsigned<T: TryFrom<i64>>(what: &str, value: i64) -> Done<T> {
    T::try_from(value).map_err(|_| corrupt(what, format!("{value} is out of range")))
}

/// A size as SQLite keeps it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The error for a thing that is not there.
pub(super) fn not_found(what: impl Into<String>) -> Fail {
    StoreError::NotFound { what: what.into() }.into()
}

/// The error for a thing in a wrong state.
pub(super) fn conflict(why: impl Into<String>) -> Fail {
    StoreError::Conflict { why: why.into() }.into()
}
