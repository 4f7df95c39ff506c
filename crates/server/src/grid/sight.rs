//! What follows from a sign: slots out or back, records, publications.

use super::cell::Cell;
use super::health::{Sign, Turn, seconds};
use super::record::Told;
use super::{Duty, Grid};
use crate::clock;
use gridhelm_api::event::Severity;
use std::sync::Arc;

impl Grid {
    /// Takes a sign of a node and acts on it.
    pub(super) fn see(self: &Arc<Self>, duty: &Arc<Duty>, cell: &Cell, sign: Sign) {
        let now = clock::now();
        let (verdict, change, unwanted) = {
            let mut state = cell.lock();
            let health = state.machine.health();
            let verdict = state.machine.observe(sign, self.ticks());
            if state.machine.health() != health {
                state.health_since = now;
            }
            if verdict.turn.is_some() {
                state.settle(now);
                let unwanted = state.take_unwanted(now);
                (verdict, state.capacity_change(), unwanted)
            } else {
                (verdict, None, Vec::new())
            }
        };
        if verdict.look_soon {
            cell.look_now.notify_one();
        }
        let Some(turn) = verdict.turn else {
            if verdict.changed {
                self.publish_soon(cell);
            }
            return;
        };
        self.publish(cell);
        self.dismiss(duty, unwanted);
        let (usable, total) = change.unwrap_or_else(|| {
            let state = cell.lock();
            (state.slots.usable(), state.stored.slot_limit)
        });
        let (reason, told) = self.words(&turn, duty, usable, total);
        tracing::info!(node = cell.name, usable, total, reason, "capacity changed");
        self.record(duty, cell, usable, total, reason, told);
        if !matches!(turn, Turn::Contracted { .. }) {
            cell.came_up.notify_waiters();
            cell.refill.notify_one();
            cell.reclaim.notify_one();
            cell.probe_now.notify_one();
            self.slots_changed.notify_one();
        }
    }

    fn words(&self, turn: &Turn, duty: &Duty, usable: u32, total: u32) -> (String, Option<Told>) {
        match turn {
            Turn::FoundUp => (
                format!("watched by {}, epoch {}", self.server, duty.fence.epoch),
                None,
            ),
            Turn::Contracted { reason } => (
                reason.clone(),
                Some(Told {
                    severity: Severity::Fail,
                    kind: "node.contracted",
                    message: format!("lost: {reason}; {} out", slots(total)),
                }),
            ),
            Turn::Expanded { out_ms } => {
                let message = format!("answers again after {}", seconds(*out_ms));
                let back = if usable == 0 {
                    String::new()
                } else {
                    format!("; {} back", slots(usable))
                };
                (
                    message.clone(),
                    Some(Told {
                        severity: Severity::Good,
                        kind: "node.expanded",
                        message: message + &back,
                    }),
                )
            }
        }
    }

    /// Records that the last task of a node that drains has ended.
    pub(super) fn drained(&self, duty: &Duty, cell: &Cell, usable: u32, total: u32) {
        let message = "drained: its last task has ended".to_owned();
        let told = Told {
            severity: Severity::Good,
            kind: "node.drained",
            message: message.clone(),
        };
        self.record(duty, cell, usable, total, message, Some(told));
    }

    /// Records and publishes that single slots went out or came back, if they did.
    pub(super) fn capacity_changed(
        self: &Arc<Self>,
        duty: &Duty,
        cell: &Cell,
        reason: &str,
        severity: Severity,
        kind: &'static str,
    ) {
        let change = cell.lock().capacity_change();
        if let Some((usable, total)) = change {
            let told = Told {
                severity,
                kind,
                message: reason.to_owned(),
            };
            self.record(duty, cell, usable, total, reason.to_owned(), Some(told));
            self.publish(cell);
        }
    }
}

fn slots(n: u32) -> String {
    if n == 1 {
        "1 slot".to_owned()
    } else {
        format!("{n} slots")
    }
}
