//! What a transaction can do, whatever the database: statements, the fence, notes.

use super::value::{Column, Row, Value, params};
use crate::clock;
use crate::store::{AuditDraft, EventDraft, Fence, Notes, StoreError};
use gridhelm_api::event::{Event, Severity};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// Why a transaction's work stopped.
#[derive(Debug)]
pub(in crate::store) enum Fail {
    /// The database failed.
    Database(Trouble),
    /// The store refuses.
    Store(StoreError),
}

/// What a database said when it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Trouble {
    /// It failed or cannot be reached.
    Unavailable(String),
    /// What it holds is damaged: what, and what to do.
    Corrupt {
        /// What is damaged; `None` for what was being done.
        what: Option<String>,
        /// What is wrong with it.
        message: String,
    },
}

impl Trouble {
    /// The store's error for callers.
    pub(in crate::store) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Unavailable(message) => StoreError::Unavailable { operation, message },
            Self::Corrupt { what, message } => StoreError::Corrupt {
                what: what.map_or_else(
                    || operation.to_owned(),
                    |what| format!("{what} ({operation})"),
                ),
                message,
            },
        }
    }
}

impl From<Trouble> for Fail {
    fn from(trouble: Trouble) -> Self {
        Self::Database(trouble)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fail {
    /// The store's error for callers.
    pub(in crate::store) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Database(trouble) => trouble.into_error(operation),
        }
    }
}

/// What work in a transaction answers.
pub(in crate::store) type Done<T> = Result<T, Fail>;

/// What the fence compares: the rows of epoch and lease as they stand in this transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Ownership {
    /// The epoch.
    pub(in crate::store) epoch: i64,
    /// The owner's boot id.
    pub(in crate::store) boot: Option<String>,
    /// The owner's name.
    pub(in crate::store) server: Option<String>,
    /// Whether the owner gave it up.
    pub(in crate::store) released: bool,
}

/// Reads [`Ownership`].
pub(in crate::store) const OWNERSHIP: &str =
    "SELECT e.epoch, e.boot, e.server, l.released FROM epoch e, lease l";

impl Ownership {
    /// Of a row of [`OWNERSHIP`].
    pub(in crate::store) fn of(row: &Row<'_>) -> Done<Self> {
        Ok(Self {
            epoch: row.get(0)?,
            boot: row.get(1)?,
            server: row.get(2)?,
            released: row.get(3)?,
        })
    }
}

/// A database in an open transaction. There is one writing transaction of a group at a time, so what a
/// transaction reads holds until its commit. Marks in statements are `?1`, `?2`, …
pub(in crate::store) trait Engine {
    /// Runs a statement; answers how many rows it changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Done<usize>;

    /// Runs a statement once for each of these values; answers how many rows each changed.
    fn execute_each(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Done<Vec<usize>> {
        rows.iter()
            .map(|values| self.execute(sql, values))
            .collect()
    }

    /// Hands the rows of an answer to `each` until it says `false`.
    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Done<bool>,
    ) -> Done<()>;

    /// The rows of epoch and lease, in a way that they cannot change before the commit.
    fn ownership(&self) -> Done<Ownership>;

    /// The epoch or the lease was changed in this transaction.
    fn ownership_changed(&self) {}

    /// Writes an audit row.
    fn put_audit(&self, row: &AuditDraft) -> Done<()>;

    /// Writes an event; answers its id, which is higher than that of every event committed before.
    fn put_event(&self, event: &EventDraft, at: i64, epoch: i64) -> Done<i64>;
}

/// An open transaction. Whoever made it commits or rolls back.
#[derive(Clone, Copy)]
pub(in crate::store) struct Tx<'c>(pub(in crate::store) &'c dyn Engine);

impl Tx<'_> {
    /// Runs a statement; answers how many rows it changed.
    pub(in crate::store) fn execute(self, sql: &str, values: &[Value<'_>]) -> Done<usize> {
        self.0.execute(sql, values)
    }

    /// Runs a statement once for each of these values; answers how many rows each changed.
    pub(super) fn execute_each(self, sql: &str, rows: &[Vec<Value<'_>>]) -> Done<Vec<usize>> {
        self.0.execute_each(sql, rows)
    }

    /// The first row, if there is one.
    pub(super) fn row<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Done<T>,
    ) -> Done<Option<T>> {
        let mut found = None;
        self.0.query(sql, values, &mut |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// All rows.
    pub(super) fn rows<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Done<T>,
    ) -> Done<Vec<T>> {
        let mut all = Vec::new();
        self.0.query(sql, values, &mut |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// One value, `None` without a row.
    pub(in crate::store) fn value<T: Column>(
        self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Done<Option<T>> {
        self.row(sql, values, |row| row.get(0))
    }

    /// Checks inside the transaction that the caller still owns the epoch and has not released it.
    pub(in crate::store) fn fence(self, fence: &Fence) -> Done<()> {
        let now = self.0.ownership()?;
        let owned = now.boot.as_deref() == Some(&fence.boot) && !now.released;
        if now.epoch == fence.epoch && owned {
            return Ok(());
        }
        Err(StoreError::Fenced {
            epoch: now.epoch,
            owner: now.server,
        }
        .into())
    }

    /// The epoch or the lease was changed in this transaction.
    pub(super) fn ownership_changed(self) {
        self.0.ownership_changed();
    }

    /// The epoch as it stands.
    pub(super) fn epoch(self) -> Done<i64> {
        Ok(self
            .value("SELECT epoch FROM epoch", params![])?
            .unwrap_or_default())
    }

    /// Writes the notes; answers the events with their ids.
    pub(in crate::store) fn notes(self, notes: &Notes) -> Done<Vec<Event>> {
        for row in &notes.audit {
            self.0.put_audit(row)?;
        }
        if notes.events.is_empty() {
            return Ok(Vec::new());
        }
        let epoch = self.0.ownership()?.epoch;
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

    fn event(self, draft: &EventDraft, epoch: i64) -> Done<Event> {
        let at = clock::now();
        Ok(Event {
            id: self.0.put_event(draft, at, epoch)?,
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
}

/// How a severity is kept: a number, so that "at least so grave" is one comparison.
pub(in crate::store) const fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Good => 1,
        Severity::Warn => 2,
        Severity::Fail => 3,
    }
}
/// JSON text of a value.
pub(in crate::store) fn json<T: Serialize + ?Sized>(value: &T) -> Done<String> {
    serde_json::to_string(value).map_err(|e| {
        StoreError::Corrupt {
            what: "a value to be written".to_owned(),
            message: e.to_string(),
        }
        .into()
    })
}

/// The value of a JSON column.
pub(in crate::store) fn of_json<T: DeserializeOwned>(what: &str, text: &str) -> Done<T> {
    serde_json::from_str(text).map_err(|e| corrupt(what, e))
}

/// The API's word for a value of an enumeration.
pub(in crate::store) fn word<T: Serialize>(value: &T) -> Done<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(corrupt("a word to be written", format!("{other:?}"))),
    }
}

/// The value of the API's word.
pub(in crate::store) fn of_word<'d, T: Deserialize<'d>>(what: &str, word: &'d str) -> Done<T> {
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(word))
        .map_err(|e| corrupt(what, e))
}

/// The error for a row that cannot be understood.
pub(in crate::store) fn corrupt(what: &str, message: impl core::fmt::Display) -> Fail {
    StoreError::Corrupt {
        what: what.to_owned(),
        message: format!("{message}"),
    }
    .into()
}

/// A count or a size out of the database's signed integers.
pub(in crate::store) fn unsigned<T: TryFrom<i64>>(what: &str, value: i64) -> Done<T> {
    T::try_from(value).map_err(|_| corrupt(what, format!("{value} is out of range")))
}

/// A size as the databases keep it.
pub(in crate::store) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The error for a thing that is not there.
pub(in crate::store) fn not_found(what: impl Into<String>) -> Fail {
    StoreError::NotFound { what: what.into() }.into()
}

/// The error for a thing in a wrong state.
pub(in crate::store) fn conflict(why: impl Into<String>) -> Fail {
    StoreError::Conflict { why: why.into() }.into()
}
