//! The repository: files, their versions, the manifest.

use super::content;
use super::tree::{self, State, Step};
use super::tx::{Done, Tx, corrupt, not_found, signed, unsigned};
use super::value::{Row, params};
use crate::clock;
use crate::store::{Expect, Fence, FileWrite, Notes, StoreError};
use gridhelm_api::event::Event;
use gridhelm_api::repository::{FileId, FileInfo, FileMeta, FileVersion};

const COLUMNS: &str = "SELECT author, directory, name, version, size, sha256, written_by, written_at, info FROM files";

/// What is said about a file, of its column.
pub(super) fn info_of(text: &str) -> Done<Option<Box<FileInfo>>> {
    if text.is_empty() {
        return Ok(None);
    }
    let info = FileInfo::of_text(text).ok_or_else(|| corrupt("a file", "what is said about it"))?;
    Ok(Some(Box::new(info)))
}

/// What is said about a file, for its column.
pub(super) fn info_text(info: Option<&FileInfo>) -> String {
    info.map(FileInfo::text).unwrap_or_default()
}

fn meta(r: &Row<'_>) -> Done<FileMeta> {
    Ok(FileMeta {
        id: FileId::new(
            r.get::<String>(0)?,
            r.get::<String>(1)?,
            r.get::<String>(2)?,
        ),
        version: r.get(3)?,
        size: unsigned("a file", r.get(4)?)?,
        sha256: r.get(5)?,
        written_by: r.get(6)?,
        written_at: r.get(7)?,
        info: info_of(&r.get::<String>(8)?)?,
    })
}

pub(super) fn list(tx: Tx<'_>, directory: Option<&str>) -> Done<Vec<FileMeta>> {
    match directory {
        Some(directory) => tx.rows(
            &format!("{COLUMNS} WHERE deleted = FALSE AND directory = ?1 ORDER BY name, author"),
            params![directory],
            meta,
        ),
        None => tx.rows(
            &format!("{COLUMNS} WHERE deleted = FALSE ORDER BY directory, name, author"),
            params![],
            meta,
        ),
    }
}

/// The next files by author, directory and name.
pub(super) fn behind(tx: Tx<'_>, after: Option<&FileId>, limit: u32) -> Done<Vec<FileMeta>> {
    let none = FileId::new("", "", "");
    let after = after.unwrap_or(&none);
    tx.rows(
        &format!(
            "{COLUMNS} WHERE deleted = FALSE AND (author, directory, name) > (?1, ?2, ?3)
             ORDER BY author, directory, name LIMIT ?4"
        ),
        params![after.author, after.directory, after.name, i64::from(limit)],
        meta,
    )
}

/// How many files there are.
pub(super) fn count(tx: Tx<'_>) -> Done<u64> {
    tree::count(tx)
}

/// A file's row, deleted or not: its id, last version, and its state unless it is deleted.
struct Found {
    row: i64,
    version: i64,
    meta: Option<FileMeta>,
}

fn find(tx: Tx<'_>, id: &FileId) -> Done<Option<Found>> {
    tx.row(
        "SELECT author, directory, name, version, size, sha256, written_by, written_at, info, id, deleted
         FROM files WHERE author = ?1 AND directory = ?2 AND name = ?3",
        params![id.author, id.directory, id.name],
        |r| {
            let deleted: bool = r.get(10)?;
            Ok(Found {
                row: r.get(9)?,
                version: r.get(3)?,
                meta: if deleted { None } else { Some(meta(r)?) },
            })
        },
    )
}

pub(super) fn one(tx: Tx<'_>, id: &FileId, version: Option<i64>) -> Done<Option<FileMeta>> {
    let Some(found) = find(tx, id)? else {
        return Ok(None);
    };
    let Some(version) = version else {
        return Ok(found.meta);
    };
    tx.row(
        "SELECT size, sha256, written_by, written_at, info FROM versions WHERE file = ?1 AND version = ?2 AND deleted = FALSE",
        params![found.row, version],
        |r| {
            Ok(FileMeta {
                id: id.clone(),
                version,
                size: unsigned("a file", r.get(0)?)?,
                sha256: r.get(1)?,
                written_by: r.get(2)?,
                written_at: r.get(3)?,
                info: info_of(&r.get::<String>(4)?)?,
            })
        },
    )
}

fn mismatch(id: &FileId, present: Option<&FileMeta>) -> StoreError {
    StoreError::VersionMismatch {
        what: format!("file {}", id.path()),
        version: present.map_or(0, |m| m.version),
        current: present.and_then(|m| serde_json::to_value(m).ok()),
    }
}

fn shown(meta: Option<&FileMeta>) -> Option<serde_json::Value> {
    meta.and_then(|m| serde_json::to_value(m).ok())
}

pub(super) fn write(
    tx: Tx<'_>,
    fence: &Fence,
    write: &FileWrite,
    notes: &Notes,
) -> Done<(FileMeta, Vec<Event>)> {
    tx.fence(fence)?;
    let found = find(tx, &write.id)?;
    let present = found.as_ref().and_then(|f| f.meta.as_ref());
    let as_seen = match (write.expect, present) {
        (Expect::Absent, None) => true,
        (Expect::Version(seen), Some(meta)) => meta.version == seen,
        _ => false,
    };
    if !as_seen {
        return Err(mismatch(&write.id, present).into());
    }
    let size = content::must_be_whole(tx, &write.sha256)?;
    let told = present.and_then(|meta| meta.info.clone());
    let info = write.info.clone().or_else(|| told.clone());
    let info = info.filter(|info| !info.is_plain());
    if let Some(meta) = present
        && meta.sha256 == write.sha256
        && told == info
    {
        // Nothing changes: no version, no event; that it was tried is on record all the same.
        let tried = Notes {
            events: Vec::new(),
            audit: notes.audit.clone(),
        };
        tx.notes_about(&tried, shown(present).as_ref(), shown(present).as_ref())?;
        return Ok((meta.clone(), Vec::new()));
    }
    let new = FileMeta {
        id: write.id.clone(),
        version: found.as_ref().map_or(1, |f| f.version + 1),
        size: unsigned("a file", size)?,
        sha256: write.sha256.clone(),
        written_by: write.by.clone(),
        written_at: clock::now(),
        info,
    };
    put_version(tx, &new, false, &write.message)?;
    tree::keep_up(
        tx,
        &Step {
            id: &new.id,
            before: present.map(state),
            after: Some(state(&new)),
        },
    )?;
    let events = tx.notes_about(notes, shown(present).as_ref(), shown(Some(&new)).as_ref())?;
    Ok((new, events))
}

fn state(meta: &FileMeta) -> State {
    State {
        sha256: meta.sha256.clone(),
        size: meta.size,
        info: info_text(meta.info.as_deref()),
    }
}

fn put_version(tx: Tx<'_>, new: &FileMeta, deleted: bool, message: &str) -> Done<()> {
    let sha256 = (!deleted).then_some(&new.sha256);
    let info = info_text(new.info.as_deref());
    let row: Option<i64> = tx.value(
        "INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at, info)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (author, directory, name) DO UPDATE SET version = ?4, deleted = ?5, sha256 = ?6, size = ?7,
                written_by = ?8, written_at = ?9, info = ?10
         RETURNING id",
        params![
            new.id.author,
            new.id.directory,
            new.id.name,
            new.version,
            deleted,
            sha256,
            signed(new.size),
            new.written_by,
            new.written_at,
            info
        ],
    )?;
    tx.execute(
        "INSERT INTO versions (file, version, deleted, sha256, size, written_by, written_at, message, info)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            row,
            new.version,
            deleted,
            sha256,
            signed(new.size),
            new.written_by,
            new.written_at,
            message,
            info
        ],
    )?;
    Ok(())
}

pub(super) fn delete(
    tx: Tx<'_>,
    fence: &Fence,
    id: &FileId,
    version: i64,
    by: &str,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let present = find(tx, id)?.and_then(|f| f.meta);
    let Some(meta) = present else {
        return Err(not_found(format!("file {}", id.path())));
    };
    if meta.version != version {
        return Err(mismatch(id, Some(&meta)).into());
    }
    let gone = FileMeta {
        version: version + 1,
        size: 0,
        written_by: by.to_owned(),
        written_at: clock::now(),
        ..meta.clone()
    };
    put_version(tx, &gone, true, "")?;
    tree::keep_up(
        tx,
        &Step {
            id,
            before: Some(state(&meta)),
            after: None,
        },
    )?;
    tx.notes_about(notes, shown(Some(&meta)).as_ref(), None)
}

pub(super) fn versions(tx: Tx<'_>, id: &FileId) -> Done<Vec<FileVersion>> {
    tx.rows(
        "SELECT v.version, v.size, v.sha256, v.deleted, v.written_by, v.written_at, v.message, v.changeset
         FROM files f JOIN versions v ON v.file = f.id
         WHERE f.author = ?1 AND f.directory = ?2 AND f.name = ?3 ORDER BY v.version DESC",
        params![id.author, id.directory, id.name],
        |r| {
            Ok(FileVersion {
                version: r.get(0)?,
                size: unsigned("a version", r.get(1)?)?,
                sha256: r.get::<Option<String>>(2)?.unwrap_or_default(),
                deleted: r.get(3)?,
                written_by: r.get(4)?,
                written_at: r.get(5)?,
                message: r.get(6)?,
                changeset: r.get(7)?,
            })
        },
    )
}
