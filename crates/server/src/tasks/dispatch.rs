//! Brings waiting tasks to free slots.

use super::Tasks;
use super::live::Live;
use super::phases::Phase;
use super::queue::Offer;
use super::shift::{Opening, Shift, UnderWay};
use crate::clock;
use crate::grid::{Claim, Opened};
use crate::store::{AttemptStart, SessionRow, StoreError};
use gridhelm_api::task::ConsoleKind;
use std::sync::Arc;
use std::time::Duration;

/// How many tasks are dispatched in one go.
const AT_ONCE: usize = 64;
/// The dispatcher looks this often even when nothing told it to.
const LOOK: Duration = Duration::from_secs(1);
/// Pause before a task is offered again that could not be started.
const AGAIN: Duration = Duration::from_millis(200);

/// Dispatches until the duty ends.
pub(super) async fn run(tasks: Arc<Tasks>, shift: Arc<Shift>) {
    loop {
        tokio::select! {
            () = shift.duty.cancel.cancelled() => return,
            _ = shift.ended() => return,
            () = tasks.wake.notified() => {}
            () = tasks.grid.slots_changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        while tasks.dispatch(&shift) == AT_ONCE {
            tokio::task::yield_now().await;
        }
    }
}

impl Tasks {
    /// Gives free slots to waiting tasks; how many got one.
    fn dispatch(self: &Arc<Self>, shift: &Arc<Shift>) -> usize {
        let given = {
            let mut state = self.lock();
            if state.paused || state.queue.is_empty() {
                return 0;
            }
            state.queue.offer(AT_ONCE, |id, waiting| {
                if !self.may_run(&waiting.user) {
                    return Offer::UserFull;
                }
                match self.grid.claim(&shift.duty, &waiting.need, id) {
                    Some(claim) => Offer::Given((claim, self.under_way(&waiting.user))),
                    None => Offer::NothingSuits,
                }
            })
        };
        let count = given.len();
        for (id, (claim, under_way)) in given {
            let live = self.lock().live.get(&id).cloned();
            if let Some(live) = live {
                let opening = self.open(claim);
                self.begin(shift, &live, opening, under_way);
            }
        }
        count
    }

    /// Has a session in a claimed slot.
    pub(super) fn open(&self, claim: Claim) -> Opening {
        let phases = self.phases.clone();
        Box::pin(async move { phases.time(Phase::Session, claim.into_session()).await })
    }

    /// Begins an attempt of a task that is committed as queued, once its session is open.
    pub(super) fn begin(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        live: &Arc<Live>,
        opening: Opening,
        under_way: UnderWay,
    ) {
        let (tasks, live) = (Arc::clone(self), Arc::clone(live));
        let this = Arc::clone(shift);
        shift.attempts.spawn(async move {
            let (claim, opened) = opening.await;
            match opened {
                Ok(opened) => tasks.start(&this, &live, claim, opened, under_way).await,
                Err(error) => {
                    let text = format!("No session on {}: {}.\n", claim.node(), error.brief());
                    live.say(&tasks.hub, ConsoleKind::System, &text);
                    drop(claim);
                    tasks.again(&this, &live).await;
                }
            }
        });
    }

    /// Commits the attempt and runs it.
    async fn start(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        live: &Arc<Live>,
        claim: Claim,
        opened: Opened,
        under_way: UnderWay,
    ) {
        let start = live.start_on(&claim, opened.row());
        let fence = &shift.duty.fence;
        let notes = crate::store::Notes::default();
        let written = loop {
            let session = opened.unrecorded();
            let write = self
                .store
                .start_attempt(fence, &live.id, &start, session, notes.clone());
            let written = self.phases.time(Phase::Start, write).await;
            let Err(StoreError::Unavailable { message, .. }) = &written else {
                break written;
            };
            // It may have been written: the same attempt is asked for again, in the same session.
            tracing::warn!(task = live.id, message, "a start waits for the database");
            tokio::select! {
                _ = shift.ended() => break written,
                () = shift.duty.cancel.cancelled() => break written,
                () = tokio::time::sleep(AGAIN) => {}
            }
        };
        match written {
            Ok(_) => {
                self.began(live, &start, fence.epoch);
                self.execute(shift, live, claim, opened.session, start.number, under_way)
                    .await;
            }
            Err(error) => {
                self.discard(shift, claim, opened);
                match error {
                    // Cancelled meanwhile, gone, or another server's: whoever did it has told so.
                    StoreError::Conflict { .. }
                    | StoreError::NotFound { .. }
                    | StoreError::Fenced { .. } => self.let_go(live),
                    error => {
                        tracing::warn!(task = live.id, %error, "an attempt could not be started");
                        self.again(shift, live).await;
                    }
                }
            }
        }
    }

    /// What was committed as begun shows as begun.
    pub(super) fn began(&self, live: &Live, start: &AttemptStart, epoch: i64) {
        let waited = {
            let state = live.lock();
            start.at.saturating_sub(state.queued_at).max(0)
        };
        live.started(start, epoch);
        #[allow(clippy::cast_precision_loss)] // milliseconds
        self.lock().stats.began(start.at, waited as f64);
        live.publish(&self.hub);
    }

    /// Queues a committed task again that could not be started, after a pause. A task that was cancelled
    /// meanwhile ends instead.
    async fn again(self: &Arc<Self>, shift: &Arc<Shift>, live: &Arc<Live>) {
        tokio::select! {
            _ = shift.ended() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
        let by = live.cancelled.borrow().clone();
        if let Some(by) = by {
            let notes = crate::store::Notes::default();
            let fence = &shift.duty.fence;
            match self.store.cancel_queued(fence, &live.id, notes).await {
                Ok(_) => return self.cancelled_queued(live, &by),
                Err(error) => tracing::debug!(task = live.id, %error, "not cancelled yet"),
            }
        }
        self.lock().queue.push(&live.id, live.waiting());
        self.wake.notify_one();
    }

    /// Ends a session that was opened for nothing.
    pub(super) fn discard(self: &Arc<Self>, shift: &Shift, claim: Claim, opened: Opened) {
        let recorded = opened.unrecorded().is_none();
        let (store, fence) = (Arc::clone(&self.store), shift.duty.fence.clone());
        shift.attempts.spawn(async move {
            let id = opened.row().id.clone();
            if opened.session.end().await && recorded {
                // When this fails the row stays, and the next active server finds the session dead.
                let _ = store.close_sessions(&fence, &[id]).await;
            }
            drop(claim);
        });
    }

    /// The task is no longer in these hands: nothing more happens to it here. Who took it up anew keeps it.
    pub(super) fn let_go(&self, live: &Arc<Live>) {
        {
            let mut state = self.lock();
            let held = state.live.get(&live.id);
            if held.is_some_and(|held| Arc::ptr_eq(held, live)) {
                state.live.remove(&live.id);
            }
        }
        live.done.send_replace(true);
    }
}

impl Live {
    /// Its next attempt, in this slot with this session.
    pub(super) fn start_on(&self, claim: &Claim, row: &SessionRow) -> AttemptStart {
        AttemptStart {
            number: self.lock().next_attempt(),
            node: claim.node().to_owned(),
            slot: claim.slot(),
            session: row.id.clone(),
            pid: row.pid,
            at: clock::now(),
        }
    }
}
