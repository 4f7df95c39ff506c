//! What the event streams were told of the nodes: from it, what changed is found, and told as short as it can be.
//!
//! Each snapshot of a stream is this table, taken under the lock under which it changes and is published, so that a patch always fits what
//! its receiver has.

use super::Grid;
use super::cell::Cell;
use crate::clock;
use crate::hub::{Hub, Subscription};
use gridhelm_api::Millis;
use gridhelm_api::node::{Node, NodeFacts};
use gridhelm_api::patch::{Change, HUNDRED, MIB, Patch, TENTH, THOUSAND, rounded};
use gridhelm_api::stream::Delta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Until a probe tells them anew, streams are told of a load per core when it is so far from what was told.
const LOAD_STEP: f64 = 0.02;
/// The same of a share of memory.
const MEMORY_STEP: f64 = 0.005;
/// The same of how long a heartbeat took, milliseconds, or as large a part of it as [`TOOK_PART`].
const TOOK_STEP: f64 = 0.5;
const TOOK_PART: f64 = 0.25;

/// The nodes as the streams were told of them.
#[derive(Debug, Default)]
pub(super) struct Shown {
    nodes: BTreeMap<String, (u32, Node)>,
    /// The last number that a node was given.
    last: u32,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    whole: Vec<Node>,
    names: Vec<(u32, String)>,
    changes: BTreeMap<u32, (Change, Node)>,
}

/// Nodes whose change is still to be told.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// As soon as others come together with it.
    soon: BTreeSet<String>,
    /// With the next heartbeats.
    beats: BTreeSet<String>,
}

impl Shown {
    /// Takes a node as it is now; at most once for the same news.
    pub(super) fn take(&mut self, node: Node, news: &mut News) {
        let Some((number, told)) = self.nodes.get_mut(&node.name) else {
            let node = coarse(None, node);
            self.last += 1;
            news.names.push((self.last, node.name.clone()));
            news.whole.push(node.clone());
            self.nodes.insert(node.name.clone(), (self.last, node));
            return;
        };
        let node = coarse(Some(&*told), node);
        match Change::between(told, &node) {
            Some(change) if change.is_empty() => return,
            Some(change) => {
                news.changes.insert(*number, (change, node.clone()));
            }
            None => news.whole.push(node.clone()),
        }
        *told = node;
    }

    fn nodes(&self) -> Vec<Node> {
        self.nodes.values().map(|(_, node)| node.clone()).collect()
    }

    /// The numbers of all nodes.
    fn names(&self) -> Patch {
        let names = self.nodes.iter().map(|(name, told)| (told.0, name.clone()));
        Patch {
            names: names.collect(),
            ..Patch::default()
        }
    }
}

impl News {
    /// Publishes all of it.
    pub(super) fn publish(self, hub: &Hub, now: Millis) {
        for node in self.whole {
            hub.publish(&Delta::Node(Box::new(node)));
        }
        if self.names.is_empty() && self.changes.is_empty() {
            return;
        }
        let (numbered, nodes): (Vec<_>, Vec<_>) = self
            .changes
            .into_iter()
            .map(|(number, (change, node))| ((number, change), node))
            .unzip();
        let patch = Patch {
            names: self.names,
            ..Patch::of(now, &numbered)
        };
        hub.publish_patch(&patch, nodes.iter());
    }
}

/// A node as streams are told of it: what differs with each heartbeat stays as it was told until it is another by a step that people care
/// for, or a probe brings all of it.
fn coarse(told: Option<&Node>, mut node: Node) -> Node {
    node.last_heartbeat = node.last_heartbeat.map(on_the_tenth);
    node.facts = node.facts.map(|facts| NodeFacts {
        memory_available: facts.memory_available / MIB * MIB,
        disk_free: facts.disk_free / MIB * MIB,
        at: on_the_tenth(facts.at),
        ..facts
    });
    // Nothing to hold on to before it was told, nor when it was probed since.
    let told = told.filter(|told| told.facts == node.facts);
    let held = |told: Option<f64>, now: Option<f64>, of_one: f64, step: f64| {
        let now = now.map(|value| rounded(value, of_one));
        match (told, now) {
            (Some(told), Some(now)) if (told - now).abs() < step => Some(told),
            _ => now,
        }
    };
    let took = told.and_then(|told| told.heartbeat_ms);
    let step = took.map_or(0.0, |took| TOOK_STEP.max(took * TOOK_PART));
    node.heartbeat_ms = held(took, node.heartbeat_ms, HUNDRED, step);
    node.load = held(
        told.and_then(|told| told.load),
        node.load,
        HUNDRED,
        LOAD_STEP,
    );
    let memory = told.and_then(|told| told.memory_used);
    node.memory_used = held(memory, node.memory_used, THOUSAND, MEMORY_STEP);
    node
}

fn on_the_tenth(at: Millis) -> Millis {
    at - at.rem_euclid(TENTH)
}

impl Grid {
    /// All nodes as the streams were told of them, the numbers by which patches name them, and what follows from there: the number of the
    /// last delta, and everything after it. `None` on a server that is not active.
    pub(crate) fn told(&self) -> Option<(Vec<Node>, Patch, (u64, Subscription))> {
        self.on_duty()?;
        let mut shown = self.lock_shown();
        // Heartbeats that nobody was told of, as nobody listened.
        let due = self.due(true);
        self.tell(&mut shown, &due);
        Some((shown.nodes(), shown.names(), self.hub.subscribe()))
    }

    /// Publishes a node now.
    pub(super) fn publish(&self, cell: &Cell) {
        let Some(cell) = self.cell(&cell.name) else {
            return;
        };
        self.tell(&mut self.lock_shown(), &[cell]);
    }

    /// Publishes a node within 100 ms, together with what else changes of it until then.
    pub(super) fn publish_soon(&self, cell: &Cell) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.soon.insert(cell.name.clone()) {
            self.pending_soon.notify_one();
        }
    }

    /// Publishes a node's heartbeat with those of the others, within a second.
    pub(super) fn publish_beat(&self, cell: &Cell) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.beats.contains(&cell.name) {
            pending.beats.insert(cell.name.clone());
        }
    }

    /// Publishes what is to be told by now; heartbeats only when asked for, and while somebody listens.
    pub(super) fn publish_due(&self, beats: bool) {
        let due = self.due(beats && self.hub.listeners() > 0);
        self.tell(&mut self.lock_shown(), &due);
    }

    /// Tells that a node was removed.
    pub(super) fn publish_removed(&self, name: &str) {
        let mut shown = self.lock_shown();
        shown.nodes.remove(name);
        self.hub.publish(&Delta::NodeRemoved {
            name: name.to_owned(),
        });
    }

    /// Nobody is told of nodes any more until this server is active again.
    pub(super) fn forget_told(&self) {
        self.lock_shown().nodes.clear();
    }

    fn lock_shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, beats: bool) -> Vec<Arc<Cell>> {
        let names = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let Pending { soon, beats: later } = &mut *pending;
            let mut names = std::mem::take(soon);
            if beats {
                names.append(later);
            } else {
                for name in &names {
                    later.remove(name);
                }
            }
            names
        };
        names.iter().filter_map(|name| self.cell(name)).collect()
    }

    fn tell(&self, shown: &mut Shown, cells: &[Arc<Cell>]) {
        let mut news = News::default();
        for cell in cells {
            // One that was removed meanwhile is not told of again.
            let here = self.cell(&cell.name);
            if here.is_some_and(|here| Arc::ptr_eq(&here, cell)) {
                let node = cell.lock().view();
                shown.take(node, &mut news);
            }
        }
        news.publish(&self.hub, clock::now());
    }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
