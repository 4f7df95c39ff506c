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
    /// The account whose sessions it may run in again.
    pub reuse: Option<Arc<str>>,
}

/// How many tasks of an account one session runs at most.
const MOST_TASKS: u32 = 1_000;

/// A slot held for a task. Dropping it lets the slot go.
pub struct Claim {
    grid: Arc<Grid>,
    duty: Arc<Duty>,
    cell: Arc<Cell>,
    slot: usize,
    ready: Option<Box<dyn Session>>,
    /// A session kept for another account, which has to go before one is opened.
    in_the_way: Option<Box<dyn Session>>,
    /// How many tasks its session ran before.
    tasks: u32,
    /// Its session was kept, and with it the slot.
    kept: bool,
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
    /// Takes the best slot for a task: with a session that is kept for it, on nodes of its own operating type before mixed ones, with a session opened
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
            let user = need.reuse.as_deref();
            let kept = user.and_then(|user| state.slots.claim_kept(task, user, now));
            let (slot, opened, tasks) = match kept {
                Some((slot, tasks)) => (slot, true, tasks),
                // Another task may have been faster since `best` looked.
                None => match state.slots.claim(task, now) {
                    Some((slot, opened)) => (slot, opened.is_some(), 0),
                    None => continue,
                },
            };
            let session = state.take_ready(slot);
            let (ready, in_the_way) = if opened {
                (session, None)
            } else {
                (None, session)
            };
            drop(state);
            self.publish_soon(&cell);
            cell.refill.notify_one();
            let mut claim = Claim {
                grid: Arc::clone(self),
                duty: Arc::clone(duty),
                cell,
                slot,
                ready,
                in_the_way,
                tasks,
                kept: false,
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
            let user = need.reuse.as_deref();
            let rank = Rank {
                elsewhere: !user.is_some_and(|user| state.slots.keeps_for(user)),
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
    elsewhere: bool,
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
        if let Some(session) = self.in_the_way.take() {
            // Its slot is one session's on the node, too.
            let fence = &self.duty.fence;
            self.grid.end_all(vec![session], Some(fence)).await;
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

    /// Whether its session may be kept for the next task of the account.
    pub(crate) fn may_keep(&self) -> bool {
        let idle = self.grid.options.reuse_idle;
        !idle.is_zero() && self.tasks < MOST_TASKS && !self.duty.cancel.is_cancelled()
    }

    /// Keeps its session, whose row is on record, for the next task of the account; or ends it. `renewed`: the run
    /// itself made it ready.
    pub(crate) async fn keep(
        mut self,
        mut session: Box<dyn Session>,
        renewed: bool,
        user: &Arc<str>,
    ) {
        let renewed = self.may_keep() && (renewed || matches!(session.renew().await, Ok(true)));
        let mut session = Some(session);
        if renewed {
            let mut state = self.cell.lock();
            let now = clock::now();
            let idle = self.grid.options.reuse_idle.as_millis();
            let until = now.saturating_add(Millis::try_from(idle).unwrap_or(Millis::MAX));
            let pid = session.as_ref().map_or(0, |s| s.row().pid);
            // Whoever lays the duty down looks at this cell after it has said so.
            let on_duty = !self.duty.cancel.is_cancelled();
            let (slot, tasks) = (self.slot, self.tasks + 1);
            if on_duty && state.slots.keep(slot, pid, user, tasks, until, now) {
                state.ready.extend(session.take().map(|s| (slot, s)));
                self.kept = true;
            }
        }
        if let Some(session) = session {
            let fence = &self.duty.fence;
            self.grid.end_all(vec![session], Some(fence)).await;
        }
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
        let unused = self.ready.take().into_iter().chain(self.in_the_way.take());
        self.grid.dismiss(&self.duty, unused.collect());
        let drained = {
            let mut state = self.cell.lock();
            if !self.kept {
                state.slots.free(self.slot, clock::now());
            }
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
