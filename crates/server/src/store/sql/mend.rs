//! The tree of hashes made anew, a bounded step at a time, so that other writers wait for a step and not for a million files.
//!
//! After a migration or a restore, or when a server that does not know the tree wrote, the sums are not those of the files. The new
//! sums grow in `tree_next`, file by file in order; `tree_mend` says up to which file. Writes meanwhile change the new sums where their
//! file is in them already, and are read later where it is not. A write that was not counted so (a server of an older schema) begins it
//! all again. Readers compute their answers from the files until the new sums take the place of the old ones.

use super::tree::{self, Key, Node, State, Step};
use super::tx::{Done, Tx, unsigned};
use super::value::params;
use crate::release;
use crate::store::Fence;
use gridhelm_api::repository::FileId;
use std::collections::BTreeMap;

/// Rows of files up to which the sums are made anew at once, by the write that finds them untrue.
const AT_ONCE: i64 = 10_000;
/// Rows of files in one step.
pub(in crate::store) const STEP: u32 = 10_000;
/// Branches that one write may change meanwhile; one that changes more has it begin again.
const MOST: usize = 1_000;

/// How far it has come: up to and including this file; and which writes are in the new sums, or come later.
struct Mark {
    file: FileId,
    counted: i64,
}

fn mark(tx: Tx<'_>) -> Done<Option<Mark>> {
    tx.row(
        "SELECT author, directory, name, counted FROM tree_mend WHERE id = 1",
        params![],
        |r| {
            Ok(Mark {
                file: FileId::new(
                    r.get::<String>(0)?,
                    r.get::<String>(1)?,
                    r.get::<String>(2)?,
                ),
                counted: r.get(3)?,
            })
        },
    )
}

fn set(tx: Tx<'_>, mark: &Mark) -> Done<()> {
    let file = &mark.file;
    tx.execute(
        "INSERT INTO tree_mend (id, author, directory, name, counted) VALUES (1, ?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET author = ?1, directory = ?2, name = ?3, counted = ?4",
        params![file.author, file.directory, file.name, mark.counted],
    )?;
    Ok(())
}

/// Forgets what was made so far.
fn clear(tx: Tx<'_>) -> Done<()> {
    tx.execute("DELETE FROM tree_mend", params![])?;
    tx.execute("DELETE FROM tree_next", params![])?;
    Ok(())
}

/// Whether there are so few files that all of them at once hold nobody up.
fn few(tx: Tx<'_>) -> Done<bool> {
    let more: Option<i64> = tx.value(
        "SELECT id FROM files ORDER BY id LIMIT 1 OFFSET ?1",
        params![AT_ONCE],
    )?;
    Ok(more.is_none())
}

/// A write of so many rows found that the sums are not those of the files.
pub(super) fn noticed(tx: Tx<'_>, steps: &[Step<'_>], written: i64) -> Done<()> {
    if release::is_older() || few(tx)? {
        return tree::rebuild(tx);
    }
    // Without a mark nobody has begun: what was written is read then.
    let Some(mut at) = mark(tx)? else {
        return Ok(());
    };
    let writes = tree::writes(tx)?;
    let changes = tree::changes(steps.iter().filter(|step| *step.id <= at.file));
    if writes - at.counted != written || changes.len() > MOST {
        return clear(tx);
    }
    merge(tx, changes)?;
    at.counted = writes;
    set(tx, &at)
}

/// Adds to the new sums.
fn merge(tx: Tx<'_>, changes: BTreeMap<Key, Node>) -> Done<()> {
    let mut nodes = BTreeMap::new();
    for ((author, directory), change) in changes {
        let was = tx.row(
            "SELECT author, directory, files, bytes, sum FROM tree_next WHERE author = ?1 AND directory = ?2",
            params![author, directory],
            tree::node,
        )?;
        let mut node = was.map(|(_, node)| node).unwrap_or_default();
        node.merge(&change);
        nodes.insert((author, directory), node);
    }
    save(tx, &nodes)
}

fn save(tx: Tx<'_>, nodes: &BTreeMap<Key, Node>) -> Done<()> {
    tree::each(
        tx,
        "INSERT INTO tree_next (author, directory, files, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (author, directory) DO UPDATE SET files = ?3, bytes = ?4, sum = ?5",
        nodes,
    )
}

/// A row of files, deleted ones included: they are passed by.
type Passed = (FileId, Option<State>);

fn next(tx: Tx<'_>, behind: &FileId, most: u32) -> Done<Vec<Passed>> {
    tx.rows(
        "SELECT author, directory, name, sha256, size, info, deleted FROM files WHERE (author, directory, name) > (?1, ?2, ?3)
         ORDER BY author, directory, name LIMIT ?4",
        params![behind.author, behind.directory, behind.name, most],
        |r| {
            let id = FileId::new(
                r.get::<String>(0)?,
                r.get::<String>(1)?,
                r.get::<String>(2)?,
            );
            let deleted: bool = r.get(6)?;
            let state = if deleted {
                None
            } else {
                Some(State {
                    sha256: r.get(3)?,
                    size: unsigned("a file", r.get(4)?)?,
                    info: r.get(5)?,
                })
            };
            Ok((id, state))
        },
    )
}

/// One step over at most so many rows; whether there is more to do.
pub(super) fn step(tx: Tx<'_>, fence: &Fence, most: u32) -> Done<bool> {
    tx.fence(fence)?;
    if release::is_older() || tree::is_true(tx)? {
        return Ok(false);
    }
    if few(tx)? {
        tree::rebuild(tx)?;
        return Ok(false);
    }
    let writes = tree::writes(tx)?;
    let mut at = match mark(tx)? {
        Some(at) if at.counted == writes => at,
        _ => {
            clear(tx)?;
            // The root is there even when no file is.
            save(tx, &BTreeMap::from([(Key::default(), Node::default())]))?;
            Mark {
                file: FileId::default(),
                counted: writes,
            }
        }
    };
    let files = next(tx, &at.file, most)?;
    let steps: Vec<Step<'_>> = files
        .iter()
        .filter_map(|(id, state)| {
            Some(Step {
                id,
                before: None,
                after: Some(state.clone()?),
            })
        })
        .collect();
    merge(tx, tree::changes(steps.iter()))?;
    let over = u32::try_from(files.len()).is_ok_and(|n| n < most);
    if over {
        tx.execute("DELETE FROM tree", params![])?;
        tx.execute(
            "INSERT INTO tree (author, directory, files, bytes, sum, counted)
             SELECT n.author, n.directory, n.files, n.bytes, n.sum, w.writes FROM tree_next n CROSS JOIN tree_writes w",
            params![],
        )?;
        clear(tx)?;
        return Ok(false);
    }
    if let Some((last, _)) = files.into_iter().next_back() {
        at.file = last;
    }
    set(tx, &at)?;
    Ok(true)
}
