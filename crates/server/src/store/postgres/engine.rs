//! A session in a transaction, as the shared SQL sees it.

use super::session::Session;
use crate::clock;
use crate::store::sql::tx::{Done, Engine, OWNERSHIP, Ownership};
use crate::store::sql::value::{Row, Value, params};
use crate::store::{AuditDraft, EventDraft};
use futures_util::future::try_join_all;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

fn given<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

impl Engine for Session {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Done<usize> {
        let statement = self.prepared(sql)?;
        let values = given(values);
        let changed = self.after(true, self.client().execute(&statement, &values))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn execute_each(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Done<Vec<usize>> {
        let statement = self.prepared(sql)?;
        let rows: Vec<_> = rows.iter().map(|row| given(row)).collect();
        // All are sent before the first answer is waited for.
        let calls = try_join_all(
            rows.iter()
                .map(|row| self.client().execute(&statement, row)),
        );
        let changed = self.after(true, calls)?;
        Ok(changed
            .into_iter()
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
            .collect())
    }

    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Done<bool>,
    ) -> Done<()> {
        let statement = self.prepared(sql)?;
        let values = given(values);
        let writes = !sql.starts_with("SELECT");
        let rows = self.after(writes, self.client().query(&statement, &values))?;
        for row in &rows {
            if !each(&Row::Postgres(row))? {
                break;
            }
        }
        Ok(())
    }

    /// A writing transaction holds the fence's lock, so what it found once stays until its commit.
    fn ownership(&self) -> Done<Ownership> {
        if let Some(known) = self.state().ownership.clone() {
            return Ok(known);
        }
        let mut found = Ownership::default();
        self.query(OWNERSHIP, params![], &mut |row| {
            found = Ownership::of(row)?;
            Ok(false)
        })?;
        self.state().ownership = Some(found.clone());
        Ok(found)
    }

    fn ownership_changed(&self) {
        self.state().ownership = None;
    }

    fn put_audit(&self, row: &AuditDraft) -> Done<()> {
        self.state().drafts.put_audit(row, clock::now())
    }

    fn put_event(&self, event: &EventDraft, at: i64, epoch: i64) -> Done<i64> {
        self.state().drafts.put_event(event, at, epoch)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Integer(n) if *ty == Type::INT8 => n.to_sql(ty, out),
            Self::Bool(yes) if *ty == Type::BOOL => yes.to_sql(ty, out),
            Self::Text(text) if *ty == Type::TEXT => storable(text).as_ref().to_sql(ty, out),
            Self::Bytes(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            other => Err(format!("{other:?} does not fit a column of type {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL keeps no NUL in text: it becomes the character for what cannot be shown.
pub(super) fn storable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}
