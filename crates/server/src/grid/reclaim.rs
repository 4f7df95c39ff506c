//! Ends sessions that nobody may use any more, and proves that they ended.
//!
//! Three kinds: sessions that servers of lower epochs left behind (recorded, or found on the node by
//! their marker), sessions whose task was stopped or lost, and sessions whose end was not seen.

use super::Grid;
use super::cell::{Cell, Doomed};
use super::monitor::Minder;
use super::record::Told;
use super::session::{FoundSession, Proof, ReclaimTarget};
use crate::clock;
use crate::store::SessionRow;
use gridhelm_api::event::Severity;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest that one try may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The first pause between two tries; grows to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const LAST_PAUSE: Duration = Duration::from_secs(5);

impl Cell {
    /// Has a session ended. The answer says so once it is proven dead.
    pub(super) fn doom(
        &self,
        slot: Option<usize>,
        row: SessionRow,
        recorded: bool,
    ) -> watch::Receiver<Proof> {
        let mut state = self.lock();
        if let Some(known) = state.doomed.iter().find(|d| d.row.id == row.id) {
            return known.proven.subscribe();
        }
        let (proven, answer) = watch::channel(Proof::None);
        let by = format!("{}, epoch {}", row.server, row.epoch);
        state.slots.doom(slot, &row.id, &by, row.pid, clock::now());
        state.doomed.push(Doomed {
            row,
            recorded,
            proven,
        });
        drop(state);
        self.reclaim.notify_one();
        answer
    }
}

impl Grid {
    /// Whether the session of an attempt is proven dead, waiting at most `within` (without end when `None`).
    /// A session without a row was seen to end.
    pub(crate) async fn dead(
        &self,
        node: &str,
        pid: Option<i64>,
        epoch: i64,
        within: Option<Duration>,
    ) -> bool {
        let proof = async {
            let Some(duty) = self.on_duty() else {
                return false;
            };
            let mut begun = duty.begun.subscribe();
            if begun.wait_for(|begun| *begun).await.is_err() {
                return false;
            }
            let Some(cell) = self.cell(node) else {
                return false;
            };
            let doomed = {
                let state = cell.lock();
                let same = |d: &&Doomed| Some(d.row.pid) == pid && d.row.epoch == epoch;
                state.doomed.iter().find(same).map(|d| d.proven.subscribe())
            };
            match doomed {
                Some(mut proven) => proven.wait_for(|proof| proof.is_dead()).await.is_ok(),
                None => true,
            }
        };
        match within {
            Some(within) => timeout(within, proof).await.unwrap_or(false),
            None => proof.await,
        }
    }
}

/// Ends doomed sessions of one node until the loop should end.
pub(super) async fn run(minder: Minder) {
    let mut pause = FIRST_PAUSE;
    loop {
        let (waiting, down) = {
            let state = minder.cell.lock();
            let rows: Vec<SessionRow> = state.doomed.iter().map(|d| d.row.clone()).collect();
            (rows, state.machine.is_down())
        };
        if waiting.is_empty() || down {
            pause = FIRST_PAUSE;
            tokio::select! {
                () = minder.stop.cancelled() => return,
                () = minder.cell.reclaim.notified() => {}
            }
            // A node that is down is looked at again when it comes up: that is notified, too.
            continue;
        }
        for row in waiting {
            if minder.stop.is_cancelled() {
                return;
            }
            let proof = end(&minder, &row).await;
            if proof.is_dead() {
                pause = FIRST_PAUSE;
                buried(&minder, &row, proof).await;
            }
        }
        if minder.cell.lock().doomed.is_empty() {
            continue;
        }
        tokio::select! {
            () = minder.stop.cancelled() => return,
            () = minder.cell.reclaim.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Tries once.
async fn end(minder: &Minder, row: &SessionRow) -> Proof {
    let node = minder.cell.stored();
    let target = target(row);
    let grid = &minder.grid;
    let tried = grid
        .provider
        .reclaim(&node, &target, &grid.group, minder.duty.fence.epoch);
    match timeout(LIMIT, tried).await {
        Ok(Ok(proof)) => proof,
        Ok(Err(error)) => {
            tracing::warn!(node = node.name, pid = row.pid, %error, "a session could not be reclaimed");
            minder.cell.look_now.notify_one();
            Proof::None
        }
        Err(_) => Proof::None,
    }
}

async fn buried(minder: &Minder, row: &SessionRow, proof: Proof) {
    let Minder {
        grid, duty, cell, ..
    } = minder;
    let found = {
        let mut state = cell.lock();
        state.slots.buried(&row.id, clock::now());
        let at = state.doomed.iter().position(|d| d.row.id == row.id);
        at.map(|at| state.doomed.swap_remove(at))
    };
    let Some(doomed) = found else { return };
    if doomed.recorded
        && let Err(error) = grid
            .store
            .close_sessions(&duty.fence, std::slice::from_ref(&row.id))
            .await
    {
        tracing::debug!(node = cell.name, %error, "the row of a reclaimed session was kept");
    }
    doomed.proven.send_replace(proof);
    let by = format!("{}, epoch {}", row.server, row.epoch);
    tracing::info!(node = cell.name, pid = row.pid, by, "session reclaimed");
    if row.epoch < duty.fence.epoch {
        let reason = format!("the session of {by} (process {}) was reclaimed", row.pid);
        let good = Severity::Good;
        if !grid.capacity_changed(duty, cell, &reason, good, "slot.reclaimed") {
            // It held no slot: the event stands for itself.
            let (usable, total) = {
                let state = cell.lock();
                (state.slots.usable(), state.stored.slot_limit)
            };
            let told = Told {
                severity: good,
                kind: "session.reclaimed",
                message: reason.clone(),
            };
            grid.record(duty, cell, usable, total, reason, Some(told));
        }
    }
    grid.publish_soon(cell);
    cell.refill.notify_one();
    grid.slots_changed.notify_one();
}

/// Has sessions ended that bear our group's marker with a lower epoch and that no row tells of.
pub(super) fn doom_strays(minder: &Minder, found: &[FoundSession]) {
    let Minder {
        grid, duty, cell, ..
    } = minder;
    for session in found {
        let stray = session
            .marker
            .as_ref()
            .is_some_and(|m| m.group == grid.group && m.epoch < duty.fence.epoch);
        if stray && let Some(row) = row(&cell.name, session) {
            let known = {
                let state = cell.lock();
                let same = |r: &SessionRow| r.pid == row.pid && r.start_ticks == row.start_ticks;
                state.doomed.iter().any(|d| same(&d.row))
            };
            if !known {
                cell.doom(None, row, false);
            }
        }
    }
}

/// A row for a session that was found and not recorded.
fn row(node: &str, found: &FoundSession) -> Option<SessionRow> {
    let marker = found.marker.clone()?;
    Some(SessionRow {
        id: format!("found-{}-{}", found.pid, found.start_ticks),
        node: node.to_owned(),
        pid: found.pid,
        start_ticks: found.start_ticks,
        host_boot: found.host_boot.clone(),
        work_dir: String::new(),
        server: marker.server,
        epoch: marker.epoch,
        opened_at: clock::now(),
    })
}

/// What to end.
pub(crate) fn target(row: &SessionRow) -> ReclaimTarget {
    ReclaimTarget {
        pid: row.pid,
        start_ticks: row.start_ticks,
        host_boot: row.host_boot.clone(),
    }
}
