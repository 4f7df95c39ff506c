//! One node as the active server holds it: row, health, slots and sessions opened ahead.

use super::health::{Machine, Rules};
use super::measures::Measures;
use super::packages::Known;
use super::session::{Proof, Session};
use super::sessions::Seen;
use super::slots::{Condition, SlotTable};
use crate::alerts::Glance;
use crate::clock;
use crate::store::{SessionRow, StoredNode};
use gridhelm_api::Millis;
use gridhelm_api::node::{Intent, Node, NodeDrain, NodeFacts, OperatingType, TimelinePoint};
use gridhelm_api::packages::{NODE_LABEL, Needs};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How many sessions are opened at once on a node. Rserve's backlog is 16; a heartbeat and a watch come
/// on top of these.
pub(super) const OPENS_AT_ONCE: usize = 14;

/// One node in the live table.
pub(crate) struct Cell {
    /// Its name; never changes.
    pub(super) name: String,
    /// Permits to open sessions.
    pub(super) opens: Semaphore,
    /// The next heartbeat should come now.
    pub(super) look_now: Notify,
    /// The next probe should come now.
    pub(super) probe_now: Notify,
    /// The node answers (again).
    pub(super) came_up: Notify,
    /// Sessions opened ahead may be missing.
    pub(super) refill: Notify,
    /// Sessions wait to be reclaimed.
    pub(super) reclaim: Notify,
    /// Its packages are to be read.
    pub(super) list_packages: Notify,
    /// Whether tasks that run on it are interrupted.
    pub(super) evict: watch::Sender<bool>,
    /// Held while its packages are read.
    pub(super) reading: tokio::sync::Mutex<()>,
    state: Mutex<CellState>,
}

/// A session that must be proven dead.
pub(super) struct Doomed {
    pub(super) row: SessionRow,
    /// Whether a row in the store tells of it.
    pub(super) recorded: bool,
    /// Says so once it is proven dead.
    pub(super) proven: watch::Sender<Proof>,
}

/// What changes of a node.
pub(super) struct CellState {
    pub(super) stored: StoredNode,
    pub(super) machine: Machine,
    pub(super) health_since: Millis,
    pub(super) slots: SlotTable,
    /// Sessions opened ahead or kept, with their slots.
    pub(super) ready: Vec<(usize, Box<dyn Session>)>,
    pub(super) doomed: Vec<Doomed>,
    pub(super) facts: Option<NodeFacts>,
    pub(super) packages: Known,
    /// The sessions that the last probe saw.
    pub(super) seen: Seen,
    pub(super) load: Option<f64>,
    pub(super) memory_used: Option<f64>,
    pub(super) last_heartbeat: Option<Millis>,
    pub(super) heartbeat_ms: Option<f64>,
    /// The last hour.
    pub(super) measures: Measures,
    /// Usable and all slots as last recorded in the node's history, and whether people wanted it so.
    pub(super) recorded: Option<(u32, u32, bool)>,
    /// Tasks that ended on it since its intent was set, as far as this duty saw them.
    pub(super) ended: u32,
    /// When the tasks that run on it end at the latest, by slot.
    pub(super) latest: BTreeMap<usize, Millis>,
    /// How it stood when an earlier duty last wrote that down.
    pub(super) before: Option<TimelinePoint>,
    /// Until when no task is put here after a session could not be opened.
    pub(super) shunned_until: Option<tokio::time::Instant>,
    /// Ends the loops that look after the node.
    pub(super) monitor: CancellationToken,
}

impl Cell {
    pub(super) fn new(stored: StoredNode, rules: Rules) -> Self {
        let now = clock::now();
        let condition = Condition {
            intent: stored.intent,
            usable: false,
        };
        Self {
            name: stored.name.clone(),
            opens: Semaphore::new(OPENS_AT_ONCE),
            look_now: Notify::new(),
            probe_now: Notify::new(),
            came_up: Notify::new(),
            refill: Notify::new(),
            reclaim: Notify::new(),
            list_packages: Notify::new(),
            evict: watch::Sender::new(evicts(&stored)),
            reading: tokio::sync::Mutex::new(()),
            state: Mutex::new(CellState {
                slots: SlotTable::new(stored.slot_limit, condition, now),
                machine: Machine::new(rules),
                health_since: now,
                ready: Vec::new(),
                doomed: Vec::new(),
                facts: None,
                packages: Known::default(),
                seen: Seen::default(),
                load: None,
                memory_used: None,
                last_heartbeat: None,
                heartbeat_ms: None,
                measures: Measures::default(),
                recorded: None,
                ended: 0,
                latest: BTreeMap::new(),
                before: None,
                shunned_until: None,
                monitor: CancellationToken::new(),
                stored,
            }),
        }
    }

    /// The state, for a moment: never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, CellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node's row.
    pub(super) fn stored(&self) -> StoredNode {
        self.lock().stored.clone()
    }
}

impl CellState {
    /// Brings the slots in line with intent and health.
    pub(super) fn settle(&mut self, now: Millis) {
        let condition = Condition {
            intent: self.stored.intent,
            usable: self.machine.usable(),
        };
        self.slots.set_condition(condition, now);
    }

    /// Takes out the sessions opened ahead whose slots are not wanted any more: all of them when the node
    /// takes no work, else those beyond the limit.
    pub(super) fn take_unwanted(&mut self, now: Millis) -> Vec<Box<dyn Session>> {
        let open = self.slots.open_for_work();
        let limit = self.slots.limit();
        let mut out = Vec::new();
        let mut index = 0;
        while index < self.ready.len() {
            if open && self.ready[index].0 < limit {
                index += 1;
                continue;
            }
            let (slot, session) = self.ready.swap_remove(index);
            self.slots.free(slot, now);
            out.push(session);
        }
        out
    }

    /// Takes out the session that was opened ahead or kept in a slot.
    pub(super) fn take_ready(&mut self, slot: usize) -> Option<Box<dyn Session>> {
        let at = self.ready.iter().position(|(s, _)| *s == slot)?;
        Some(self.ready.swap_remove(at).1)
    }

    /// Takes out the sessions that were kept for long enough.
    pub(super) fn take_expired(&mut self, now: Millis) -> Vec<Box<dyn Session>> {
        let slots = self.slots.expire(now);
        slots
            .into_iter()
            .filter_map(|s| self.take_ready(s))
            .collect()
    }

    /// Usable slots and all slots, when they, or whether people want it so, differ from what was last recorded; they count as
    /// recorded from then on.
    pub(super) fn capacity_change(&mut self) -> Option<(u32, u32)> {
        let (usable, total) = (self.slots.usable(), self.stored.slot_limit);
        let now = (usable, total, self.stored.intent != Intent::Enabled);
        if self.recorded == Some(now) {
            return None;
        }
        self.recorded = Some(now);
        Some((usable, total))
    }

    /// Whether a task of this kind may run here.
    pub(super) fn fits(&self, waited_for: bool, label: Option<&str>) -> bool {
        // A label that names this node: whoever gave it wants this one, whatever it takes else.
        if let Some(node) = label.and_then(|label| label.strip_prefix(NODE_LABEL)) {
            return node == self.stored.name;
        }
        let kind = match self.stored.operating_type {
            OperatingType::Mixed => true,
            OperatingType::Authenticated => waited_for,
            OperatingType::Asynchronous => !waited_for,
            OperatingType::Anonymous => false,
        };
        kind && label.is_none_or(|wanted| self.stored.labels.iter().any(|l| l == wanted))
    }

    /// How many packages it is known to lack of those that are needed, and of those that are wished.
    pub(super) fn lacks(&self, needs: &Needs) -> (usize, usize) {
        let list = self.packages.list.as_ref();
        list.map_or((0, 0), |list| {
            (list.lacks(&needs.needed), list.lacks(&needs.wished))
        })
    }

    /// How its drain stands.
    fn drain(&self) -> NodeDrain {
        let busy = self.slots.busy();
        NodeDrain {
            done: self.ended,
            waiting: u32::try_from(busy).unwrap_or(u32::MAX),
            latest: self.latest.values().max().copied().filter(|_| busy > 0),
        }
    }

    /// The node as alert rules look at it.
    pub(super) fn glance(&self) -> Glance {
        Glance {
            name: self.stored.name.clone(),
            labels: self.stored.labels.clone(),
            takes: self.stored.operating_type,
            intent: self.stored.intent,
            health: self.machine.health(),
            reason: self.machine.reason(),
            usable: self.slots.usable(),
            zombies: self.slots.zombies(),
        }
    }

    /// The node as the API shows it.
    pub(super) fn view(&self) -> Node {
        Node {
            health: self.machine.health(),
            health_reason: self.machine.reason(),
            health_since: self.health_since,
            failures: self.machine.failures(),
            last_heartbeat: self.last_heartbeat,
            heartbeat_ms: self.heartbeat_ms,
            load: self.load,
            memory_used: self.memory_used,
            facts: self.facts.clone(),
            drain: (self.stored.intent == Intent::Draining).then(|| self.drain()),
            slots: self.slots.view(),
            ..self.stored.shown()
        }
    }
}

/// Whether another address or sign-in makes it another place to look at.
pub(super) fn is_elsewhere(old: &StoredNode, new: &StoredNode) -> bool {
    (&old.host, old.port, &old.user, &old.password)
        != (&new.host, new.port, &new.user, &new.password)
}

/// Whether the intent wants that what runs is interrupted now.
pub(super) fn evicts(node: &StoredNode) -> bool {
    node.intent_force
        && match node.intent {
            Intent::Enabled => false,
            Intent::Disabled => true,
            // With a deadline: not before that has passed.
            Intent::Draining => node.intent_until.is_none(),
        }
}

/// In words, for reasons.
pub(super) fn intent_words(node: &StoredNode) -> String {
    let what = match node.intent {
        Intent::Enabled => "enabled",
        Intent::Draining => "draining",
        Intent::Disabled => "disabled",
    };
    let by = node
        .intent_by
        .as_deref()
        .map(|by| format!(" by {by}"))
        .unwrap_or_default();
    let why = node
        .intent_reason
        .as_deref()
        .filter(|r| !r.is_empty())
        .map(|r| format!(": {r}"))
        .unwrap_or_default();
    format!("{what}{by}{why}")
}
