//! Restoring a group into an SQLite file: into a new file beside it, which takes its place only when all of it was
//! written and read back. So a process that dies half way leaves what was there.

use super::lock::{FileLock, lock_file};
use super::schema;
use crate::store::StoreError;
use crate::store::backup::{
    BackupError, Contents, Dialect, Emptiness, How, Loading, Maker, Progress, Restored, Saving,
};
use crate::store::sql::tx::Tx;
use rusqlite::Connection;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long a lock is waited for: a server that runs does not let go of it.
const WAIT: Duration = Duration::from_secs(2);

/// Keeps the servers of a file from starting and from becoming active.
#[derive(Debug)]
pub struct Held {
    _migration: File,
    _life: FileLock,
}

/// Holds a file for itself: no server of it runs, and none can start meanwhile.
///
/// # Errors
/// [`BackupError::Running`] when a server has it.
pub fn hold(path: &Path) -> Result<Held, BackupError> {
    let migration = schema::migration_lock(path, WAIT)
        .map_err(|error| BackupError::Running(error.to_string()))?;
    let lock = lock_file(path);
    let life = FileLock::try_gain(&lock)
        .map_err(|error| BackupError::io("lock", &lock, &error))?
        .ok_or_else(|| {
            BackupError::Running(format!("{} is locked by the active one", lock.display()))
        })?;
    if has_content(path) {
        alone(path)?;
    }
    Ok(Held {
        _migration: migration,
        _life: life,
    })
}

/// Backs a held file up: no server of it runs meanwhile, and nothing in it changes. Blocks.
///
/// # Errors
/// [`BackupError`]; also when its schema is not this build's.
pub fn save_held(
    _held: &Held,
    path: &Path,
    maker: Maker,
    to: &Path,
    progress: &Progress,
) -> Result<Contents, BackupError> {
    let conn = schema::connect(path, None)?;
    let at = schema::schema_of(&conn)?.map(|(version, _)| version);
    let known = schema::newest()?;
    if at != Some(known) {
        let found = at.map_or("no schema".to_owned(), |at| format!("schema {at}"));
        return Err(BackupError::Store(StoreError::Conflict {
            why: format!(
                "{} has {found}, and this build has {known}: start this build's gridhelm-server with it once",
                path.display()
            ),
        }));
    }
    let mut saving = Saving::begin(maker, to, progress)?;
    let error = |e: rusqlite::Error| failed("back up", &e);
    conn.execute_batch("BEGIN").map_err(error)?;
    let written = saving.write(Tx(&conn), Dialect::Sqlite);
    conn.execute_batch("COMMIT").map_err(error)?;
    written.map_err(|fail| fail.into_error("back up"))?;
    saving.finish()
}

/// Restores a backup into a file that is not there, or that has an empty group. Blocks.
///
/// # Errors
/// [`BackupError`]; what was at that path is still there then.
pub fn restore(path: &Path, how: How, progress: &Progress) -> Result<Restored, BackupError> {
    let mut loading = Loading::begin(how.clone(), progress)?;
    let _held = hold(path)?;
    if has_content(path) {
        must_be_empty(path, &how.group)?;
    }
    let fresh = schema::beside(path, ".restoring");
    remove(&fresh)?;
    let made = fill(&fresh, &mut loading);
    let restored = made.and_then(|()| loading.finish());
    let placed = restored.and_then(|restored| {
        take_place(&fresh, path)?;
        Ok(restored)
    });
    let removed = remove(&fresh);
    let restored = placed?;
    removed?;
    Ok(restored)
}

/// An empty file is as good as none.
fn has_content(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|facts| facts.len() > 0)
}

fn failed(operation: &'static str, error: &rusqlite::Error) -> BackupError {
    BackupError::Store(super::of_sqlite(operation, error))
}

/// Whether this process is the only one that has the file open: another connection would hold its log.
fn alone(path: &Path) -> Result<(), BackupError> {
    let conn = schema::connect(path, None)?;
    let try_alone = || -> rusqlite::Result<()> {
        conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")?;
        conn.execute_batch("PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema;")
    };
    match try_alone() {
        Ok(()) => Ok(()),
        Err(error) if super::writer::is_busy(&error) => Err(BackupError::Running(format!(
            "another process has {} open",
            path.display()
        ))),
        Err(error) => Err(failed("look whether it is in use", &error)),
    }
}

fn must_be_empty(path: &Path, group: &str) -> Result<(), BackupError> {
    let conn = schema::connect(path, None)?;
    if schema::schema_of(&conn)?.is_none() {
        return Err(BackupError::NotEmpty {
            group: group.to_owned(),
            place: path.display().to_string(),
            has: "tables that are not ours".to_owned(),
            hint: "Move the file away, or name another one as database.path",
        });
    }
    let found = Emptiness::found(Tx(&conn)).map_err(|fail| fail.into_error("restore"))?;
    match found {
        None => Ok(()),
        Some(has) => Err(BackupError::NotEmpty {
            group: group.to_owned(),
            place: path.display().to_string(),
            has,
            hint: "Move the file (with its -wal and -shm) away, or name another one as database.path",
        }),
    }
}

/// Makes the new file and writes everything into it. It is nobody's yet, so it needs neither a log nor a flush
/// before the end.
fn fill(fresh: &Path, loading: &mut Loading<'_>) -> Result<(), BackupError> {
    schema::prepare(fresh, None)?;
    let conn = schema::connect(fresh, None)?;
    let error = |e: rusqlite::Error| failed("restore", &e);
    conn.execute_batch(
        "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
         BEGIN IMMEDIATE",
    )
    .map_err(error)?;
    let keep = loading
        .load(Tx(&conn), Dialect::Sqlite)
        .map_err(|fail| fail.into_error("restore"))?;
    conn.execute_batch("COMMIT").map_err(error)?;
    if keep {
        whole(&conn)?;
        conn.execute_batch("PRAGMA journal_mode = WAL")
            .map_err(error)?;
    }
    conn.close().map_err(|(_, e)| error(e))
}

/// Rows may refer only to rows that are there.
fn whole(conn: &Connection) -> Result<(), BackupError> {
    let mut check = conn
        .prepare("PRAGMA foreign_key_check")
        .map_err(|e| failed("restore", &e))?;
    let broken = check.exists([]).map_err(|e| failed("restore", &e))?;
    if broken {
        return Err(BackupError::Differs(
            "a row refers to another that is not there".to_owned(),
        ));
    }
    Ok(())
}

/// The new file, flushed, becomes the database.
fn take_place(fresh: &Path, path: &Path) -> Result<(), BackupError> {
    let io = |error: std::io::Error| BackupError::io("put in its place", path, &error);
    File::open(fresh)
        .and_then(|file| file.sync_all())
        .map_err(io)?;
    for suffix in ["-wal", "-shm", "-journal"] {
        gone(&schema::beside(path, suffix))?;
    }
    std::fs::rename(fresh, path).map_err(io)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(io)
}

/// Removes what a restoration left behind.
fn remove(fresh: &Path) -> Result<(), BackupError> {
    gone(fresh)?;
    for suffix in ["-wal", "-shm", "-journal", ".migrate.lock"] {
        gone(&schema::beside(fresh, suffix))?;
    }
    Ok(())
}

fn gone(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BackupError::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

impl From<BackupError> for StoreError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error,
            other => Self::Conflict {
                why: other.to_string(),
            },
        }
    }
}
