//! Removing what nothing refers to any more: given-up uploads and changesets, unreferenced content.
//!
//! In steps of a few rows, each a transaction of its own, so that nobody waits.

use super::content::KEPT_MS;
use super::holds;
use super::tx::{Done, Tx, word};
use super::value::{Column, ToValue, params};
use crate::store::{Fence, Trim};
use gridhelm_api::Millis;
use gridhelm_api::task::TaskState;

/// Rows looked at or removed in one step.
const STEP: u32 = 16;

/// What makes a content superfluous at `?1`, with `b` its row.
const SUPERFLUOUS: &str = "b.created_at < ?1
    AND NOT EXISTS (SELECT 1 FROM versions WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM files WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM operations WHERE sha256 = b.sha256)";

/// How far tidying has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Place {
    /// Changesets that were never committed go whole: behind this one.
    GivenUp(String),
    /// Operations are of no use once committed: of changesets behind this one.
    Committed(String),
    /// Contents behind this one.
    Contents(i64),
}

impl Place {
    /// Where it begins.
    pub(in crate::store) const START: Self = Self::GivenUp(String::new());
}

/// One step, as of `now`: how many contents were removed, and where the next step begins.
pub(in crate::store) fn step(
    tx: Tx<'_>,
    now: Millis,
    place: &Place,
) -> Done<(usize, Option<Place>)> {
    let before = now - KEPT_MS;
    match place {
        Place::GivenUp(last) => {
            let given_up = holds::given_up();
            let (end, _) = remove(
                tx,
                &format!(
                    "SELECT id FROM changesets WHERE {given_up} AND id > ?2 ORDER BY id LIMIT ?3"
                ),
                &format!("DELETE FROM changesets WHERE {given_up} AND id = ?2"),
                before,
                last,
            )?;
            Ok((
                0,
                Some(end.map_or(Place::Committed(String::new()), Place::GivenUp)),
            ))
        }
        Place::Committed(last) => {
            let (end, _) = remove(
                tx,
                "SELECT id FROM changesets c WHERE committed IS NOT NULL AND opened_at < ?1 AND id > ?2
                 AND EXISTS (SELECT 1 FROM operations WHERE changeset = c.id) ORDER BY id LIMIT ?3",
                "DELETE FROM operations WHERE changeset IN (SELECT id FROM changesets WHERE id = ?2 AND opened_at < ?1)",
                before,
                last,
            )?;
            Ok((0, Some(end.map_or(Place::Contents(0), Place::Committed))))
        }
        Place::Contents(last) => {
            let (end, removed) = remove(
                tx,
                &format!(
                    "SELECT b.id FROM blobs b WHERE {SUPERFLUOUS} AND b.id > ?2 ORDER BY b.id LIMIT ?3"
                ),
                &format!("DELETE FROM blobs AS b WHERE b.id = ?2 AND {SUPERFLUOUS}"),
                before,
                last,
            )?;
            Ok((removed, end.map(Place::Contents)))
        }
    }
}

/// Ended tasks that are removed in one step, at most, of each state.
const TASKS: u32 = 100;
/// Events that are removed in one step, at most.
const EVENTS: u32 = 1_000;

/// Removes the oldest ended tasks and events if they are older than this: how many of each. What a task kept goes with
/// it; contents that then belong to nothing go by [`step`].
pub(super) fn prune(
    tx: Tx<'_>,
    fence: &Fence,
    tasks_before: Option<Millis>,
    events_before: Option<Millis>,
) -> Done<(usize, usize)> {
    tx.fence(fence)?;
    let (mut tasks, mut events) = (0, 0);
    if let Some(before) = tasks_before {
        // Ids grow with time, so only the oldest are looked at, not every task that is still young.
        for state in [
            TaskState::Succeeded,
            TaskState::Failed,
            TaskState::Cancelled,
        ] {
            tasks += tx.execute(
                "DELETE FROM tasks WHERE id IN (
                     SELECT o.id FROM (SELECT id, ended_at FROM tasks WHERE state = ?1 ORDER BY id LIMIT ?2) o
                     WHERE o.ended_at < ?3)",
                params![word(&state)?, TASKS, before],
            )?;
        }
    }
    if let Some(before) = events_before {
        events = tx.execute(
            "DELETE FROM events WHERE id IN (
                 SELECT o.id FROM (SELECT id, at FROM events ORDER BY id LIMIT ?1) o WHERE o.at < ?2)",
            params![EVENTS, before],
        )?;
        // A node's last point says how it stands.
        events += tx.execute(
            "DELETE FROM capacity WHERE id IN (
                 SELECT o.id FROM capacity o WHERE o.at < ?2
                 AND EXISTS (SELECT 1 FROM capacity n WHERE n.node = o.node AND (n.at, n.id) > (o.at, o.id))
                 ORDER BY o.at, o.id LIMIT ?1)",
            params![EVENTS, before],
        )?;
    }
    Ok((tasks, events))
}

/// Files, or tasks, that one step looks at.
const LOOKED: u32 = 500;

/// One step of removing what outlives its use: results of old tasks, old versions of files.
pub(super) fn trim(tx: Tx<'_>, fence: &Fence, what: &Trim) -> Done<(usize, Option<Trim>)> {
    tx.fence(fence)?;
    match what {
        Trim::Results { before, behind } => {
            let seen = tx.rows(
                "SELECT id, submitted_at FROM tasks WHERE id > ?1 ORDER BY id LIMIT ?2",
                params![behind, LOOKED],
                |r| Ok((r.get::<String>(0)?, r.get::<i64>(1)?)),
            )?;
            // Ids grow with time: behind one that is young all are.
            let Some((last, _)) = seen.last().filter(|_| seen[0].1 < *before) else {
                return Ok((0, None));
            };
            let old = "SELECT id FROM tasks WHERE id > ?1 AND id <= ?2 AND ended_at < ?3
                       AND state IN ('succeeded', 'failed', 'cancelled')";
            let plots = tx.execute(
                &format!("DELETE FROM artifacts WHERE task IN ({old})"),
                params![behind, last, before],
            )?;
            let values = tx.execute(
                &format!(
                    "UPDATE tasks SET value = NULL, outputs = NULL WHERE id IN ({old})
                     AND (value IS NOT NULL OR outputs IS NOT NULL)"
                ),
                params![behind, last, before],
            )?;
            let next = Trim::Results {
                before: *before,
                behind: last.clone(),
            };
            Ok((plots + values, Some(next)))
        }
        Trim::Versions {
            before,
            keep,
            behind,
        } => {
            let seen: Vec<i64> = tx.rows(
                "SELECT id FROM files WHERE id > ?1 ORDER BY id LIMIT ?2",
                params![behind, LOOKED],
                |r| r.get(0),
            )?;
            let Some(last) = seen.last() else {
                return Ok((0, None));
            };
            let gone = tx.execute(
                "DELETE FROM versions WHERE file > ?1 AND file <= ?2 AND written_at < ?3
                 AND version <= (SELECT f.version FROM files f WHERE f.id = versions.file) - ?4",
                params![behind, last, before, keep],
            )?;
            let next = Trim::Versions {
                before: *before,
                keep: *keep,
                behind: *last,
            };
            Ok((gone, Some(next)))
        }
    }
}

/// Finds and removes the next few rows: the key of the last one, `None` when there is no more, and how many
/// went.
fn remove<K: Column + ToValue>(
    tx: Tx<'_>,
    find: &str,
    remove: &str,
    before: Millis,
    last: &K,
) -> Done<(Option<K>, usize)> {
    let keys: Vec<K> = tx.rows(find, params![before, last, STEP], |r| r.get(0))?;
    let mut removed = 0;
    for key in &keys {
        removed += tx.execute(remove, params![before, key])?;
    }
    Ok((keys.into_iter().last(), removed))
}
