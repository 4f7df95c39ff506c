//! A connection to PostgreSQL on a thread of its own, as the shared SQL sees it.
//!
//! The shared SQL is not asynchronous, so each thread runs the driver on a small runtime of its own: a round
//! trip costs no switch between threads.

use super::broken::{Broken, words};
use super::link::{self, Link};
use super::notes::Drafts;
use crate::clock;
use crate::store::sql::tx::{Done, Engine, OWNERSHIP, Ownership};
use crate::store::sql::value::{Row, Value, params};
use crate::store::{AuditDraft, EventDraft};
use futures_util::future::{join, try_join_all};
use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Statement};

/// How long a statement may take on top of what the server itself allows it.
const LIMIT: Duration = Duration::from_secs(11);
/// How many prepared statements are kept.
const STATEMENTS: usize = 200;

/// A connection with its prepared statements and the state of its transaction.
pub(super) struct Session {
    runtime: Rc<Runtime>,
    client: Client,
    connection: JoinHandle<()>,
    statements: RefCell<HashMap<String, Statement>>,
    state: RefCell<State>,
}

/// What is known of the open transaction.
#[derive(Debug, Default)]
struct State {
    /// What is sent ahead of the next statement.
    ahead: Option<&'static str>,
    /// What is sent ahead of the next statement that writes.
    ahead_of_write: Option<&'static str>,
    /// A job before has left its savepoint.
    savepoint: bool,
    /// Why the transaction cannot go on.
    broken: Option<Broken>,
    ownership: Option<Ownership>,
    drafts: Drafts,
}

/// A runtime for the connections of one thread.
pub(super) fn runtime() -> std::io::Result<Rc<Runtime>> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map(Rc::new)
}

impl Session {
    /// Connects.
    pub(super) fn open(runtime: &Rc<Runtime>, link: &Link) -> Result<Self, Broken> {
        runtime.block_on(async {
            let open = link.connect().await?;
            let connection = tokio::spawn(async move {
                if let Err(error) = open.connection.await {
                    tracing::debug!(error = words(&error), "a connection to the database ended");
                }
            });
            let initialised =
                tokio::time::timeout(link::INIT_WITHIN, link::init(&open.client)).await;
            match initialised {
                Ok(Ok(())) => Ok(Self {
                    runtime: Rc::clone(runtime),
                    client: open.client,
                    connection,
                    statements: RefCell::default(),
                    state: RefCell::default(),
                }),
                Ok(Err(error)) => Err(Broken::of(&error)),
                Err(_) => Err(Broken::Lost(format!("{} does not answer", open.host))),
            }
        })
    }

    /// Ends the connection in order.
    pub(super) fn close(self) {
        let Self {
            runtime,
            client,
            connection,
            ..
        } = self;
        drop(client);
        runtime.block_on(async {
            let _ = tokio::time::timeout(Duration::from_millis(200), connection).await;
        });
    }

    fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    /// The next transaction begins: with this, sent together with its first statement.
    pub(super) fn begin_lazily(&self, begin: &'static str) {
        *self.state() = State {
            ahead: Some(begin),
            ..State::default()
        };
    }

    /// The next transaction begins by these calls.
    pub(super) fn begin<T>(
        &self,
        calls: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Broken> {
        *self.state() = State::default();
        self.wait(calls(&self.client))
    }

    /// What the writing transaction found at its beginning, under its locks.
    pub(super) fn found(&self, ownership: Ownership, event: i64, audit: i64) {
        let mut state = self.state();
        state.ownership = Some(ownership);
        state.drafts = Drafts::after(event, audit);
    }

    /// A job begins. Where others share its transaction, what it writes goes into a savepoint of its own.
    pub(super) fn begin_job(&self, shared: bool) {
        let mut state = self.state();
        state.drafts.mark();
        // One at a time: many open ones would make every look at a row's state slower.
        let savepoint = if state.savepoint {
            "RELEASE SAVEPOINT job; SAVEPOINT job"
        } else {
            "SAVEPOINT job"
        };
        state.ahead_of_write = shared.then_some(savepoint);
    }

    /// Undoes what the job wrote.
    pub(super) fn undo_job(&self) -> Result<(), Broken> {
        let wrote = {
            let mut state = self.state();
            state.drafts.back_to_mark();
            state.ownership = None;
            state.ahead_of_write.take().is_none()
        };
        if wrote {
            self.wait(self.client.batch_execute("ROLLBACK TO SAVEPOINT job"))?;
        }
        Ok(())
    }

    /// Writes the notes of all jobs.
    pub(super) fn flush(&self) -> Result<(), Broken> {
        let drafts = std::mem::take(&mut self.state().drafts);
        if drafts.is_empty() {
            return Ok(());
        }
        let (events, audit, counters) = (
            self.prepared(Drafts::EVENTS)?,
            self.prepared(Drafts::AUDIT)?,
            self.prepared(Drafts::COUNTERS)?,
        );
        self.wait(drafts.write(&self.client, &events, &audit, &counters))
    }

    /// Commits. After [`Broken::Lost`] it is open whether that happened.
    pub(super) fn commit(&self) -> Result<(), Broken> {
        self.wait(self.client.batch_execute("COMMIT"))
    }

    /// Undoes the transaction.
    pub(super) fn roll_back(&self) -> Result<(), Broken> {
        self.wait(self.client.batch_execute("ROLLBACK"))
    }

    /// Ends a transaction that only read; whether it was begun at all.
    pub(super) fn end_reading(&self) -> Result<(), Broken> {
        if self.state().ahead.is_some() {
            return Ok(());
        }
        self.commit()
    }

    /// Why the transaction cannot go on, if so.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.state().broken.clone()
    }

    /// Runs calls to the driver; what breaks is remembered.
    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Broken> {
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, call).await });
        let broken = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) if self.client.is_closed() => Broken::Lost(words(&error)),
            Ok(Err(error)) => Broken::of(&error),
            Err(_) => Broken::Lost(format!("no answer within {LIMIT:?}")),
        };
        self.state().broken.get_or_insert_with(|| broken.clone());
        Err(broken)
    }

    /// The client, for what the shared SQL does not know.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The statement, prepared. Marks are `?1`, `?2`, … in the shared SQL.
    pub(super) fn prepared(&self, sql: &str) -> Result<Statement, Broken> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.wait(self.client.prepare(&sql.replace('?', "$")))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// What is to be sent ahead of a statement.
    fn ahead(&self, writes: bool) -> Option<&'static str> {
        let mut state = self.state();
        let savepoint = state.ahead_of_write.take_if(|_| writes);
        state.savepoint |= savepoint.is_some();
        state.ahead.take().or(savepoint)
    }

    /// Runs a call, with what is to be sent ahead of it in the same round trip.
    fn after<T>(
        &self,
        writes: bool,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Broken> {
        match self.ahead(writes) {
            None => self.wait(call),
            Some(ahead) => self.wait(async {
                let (ahead, done) = join(self.client.batch_execute(ahead), call).await;
                ahead?;
                done
            }),
        }
    }
}

fn given<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

impl Engine for Session {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Done<usize> {
        let statement = self.prepared(sql)?;
        let values = given(values);
        let changed = self.after(true, self.client.execute(&statement, &values))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn execute_each(&self, sql: &str, rows: &[Vec<Value<'_>>]) -> Done<Vec<usize>> {
        let statement = self.prepared(sql)?;
        let rows: Vec<_> = rows.iter().map(|row| given(row)).collect();
        // All are sent before the first answer is waited for.
        let calls = try_join_all(rows.iter().map(|row| self.client.execute(&statement, row)));
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
        let rows = self.after(writes, self.client.query(&statement, &values))?;
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
