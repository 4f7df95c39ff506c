//! A connection to PostgreSQL on a thread of its own.
//!
//! The shared SQL is not asynchronous, so each thread runs the driver on a small runtime of its own: a round
//! trip costs no switch between threads.

use super::broken::{Broken, words};
use super::link::{self, Link};
use super::notes::Drafts;
use super::standing::History;
use crate::store::sql::tx::Ownership;
use futures_util::future::join;
use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, Statement};

/// How much longer than the server itself allows a statement its answer may take.
const MARGIN: Duration = Duration::from_secs(1);
/// How many prepared statements are kept.
const STATEMENTS: usize = 200;

/// A connection with its prepared statements and the state of its transaction.
pub(super) struct Session {
    runtime: Rc<Runtime>,
    client: Client,
    connection: JoinHandle<()>,
    limit: Duration,
    host: String,
    history: Option<History>,
    statements: RefCell<HashMap<String, Statement>>,
    state: RefCell<State>,
}

/// What is known of the open transaction.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What is sent ahead of the next statement.
    ahead: Option<&'static str>,
    /// What is sent ahead of the next statement that writes.
    ahead_of_write: Option<&'static str>,
    /// A job before has left its savepoint.
    savepoint: bool,
    /// Why the transaction cannot go on.
    broken: Option<Broken>,
    /// What the fence compares, once read.
    pub(super) ownership: Option<Ownership>,
    /// Notes to be written at the end.
    pub(super) drafts: Drafts,
}

/// A runtime for the connections of one thread.
pub(super) fn runtime() -> std::io::Result<Rc<Runtime>> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map(Rc::new)
}

impl Session {
    /// Connects. A statement may take so long.
    pub(super) fn open(
        runtime: &Rc<Runtime>,
        link: &Link,
        statement: Duration,
    ) -> Result<Self, Broken> {
        runtime.block_on(async {
            let open = link.connect().await?;
            let connection = tokio::spawn(async move {
                if let Err(error) = open.connection.await {
                    tracing::debug!(error = words(&error), "a connection to the database ended");
                }
            });
            let initialised =
                tokio::time::timeout(link::INIT_WITHIN, link::init(&open.client, statement)).await;
            match initialised {
                Ok(Ok(())) => Ok(Self {
                    runtime: Rc::clone(runtime),
                    client: open.client,
                    connection,
                    limit: statement + MARGIN,
                    host: open.host,
                    history: open.history,
                    statements: RefCell::default(),
                    state: RefCell::default(),
                }),
                Ok(Err(error)) => Err(Broken::of(&error)),
                Err(_) => Err(Broken::Lost(format!("{} does not answer", open.host))),
            }
        })
    }

    /// The session, unless its server turned out to be an old primary since.
    pub(super) fn checked(self, link: &Link) -> Result<Self, Broken> {
        match link.known.refuses(self.history.as_ref()) {
            None => Ok(self),
            Some(why) => Err(Broken::Lost(format!("{}: {why}", self.host))),
        }
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

    /// The state of the transaction. Never held across a call.
    pub(super) fn state(&self) -> RefMut<'_, State> {
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
    pub(super) fn found(&self, ownership: Ownership, event: i64, audit: i64, head: (i64, String)) {
        let mut state = self.state();
        state.ownership = Some(ownership);
        state.drafts = Drafts::after(event, audit, head);
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
            .block_on(async { tokio::time::timeout(self.limit, call).await });
        let broken = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) if self.client.is_closed() => Broken::Lost(words(&error)),
            Ok(Err(error)) => Broken::of(&error),
            Err(_) => Broken::Lost(format!("no answer within {:?}", self.limit)),
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
    pub(super) fn after<T>(
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
