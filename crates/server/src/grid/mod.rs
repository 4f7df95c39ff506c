//! Nodes, their health, their slots and the sessions on them.
//!
//! On the active server a [`Cell`](cell::Cell) stands for each node; [`monitor`] looks after it, what it
//! sees goes through the pure [`health::Machine`], and slots are kept in the pure [`slots::SlotTable`].
//! Elsewhere the grid only shows what the store has.

mod ahead;
mod cell;
mod claim;
mod duty;
pub(crate) mod guard;
pub mod health;
mod intents;
mod measures;
mod monitor;
mod pace;
pub mod packages;
pub mod pulse;
mod reach;
mod reclaim;
mod record;
pub mod rserve;
pub mod session;
pub mod sessions;
mod shown;
mod sight;
pub mod slots;
mod stalls;

pub(crate) use claim::Opened;
pub use claim::{Claim, Need};
pub(crate) use health::seconds;
pub(crate) use reclaim::target;
pub use session::{Marker, Proof, Session, SessionError, SessionProvider};

use crate::alerts::Glance;
use crate::hub::Hub;
use crate::store::{Fence, Result as StoreResult, Store, StoredNode};
use cell::Cell;
use gridhelm_api::event::Event;
use gridhelm_api::measures::NodeMeasures;
use gridhelm_api::node::{Node, NodeDraft, NodeTest};
use gridhelm_api::stream::Delta;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What can be set of the grid.
#[derive(Debug, Clone, Copy)]
pub struct GridOptions {
    /// Sessions kept open ahead of need per node, at most its slots. 0: each task opens its own.
    pub sessions_ahead: u32,
    /// How long a session waits for the next task of its account, where tasks ask for that; zero: no session is kept.
    pub reuse_idle: Duration,
    /// Thresholds of health.
    pub rules: health::Rules,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self {
            sessions_ahead: 2,
            reuse_idle: Duration::from_secs(30),
            rules: health::Rules::default(),
        }
    }
}

/// What lasts from taking the active role up to laying it down.
pub(crate) struct Duty {
    /// Under which every write is done.
    pub(crate) fence: Fence,
    /// Ends all that this duty began.
    pub(crate) cancel: CancellationToken,
    /// All that this duty began.
    pub(crate) tracker: TaskTracker,
    /// Whether the nodes and the sessions left on them were read.
    pub(crate) begun: watch::Sender<bool>,
    /// Capacity changes to be recorded, in order.
    records: mpsc::Sender<record::Record>,
}

/// The grid of a group, as this server sees it.
pub struct Grid {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) provider: Arc<dyn SessionProvider>,
    pub(crate) group: String,
    pub(crate) server: String,
    options: GridOptions,
    started: Instant,
    cells: RwLock<BTreeMap<String, Arc<Cell>>>,
    duty: Mutex<Option<Arc<Duty>>>,
    /// A slot may have become available.
    pub(crate) slots_changed: Notify,
    /// The nodes as the event streams were told of them.
    shown: Mutex<shown::Shown>,
    /// Nodes whose change is still to be published.
    pending: Mutex<shown::Pending>,
    pending_soon: Notify,
    /// An intent that ends by itself may have been set.
    intents_changed: Notify,
}

impl Grid {
    /// The grid of a group, not on duty yet.
    pub fn new(
        store: Arc<dyn Store>,
        hub: Hub,
        provider: Arc<dyn SessionProvider>,
        group: String,
        server: String,
    ) -> Arc<Self> {
        let options = GridOptions::default();
        Self::with_options(store, hub, provider, group, server, options)
    }

    /// As [`Grid::new`], with other settings.
    pub fn with_options(
        store: Arc<dyn Store>,
        hub: Hub,
        provider: Arc<dyn SessionProvider>,
        group: String,
        server: String,
        options: GridOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            hub,
            provider,
            group,
            server,
            options,
            started: Instant::now(),
            cells: RwLock::default(),
            duty: Mutex::default(),
            slots_changed: Notify::new(),
            shown: Mutex::default(),
            pending: Mutex::default(),
            pending_soon: Notify::new(),
            intents_changed: Notify::new(),
        })
    }

    /// All nodes by name: live on the active server; elsewhere as stored, with unknown health and without
    /// slots.
    pub async fn nodes(&self) -> StoreResult<Vec<Node>> {
        if self.on_duty().is_some() {
            return Ok(self.cells().iter().map(|c| c.lock().view()).collect());
        }
        let stored = self.store.nodes().await?;
        Ok(stored.iter().map(StoredNode::shown).collect())
    }

    /// The nodes as alert rules look at them; `None` on a server that is not active, and before its nodes were read.
    pub(crate) fn glance(&self) -> Option<Vec<Glance>> {
        let duty = self.on_duty()?;
        if !*duty.begun.borrow() {
            return None;
        }
        Some(self.cells().iter().map(|c| c.lock().glance()).collect())
    }

    /// One node, as in [`Grid::nodes`].
    pub async fn node(&self, name: &str) -> StoreResult<Option<Node>> {
        if self.on_duty().is_some() {
            return Ok(self.cell(name).map(|c| c.lock().view()));
        }
        let stored = self.store.nodes().await?;
        Ok(stored
            .iter()
            .find(|n| n.name == name)
            .map(StoredNode::shown))
    }

    /// What was measured of a node in the last hour; nothing at a server that is not active, or of a node that it does not know.
    pub fn measures(&self, name: &str) -> NodeMeasures {
        let duty = self.on_duty();
        let cell = duty.and_then(|_| self.cell(name));
        cell.map_or_else(NodeMeasures::default, |cell| {
            cell.lock().measures.shown(crate::clock::now())
        })
    }

    /// Call it after a node's row was made or edited, or its intent changed: reads it again at once and
    /// publishes it.
    pub async fn changed(self: &Arc<Self>, name: &str) -> StoreResult<()> {
        let stored = self
            .store
            .nodes()
            .await?
            .into_iter()
            .find(|n| n.name == name);
        match (stored, self.on_duty()) {
            (Some(stored), Some(duty)) => self.adopt(&duty, stored),
            (Some(stored), None) => self.hub.publish(&Delta::Node(Box::new(stored.shown()))),
            (None, _) => self.removed(name),
        }
        Ok(())
    }

    /// Call it after a node's row was removed.
    pub fn removed(self: &Arc<Self>, name: &str) {
        let cell = self
            .cells
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        if let (Some(cell), Some(duty)) = (cell, self.on_duty()) {
            self.abandon(&duty, &cell);
        }
        self.publish_removed(name);
    }

    /// Tests a node to be from this server, step by step, in at most about 6 s.
    pub async fn test(&self, draft: &NodeDraft) -> NodeTest {
        let node = reach::to_be(draft);
        self.provider.test(&node, &self.server).await
    }

    /// Asks for a heartbeat and a full probe now. `false`: there is no such node here.
    pub fn probe_now(&self, name: &str) -> bool {
        let Some(cell) = self.cell(name) else {
            return false;
        };
        cell.look_now.notify_one();
        cell.probe_now.notify_one();
        true
    }

    /// Milliseconds of a clock that never goes back.
    fn ticks(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn on_duty(&self) -> Option<Arc<Duty>> {
        self.duty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.values().cloned().collect()
    }

    fn cell(&self, name: &str) -> Option<Arc<Cell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.get(name).cloned()
    }

    pub(crate) fn publish_events(&self, events: Vec<Event>) {
        for event in events {
            self.hub.publish(&Delta::Event(event));
        }
    }
}
