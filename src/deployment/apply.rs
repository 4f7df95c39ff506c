//! Applies changes to the live state, a frame's worth at a time, each touching only what it changes.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::reactive::ArcRwSignal;
use gridhelm_api::event::Event;
use gridhelm_api::group::{Group as GroupInfo, ServerRole, ServerStatus};
use gridhelm_api::node::Node;
use gridhelm_api::patch::{Misfit, Names, Patch};
use gridhelm_api::stream::{Delta, Snapshot};
use gridhelm_api::switch::{StepState, SwitchRecord, SwitchState};
use gridhelm_api::task::{ConsoleChunk, Task};

use super::keyed::Dirty;
use super::state::Group;
use super::tally::Tally;

/// The most tasks kept of a group; the Tasks page asks the server for older ones.
const TASKS: usize = 500;
/// The most events kept of a group; the Events page asks the server for older ones.
const EVENTS: usize = 500;
/// The most pieces of console output kept of a task that is watched.
const CONSOLE: usize = 20_000;

/// What a batch has changed so far.
struct Batch {
    group: &'static Group,
    nodes: Dirty,
    tasks: Dirty,
    tally: Tally,
    /// Whether a node has more or fewer slots than it had.
    reshaped: bool,
    events: Option<VecDeque<Event>>,
    misfit: Option<usize>,
}

/// Applies changes in the order in which they came. A server that takes the active role, or gives it up, sends a new snapshot: until then
/// what was known stays. Gives back a server of which a change did not fit: the whole is needed from it.
pub(super) fn apply(group: &'static Group, changes: Vec<(usize, Delta)>) -> Option<usize> {
    let mut batch = Batch {
        group,
        nodes: Dirty::default(),
        tasks: Dirty::default(),
        tally: group.tally.get_untracked(),
        reshaped: false,
        events: None,
        misfit: None,
    };
    for (server, delta) in changes {
        batch.apply(server, delta);
    }
    group.nodes.flush(batch.nodes);
    if batch.reshaped {
        group.shape.update(|shape| *shape += 1);
    }
    group.tasks.truncate(TASKS, &mut batch.tasks);
    group.tasks.flush(batch.tasks);
    set_changed(&group.tally, batch.tally);
    if let Some(events) = batch.events {
        group.events.set(Arc::new(events.into()));
    }
    batch.misfit
}

impl Batch {
    fn apply(&mut self, server: usize, delta: Delta) {
        let source = self.group.source.get_untracked() == Some(server);
        match delta {
            Delta::Snapshot(snapshot) => self.snapshot(server, *snapshot),
            Delta::Server(status) => self.status(server, status),
            Delta::Group(info) => self.info(info),
            Delta::Node(node) if source => self.node(*node),
            Delta::Patch(patch) if source => {
                let fits = self.patch(server, *patch);
                self.misfit = fits.err().map(|_| server).or(self.misfit);
            }
            Delta::NodeRemoved { name } if source => {
                if let Some(before) = self.group.nodes.remove(&name, &mut self.nodes) {
                    self.tally.remove(&before);
                }
            }
            Delta::Task(task) if source => self.task(*task),
            Delta::Console { task, chunks } if source => self.group.append_console(&task, chunks),
            Delta::Event(event) => self.event(event),
            Delta::Switch(record) => self.switch(*record),
            Delta::Repository { .. } => self.group.repository.update(|revision| *revision += 1),
            Delta::Tick {
                stats: Some(stats), ..
            } if source => set_changed(&self.group.stats, stats),
            // What a server says of a grid that is no longer, or not yet, its own.
            _ => {}
        }
    }

    fn snapshot(&mut self, server: usize, snapshot: Snapshot) {
        self.status(server, snapshot.server);
        self.info(snapshot.group);
        for event in snapshot.events.into_iter().rev() {
            self.event(event);
        }
        if let Some(record) = snapshot.switch {
            self.switch(record);
        }
        if self.group.source.get_untracked() != Some(server) {
            return;
        }
        let group = self.group;
        self.tally = Tally::default();
        self.reshaped = true;
        let names: std::collections::HashSet<&str> = snapshot
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect();
        group
            .nodes
            .retain(|name| names.contains(name), &mut self.nodes);
        for node in &snapshot.nodes {
            self.tally.add(node);
        }
        for node in snapshot.nodes {
            let name = node.name.clone();
            group.nodes.put(&name, node, &mut self.nodes);
        }
        let ids: std::collections::HashSet<&str> =
            snapshot.tasks.iter().map(|task| task.id.as_str()).collect();
        group.tasks.retain(|id| ids.contains(id), &mut self.tasks);
        for task in snapshot.tasks {
            self.task(task);
        }
        set_changed(&group.stats, snapshot.stats);
        group.repository.update(|revision| *revision += 1);
    }

    fn status(&mut self, server: usize, status: ServerStatus) {
        let group = self.group;
        set_changed(&group.servers[server].status, Some(status));
        let roles: Vec<Option<i64>> = group
            .servers
            .iter()
            .map(|server| {
                server.status.with_untracked(|status| {
                    status
                        .as_ref()
                        .filter(|status| {
                            matches!(status.role, ServerRole::Active | ServerRole::Leaving)
                        })
                        .map(|status| status.epoch)
                })
            })
            .collect();
        set_changed(
            &group.source,
            pick_source(&roles, group.source.get_untracked()),
        );
    }

    /// The group as the server of the highest epoch knows it; of the same epoch, the latest word.
    fn info(&mut self, info: GroupInfo) {
        let newer = self.group.info.with_untracked(|present| {
            present
                .as_ref()
                .is_none_or(|present| info.epoch >= present.epoch)
        });
        if newer {
            set_changed(&self.group.info, Some(info));
        }
    }

    fn node(&mut self, node: Node) {
        let name = node.name.clone();
        self.put(&name, node);
    }

    fn put(&mut self, name: &str, node: Node) {
        let slots = node.slots.len();
        self.tally.add(&node);
        if let Some(before) = self.group.nodes.put(name, node, &mut self.nodes) {
            self.tally.remove(&before);
            self.reshaped |= before.slots.len() != slots;
        }
    }

    /// What changed of some nodes, by a server's names of them.
    fn patch(&mut self, server: usize, mut patch: Patch) -> Result<(), Misfit> {
        let group = self.group;
        let mut known = group.names.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != Some(server) {
            // The numbers are each server's own.
            *known = (Some(server), Names::default());
        }
        known.1.learn(std::mem::take(&mut patch.names))?;
        let mut fits = Ok(());
        patch.each(|number, change| {
            let name = known.1.get(number);
            let Some((name, node)) = name.and_then(|name| Some((name, group.nodes.find(name)?)))
            else {
                fits = Err(Misfit);
                return;
            };
            let mut node = Node::clone(&node.get_untracked());
            match change.apply(&mut node) {
                Ok(()) => self.put(name, node),
                misfit => fits = misfit,
            }
        })?;
        fits
    }

    fn task(&mut self, task: Task) {
        let id = task.id.clone();
        self.group.tasks.put(&id, task, &mut self.tasks);
    }

    /// Every server of the group tells the same journal; each event counts once.
    fn event(&mut self, event: Event) {
        let group = self.group;
        let events = self
            .events
            .get_or_insert_with(|| group.events.get_untracked().iter().cloned().collect());
        let at = events
            .iter()
            .position(|present| present.id <= event.id)
            .unwrap_or(events.len());
        if events.get(at).is_some_and(|present| present.id == event.id) || at >= EVENTS {
            return;
        }
        events.insert(at, event);
        events.truncate(EVENTS);
    }

    fn switch(&mut self, record: SwitchRecord) {
        let newer = self.group.switch.with_untracked(|present| match present {
            Some(present) if present.id == record.id => progress(&record) >= progress(present),
            Some(present) => record.started_at >= present.started_at,
            None => true,
        });
        if newer {
            set_changed(&self.group.switch, Some(record));
        }
    }
}

impl Group {
    /// The console output of a task, from now on; earlier pieces come by [`append_console`](Self::append_console) from what the page fetches.
    pub fn watch_console(&self, task: &str) -> ArcRwSignal<Arc<Vec<ConsoleChunk>>> {
        let mut consoles = self.consoles.lock().unwrap_or_else(PoisonError::into_inner);
        consoles
            .entry(task.to_owned())
            .or_insert_with(|| ArcRwSignal::new(Arc::default()))
            .clone()
    }

    /// Stops keeping the console output of a task.
    pub fn unwatch_console(&self, task: &str) {
        self.consoles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(task);
    }

    /// Merges pieces of console output into what is kept of a watched task: each once, in order.
    pub fn append_console(&self, task: &str, chunks: Vec<ConsoleChunk>) {
        let console = self
            .consoles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(task)
            .cloned();
        let Some(console) = console else { return };
        console.update(|kept| {
            let kept = Arc::make_mut(kept);
            for chunk in chunks {
                match kept.binary_search_by_key(&chunk.seq, |kept| kept.seq) {
                    Ok(_) => {}
                    Err(at) => kept.insert(at, chunk),
                }
            }
            let surplus = kept.len().saturating_sub(CONSOLE);
            kept.drain(..surplus);
        });
    }
}

/// Whose grid is shown: of the servers that say they are active, that of the highest epoch; the present one as long as nobody else says so.
fn pick_source(epochs: &[Option<i64>], present: Option<usize>) -> Option<usize> {
    let best = epochs
        .iter()
        .enumerate()
        .filter_map(|(index, epoch)| epoch.map(|epoch| (epoch, present == Some(index), index)))
        .max();
    best.map(|(_, _, index)| index).or(present)
}

/// How far a switch has come: two servers tell of it, each with what it has seen.
fn progress(record: &SwitchRecord) -> (bool, usize) {
    let steps = record.steps.iter().map(|step| match step.state {
        StepState::Todo => 0,
        StepState::Now => 1,
        StepState::Done | StepState::Failed => 2,
    });
    (record.state != SwitchState::Running, steps.sum())
}

fn set_changed<T: PartialEq + Send + Sync + 'static>(signal: &ArcRwSignal<T>, value: T) {
    if signal.with_untracked(|present| *present != value) {
        signal.set(value);
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
