//! Changesets: what a replication does here, all or nothing.

use super::files::info_of;
use super::holds;
use super::tree::{self, State, Step};
use super::tx::{Done, Tx, conflict, json, not_found, of_json, signed, unsigned};
use super::value::{Row, ToValue as _, Value, params};
use crate::clock;
use crate::store::{Fence, Notes, Reported, StoreError};
use gridhelm_api::changeset::{
    ChangesetRecord, ChangesetRequest, Committed, Operation, Verification, WrittenFile,
};
use gridhelm_api::event::Event;
use gridhelm_api::repository::{FileId, FileInfo};

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
    holds::begin(tx, id, &request.source)
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
    let infos: Vec<_> = operations
        .iter()
        .map(|op| op.info.as_deref().map(FileInfo::text))
        .collect();
    let rows: Vec<_> = operations
        .iter()
        .zip(&infos)
        .map(|(op, info)| {
            vec![
                id.value(),
                op.id.author.value(),
                op.id.directory.value(),
                op.id.name.value(),
                op.expect.value(),
                op.sha256.value(),
                Value::Integer(signed(op.size)),
                op.version.value(),
                info.value(),
            ]
        })
        .collect();
    let added = tx.execute_each(
        "INSERT INTO operations (changeset, author, directory, name, expect, sha256, size, expect_version, info)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
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

/// What shall be said about a file: an empty text says that nothing shall be.
fn told(text: &str) -> Done<Box<FileInfo>> {
    Ok(info_of(text)?.unwrap_or_default())
}

/// An open changeset of this plan from this source with the same operations: what was begun goes on.
pub(super) fn begun(tx: Tx<'_>, wanted: &ChangesetRequest) -> Done<Option<String>> {
    let ids = tx.rows(
        "SELECT id FROM changesets WHERE plan = ?1 AND source = ?2 AND reason = ?3 AND whole = TRUE AND committed IS NULL
         ORDER BY opened_at DESC LIMIT 3",
        params![wanted.plan, wanted.source, wanted.reason],
        |r| r.get::<String>(0),
    )?;
    for id in ids {
        if let Some(found) = request(tx, &id)? {
            let mut operations: Vec<_> = wanted.operations.iter().collect();
            operations.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            if found.operations.iter().eq(operations) {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}

/// Forgets an open changeset.
pub(super) fn discard(tx: Tx<'_>, fence: &Fence, id: &str) -> Done<()> {
    tx.fence(fence)?;
    let gone = tx.execute(
        "DELETE FROM changesets WHERE id = ?1 AND committed IS NULL",
        params![id],
    )?;
    if gone == 0 {
        return Err(not_found(format!("open changeset {id}")));
    }
    Ok(())
}

/// How large contents are that a changeset names; those that it does not are left out.
pub(super) fn sizes(tx: Tx<'_>, id: &str, hashes: &[String]) -> Done<Vec<(String, u64)>> {
    let open: Option<bool> = tx.value(
        "SELECT EXISTS (SELECT 1 FROM changesets WHERE id = ?1 AND whole = TRUE AND committed IS NULL)",
        params![id],
    )?;
    if open != Some(true) {
        return Err(not_found(format!("open changeset {id}")));
    }
    let mut found = Vec::with_capacity(hashes.len());
    for sha256 in hashes {
        let size: Option<i64> = tx.value(
            "SELECT size FROM operations WHERE sha256 = ?2 AND changeset = ?1 LIMIT 1",
            params![id, sha256],
        )?;
        if let Some(size) = size {
            found.push((sha256.clone(), unsigned("a changeset", size)?));
        }
    }
    Ok(found)
}

/// Contents of an open changeset that are not there.
pub(super) fn missing(tx: Tx<'_>, id: &str) -> Done<Vec<String>> {
    tx.rows(
        "SELECT DISTINCT o.sha256 FROM operations o LEFT JOIN blobs b ON b.sha256 = o.sha256
         WHERE o.changeset = ?1 AND o.sha256 IS NOT NULL AND b.id IS NULL ORDER BY o.sha256",
        params![id],
        |r| r.get(0),
    )
}

const RECORD: &str = "SELECT id, plan, source, reason, opened_by, opened_at, committed, verified, hold FROM changesets";

fn record(r: &Row<'_>) -> Done<ChangesetRecord> {
    let committed: Option<String> = r.get(6)?;
    let verified: Option<String> = r.get(7)?;
    let hold: Option<String> = r.get(8)?;
    Ok(ChangesetRecord {
        id: r.get(0)?,
        plan: r.get(1)?,
        source: r.get(2)?,
        reason: r.get(3)?,
        by: r.get(4)?,
        at: r.get(5)?,
        committed: committed
            .map(|text| of_json("a changeset", &text))
            .transpose()?,
        verified: verified
            .map(|text| of_json("a changeset", &text))
            .transpose()?,
        hold: hold.map(|text| of_json("a changeset", &text)).transpose()?,
    })
}

/// Changesets, newest first, behind the one of that id.
pub(super) fn history(tx: Tx<'_>, before: Option<&str>, limit: u32) -> Done<Vec<ChangesetRecord>> {
    let Some(before) = before else {
        let sql = format!("{RECORD} WHERE whole = TRUE ORDER BY opened_at DESC, id DESC LIMIT ?1");
        return tx.rows(&sql, params![i64::from(limit)], record);
    };
    let sql = format!(
        "{RECORD} WHERE whole = TRUE AND (opened_at, id) < (SELECT b.opened_at, b.id FROM changesets b WHERE b.id = ?1)
         ORDER BY opened_at DESC, id DESC LIMIT ?2"
    );
    tx.rows(&sql, params![before, i64::from(limit)], record)
}

/// One changeset with what it wrote.
pub(super) fn report(tx: Tx<'_>, id: &str) -> Done<Option<Reported>> {
    let sql = format!("{RECORD} WHERE id = ?1 AND whole = TRUE");
    let Some(found) = tx.row(&sql, params![id], record)? else {
        return Ok(None);
    };
    let (missing, planned) = if found.committed.is_none() {
        let planned = request(tx, id)?.map(|request| request.operations);
        (missing(tx, id)?, planned.unwrap_or_default())
    } else {
        Default::default()
    };
    Ok(Some(Reported {
        files: written(tx, id)?,
        record: found,
        missing,
        planned,
    }))
}

/// What a changeset wrote, with what was there before. A version before that retention removed leaves the hash empty.
fn written(tx: Tx<'_>, id: &str) -> Done<Vec<WrittenFile>> {
    tx.rows(
        "SELECT f.author, f.directory, f.name, v.version, v.sha256, v.size, v.info, p.version, p.sha256, p.size, p.info
         FROM versions v JOIN files f ON f.id = v.file
         LEFT JOIN versions p ON p.file = v.file AND p.version = v.version - 1
         WHERE v.changeset = ?1 ORDER BY f.author, f.directory, f.name",
        params![id],
        |r| {
            let version: i64 = r.get(3)?;
            let kept = r.get::<Option<i64>>(7)?.is_some();
            let after: String = r.get(6)?;
            let before = r.get::<Option<String>>(10)?.unwrap_or_default();
            let told_so = after != before;
            let mut before_hash: Option<String> = r.get(8)?;
            if !kept && version > 1 {
                before_hash = Some(String::new());
            }
            Ok(WrittenFile {
                id: FileId::new(
                    r.get::<String>(0)?,
                    r.get::<String>(1)?,
                    r.get::<String>(2)?,
                ),
                version,
                before: before_hash,
                after: r.get(4)?,
                size_before: unsigned("a version", r.get::<Option<i64>>(9)?.unwrap_or_default())?,
                size_after: unsigned("a version", r.get(5)?)?,
                info_before: told_so.then(|| told(&before)).transpose()?,
                info_after: told_so.then(|| told(&after)).transpose()?,
            })
        },
    )
}

/// Keeps what a check of a changeset's files found.
pub(super) fn verified(tx: Tx<'_>, fence: &Fence, id: &str, found: &Verification) -> Done<()> {
    tx.fence(fence)?;
    tx.execute(
        "UPDATE changesets SET verified = ?2 WHERE id = ?1",
        params![id, json(found)?],
    )?;
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
        "SELECT author, directory, name, expect, sha256, size, expect_version, info FROM operations WHERE changeset = ?1
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
                version: r.get(6)?,
                info: r.get::<Option<String>>(7)?.map(|text| told(&text)).transpose()?,
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
            let group: Option<String> =
                tx.value("SELECT group_name FROM identity WHERE id = 1", params![])?;
            let message = if group.as_deref() == Some(source.as_str()) {
                reason
            } else {
                format!("replicated from {source}, plan {plan}{why}")
            };
            (message, committed)
        }
    };
    if let Some(committed) = committed {
        return Ok((of_json("a changeset", &committed)?, Vec::new()));
    }
    holds::must_be_free(tx, id)?;
    check(tx, id)?;
    let (created, updated, deleted) = count(tx, id)?;
    let steps = steps(tx, id)?;
    let written = apply(tx, id, by, &message)?;
    let steps: Vec<Step<'_>> = steps
        .iter()
        .map(|(file, before, after)| Step {
            id: file,
            before: before.clone(),
            after: after.clone(),
        })
        .collect();
    tree::keep_up_all(tx, id, &steps, written)?;
    let committed = Committed {
        id: id.to_owned(),
        created,
        updated,
        deleted,
        root: tree::kept_root(tx)?.unwrap_or_default(),
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
         WHERE o.changeset = ?1 AND (o.expect IS DISTINCT FROM f.sha256
             OR (o.expect_version IS NOT NULL AND o.expect_version IS DISTINCT FROM f.version))
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
                count(*) FILTER (WHERE expect <> sha256 OR (expect = sha256 AND info IS NOT NULL)),
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

/// Which operations do something.
const DOES: &str =
    "(o.expect IS DISTINCT FROM o.sha256 OR (o.sha256 IS NOT NULL AND o.info IS NOT NULL))";

/// A file, what it was, and what it becomes.
type Change = (FileId, Option<State>, Option<State>);

/// What each operation makes of its file, for the tree.
fn steps(tx: Tx<'_>, id: &str) -> Done<Vec<Change>> {
    let sql = format!(
        "SELECT o.author, o.directory, o.name, f.sha256, f.size, f.info, o.sha256, b.size, o.info
         FROM operations o LEFT JOIN blobs b ON b.sha256 = o.sha256
         LEFT JOIN files f ON f.author = o.author AND f.directory = o.directory AND f.name = o.name AND f.deleted = FALSE
         WHERE o.changeset = ?1 AND {DOES}"
    );
    tx.rows(&sql, params![id], |r| {
        let file = FileId::new(
            r.get::<String>(0)?,
            r.get::<String>(1)?,
            r.get::<String>(2)?,
        );
        let size = |i| unsigned("a file", r.get::<Option<i64>>(i)?.unwrap_or_default());
        let was = r.get::<Option<String>>(5)?.unwrap_or_default();
        let info = r.get::<Option<String>>(8)?.unwrap_or_else(|| was.clone());
        let before = match r.get::<Option<String>>(3)? {
            Some(sha256) => Some(State {
                sha256,
                size: size(4)?,
                info: was,
            }),
            None => None,
        };
        let after = match r.get::<Option<String>>(6)? {
            Some(sha256) => Some(State {
                sha256,
                size: size(7)?,
                info,
            }),
            None => None,
        };
        Ok((file, before, after))
    })
}

/// A few statements over all operations, each in the order of the files' index; how many files they wrote.
fn apply(tx: Tx<'_>, id: &str, by: &str, message: &str) -> Done<usize> {
    let now = clock::now();
    let put = tx.execute(
        &format!(
            "INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at, info)
             SELECT o.author, o.directory, o.name, 1, FALSE, o.sha256, b.size, ?2, ?3, COALESCE(o.info, f.info, '')
             FROM operations o CROSS JOIN blobs b
             LEFT JOIN files f ON f.author = o.author AND f.directory = o.directory AND f.name = o.name AND f.deleted = FALSE
             WHERE b.sha256 = o.sha256 AND o.changeset = ?1 AND {DOES} ORDER BY o.author, o.directory, o.name
             ON CONFLICT (author, directory, name) DO UPDATE SET version = files.version + 1, deleted = FALSE,
                    sha256 = excluded.sha256, size = excluded.size, written_by = ?2, written_at = ?3, info = excluded.info"
        ),
        params![id, by, now],
    )?;
    let gone = tx.execute(
        "UPDATE files SET version = version + 1, deleted = TRUE, sha256 = NULL, size = 0, written_by = ?2, written_at = ?3
         FROM operations o WHERE o.changeset = ?1 AND o.sha256 IS NULL AND o.expect IS NOT NULL
         AND files.author = o.author AND files.directory = o.directory AND files.name = o.name",
        params![id, by, now],
    )?;
    tx.execute(
        &format!(
            "INSERT INTO versions (file, version, deleted, sha256, size, written_by, written_at, message, info, changeset)
             SELECT f.id, f.version, f.deleted, f.sha256, f.size, f.written_by, f.written_at, ?2, f.info, ?1
             FROM operations o JOIN files f ON f.author = o.author AND f.directory = o.directory AND f.name = o.name
             WHERE o.changeset = ?1 AND {DOES}"
        ),
        params![id, message],
    )?;
    Ok(put + gone)
}
