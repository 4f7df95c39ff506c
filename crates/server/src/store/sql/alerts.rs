//! Alerts, and messages about them.

use super::tx::{Done, Tx, json, of_json};
use super::value::{Row, params};
use crate::store::{Fence, Notes};
use gridhelm_api::Millis;
use gridhelm_api::alert::{Alert, Delivery};
use gridhelm_api::event::Event;

/// Alerts that ended and messages that are done with are kept so many; older ones go.
const KEPT: u32 = 2_000;

fn alert(r: &Row<'_>) -> Done<Alert> {
    of_json("an alert", &r.get::<String>(0)?)
}

fn delivery(r: &Row<'_>) -> Done<Delivery> {
    of_json("a delivery", &r.get::<String>(0)?)
}

pub(super) fn all(tx: Tx<'_>, ended: u32) -> Done<Vec<Alert>> {
    let mut found = tx.rows(
        "SELECT record FROM alerts WHERE resolved_at IS NULL ORDER BY opened_at DESC, id DESC",
        params![],
        alert,
    )?;
    found.extend(tx.rows(
        "SELECT record FROM alerts WHERE resolved_at IS NOT NULL ORDER BY opened_at DESC, id DESC LIMIT ?1",
        params![ended],
        alert,
    )?);
    Ok(found)
}

pub(super) fn put(
    tx: Tx<'_>,
    fence: &Fence,
    alerts: &[Alert],
    deliveries: &[Delivery],
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    for alert in alerts {
        tx.execute(
            "INSERT INTO alerts (id, opened_at, resolved_at, record) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET resolved_at = ?3, record = ?4",
            params![alert.id, alert.opened_at, alert.resolved_at, json(alert)?],
        )?;
    }
    for delivery in deliveries {
        write(tx, delivery)?;
    }
    if !alerts.is_empty() {
        tx.execute(
            "DELETE FROM alerts WHERE resolved_at IS NOT NULL AND id IN
             (SELECT id FROM alerts WHERE resolved_at IS NOT NULL ORDER BY opened_at DESC, id DESC LIMIT 100 OFFSET ?1)",
            params![KEPT],
        )?;
    }
    tx.notes(notes)
}

fn write(tx: Tx<'_>, delivery: &Delivery) -> Done<()> {
    tx.execute(
        "INSERT INTO deliveries (id, made_at, due_at, record) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET due_at = ?3, record = ?4",
        params![
            delivery.id,
            delivery.made_at,
            delivery.due_at,
            json(delivery)?
        ],
    )?;
    Ok(())
}

pub(super) fn due(tx: Tx<'_>, before: Millis, limit: u32) -> Done<Vec<Delivery>> {
    tx.rows(
        "SELECT record FROM deliveries WHERE due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2",
        params![before, limit],
        delivery,
    )
}

pub(super) fn deliveries(tx: Tx<'_>, limit: u32) -> Done<Vec<Delivery>> {
    tx.rows(
        "SELECT record FROM deliveries ORDER BY made_at DESC, id DESC LIMIT ?1",
        params![limit],
        delivery,
    )
}

pub(super) fn put_delivery(
    tx: Tx<'_>,
    fence: &Fence,
    delivery: &Delivery,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    write(tx, delivery)?;
    tx.execute(
        "DELETE FROM deliveries WHERE due_at IS NULL AND id IN
         (SELECT id FROM deliveries WHERE due_at IS NULL ORDER BY made_at DESC, id DESC LIMIT 100 OFFSET ?1)",
        params![KEPT],
    )?;
    tx.notes(notes)
}
