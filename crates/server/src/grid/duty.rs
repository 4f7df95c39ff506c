//! Taking the grid up and laying it down.

use super::cell::{Cell, evicts, intent_words, is_elsewhere};
use super::health::Machine;
use super::session::Session;
use super::{Duty, Grid, record};
use crate::clock;
use crate::store::{Fence, SessionRow, StoreError, StoredNode};
use gridhelm_api::node::{Intent, TimelinePoint};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long laying down waits for what is under way.
const LAY_DOWN: Duration = Duration::from_millis(500);
/// How long ended sessions may take to go when the duty ends.
const END_SESSIONS: Duration = Duration::from_secs(2);
/// A changed node is published at most so often.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Heartbeats are published together so often.
const BEATS_EVERY: Duration = Duration::from_secs(1);
/// Pause between two tries to read the database at the beginning.
const RETRY: Duration = Duration::from_millis(200);

/// What a duty begins with.
struct Begun {
    nodes: Vec<StoredNode>,
    rows: Vec<SessionRow>,
    /// How each node stood when that was last written down.
    points: BTreeMap<String, TimelinePoint>,
}

impl Grid {
    /// Begins to look after the nodes under this fence.
    pub(crate) async fn take_up(self: &Arc<Self>, fence: Fence) -> Arc<Duty> {
        let (records, queue) = record::channel();
        let duty = Arc::new(Duty {
            fence,
            cancel: CancellationToken::new(),
            tracker: TaskTracker::new(),
            begun: watch::Sender::new(false),
            records,
        });
        let before = self
            .duty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Arc::clone(&duty));
        if let Some(before) = before {
            tracing::error!(epoch = before.fence.epoch, "a duty was not laid down");
            before.cancel.cancel();
        }
        duty.tracker
            .spawn(record::run(Arc::clone(self), Arc::clone(&duty), queue));
        duty.tracker
            .spawn(publish_pending(Arc::clone(self), Arc::clone(&duty)));
        duty.tracker
            .spawn(super::intents::run(Arc::clone(self), Arc::clone(&duty)));
        match self.read_all().await {
            Ok(all) => self.begin(&duty, all),
            Err(error) => {
                tracing::warn!(%error, "the nodes cannot be read yet; trying again");
                let grid = Arc::clone(self);
                let again = Arc::clone(&duty);
                duty.tracker.spawn(async move {
                    while !again.cancel.is_cancelled() {
                        tokio::time::sleep(RETRY).await;
                        if let Ok(all) = grid.read_all().await {
                            return grid.begin(&again, all);
                        }
                    }
                });
            }
        }
        duty
    }

    async fn read_all(&self) -> Result<Begun, StoreError> {
        Ok(Begun {
            nodes: self.store.nodes().await?,
            rows: self.store.sessions().await?,
            points: self.store.last_points().await?.into_iter().collect(),
        })
    }

    fn begin(self: &Arc<Self>, duty: &Arc<Duty>, begun: Begun) {
        let Begun {
            nodes,
            rows,
            mut points,
        } = begun;
        let mut by_node: BTreeMap<String, Vec<SessionRow>> = BTreeMap::new();
        for row in rows.into_iter().filter(|r| r.epoch < duty.fence.epoch) {
            by_node.entry(row.node.clone()).or_default().push(row);
        }
        for node in nodes {
            let left = by_node.remove(&node.name).unwrap_or_default();
            let cell = Arc::new(Cell::new(node, self.options.rules));
            cell.lock().before = points.remove(&cell.name);
            for row in left {
                cell.doom(None, row, true);
            }
            self.insert(duty, &cell);
        }
        self.intents_changed.notify_one();
        duty.begun.send_replace(true);
        for (node, rows) in by_node {
            tracing::warn!(
                node,
                sessions = rows.len(),
                "sessions are recorded on a node that is not registered any more"
            );
        }
    }

    fn insert(self: &Arc<Self>, duty: &Arc<Duty>, cell: &Arc<Cell>) {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        cells.insert(cell.name.clone(), Arc::clone(cell));
        drop(cells);
        self.publish(cell);
        self.start_monitor(duty, cell);
    }

    /// Takes a node's row as it is now: a new node, or an edited one.
    pub(super) fn adopt(self: &Arc<Self>, duty: &Arc<Duty>, stored: StoredNode) {
        let Some(cell) = self.cell(&stored.name) else {
            self.insert(duty, &Arc::new(Cell::new(stored, self.options.rules)));
            return;
        };
        let now = clock::now();
        let (unwanted, moved, change, drained) = {
            let mut state = cell.lock();
            let moved = is_elsewhere(&state.stored, &stored);
            let other_intent = state.stored.intent != stored.intent;
            let reason = if other_intent {
                intent_words(&stored)
            } else {
                "edited".to_owned()
            };
            state.stored = stored;
            if other_intent {
                state.ended = 0;
            }
            cell.evict.send_replace(evicts(&state.stored));
            if moved {
                state.machine = Machine::new(self.options.rules);
                state.health_since = now;
                state.facts = None;
                state.packages = super::packages::Known::default();
                state.seen = super::sessions::Seen::default();
            }
            let limit = state.stored.slot_limit;
            state.slots.resize(limit, now);
            state.settle(now);
            let change = state.capacity_change().map(|c| (c, reason));
            // Nothing runs on it: its drain is over as it begins.
            let drained =
                other_intent && state.stored.intent == Intent::Draining && state.slots.busy() == 0;
            let drained = drained.then(|| (state.slots.usable(), state.stored.slot_limit));
            (state.take_unwanted(now), moved, change, drained)
        };
        self.dismiss(duty, unwanted);
        if let Some(((usable, total), reason)) = change {
            // The edit itself is an event already: only the history is written here.
            self.record(duty, &cell, usable, total, reason, None);
        }
        if let Some((usable, total)) = drained {
            self.drained(duty, &cell, usable, total);
        }
        self.intents_changed.notify_one();
        if moved {
            cell.lock().monitor.cancel();
            self.start_monitor(duty, &cell);
        }
        self.publish(&cell);
        cell.refill.notify_one();
        self.slots_changed.notify_one();
    }

    /// Stops to look after a node that was removed.
    pub(super) fn abandon(self: &Arc<Self>, duty: &Arc<Duty>, cell: &Cell) {
        let unwanted = {
            let mut state = cell.lock();
            state.monitor.cancel();
            state.stored.intent = Intent::Disabled;
            state.settle(clock::now());
            state.take_unwanted(clock::now())
        };
        self.dismiss(duty, unwanted);
    }

    /// Ends sessions that nobody used, and forgets their rows.
    pub(super) fn dismiss(self: &Arc<Self>, duty: &Arc<Duty>, sessions: Vec<Box<dyn Session>>) {
        if sessions.is_empty() {
            return;
        }
        let grid = Arc::clone(self);
        let fence = duty.fence.clone();
        duty.tracker.spawn(async move {
            grid.end_all(sessions, Some(&fence)).await;
        });
    }

    /// Ends sessions side by side; forgets the rows of those that are known to have ended.
    pub(super) async fn end_all(&self, sessions: Vec<Box<dyn Session>>, fence: Option<&Fence>) {
        let ends = sessions.into_iter().map(|session| async move {
            let id = session.row().id.clone();
            let ended = tokio::time::timeout(END_SESSIONS, session.end()).await;
            (id, ended.unwrap_or(false))
        });
        let ids: Vec<String> = futures_util::future::join_all(ends)
            .await
            .into_iter()
            .filter_map(|(id, ended)| ended.then_some(id))
            .collect();
        if let Some(fence) = fence.filter(|_| !ids.is_empty())
            && let Err(error) = self.store.close_sessions(fence, &ids).await
        {
            // The rows stay; whoever is active next finds these sessions dead.
            tracing::debug!(%error, "rows of ended sessions were kept");
        }
    }

    /// Ends what `take_up` began. `fenced`: nothing is written any more.
    pub(crate) async fn lay_down(self: &Arc<Self>, fenced: bool) {
        let duty = self
            .duty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(duty) = duty else { return };
        duty.cancel.cancel();
        let cells =
            std::mem::take(&mut *self.cells.write().unwrap_or_else(PoisonError::into_inner));
        self.forget_told();
        let mut left = Vec::new();
        for cell in cells.values() {
            let mut state = cell.lock();
            state.monitor.cancel();
            left.extend(state.ready.drain(..).map(|(_, session)| session));
        }
        let ended = self.end_all(left, (!fenced).then_some(&duty.fence));
        duty.tracker.close();
        let all = async {
            tokio::join!(ended, duty.tracker.wait());
        };
        if tokio::time::timeout(LAY_DOWN, all).await.is_err() {
            tracing::debug!("some connections to nodes still close");
        }
    }

    fn start_monitor(self: &Arc<Self>, duty: &Arc<Duty>, cell: &Arc<Cell>) {
        let stop = duty.cancel.child_token();
        cell.lock().monitor = stop.clone();
        super::monitor::start(self, duty, cell, &stop);
    }
}

/// Publishes changed nodes, each at most ten times a second, and the heartbeats of all together, until the duty ends: a switch waits
/// for this.
async fn publish_pending(grid: Arc<Grid>, duty: Arc<Duty>) {
    let mut beats = tokio::time::interval(BEATS_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let with_beats = tokio::select! {
            () = duty.cancel.cancelled() => return,
            () = grid.pending_soon.notified() => false,
            _ = beats.tick() => true,
        };
        if !with_beats {
            tokio::select! {
                () = duty.cancel.cancelled() => return,
                () = tokio::time::sleep(PUBLISH_EVERY) => {}
            }
        }
        grid.publish_due(with_beats);
    }
}
