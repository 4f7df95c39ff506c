//! What follows from looks at the sessions in slots: events, and the end of those that wait for a task and could not run it.

use super::cell::Cell;
use super::health::seconds;
use super::pulse::Look;
use super::record::Told;
use super::slots::Turn;
use super::{Duty, Grid};
use crate::clock;
use gridhelm_api::event::Severity;
use gridhelm_api::node::StallKind;

impl Grid {
    /// Takes what a watch saw of sessions' processes.
    pub(super) fn see_sessions(&self, duty: &Duty, cell: &Cell, seen: &[(i64, Look)]) {
        let now = clock::now();
        let (mut turns, mut shown) = (Vec::new(), false);
        {
            let mut state = cell.lock();
            for (pid, look) in seen {
                let (turn, changed) = state.slots.look(*pid, look, now);
                turns.extend(turn);
                shown |= changed;
            }
        }
        self.turned(duty, cell, turns, shown);
    }

    /// Takes that a watch saw nothing, for this reason.
    pub(super) fn see_nothing(&self, duty: &Duty, cell: &Cell, why: &str) {
        let (turns, shown) = cell.lock().slots.look_failed(why, clock::now());
        self.turned(duty, cell, turns, shown);
    }

    fn turned(&self, duty: &Duty, cell: &Cell, turns: Vec<Turn>, shown: bool) {
        for turn in turns {
            let ends = dismisses(&turn);
            self.tell_turn(duty, cell, &turn, ends);
            if ends {
                replace(cell, &turn);
            }
        }
        if shown {
            self.publish_soon(cell);
        }
    }

    fn tell_turn(&self, duty: &Duty, cell: &Cell, turn: &Turn, ends: bool) {
        let whose = match &turn.task {
            Some(task) => format!("of task {task}"),
            None => "opened ahead".to_owned(),
        };
        let which = format!(
            "slot {}: the session {whose} (process {})",
            turn.index + 1,
            turn.pid
        );
        let (severity, kind, message) = if let Some(stall) = &turn.stall {
            let end = if ends {
                "; it is ended and replaced"
            } else {
                ""
            };
            let message = format!("{which} does not work: {}{end}", stall.what);
            (Severity::Warn, "slot.stalled", message)
        } else {
            let lasted = seconds(u64::try_from(turn.lasted).unwrap_or(0));
            let message = format!("{which} works again after {lasted}");
            (Severity::Good, "slot.recovered", message)
        };
        tracing::info!(node = cell.name, message, "session looked at");
        let (usable, total) = {
            let state = cell.lock();
            (state.slots.usable(), state.stored.slot_limit)
        };
        let told = Told {
            severity,
            kind,
            message: message.clone(),
        };
        self.record(duty, cell, usable, total, message, Some(told));
    }
}

/// Whether a session is to be ended: one that no task has, and that could not run one.
fn dismisses(turn: &Turn) -> bool {
    let stall = turn.stall.as_ref().filter(|_| turn.task.is_none());
    stall.is_some_and(|stall| matches!(stall.kind, StallKind::Stopped | StallKind::Gone))
}

/// Has the session ended that was opened ahead there; another one is opened in its place.
fn replace(cell: &Cell, turn: &Turn) {
    let session = {
        let mut state = cell.lock();
        let mut ready = state.ready.iter();
        let at =
            ready.position(|(slot, session)| *slot == turn.index && session.row().pid == turn.pid);
        at.map(|at| state.ready.swap_remove(at).1)
    };
    // Not ended by its own connection: it would not answer.
    if let Some(session) = session {
        let row = session.row().clone();
        drop(session);
        cell.doom(Some(turn.index), row, true);
    }
}
