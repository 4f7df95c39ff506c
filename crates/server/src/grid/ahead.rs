//! Opens sessions ahead of need, each used once.

use super::cell::Cell;
use super::health::Sign;
use super::monitor::Minder;
use super::session::{Marker, Session, SessionError};
use super::{Duty, Grid};
use crate::clock;
use crate::store::StoredNode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The longest that opening a session may take.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// A session that was taken is replaced after this pause: the task that took it goes first.
const REPLACE_AFTER: Duration = Duration::from_millis(8);
/// Pause after a session could not be opened.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Keeps sessions open ahead of need on one node.
pub(super) async fn run(minder: Minder) {
    loop {
        tokio::select! {
            () = minder.stop.cancelled() => return,
            () = minder.cell.refill.notified() => {}
        }
        if !minder.pause(REPLACE_AFTER).await {
            return;
        }
        while let Some(slot) = reserve(&minder) {
            let minder = minder.clone();
            minder.duty.tracker.clone().spawn(async move {
                if !fill(&minder, slot).await && minder.pause(AFTER_FAILURE).await {
                    minder.cell.refill.notify_one();
                }
            });
        }
    }
}

fn reserve(minder: &Minder) -> Option<usize> {
    let mut state = minder.cell.lock();
    let wanted = minder.grid.options.sessions_ahead as usize;
    if state.slots.ahead() >= wanted.min(state.slots.limit()) {
        return None;
    }
    state.slots.reserve(clock::now())
}

/// Opens a session for a reserved slot and records it. Whether that went well.
async fn fill(minder: &Minder, slot: usize) -> bool {
    let Minder {
        grid, duty, cell, ..
    } = minder;
    let Ok(mut session) = grid.open(duty, cell).await else {
        cell.lock().slots.free(slot, clock::now());
        grid.slots_changed.notify_one();
        return false;
    };
    let row = session.row().clone();
    let recorded = grid
        .store
        .open_sessions(&duty.fence, std::slice::from_ref(&row))
        .await;
    if let Err(error) = &recorded {
        tracing::warn!(node = cell.name, %error, "a session opened ahead could not be recorded");
    }
    // Only once it is recorded: nothing is evaluated in a session before.
    let warm = match &recorded {
        Ok(()) => session.warm_up().await,
        Err(_) => Ok(()),
    };
    if let Err(error) = &warm {
        tracing::debug!(node = cell.name, %error, "a session opened ahead was lost");
    }
    let mut session = Some(session);
    let kept = {
        let mut state = cell.lock();
        let now = clock::now();
        let wanted = recorded.is_ok() && warm.is_ok() && !minder.stop.is_cancelled();
        let kept = wanted && state.slots.ready(slot, row.pid, now);
        if kept {
            state.ready.extend(session.take().map(|s| (slot, s)));
        } else {
            state.slots.free(slot, now);
        }
        kept
    };
    if let Some(session) = session {
        grid.dismiss(duty, vec![session]);
    }
    if kept {
        grid.publish_soon(cell);
    }
    grid.slots_changed.notify_one();
    kept || (recorded.is_ok() && warm.is_ok())
}

impl Grid {
    /// Who opens sessions now.
    pub(crate) fn marker(&self, duty: &Duty) -> Marker {
        Marker {
            group: self.group.clone(),
            server: self.server.clone(),
            epoch: duty.fence.epoch,
        }
    }

    /// Opens a session on a node, at most [`super::cell::OPENS_AT_ONCE`] at a time. A failure is a sign of
    /// the node's health, and keeps tasks away from it for a moment.
    pub(super) async fn open(
        self: &Arc<Self>,
        duty: &Arc<Duty>,
        cell: &Arc<Cell>,
    ) -> Result<Box<dyn Session>, SessionError> {
        let node: StoredNode = cell.stored();
        let marker = self.marker(duty);
        let opening = async {
            let _permit = cell.opens.acquire().await;
            self.provider.open(&node, &marker).await
        };
        let opened = timeout(OPEN_LIMIT, opening).await.unwrap_or_else(|_| {
            Err(SessionError {
                code: gridhelm_api::Code::NodeSilent,
                message: format!(
                    "no session on {}:{} within {} s; the node is overloaded or its network fails",
                    node.host,
                    node.port,
                    OPEN_LIMIT.as_secs()
                ),
                ended_itself: false,
                usable: false,
            })
        });
        if let Err(error) = &opened {
            tracing::debug!(node = cell.name, %error, "no session");
            cell.lock().shunned_until = Some(Instant::now() + AFTER_FAILURE);
            if error.is_proof() {
                let sign = Sign::BeatFailed {
                    reason: error.brief().to_owned(),
                    certain: true,
                };
                self.see(duty, cell, sign);
            } else if error.usable {
                // It answers, and R says why no session can be had: heartbeats would not show it.
                let reason = error.brief().to_owned();
                self.see(duty, cell, Sign::ProbeFailed { reason });
            } else {
                cell.look_now.notify_one();
            }
        }
        opened
    }
}
