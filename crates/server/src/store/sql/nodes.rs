//! Nodes and their timelines.

use super::tx::{Done, Tx, json, not_found, of_json, of_word, word};
use super::value::{Row, params};
use crate::clock;
use crate::store::{Fence, Notes, StoreError, StoredNode};
use gridhelm_api::Millis;
use gridhelm_api::event::Event;
use gridhelm_api::node::{Intent, IntentChange, NodePatch, TimelinePoint};

/// The columns of a node. One that passes for an older release (drills of upgrades) reads the newest as they are by default.
fn columns() -> &'static str {
    if crate::release::is_older() {
        "SELECT name, host, port, \"user\", password, slot_limit, operating_type, labels, intent,
            intent_reason, intent_by, intent_since, version, created_at, CAST(NULL AS BIGINT), 1 = 0 FROM nodes"
    } else {
        "SELECT name, host, port, \"user\", password, slot_limit, operating_type, labels, intent,
            intent_reason, intent_by, intent_since, version, created_at, intent_until, intent_force FROM nodes"
    }
}

/// The column that says whether a point was planned, as [`columns`] does.
fn planned() -> &'static str {
    if crate::release::is_older() {
        "1 = 0"
    } else {
        "planned"
    }
}

fn stored(r: &Row<'_>) -> Done<StoredNode> {
    Ok(StoredNode {
        name: r.get(0)?,
        host: r.get(1)?,
        port: r.get(2)?,
        user: r.get(3)?,
        password: r.get(4)?,
        slot_limit: r.get(5)?,
        operating_type: of_word("a node", &r.get::<String>(6)?)?,
        labels: of_json("a node", &r.get::<String>(7)?)?,
        intent: of_word("a node", &r.get::<String>(8)?)?,
        intent_reason: r.get(9)?,
        intent_by: r.get(10)?,
        intent_since: r.get(11)?,
        version: r.get(12)?,
        created_at: r.get(13)?,
        intent_until: r.get(14)?,
        intent_force: r.get(15)?,
    })
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<StoredNode>> {
    tx.rows(&format!("{} ORDER BY name", columns()), params![], stored)
}

fn one(tx: Tx<'_>, name: &str) -> Done<StoredNode> {
    tx.row(
        &format!("{} WHERE name = ?1", columns()),
        params![name],
        stored,
    )?
    .ok_or_else(|| not_found(format!("node {name}")))
}

/// The node, if it is at the version that the caller saw.
fn at_version(tx: Tx<'_>, name: &str, version: i64) -> Done<StoredNode> {
    let node = one(tx, name)?;
    if node.version == version {
        return Ok(node);
    }
    Err(StoreError::VersionMismatch {
        what: format!("node {name}"),
        version: node.version,
        current: shown(&node),
    }
    .into())
}

fn shown(node: &StoredNode) -> Option<serde_json::Value> {
    serde_json::to_value(node.shown()).ok()
}

/// Another node must not have this address.
fn address_is_free(tx: Tx<'_>, node: &StoredNode) -> Done<()> {
    let other: Option<String> = tx.value(
        "SELECT name FROM nodes WHERE host = ?1 AND port = ?2 AND name <> ?3",
        params![node.host, node.port, node.name],
    )?;
    match other {
        None => Ok(()),
        Some(other) => Err(StoreError::AlreadyExists {
            field: "host",
            what: format!("node {other} at {}:{}", node.host, node.port),
        }
        .into()),
    }
}

pub(super) fn create(
    tx: Tx<'_>,
    fence: &Fence,
    node: &StoredNode,
    notes: &Notes,
) -> Done<(StoredNode, Vec<Event>)> {
    tx.fence(fence)?;
    let taken: Option<String> = tx.value(
        "SELECT name FROM nodes WHERE name = ?1",
        params![&node.name],
    )?;
    if taken.is_some() {
        return Err(StoreError::AlreadyExists {
            field: "name",
            what: format!("node {}", node.name),
        }
        .into());
    }
    address_is_free(tx, node)?;
    let node = StoredNode {
        version: 1,
        ..node.clone()
    };
    put(tx, &node)?;
    let events = tx.notes_about(notes, None, shown(&node).as_ref())?;
    Ok((node, events))
}

fn put(tx: Tx<'_>, node: &StoredNode) -> Done<()> {
    let (kind, labels) = (word(&node.operating_type)?, json(&node.labels)?);
    let intent = word(&node.intent)?;
    tx.execute(
        "INSERT INTO nodes (name, host, port, \"user\", password, slot_limit, operating_type, labels, intent,
                intent_reason, intent_by, intent_since, version, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (name) DO UPDATE SET host = ?2, port = ?3, \"user\" = ?4, password = ?5, slot_limit = ?6,
                operating_type = ?7, labels = ?8, intent = ?9, intent_reason = ?10, intent_by = ?11,
                intent_since = ?12, version = ?13",
        params![
            node.name,
            node.host,
            node.port,
            node.user,
            node.password,
            node.slot_limit,
            kind,
            labels,
            intent,
            node.intent_reason,
            node.intent_by,
            node.intent_since,
            node.version,
            node.created_at,
        ],
    )?;
    if !crate::release::is_older() {
        tx.execute(
            "UPDATE nodes SET intent_until = ?2, intent_force = ?3 WHERE name = ?1",
            params![node.name, node.intent_until, node.intent_force],
        )?;
    }
    Ok(())
}

pub(super) fn update(
    tx: Tx<'_>,
    fence: &Fence,
    name: &str,
    version: i64,
    patch: &NodePatch,
    notes: &Notes,
) -> Done<(StoredNode, Vec<Event>)> {
    tx.fence(fence)?;
    let old = at_version(tx, name, version)?;
    let patch = patch.clone();
    let new = StoredNode {
        host: patch.host.unwrap_or_else(|| old.host.clone()),
        port: patch.port.unwrap_or(old.port),
        user: patch.user.or_else(|| old.user.clone()),
        password: patch.password.or_else(|| old.password.clone()),
        slot_limit: patch.slot_limit.unwrap_or(old.slot_limit),
        operating_type: patch.operating_type.unwrap_or(old.operating_type),
        labels: patch.labels.unwrap_or_else(|| old.labels.clone()),
        version: old.version + 1,
        ..old.clone()
    };
    address_is_free(tx, &new)?;
    change(tx, &old, new, notes)
}

fn change(
    tx: Tx<'_>,
    old: &StoredNode,
    new: StoredNode,
    notes: &Notes,
) -> Done<(StoredNode, Vec<Event>)> {
    put(tx, &new)?;
    let events = tx.notes_about(notes, shown(old).as_ref(), shown(&new).as_ref())?;
    Ok((new, events))
}

pub(super) fn set_intent(
    tx: Tx<'_>,
    fence: &Fence,
    name: &str,
    version: i64,
    wanted: &IntentChange,
    by: &str,
    notes: &Notes,
) -> Done<(StoredNode, Vec<Event>)> {
    tx.fence(fence)?;
    let old = at_version(tx, name, version)?;
    let now = clock::now();
    let new = StoredNode {
        intent: wanted.intent,
        intent_reason: Some(wanted.reason.clone()),
        intent_by: Some(by.to_owned()),
        intent_since: now,
        intent_until: wanted.for_s.map(|s| now + Millis::from(s) * 1_000),
        intent_force: wanted.force,
        version: old.version + 1,
        ..old.clone()
    };
    change(tx, &old, new, notes)
}

/// The end of an intent has come: a disabled node is enabled, a draining one drains on without a deadline.
pub(super) fn intent_passed(
    tx: Tx<'_>,
    fence: &Fence,
    name: &str,
    version: i64,
    by: &str,
    notes: &Notes,
) -> Done<(StoredNode, Vec<Event>)> {
    tx.fence(fence)?;
    let old = at_version(tx, name, version)?;
    let kept = StoredNode {
        intent_until: None,
        version: old.version + 1,
        ..old.clone()
    };
    let new = if old.intent == Intent::Disabled {
        StoredNode {
            intent: Intent::Enabled,
            intent_by: Some(by.to_owned()),
            intent_since: clock::now(),
            intent_force: false,
            ..kept
        }
    } else {
        kept
    };
    change(tx, &old, new, notes)
}

pub(super) fn remove(
    tx: Tx<'_>,
    fence: &Fence,
    name: &str,
    version: i64,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let old = at_version(tx, name, version)?;
    tx.execute("DELETE FROM nodes WHERE name = ?1", params![name])?;
    // From here on its history says that it is not there.
    put_point(
        tx,
        name,
        &TimelinePoint {
            at: clock::now(),
            usable: 0,
            total: 0,
            reason: "removed from the grid".to_owned(),
            planned: true,
        },
    )?;
    tx.notes_about(notes, shown(&old).as_ref(), None)
}

pub(super) fn record_capacity(
    tx: Tx<'_>,
    fence: &Fence,
    node: &str,
    point: &TimelinePoint,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let known: Option<String> =
        tx.value("SELECT name FROM nodes WHERE name = ?1", params![node])?;
    if known.is_none() {
        return Err(not_found(format!("node {node}")));
    }
    put_point(tx, node, point)?;
    tx.notes(notes)
}

fn put_point(tx: Tx<'_>, node: &str, point: &TimelinePoint) -> Done<()> {
    if crate::release::is_older() {
        tx.execute(
            "INSERT INTO capacity (node, at, usable, total, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![node, point.at, point.usable, point.total, point.reason],
        )?;
    } else {
        tx.execute(
            "INSERT INTO capacity (node, at, usable, total, reason, planned) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                node,
                point.at,
                point.usable,
                point.total,
                point.reason,
                point.planned
            ],
        )?;
    }
    Ok(())
}

/// The latest point of each node: how it stood when that was last written down.
pub(super) fn last_points(tx: Tx<'_>) -> Done<Vec<(String, TimelinePoint)>> {
    tx.rows(
        &format!(
            "SELECT c.at, c.usable, c.total, c.reason, {}, c.node FROM nodes n
             JOIN capacity c ON c.id = (SELECT id FROM capacity WHERE node = n.name ORDER BY at DESC, id DESC LIMIT 1)",
            planned()
        ),
        params![],
        |r| Ok((r.get(5)?, point(r)?)),
    )
}

/// The points of all nodes from `since` on and before `until`, each node's last one before `since` first, oldest first; at most `limit` and
/// one more, which tells that there are more.
pub(super) fn points(
    tx: Tx<'_>,
    since: Millis,
    until: Millis,
    limit: u32,
) -> Done<Vec<(String, TimelinePoint)>> {
    let of_node = |r: &Row<'_>| Ok((r.get(5)?, point(r)?));
    let mut found = tx.rows(
        &format!(
            "SELECT c.at, c.usable, c.total, c.reason, {}, c.node FROM (SELECT DISTINCT node FROM capacity) n
             JOIN capacity c ON c.id = (SELECT id FROM capacity WHERE node = n.node AND at < ?1 ORDER BY at DESC, id DESC LIMIT 1)
             WHERE c.total > 0",
            planned()
        ),
        params![since],
        of_node,
    )?;
    found.extend(tx.rows(
        &format!(
            "SELECT at, usable, total, reason, {}, node FROM capacity WHERE at >= ?1 AND at < ?2 ORDER BY at, id LIMIT {}",
            planned(),
            limit.saturating_add(1)
        ),
        params![since, until],
        of_node,
    )?);
    Ok(found)
}

fn point(r: &Row<'_>) -> Done<TimelinePoint> {
    Ok(TimelinePoint {
        at: r.get(0)?,
        usable: r.get(1)?,
        total: r.get(2)?,
        reason: r.get(3)?,
        planned: r.get(4)?,
    })
}

pub(super) fn timeline(tx: Tx<'_>, node: &str, since: Millis) -> Done<Vec<TimelinePoint>> {
    let mut points: Vec<_> = tx
        .row(
            &format!("SELECT at, usable, total, reason, {} FROM capacity WHERE node = ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT 1", planned()),
            params![node, since],
            point,
        )?
        .into_iter()
        .collect();
    points.extend(tx.rows(
        &format!("SELECT at, usable, total, reason, {} FROM capacity WHERE node = ?1 AND at >= ?2 ORDER BY at, id", planned()),
        params![node, since],
        point,
    )?);
    Ok(points)
}
