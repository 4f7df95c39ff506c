//! A slot in a task's hands.

use super::cell::{Cell, intent_words};
use super::session::{Proof, Session, SessionError};
use super::{Duty, Grid};
use crate::clock;
use crate::store::{SessionRow, StoredNode};
use gridhelm_api::Millis;
use gridhelm_api::node::{Intent, OperatingType};
use gridhelm_api::packages::Needs;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a task needs of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Whether the submitter waits for the answer.
    pub waited_for: bool,
    /// Only nodes with this label.
    pub label: Option<String>,
    /// Not this node, as long as another takes such work, free or not: the last attempt was lost there.
    pub avoid: Option<String>,
    /// The packages that its code names.
    pub packages: Arc<Needs>,
}

/// A slot held for a task. Dropping it lets the slot go.
pub struct Claim {
    grid: Arc<Grid>,
    duty: Arc<Duty>,
    cell: Arc<Cell>,
    slot: usize,
    ready: Option<Box<dyn Session>>,
}

/// A session in a claimed slot.
pub(crate) struct Opened {
    /// The session.
    pub(crate) session: Box<dyn Session>,
    /// Whether its row was recorded when it was opened ahead.
    recorded: bool,
}

impl Opened {
    /// Its row.
    pub(crate) fn row(&self) -> &SessionRow {
        self.session.row()
    }

    /// Its row, if it is still to be recorded.
    pub(crate) fn unrecorded(&self) -> Option<&SessionRow> {
        (!self.recorded).then(|| self.session.row())
    }
}

impl Grid {
    /// Takes the best slot for a task: on nodes of its own operating type before mixed ones, with a session opened
    /// ahead before others, then with the smallest share of busy slots. `None`: none is free now.
    pub(crate) fn claim(
        self: &Arc<Self>,
        duty: &Arc<Duty>,
        need: &Need,
        task: &str,
    ) -> Option<Claim> {
        loop {
            let cell = self.best(need)?;
            let mut state = cell.lock();
            let now = clock::now();
            // Another task may have been faster since `best` looked.
            let Some((slot, opened)) = state.slots.claim(task, now) else {
                continue;
            };
            let ready = opened.and_then(|_| {
                let at = state.ready.iter().position(|(s, _)| *s == slot)?;
                Some(state.ready.swap_remove(at).1)
            });
            drop(state);
            self.publish_soon(&cell);
            cell.refill.notify_one();
            let mut claim = Claim {
                grid: Arc::clone(self),
                duty: Arc::clone(duty),
                cell,
                slot,
                ready,
            };
            claim.drop_dead();
            return Some(claim);
        }
    }

    fn best(&self, need: &Need) -> Option<Arc<Cell>> {
        let now = Instant::now();
        let cells = self
            .cells
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let least = least_lacking(cells.values(), need);
        let avoided = avoided(cells.values(), need, least);
        let mut best: Option<(Rank, &Arc<Cell>)> = None;
        for cell in cells.values() {
            let state = cell.lock();
            let (free, ready) = state.slots.available();
            let shunned = state.shunned_until.is_some_and(|until| now < until);
            let out = shunned || avoided == Some(cell.name.as_str());
            if free == 0 || out || !state.fits(need.waited_for, need.label.as_deref()) {
                continue;
            }
            let (lacked, wished) = state.lacks(&need.packages);
            if lacked > least {
                continue;
            }
            let rank = Rank {
                wished,
                mixed: state.stored.operating_type == OperatingType::Mixed,
                cold: ready == 0,
                busy: per_mille(state.slots.busy(), state.slots.limit()),
                load: load(state.load),
            };
            if best.as_ref().is_none_or(|(than, _)| rank < *than) {
                best = Some((rank, cell));
            }
        }
        best.map(|(_, cell)| Arc::clone(cell))
    }
}

/// How many of the needed packages that node lacks that lacks the least of them, busy or not: a task waits for such a node. Where
/// all lack something (an operator wanted it so, or it was removed meanwhile) R tells what it thinks of it.
fn least_lacking<'a>(cells: impl Iterator<Item = &'a Arc<Cell>>, need: &Need) -> usize {
    if need.packages.needed.is_empty() {
        return 0;
    }
    let open = cells.filter_map(|cell| {
        let state = cell.lock();
        let takes =
            state.slots.open_for_work() && state.fits(need.waited_for, need.label.as_deref());
        takes.then(|| state.lacks(&need.packages).0)
    });
    open.min().unwrap_or(0)
}

/// The node that a task must not go to: where its last attempt was lost, if any other node takes such work. Where none
/// does, the task may as well go there again.
fn avoided<'a, 'n>(
    mut cells: impl Iterator<Item = &'a Arc<Cell>>,
    need: &'n Need,
    least: usize,
) -> Option<&'n str> {
    let lost = need.avoid.as_deref()?;
    let elsewhere = cells.any(|cell| {
        let state = cell.lock();
        cell.name != lost
            && state.slots.open_for_work()
            && state.fits(need.waited_for, need.label.as_deref())
            && state.lacks(&need.packages).0 <= least
    });
    elsewhere.then_some(lost)
}

/// Smaller is better, field by field.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    wished: usize,
    mixed: bool,
    cold: bool,
    busy: usize,
    load: u32,
}

fn per_mille(part: usize, whole: usize) -> usize {
    part * 1_000 / whole.max(1)
}

/// The load in tenths, so that small differences do not outweigh an even spread.
fn load(load: Option<f64>) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let tenths = (load.unwrap_or(0.0) * 10.0).clamp(0.0, 10_000.0) as u32;
    tenths
}

impl Claim {
    /// The node's name.
    pub fn node(&self) -> &str {
        &self.cell.name
    }

    /// The node's row.
    pub(crate) fn stored(&self) -> StoredNode {
        self.cell.stored()
    }

    /// The slot, from 1.
    pub fn slot(&self) -> u32 {
        u32::try_from(self.slot + 1).unwrap_or(u32::MAX)
    }

    /// Whether a session opened ahead comes with it.
    pub fn is_warm(&self) -> bool {
        self.ready.is_some()
    }

    /// The session: the one opened ahead, or else a new one.
    pub(crate) async fn into_session(mut self) -> (Self, Result<Opened, SessionError>) {
        if let Some(session) = self.ready.take() {
            let recorded = true;
            return (self, Ok(Opened { session, recorded }));
        }
        let opened = match self.grid.open(&self.duty, &self.cell).await {
            Ok(session) => {
                let pid = session.row().pid;
                self.cell.lock().slots.running(self.slot, pid, clock::now());
                let recorded = false;
                Ok(Opened { session, recorded })
            }
            Err(error) => Err(error),
        };
        (self, opened)
    }

    /// The task that runs in it ends at the latest then.
    pub(crate) fn ends_by(&self, at: Millis) {
        self.cell.lock().latest.insert(self.slot, at);
    }

    /// Completes when what runs on the node is to be interrupted, with the reason that people gave.
    pub(crate) async fn evicted(&self) -> String {
        let mut evict = self.cell.evict.subscribe();
        if evict.wait_for(|now| *now).await.is_err() {
            // The sender lives as long as the claim's cell.
            std::future::pending::<()>().await;
        }
        intent_words(&self.cell.stored())
    }

    /// The task is being stopped, for this reason.
    pub(crate) fn stalled(&self, why: &str) {
        self.cell.lock().slots.stall(self.slot, why, clock::now());
        self.grid.publish_soon(&self.cell);
    }

    /// Has a session of this slot reclaimed; answers what is known of its end within a time. While nothing is,
    /// the slot stays out.
    pub(crate) async fn bury(&self, row: SessionRow, recorded: bool, within: Duration) -> Proof {
        let mut proven = self.cell.doom(Some(self.slot), row, recorded);
        self.grid.publish_soon(&self.cell);
        let proof = proven.wait_for(|proof| proof.is_dead());
        match tokio::time::timeout(within, proof).await {
            Ok(Ok(proof)) => *proof,
            _ => Proof::None,
        }
    }

    /// A session opened ahead may have died meanwhile.
    fn drop_dead(&mut self) {
        if let Some(dead) = self.ready.take_if(|session| !session.is_alive()) {
            self.grid.dismiss(&self.duty, vec![dead]);
            self.cell.look_now.notify_one();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(unused) = self.ready.take() {
            self.grid.dismiss(&self.duty, vec![unused]);
        }
        let drained = {
            let mut state = self.cell.lock();
            state.slots.free(self.slot, clock::now());
            if state.latest.remove(&self.slot).is_some() {
                state.ended = state.ended.saturating_add(1);
            }
            let left = state.slots.busy();
            (state.stored.intent == Intent::Draining && left == 0)
                .then(|| (state.slots.usable(), state.stored.slot_limit))
        };
        if let Some((usable, total)) = drained {
            self.grid.drained(&self.duty, &self.cell, usable, total);
        }
        self.grid.publish_soon(&self.cell);
        self.cell.refill.notify_one();
        self.grid.slots_changed.notify_one();
    }
}
