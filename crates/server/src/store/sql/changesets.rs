//! Changesets: what a replication does here, all or nothing.

use super::files;
use super::tx::{Done, Tx, conflict, json, not_found, of_json, signed, unsigned};
use super::value::{ToValue as _, Value, params};
use crate::clock;
use crate::store::{Fence, Notes, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, Committed, Operation};
use gridhelm_api::event::Event;
use gridhelm_api::repository::FileId;

/// Operations written in one transaction while a changeset is opened.
pub(super) const PIECE: usize = 5_000;
/// A random id for a new changeset.
pub(super) fn new_id() -> Result<String, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Unavailable {
        operation: "open changeset",
        message: format!("the system gives no random bytes: {e}"),
    })?;
    Ok(format!("c-{}", gridhelm_replicate::hex(&bytes)))
}

/// Writes the head of a changeset; its operations follow.
pub(super) fn open(
    tx: Tx<'_>,
    fence: &Fence,
    id: &str,
    request: &ChangesetRequest,
    by: &str,
) -> Done<()> {
    tx.fence(fence)?;
    let now = clock::now();
    tx.execute(
        "INSERT INTO changesets (id, plan, source, reason, opened_by, opened_at, whole) VALUES (?1, ?2, ?3, ?4, ?5, ?6, FALSE)",
        params![id, request.plan, request.source, request.reason, by, now],
    )?;
    Ok(())
}

/// Adds operations; with the last ones the changeset is whole.
pub(super) fn add(
    tx: Tx<'_>,
    fence: &Fence,
    id: &str,
    operations: &[Operation],
    last: bool,
) -> Done<()> {
    tx.fence(fence)?;
    let rows: Vec<_> = operations
        .iter()
        .map(|op| {
            vec![
                id.value(),
                op.id.author.value(),
                op.id.directory.value(),
                op.id.name.value(),
                op.expect.value(),
                op.sha256.value(),
                Value::Integer(signed(op.size)),
            ]
        })
        .collect();
    let added = tx.execute_each(
        "INSERT INTO operations (changeset, author, directory, name, expect, sha256, size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        &rows,
    )?;
    let twice = operations.iter().zip(added).find(|(_, added)| *added == 0);
    if let Some((op, _)) = twice {
        return Err(conflict(format!("{} occurs twice", op.id.path())));
    }
    if last {
        tx.execute(
            "UPDATE changesets SET whole = TRUE WHERE id = ?1",
            params![id],
        )?;
    }
    Ok(())
}

pub(super) fn request(tx: Tx<'_>, id: &str) -> Done<Option<ChangesetRequest>> {
    let head = tx.row(
        "SELECT plan, source, reason FROM changesets WHERE id = ?1 AND whole = TRUE AND committed IS NULL",
        params![id],
        |r| {
            Ok(ChangesetRequest {
                plan: r.get(0)?,
                source: r.get(1)?,
                reason: r.get(2)?,
                operations: Vec::new(),
            })
        },
    )?;
    let Some(mut request) = head else {
        return Ok(None);
    };
    request.operations = tx.rows(
        "SELECT author, directory, name, expect, sha256, size FROM operations WHERE changeset = ?1
         ORDER BY author, directory, name",
        params![id],
        |r| {
            Ok(Operation {
                id: FileId::new(
                    r.get::<String>(0)?,
                    r.get::<String>(1)?,
                    r.get::<String>(2)?,
                ),
                expect: r.get(3)?,
                sha256: r.get(4)?,
                size: unsigned("a changeset", r.get(5)?)?,
            })
        },
    )?;
    Ok(Some(request))
}

/// Commits a changeset. One that was committed before answers what it did then: the first answer may have
/// been lost.
pub(super) fn commit(
    tx: Tx<'_>,
    fence: &Fence,
    id: &str,
    by: &str,
    notes: &Notes,
) -> Done<(Committed, Vec<Event>)> {
    tx.fence(fence)?;
    let head = tx.row(
        "SELECT plan, source, reason, whole, committed FROM changesets WHERE id = ?1",
        params![id],
        |r| {
            Ok((
                r.get::<String>(0)?,
                r.get::<String>(1)?,
                r.get::<String>(2)?,
                r.get::<bool>(3)?,
                r.get::<Option<String>>(4)?,
            ))
        },
    )?;
    let (message, committed) = match head {
        None | Some((_, _, _, false, _)) => return Err(not_found(format!("changeset {id}"))),
        Some((plan, source, reason, true, committed)) => {
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            (
                format!("replicated from {source}, plan {plan}{why}"),
                committed,
            )
        }
    };
    if let Some(committed) = committed {
        return Ok((of_json("a changeset", &committed)?, Vec::new()));
    }
    check(tx, id)?;
    let (created, updated, deleted) = count(tx, id)?;
    apply(tx, id, by, &message)?;
    let committed = Committed {
        id: id.to_owned(),
        created,
        updated,
        deleted,
        root: files::root(tx)?,
    };
    tx.execute(
        "UPDATE changesets SET committed = ?2 WHERE id = ?1",
        params![id, json(&committed)?],
    )?;
    let after = serde_json::to_value(&committed).ok();
    let events = tx.notes_about(notes, None, after.as_ref())?;
    Ok((committed, events))
}

/// The target must be as the plan saw it, and all content there.
fn check(tx: Tx<'_>, id: &str) -> Done<()> {
    let changed = tx.rows(
        "SELECT o.author, o.directory, o.name FROM operations o
         LEFT JOIN files f ON f.author = o.author AND f.directory = o.directory AND f.name = o.name AND f.deleted = FALSE
         WHERE o.changeset = ?1 AND o.expect IS DISTINCT FROM f.sha256
         ORDER BY o.author, o.directory, o.name",
        params![id],
        |r| {
            let part = |i| r.get::<String>(i);
            Ok(FileId::new(part(0)?, part(1)?, part(2)?).path())
        },
    )?;
    if !changed.is_empty() {
        return Err(StoreError::PlanStale { changed }.into());
    }
    let missing: Option<String> = tx.value(
        "SELECT o.sha256 FROM operations o LEFT JOIN blobs b ON b.sha256 = o.sha256
         WHERE o.changeset = ?1 AND o.sha256 IS NOT NULL AND b.id IS NULL LIMIT 1",
        params![id],
    )?;
    missing.map_or(Ok(()), |sha256| {
        Err(StoreError::MissingContent { sha256 }.into())
    })
}

/// How many files are made, changed and taken away.
fn count(tx: Tx<'_>, id: &str) -> Done<(u64, u64, u64)> {
    let counts = tx.row(
        "SELECT count(*) FILTER (WHERE expect IS NULL AND sha256 IS NOT NULL),
                count(*) FILTER (WHERE expect <> sha256),
                count(*) FILTER (WHERE expect IS NOT NULL AND sha256 IS NULL)
         FROM operations WHERE changeset = ?1",
        params![id],
        |r| {
            let n = |i| unsigned("a changeset", r.get(i)?);
            Ok((n(0)?, n(1)?, n(2)?))
        },
    )?;
    Ok(counts.unwrap_or_default())
}

/// A few statements over all operations, each in the order of the files' index.
fn apply(tx: Tx<'_>, id: &str, by: &str, message: &str) -> Done<()> {
    let now = clock::now();
    tx.execute(
        "INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at)
         SELECT o.author, o.directory, o.name, 1, FALSE, o.sha256, b.size, ?2, ?3
         FROM operations o CROSS JOIN blobs b
         WHERE b.sha256 = o.sha256 AND o.changeset = ?1 AND o.expect IS DISTINCT FROM o.sha256 ORDER BY o.author, o.directory, o.name
         ON CONFLICT (author, directory, name) DO UPDATE SET version = files.version + 1, deleted = FALSE,
                sha256 = excluded.sha256, size = excluded.size, written_by = ?2, written_at = ?3",
        params![id, by, now],
    )?;
    tx.execute(
        "UPDATE files SET version = version + 1, deleted = TRUE, sha256 = NULL, size = 0, written_by = ?2, written_at = ?3
         FROM operations o WHERE o.changeset = ?1 AND o.sha256 IS NULL AND o.expect IS NOT NULL
         AND files.author = o.author AND files.directory = o.directory AND files.name = o.name",
        params![id, by, now],
    )?;
    tx.execute(
        "INSERT INTO versions (file, version, deleted, sha256, size, written_by, written_at, message)
         SELECT f.id, f.version, f.deleted, f.sha256, f.size, f.written_by, f.written_at, ?2
         FROM operations o JOIN files f ON f.author = o.author AND f.directory = o.directory AND f.name = o.name
         WHERE o.changeset = ?1 AND o.expect IS DISTINCT FROM o.sha256",
        params![id, message],
    )?;
    Ok(())
}
