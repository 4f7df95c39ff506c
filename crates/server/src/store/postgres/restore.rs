//! Long reads (backups above all) and restorations, on a connection of their own: a writer or a reader of the server would
//! not have the time.

use super::broken::Broken;
use super::link::Link;
use super::session::{self, Session};
use super::{PostgresOptions, schema};
use crate::store::backup::{BackupError, Dialect, Emptiness, How, Loading, Progress, Restored};
use crate::store::sql::LongRead;
use crate::store::sql::tx::Tx;
use crate::store::{PostgresTarget, Result, StoreError};
use std::time::Duration;

/// How long one statement may take.
const WITHIN: Duration = Duration::from_mins(10);
/// The server must not end a transaction whose next page waits for a slow disk here.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = '10min'; SET tcp_user_timeout = 0";
/// Backends of servers of ours that have this database open.
const OTHERS: &str = "SELECT DISTINCT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'gridhelm/%' AND application_name <> ?1 LIMIT 5";

fn unavailable(operation: &'static str, broken: &Broken) -> StoreError {
    broken.trouble("").into_error(operation)
}

fn connect(link: &Link, operation: &'static str) -> Result<Session> {
    let runtime = session::runtime().map_err(|error| StoreError::Unavailable {
        operation,
        message: error.to_string(),
    })?;
    let failed = |broken: Broken| unavailable(operation, &broken);
    let session = Session::open(&runtime, link, WITHIN).map_err(failed)?;
    session
        .begin(async |client| client.batch_execute(PATIENT).await)
        .map_err(failed)?;
    Ok(session)
}

/// Reads one snapshot. Blocks.
pub(super) fn at_length(link: &Link, operation: &'static str, work: LongRead<'_>) -> Result<()> {
    let session = connect(link, operation)?;
    session
        .begin(async |client| {
            client
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
        })
        .map_err(|broken| unavailable(operation, &broken))?;
    let read = (work.0)(Tx(&session), Dialect::Postgres);
    let ended = session.roll_back();
    session.close();
    read.map_err(|fail| fail.into_error(operation))?;
    ended.map_err(|broken| unavailable(operation, &broken))
}

/// Restores a backup into a database that has no group's rows, in one transaction: a process that dies half way leaves
/// it empty. Blocks, outside of a runtime.
///
/// # Errors
/// [`BackupError`]; nothing was written then.
pub fn restore(
    target: &PostgresTarget,
    options: &PostgresOptions,
    how: How,
    progress: &Progress,
) -> std::result::Result<Restored, BackupError> {
    let operation = "restore";
    let mut loading = Loading::begin(how.clone(), progress)?;
    let link = Link::new(target.clone(), &how.group, &options.server, &options.boot);
    let runtime = session::runtime().map_err(|error| StoreError::Unavailable {
        operation,
        message: error.to_string(),
    })?;
    runtime.block_on(schema::prepare(&link, &how.group))?;
    // Its connection, which holds the lock of migrations, goes with it.
    drop(runtime);
    let session = connect(&link, operation)?;
    let outcome = inside(&session, &link, &how, &mut loading);
    if outcome.is_err() {
        // The end of the connection would do it, too.
        let _ = session.roll_back();
    }
    session.close();
    outcome?;
    loading.finish()
}

fn inside(
    session: &Session,
    link: &Link,
    how: &How,
    loading: &mut Loading<'_>,
) -> std::result::Result<(), BackupError> {
    let operation = "restore";
    let failed = |broken: Broken| BackupError::Store(unavailable(operation, &broken));
    let keys = link.keys;
    // No server can start (they wait for this lock to look at the schema), be active, or write.
    let free = session
        .begin(async |client| {
            client
                .batch_execute("BEGIN; SET LOCAL lock_timeout = '10s'")
                .await?;
            client
                .query("SELECT pg_advisory_xact_lock($1)", &[&keys.migration])
                .await?;
            client
                .query_one(
                    "SELECT pg_try_advisory_xact_lock($1) AND pg_try_advisory_xact_lock($2)",
                    &[&keys.life, &keys.fence],
                )
                .await?
                .try_get::<_, bool>(0)
        })
        .map_err(failed)?;
    if !free {
        return Err(BackupError::Running(
            "it holds the group's locks".to_owned(),
        ));
    }
    let tx = Tx(session);
    let of_store =
        |fail: crate::store::sql::tx::Fail| BackupError::Store(fail.into_error(operation));
    let others = {
        let mut names: Vec<String> = Vec::new();
        let mine = crate::store::sql::value::Value::Text(&link.application);
        tx.0.query(OTHERS, &[mine], &mut |row| {
            names.push(row.get(0)?);
            Ok(true)
        })
        .map_err(of_store)?;
        names
    };
    if !others.is_empty() {
        return Err(BackupError::Running(others.join(", ")));
    }
    if let Some(has) = Emptiness::found(tx).map_err(of_store)? {
        return Err(BackupError::NotEmpty {
            group: how.group.clone(),
            place: format!("{:?}", link.target),
            has,
            hint: "Make a new database, and name it in database.url",
        });
    }
    if loading.load(tx, Dialect::Postgres).map_err(of_store)? {
        session.commit().map_err(failed)
    } else {
        session.roll_back().map_err(failed)
    }
}
