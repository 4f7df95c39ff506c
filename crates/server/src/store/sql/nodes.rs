//! Nodes and their timelines.

use super::tx::{Done, Tx, json, not_found, of_json, of_word, word};
use super::value::{Row, params};
use crate::clock;
use crate::store::{Fence, Notes, StoreError, StoredNode};
use gridhelm_api::Millis;
use gridhelm_api::event::Event;
use gridhelm_api::node::{IntentChange, NodePatch, TimelinePoint};

const COLUMNS: &str =
    "SELECT name, host, port, \"user\", password, slot_limit, operating_type, labels, intent,
    intent_reason, intent_by, intent_since, version, created_at FROM nodes";

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
    })
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<StoredNode>> {
    tx.rows(&format!("{COLUMNS} ORDER BY name"), params![], stored)
}

fn one(tx: Tx<'_>, name: &str) -> Done<StoredNode> {
    tx.row(&format!("{COLUMNS} WHERE name = ?1"), params![name], stored)?
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
            word(&node.operating_type)?,
            json(&node.labels)?,
            word(&node.intent)?,
            node.intent_reason,
            node.intent_by,
            node.intent_since,
            node.version,
            node.created_at,
        ],
    )?;
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
    let new = StoredNode {
        intent: wanted.intent,
        intent_reason: Some(wanted.reason.clone()),
        intent_by: Some(by.to_owned()),
        intent_since: clock::now(),
        version: old.version + 1,
        ..old.clone()
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
    tx.execute(
        "INSERT INTO capacity (node, at, usable, total, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![node, point.at, point.usable, point.total, point.reason],
    )?;
    tx.notes(notes)
}

pub(super) fn timeline(tx: Tx<'_>, node: &str, since: Millis) -> Done<Vec<TimelinePoint>> {
    let point = |r: &Row<'_>| {
        Ok(TimelinePoint {
            at: r.get(0)?,
            usable: r.get(1)?,
            total: r.get(2)?,
            reason: r.get(3)?,
        })
    };
    let mut points: Vec<_> = tx
        .row(
            "SELECT at, usable, total, reason FROM capacity WHERE node = ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT 1",
            params![node, since],
            point,
        )?
        .into_iter()
        .collect();
    points.extend(tx.rows(
        "SELECT at, usable, total, reason FROM capacity WHERE node = ?1 AND at >= ?2 ORDER BY at, id",
        params![node, since],
        point,
    )?);
    Ok(points)
}
