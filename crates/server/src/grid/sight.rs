//! What follows from a sign: slots out or back, records, publications.

use super::cell::{Cell, CellState, intent_words};
use super::health::{Sign, Turn, seconds};
use super::record::Told;
use super::{Duty, Grid};
use crate::clock;
use gridhelm_api::Millis;
use gridhelm_api::event::Severity;
use gridhelm_api::node::{Intent, TimelinePoint};
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
        let (reason, told) = {
            let mut state = cell.lock();
            let before = state.before.take();
            let evidence = Evidence::of(&state, before, now);
            self.words(&turn, duty, usable, total, &evidence)
        };
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

    fn words(
        &self,
        turn: &Turn,
        duty: &Duty,
        usable: u32,
        total: u32,
        evidence: &Evidence,
    ) -> (String, Option<Told>) {
        match turn {
            Turn::FoundUp => {
                let watched = format!("watched by {}, epoch {}", self.server, duty.fence.epoch);
                // It was out when an earlier active server last wrote that down, and nobody told that it is back.
                let back = evidence
                    .before
                    .as_ref()
                    .filter(|before| before.usable == 0 && usable > 0 && !before.planned);
                let Some(before) = back else {
                    return (watched, None);
                };
                let out = u64::try_from(evidence.now.saturating_sub(before.at)).unwrap_or(0);
                let message = format!("answers again after {}", seconds(out));
                let told = Told {
                    severity: Severity::Good,
                    kind: "node.expanded",
                    message: format!(
                        "{message}; {} back; it was lost under an earlier active server: {}",
                        slots(usable),
                        before.reason
                    ),
                };
                (format!("{message}; {watched}"), Some(told))
            }
            Turn::Contracted { reason } => {
                let (severity, message) = match &evidence.purpose {
                    Some(purpose) => (
                        Severity::Info,
                        format!(
                            "does not answer, as is to be expected while it is {purpose}: {reason}{evidence}"
                        ),
                    ),
                    None => (
                        Severity::Fail,
                        format!("lost: {reason}; {} out{evidence}", slots(total)),
                    ),
                };
                let told = Told {
                    severity,
                    kind: "node.contracted",
                    message,
                };
                (reason.clone(), Some(told))
            }
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

    /// Records and publishes that single slots went out or came back, if they did; whether they did.
    pub(super) fn capacity_changed(
        self: &Arc<Self>,
        duty: &Duty,
        cell: &Cell,
        reason: &str,
        severity: Severity,
        kind: &'static str,
    ) -> bool {
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
        change.is_some()
    }
}

/// What is known of a node when its slots go out or come back.
struct Evidence {
    /// The intent in words, when people want it out.
    purpose: Option<String>,
    /// How long ago it last answered, milliseconds.
    silent_ms: Option<u64>,
    /// Heartbeats that failed in a row.
    failures: u32,
    /// How it stood when an earlier active server last wrote that down.
    before: Option<TimelinePoint>,
    now: Millis,
}

impl Evidence {
    fn of(state: &CellState, before: Option<TimelinePoint>, now: Millis) -> Self {
        Self {
            purpose: (state.stored.intent != Intent::Enabled).then(|| intent_words(&state.stored)),
            silent_ms: state
                .last_heartbeat
                .map(|at| u64::try_from(now.saturating_sub(at)).unwrap_or(0)),
            failures: state.machine.failures(),
            before,
            now,
        }
    }
}

impl core::fmt::Display for Evidence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.silent_ms {
            Some(ms) => write!(f, "; last answer {} ago", seconds(ms))?,
            None => write!(f, "; no answer under this active server")?,
        }
        match self.failures {
            0 | 1 => Ok(()),
            n => write!(f, ", {n} tries failed"),
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
