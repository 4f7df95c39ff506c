//! The repository: files, their versions, the manifest.

use super::content;
use super::tx::{Done, Tx, not_found, signed, unsigned};
use super::value::{Row, params};
use crate::clock;
use crate::store::{Expect, Fence, FileWrite, Notes, StoreError};
use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::event::Event;
use gridhelm_api::repository::{FileId, FileMeta, FileVersion};

/// Hashes of earlier versions in a manifest entry, at most.
const EARLIER: usize = 20;
/// How many versions back they are looked for.
const LOOK_BACK: i64 = 60;

const COLUMNS: &str =
    "SELECT author, directory, name, version, size, sha256, written_by, written_at FROM files";

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

/// How many files there are.
pub(super) fn count(tx: Tx<'_>) -> Done<u64> {
    let count: Option<i64> = tx.value(
        "SELECT COUNT(*) FROM files WHERE deleted = FALSE",
        params![],
    )?;
    Ok(count
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or_default())
}

/// A file's row, deleted or not: its id, last version, and its state unless it is deleted.
struct Found {
    row: i64,
    version: i64,
    meta: Option<FileMeta>,
}

fn find(tx: Tx<'_>, id: &FileId) -> Done<Option<Found>> {
    tx.row(
        "SELECT author, directory, name, version, size, sha256, written_by, written_at, id, deleted
         FROM files WHERE author = ?1 AND directory = ?2 AND name = ?3",
        params![id.author, id.directory, id.name],
        |r| {
            let deleted: bool = r.get(9)?;
            Ok(Found {
                row: r.get(8)?,
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
        "SELECT size, sha256, written_by, written_at FROM versions WHERE file = ?1 AND version = ?2 AND deleted = FALSE",
        params![found.row, version],
        |r| {
            Ok(FileMeta {
                id: id.clone(),
                version,
                size: unsigned("a file", r.get(0)?)?,
                sha256: r.get(1)?,
                written_by: r.get(2)?,
                written_at: r.get(3)?,
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
    if let Some(meta) = present
        && meta.sha256 == write.sha256
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
    };
    put_version(tx, &new, false, &write.message)?;
    let events = tx.notes_about(notes, shown(present).as_ref(), shown(Some(&new)).as_ref())?;
    Ok((new, events))
}

fn put_version(tx: Tx<'_>, new: &FileMeta, deleted: bool, message: &str) -> Done<()> {
    let sha256 = (!deleted).then_some(&new.sha256);
    let row: Option<i64> = tx.value(
        "INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (author, directory, name) DO UPDATE SET version = ?4, deleted = ?5, sha256 = ?6, size = ?7,
                written_by = ?8, written_at = ?9
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
            new.written_at
        ],
    )?;
    tx.execute(
        "INSERT INTO versions (file, version, deleted, sha256, size, written_by, written_at, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            row,
            new.version,
            deleted,
            sha256,
            signed(new.size),
            new.written_by,
            new.written_at,
            message
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
    tx.notes_about(notes, shown(Some(&meta)).as_ref(), None)
}

pub(super) fn versions(tx: Tx<'_>, id: &FileId) -> Done<Vec<FileVersion>> {
    tx.rows(
        "SELECT v.version, v.size, v.sha256, v.deleted, v.written_by, v.written_at, v.message
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
            })
        },
    )
}

/// The root hash over the present files. Computes and keeps the hashes of directories that were touched.
pub(super) fn root(tx: Tx<'_>) -> Done<String> {
    let pair = |r: &Row<'_>| Ok((r.get::<String>(0)?, r.get::<String>(1)?));
    let touched = tx.rows(
        "SELECT author, directory FROM directories WHERE hash IS NULL",
        params![],
        pair,
    )?;
    for (author, directory) in &touched {
        let files = tx.rows(
            "SELECT name, sha256 FROM files WHERE author = ?1 AND directory = ?2 AND deleted = FALSE ORDER BY name",
            params![author, directory],
            pair,
        )?;
        if files.is_empty() {
            tx.execute(
                "DELETE FROM directories WHERE author = ?1 AND directory = ?2",
                params![author, directory],
            )?;
            continue;
        }
        let hash =
            gridhelm_replicate::directory_hash(files.iter().map(|(n, h)| (n.as_str(), h.as_str())));
        tx.execute(
            "UPDATE directories SET hash = ?3 WHERE author = ?1 AND directory = ?2",
            params![author, directory, hash],
        )?;
    }
    let known = tx.rows(
        "SELECT author, directory, hash FROM directories ORDER BY author, directory",
        params![],
        |r| {
            Ok((
                r.get::<String>(0)?,
                r.get::<String>(1)?,
                r.get::<[u8; 32]>(2)?,
            ))
        },
    )?;
    let directories: Vec<_> = known
        .iter()
        .map(|(author, directory, hash)| gridhelm_replicate::Directory {
            author,
            directory,
            hash: *hash,
        })
        .collect();
    Ok(gridhelm_replicate::root_of_directories(&directories))
}

pub(super) fn manifest(tx: Tx<'_>, group: &str) -> Done<Manifest> {
    let mut rows = Vec::new();
    let mut entries = tx.rows(
        "SELECT author, directory, name, version, size, sha256, written_by, written_at, id FROM files
         WHERE deleted = FALSE ORDER BY author, directory, name",
        params![],
        |r| {
            rows.push(r.get::<i64>(8)?);
            let meta = meta(r)?;
            Ok(ManifestEntry {
                id: meta.id,
                sha256: meta.sha256,
                size: meta.size,
                version: meta.version,
                written_at: meta.written_at,
                written_by: meta.written_by,
                earlier: Vec::new(),
            })
        },
    )?;
    add_earlier(tx, &rows, &mut entries)?;
    Ok(Manifest {
        group: group.to_owned(),
        epoch: tx.epoch()?,
        root: gridhelm_replicate::root(&entries),
        entries,
    })
}

/// Adds the hashes of earlier versions, newest first, each once, in one query over all files.
fn add_earlier(tx: Tx<'_>, rows: &[i64], entries: &mut [ManifestEntry]) -> Done<()> {
    let place: std::collections::HashMap<i64, usize> =
        rows.iter().zip(0..).map(|(id, i)| (*id, i)).collect();
    let earlier = tx.rows(
        "SELECT f.id, v.sha256 FROM files f
         JOIN versions v ON v.file = f.id AND v.version < f.version AND v.version >= f.version - ?1
         WHERE f.version > 1 AND f.deleted = FALSE AND v.deleted = FALSE ORDER BY f.id, v.version DESC",
        params![LOOK_BACK],
        |r| Ok((r.get::<i64>(0)?, r.get::<String>(1)?)),
    )?;
    for (row, sha256) in earlier {
        let Some(entry) = place.get(&row).and_then(|i| entries.get_mut(*i)) else {
            continue;
        };
        let known = entry.sha256 == sha256 || entry.earlier.contains(&sha256);
        if !known && entry.earlier.len() < EARLIER {
            entry.earlier.push(sha256);
        }
    }
    Ok(())
}
