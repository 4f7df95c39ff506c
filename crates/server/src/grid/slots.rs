//! A node's slots: what holds each, and what is shown of it. A function of values.

use gridhelm_api::Millis;
use gridhelm_api::node::{Intent, Slot, SlotState};
use std::collections::HashMap;
use std::sync::Arc;

/// What holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hold {
    /// Nothing.
    Free,
    /// A session is being opened ahead.
    Opening,
    /// A session was opened ahead.
    Ready { pid: i64 },
    /// A session that ran tasks of an account and waits for the next one of it.
    Kept {
        pid: i64,
        user: Arc<str>,
        /// How many tasks it ran.
        tasks: u32,
        until: Millis,
    },
    /// A task.
    Busy { task: String, pid: Option<i64> },
    /// A task whose deadline has passed; it is being stopped.
    Stalled { task: String, pid: Option<i64> },
    /// A session that must be ended before the slot is free.
    Doomed {
        session: String,
        by: String,
        pid: i64,
    },
}

/// What applies to all slots of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// What people want of the node.
    pub intent: Intent,
    /// Whether the node's health lets its slots take work.
    pub usable: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    hold: Hold,
    shown: SlotState,
    since: Millis,
}

/// The slots of one node. Slots are counted from 0 here, from 1 on screens.
#[derive(Debug, Clone)]
pub struct SlotTable {
    entries: Vec<Entry>,
    limit: usize,
    condition: Condition,
}

impl SlotTable {
    /// `limit` free slots.
    pub fn new(limit: u32, condition: Condition, now: Millis) -> Self {
        let mut table = Self {
            entries: Vec::new(),
            limit: 0,
            condition,
        };
        table.resize(limit, now);
        table
    }

    /// Sets how many slots there are. Held ones beyond the limit stay until they are let go.
    pub fn resize(&mut self, limit: u32, now: Millis) {
        self.limit = limit as usize;
        while self.entries.len() < self.limit {
            self.entries.push(Entry {
                hold: Hold::Free,
                shown: SlotState::Idle,
                since: now,
            });
        }
        self.refresh(now);
    }

    /// Sets what applies to all slots.
    pub fn set_condition(&mut self, condition: Condition, now: Millis) {
        self.condition = condition;
        self.refresh(now);
    }

    /// Whether tasks may take slots now.
    pub fn open_for_work(&self) -> bool {
        self.condition.usable && self.condition.intent == Intent::Enabled
    }

    /// Slots that a task could take at once, and how many of them have a session opened ahead.
    pub fn available(&self) -> (usize, usize) {
        if !self.open_for_work() {
            return (0, 0);
        }
        self.within().fold((0, 0), |(all, ready), e| match e.hold {
            // One that is kept gives way to whoever needs its slot.
            Hold::Free | Hold::Kept { .. } => (all + 1, ready),
            Hold::Ready { .. } => (all + 1, ready + 1),
            _ => (all, ready),
        })
    }

    /// Slots held by tasks.
    pub fn busy(&self) -> usize {
        self.entries
            .iter()
            .filter(|e| matches!(e.hold, Hold::Busy { .. } | Hold::Stalled { .. }))
            .count()
    }

    /// Sessions opened ahead or being opened.
    pub fn ahead(&self) -> usize {
        self.entries
            .iter()
            .filter(|e| matches!(e.hold, Hold::Opening | Hold::Ready { .. }))
            .count()
    }

    /// How many slots there should be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Slots that count as usable in the node's history: what a task could hold, held or not.
    pub fn usable(&self) -> u32 {
        if !self.open_for_work() {
            return 0;
        }
        let usable = self
            .within()
            .filter(|e| !matches!(e.hold, Hold::Doomed { .. }))
            .count();
        u32::try_from(usable).unwrap_or(u32::MAX)
    }

    /// Slots that are held by sessions which must be ended.
    pub fn zombies(&self) -> u32 {
        let zombies = self
            .entries
            .iter()
            .filter(|e| matches!(e.hold, Hold::Doomed { .. }))
            .count();
        u32::try_from(zombies).unwrap_or(u32::MAX)
    }

    /// Whether a session is kept for the next task of this account.
    pub fn keeps_for(&self, user: &str) -> bool {
        self.open_for_work() && self.within().any(|e| is_kept_for(e, user))
    }

    /// Takes the slot of a session that is kept for the next task of this account; how many tasks that session ran.
    pub fn claim_kept(&mut self, task: &str, user: &str, now: Millis) -> Option<(usize, u32)> {
        if !self.open_for_work() {
            return None;
        }
        let index = self.within().position(|e| is_kept_for(e, user))?;
        let Hold::Kept { pid, tasks, .. } = self.entries[index].hold else {
            return None;
        };
        let (task, pid) = (task.to_owned(), Some(pid));
        self.put(index, Hold::Busy { task, pid }, now);
        Some((index, tasks))
    }

    /// Keeps the session of a task that ended, the `tasks`-th it ran, for the next one of this account. `false`: the
    /// slot is not wanted any more.
    pub fn keep(
        &mut self,
        index: usize,
        pid: i64,
        user: &Arc<str>,
        tasks: u32,
        until: Millis,
        now: Millis,
    ) -> bool {
        let by_task = matches!(self.hold(index), Some(Hold::Busy { .. }));
        let wanted = by_task && index < self.limit && self.open_for_work();
        if wanted {
            let user = Arc::clone(user);
            let kept = Hold::Kept {
                pid,
                user,
                tasks,
                until,
            };
            self.put(index, kept, now);
        }
        wanted
    }

    /// Frees the slots of sessions that were kept for long enough.
    pub fn expire(&mut self, now: Millis) -> Vec<usize> {
        let over = |e: &Entry| matches!(e.hold, Hold::Kept { until, .. } if until <= now);
        let indices = self.entries.iter().enumerate();
        let found: Vec<usize> = indices.filter(|(_, e)| over(e)).map(|(i, _)| i).collect();
        for index in &found {
            self.put(*index, Hold::Free, now);
        }
        found
    }

    /// Takes a slot for a task: one with a session opened ahead first, and last one whose session is kept for another
    /// account and has to go. Answers the slot and the process of the session opened ahead.
    pub fn claim(&mut self, task: &str, now: Millis) -> Option<(usize, Option<i64>)> {
        if !self.open_for_work() {
            return None;
        }
        let free = |e: &Entry| e.hold == Hold::Free;
        let ready = |e: &Entry| matches!(e.hold, Hold::Ready { .. });
        let kept = |e: &Entry| matches!(e.hold, Hold::Kept { .. });
        let index = self
            .within()
            .position(ready)
            .or_else(|| self.within().position(free))
            .or_else(|| self.within().position(kept))?;
        let pid = match self.entries[index].hold {
            Hold::Ready { pid } => Some(pid),
            _ => None,
        };
        let task = task.to_owned();
        self.put(index, Hold::Busy { task, pid }, now);
        Some((index, pid))
    }

    /// Takes a free slot to open a session ahead in it.
    pub fn reserve(&mut self, now: Millis) -> Option<usize> {
        if !self.open_for_work() {
            return None;
        }
        let index = self.within().position(|e| e.hold == Hold::Free)?;
        self.put(index, Hold::Opening, now);
        Some(index)
    }

    /// The session opened ahead in a reserved slot is ready. `false`: the slot is not wanted any more.
    pub fn ready(&mut self, index: usize, pid: i64, now: Millis) -> bool {
        let wanted =
            index < self.limit && self.open_for_work() && self.hold(index) == Some(&Hold::Opening);
        if wanted {
            self.put(index, Hold::Ready { pid }, now);
        }
        wanted
    }

    /// A task's session runs as this process.
    pub fn running(&mut self, index: usize, pid: i64, now: Millis) {
        if let Some(Hold::Busy { task, .. }) = self.hold(index) {
            let task = task.clone();
            self.put(
                index,
                Hold::Busy {
                    task,
                    pid: Some(pid),
                },
                now,
            );
        }
    }

    /// A task's deadline has passed, or someone cancelled it: it is being stopped.
    pub fn stall(&mut self, index: usize, now: Millis) {
        if let Some(Hold::Busy { task, pid }) = self.hold(index) {
            let (task, pid) = (task.clone(), *pid);
            self.put(index, Hold::Stalled { task, pid }, now);
        }
    }

    /// Lets a slot go that a task, an opening or a session opened ahead holds. A doomed slot stays.
    pub fn free(&mut self, index: usize, now: Millis) {
        if !matches!(self.hold(index), None | Some(Hold::Doomed { .. })) {
            self.put(index, Hold::Free, now);
        }
    }

    /// Marks that a session must be ended before its slot is free: in `index`, or else in the first free
    /// slot. With no slot left the session is reclaimed all the same, only not shown.
    pub fn doom(
        &mut self,
        index: Option<usize>,
        session: &str,
        by: &str,
        pid: i64,
        now: Millis,
    ) -> bool {
        let index = index
            .filter(|i| *i < self.entries.len())
            .or_else(|| self.entries.iter().position(|e| e.hold == Hold::Free));
        let Some(index) = index else { return false };
        let hold = Hold::Doomed {
            session: session.to_owned(),
            by: by.to_owned(),
            pid,
        };
        self.put(index, hold, now);
        true
    }

    /// A doomed session is proven dead: its slot is free.
    pub fn buried(&mut self, session: &str, now: Millis) {
        let found = self
            .entries
            .iter()
            .position(|e| matches!(&e.hold, Hold::Doomed { session: s, .. } if s == session));
        if let Some(index) = found {
            self.put(index, Hold::Free, now);
        }
    }

    /// The processes that tasks or sessions opened ahead have in slots, with the task.
    pub fn held(&self) -> HashMap<i64, Option<String>> {
        let held = |entry: &Entry| match &entry.hold {
            Hold::Ready { pid } | Hold::Kept { pid, .. } => Some((*pid, None)),
            Hold::Busy { task, pid } | Hold::Stalled { task, pid } => {
                Some(((*pid)?, Some(task.clone())))
            }
            Hold::Free | Hold::Opening | Hold::Doomed { .. } => None,
        };
        self.entries.iter().filter_map(held).collect()
    }

    /// The slots as the API shows them.
    pub fn view(&self) -> Vec<Slot> {
        self.entries.iter().map(view).collect()
    }

    fn within(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take(self.limit)
    }

    fn hold(&self, index: usize) -> Option<&Hold> {
        self.entries.get(index).map(|e| &e.hold)
    }

    fn put(&mut self, index: usize, hold: Hold, now: Millis) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.hold = hold;
        }
        self.refresh(now);
    }

    fn refresh(&mut self, now: Millis) {
        while self.entries.len() > self.limit
            && self.entries.last().is_some_and(|e| e.hold == Hold::Free)
        {
            self.entries.pop();
        }
        let (limit, condition) = (self.limit, self.condition);
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let shown = shown(&entry.hold, condition, index >= limit);
            if shown != entry.shown {
                entry.shown = shown;
                entry.since = now;
            }
        }
    }
}

fn is_kept_for(entry: &Entry, user: &str) -> bool {
    matches!(&entry.hold, Hold::Kept { user: whose, .. } if &**whose == user)
}

fn shown(hold: &Hold, condition: Condition, surplus: bool) -> SlotState {
    let by_task = matches!(hold, Hold::Busy { .. } | Hold::Stalled { .. });
    if condition.intent == Intent::Disabled && !by_task && !matches!(hold, Hold::Doomed { .. }) {
        return SlotState::Disabled;
    }
    if !condition.usable {
        return SlotState::Lost;
    }
    match hold {
        Hold::Doomed { .. } => SlotState::Zombie,
        Hold::Stalled { .. } => SlotState::Stalled,
        _ if surplus || condition.intent != Intent::Enabled => SlotState::Draining,
        Hold::Busy { .. } => SlotState::Busy,
        Hold::Free | Hold::Opening | Hold::Ready { .. } | Hold::Kept { .. } => SlotState::Idle,
    }
}

fn view(entry: &Entry) -> Slot {
    let (task, pid, held_by) = match &entry.hold {
        Hold::Free | Hold::Opening => (None, None, None),
        Hold::Ready { pid } | Hold::Kept { pid, .. } => (None, Some(*pid), None),
        Hold::Busy { task, pid } | Hold::Stalled { task, pid } => (Some(task.clone()), *pid, None),
        Hold::Doomed { by, pid, .. } => (None, Some(*pid), Some(by.clone())),
    };
    Slot {
        state: entry.shown,
        task,
        pid,
        held_by,
        since: entry.since,
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
