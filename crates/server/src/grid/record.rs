//! Writes contractions and expansions down, in order, and publishes them once they are committed.

use super::cell::Cell;
use super::{Duty, Grid};
use crate::clock;
use crate::store::{EventDraft, Notes, StoreError};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::node::{Intent, TimelinePoint};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many records may wait for the database.
const WAITING: usize = 20_000;
/// Pause before a write is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// A change of a node's capacity.
pub(super) struct Record {
    node: String,
    point: TimelinePoint,
    notes: Notes,
}

/// What the event of a record says.
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

pub(super) fn channel() -> (mpsc::Sender<Record>, mpsc::Receiver<Record>) {
    mpsc::channel(WAITING)
}

impl Grid {
    /// Has a node's capacity recorded, with an event when one is given.
    pub(super) fn record(
        &self,
        duty: &Duty,
        cell: &Cell,
        usable: u32,
        total: u32,
        reason: String,
        told: Option<Told>,
    ) {
        let events = told.map(|told| EventDraft {
            severity: told.severity,
            topic: Topic::Grid,
            kind: told.kind,
            subject: cell.name.clone(),
            message: told.message,
            actor: self.server.clone(),
        });
        let record = Record {
            node: cell.name.clone(),
            point: TimelinePoint {
                at: clock::now(),
                usable,
                total,
                reason,
                planned: cell.lock().stored.intent != Intent::Enabled,
            },
            notes: Notes {
                events: events.into_iter().collect(),
                audit: Vec::new(),
            },
        };
        if duty.records.try_send(record).is_err() {
            tracing::error!(
                node = cell.name,
                "a change of capacity could not be recorded: too many wait for the database"
            );
        }
    }
}

/// Writes records until the duty ends; then what is left, each tried once.
pub(super) async fn run(grid: Arc<Grid>, duty: Arc<Duty>, mut queue: mpsc::Receiver<Record>) {
    loop {
        let record = tokio::select! {
            biased;
            record = queue.recv() => record,
            () = duty.cancel.cancelled() => None,
        };
        let Some(record) = record else { return };
        while !write(&grid, &duty, &record).await {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = duty.cancel.cancelled() => return,
            }
        }
    }
}

/// Whether the record is done with.
async fn write(grid: &Grid, duty: &Duty, record: &Record) -> bool {
    let notes = record.notes.clone();
    let written = grid
        .store
        .record_capacity(&duty.fence, &record.node, &record.point, notes)
        .await;
    match written {
        Ok(events) => {
            grid.publish_events(events);
            true
        }
        Err(StoreError::Unavailable { message, .. }) => {
            tracing::warn!(
                node = record.node,
                message,
                "a change waits for the database"
            );
            false
        }
        Err(error) => {
            tracing::debug!(node = record.node, %error, "a change was not recorded");
            true
        }
    }
}
