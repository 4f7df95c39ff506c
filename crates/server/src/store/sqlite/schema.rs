//! Opening the file, and bringing its schema up to date.

use super::engine::of_sqlite;
use crate::store::{Result, StoreError};
use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All migrations, in order; the last one's number is the schema that this build writes. A published one is never changed: a change is a new one. First a release
/// expands (older servers go on), a later one contracts and raises `oldest_served`.
pub(super) fn migrations() -> core::result::Result<Vec<Migration>, refinery::Error> {
    Ok(vec![
        Migration::unapplied("V1__first", include_str!("migrations/V1__first.sql"))?,
        Migration::unapplied(
            "V2__directories",
            include_str!("migrations/V2__directories.sql"),
        )?,
        Migration::unapplied("V3__settings", include_str!("migrations/V3__settings.sql"))?,
        Migration::unapplied("V4__accounts", include_str!("migrations/V4__accounts.sql"))?,
        Migration::unapplied(
            "V5__join_tokens",
            include_str!("migrations/V5__join_tokens.sql"),
        )?,
        Migration::unapplied("V6__watch", include_str!("migrations/V6__watch.sql"))?,
        Migration::unapplied("V7__tree", include_str!("migrations/V7__tree.sql"))?,
        Migration::unapplied("V8__verified", include_str!("migrations/V8__verified.sql"))?,
        Migration::unapplied("V9__hold", include_str!("migrations/V9__hold.sql"))?,
    ])
}

/// The schema that this build writes.
pub(super) fn newest() -> Result<i64> {
    let known = migrations().map_err(|e| StoreError::Unavailable {
        operation: "open",
        message: e.to_string(),
    })?;
    Ok(crate::release::known(known).1)
}

/// How long a server waits for another that migrates.
const MIGRATION_WAIT: Duration = Duration::from_mins(1);

/// Makes sure that the file exists, is readable by its owner alone, and has this build's schema.
pub(super) fn prepare(path: &Path, max_pages: Option<u32>) -> Result<()> {
    let failed = |message: String| StoreError::Unavailable {
        operation: "open",
        message,
    };
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(|e| failed(format!("{}: {e}", path.display())))?;
    let _lock = migration_lock(path, MIGRATION_WAIT)?;
    let mut conn = connect(path, max_pages)?;
    let known = migrations().map_err(|e| failed(e.to_string()))?;
    let (migrations, schema) = crate::release::known(known);
    let at = schema_of(&conn)?;
    if let Some((version, oldest_served)) = at {
        if oldest_served > schema {
            return Err(failed(format!(
                "{} has schema {version}, which serves servers of schema {oldest_served} and later; this build knows \
                 schema {schema}: start a newer gridhelm-server",
                path.display()
            )));
        }
        if version > schema {
            tracing::warn!(
                version,
                known = schema,
                "the database is of a newer schema that still serves this build"
            );
        }
        if version >= schema {
            return Ok(());
        }
    }
    Runner::new(&migrations)
        .set_grouped(true)
        .run(&mut conn)
        .map_err(|e| failed(format!("migration of {}: {e}", path.display())))?;
    tracing::info!(from = at.map_or(0, |s| s.0), to = schema, path = %path.display(), "the database's schema is up to date");
    Ok(())
}

/// The file's schema and the oldest that it serves; `None` in a new file.
pub(super) fn schema_of(conn: &Connection) -> Result<Option<(i64, i64)>> {
    let error = |e| of_sqlite("open", &e);
    let known: bool = conn
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_served'",
            [],
            |r| r.get(0),
        )
        .map_err(error)?;
    if !known {
        return Ok(None);
    }
    conn.query_row(
        "SELECT version, oldest_served FROM schema_served",
        [],
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
    .optional()
    .map_err(error)
}

/// Two servers that start at once must not migrate at once, and none may start while the file is restored or moved. The
/// lock goes with the process.
pub(super) fn migration_lock(path: &Path, wait: Duration) -> Result<File> {
    let beside = beside(path, ".migrate.lock");
    let failed = |message: String| StoreError::Unavailable {
        operation: "open",
        message: format!("{}: {message}", beside.display()),
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&beside)
        .map_err(|e| failed(e.to_string()))?;
    let until = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(failed(e.to_string())),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(failed(
                    "another server migrates the database, or it is restored or moved; wait until that has ended".to_owned(),
                ));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a connection as all of ours are.
pub(super) fn connect(path: &Path, max_pages: Option<u32>) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_handler(Some(wait_busy))?;
        conn.set_prepared_statement_cache_capacity(128);
        // FULL: a commit is on the disk before it is acknowledged. The writing thread's own checkpoints
        // are a backstop; a thread of its own does them usually.
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4000;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
        )?;
        if let Some(pages) = max_pages {
            conn.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        }
        Ok(conn)
    };
    open().map_err(|e| match of_sqlite("open", &e) {
        StoreError::Unavailable { operation, message } => StoreError::Unavailable {
            operation,
            message: format!("{}: {message}", path.display()),
        },
        StoreError::Corrupt { message, .. } => StoreError::Corrupt {
            what: format!("the database file {}", path.display()),
            message,
        },
        other => other,
    })
}

/// Waits for another process's write lock: short steps first, for commits last less than a millisecond;
/// in all about half a second, then the caller decides.
fn wait_busy(tries: i32) -> bool {
    let step = if tries < 50 { 200 } else { 2_000 };
    std::thread::sleep(Duration::from_micros(step));
    tries < 300
}
