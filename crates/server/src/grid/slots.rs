//! A node's slots: what holds each, and what is shown of it. A function of values.

mod kept;

use super::pulse::{Look, Pulse};
use gridhelm_api::Millis;
use gridhelm_api::node::{Intent, Slot, SlotStall, SlotState, StallKind};
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
    /// A task that is being stopped: its deadline has passed, or someone wanted that.
    Stalled {
        task: String,
        pid: Option<i64>,
        why: SlotStall,
    },
    /// A session that must be ended before the slot is free.
    Doomed {
        session: String,
        by: String,
        pid: i64,
    },
}

impl Hold {
    /// The process of a session that a task has or will get.
    const fn session(&self) -> Option<i64> {
        match self {
            Self::Ready { pid } | Self::Kept { pid, .. } => Some(*pid),
            Self::Busy { pid, .. } | Self::Stalled { pid, .. } => *pid,
            Self::Free | Self::Opening | Self::Doomed { .. } => None,
        }
    }
}

/// A session that cannot work any more, or can again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its slot.
    pub index: usize,
    /// Its process.
    pub pid: i64,
    /// The task in it; none where it was only opened ahead.
    pub task: Option<String>,
    /// Why it cannot work; none when it can again.
    pub stall: Option<SlotStall>,
    /// How long it could not, milliseconds; 0 when that begins.
    pub lasted: Millis,
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
    /// What looks at its session saw.
    pulse: Pulse,
    shown: SlotState,
    since: Millis,
}

impl Entry {
    /// Whether it has a session opened ahead that can take a task.
    fn is_ready(&self) -> bool {
        matches!(self.hold, Hold::Ready { .. }) && !self.is_silent()
    }

    /// Whether it has nothing, or a session that is kept and gives way to whoever needs the slot.
    fn is_free(&self) -> bool {
        let kept = matches!(self.hold, Hold::Kept { .. }) && !self.is_silent();
        kept || self.hold == Hold::Free
    }

    fn is_silent(&self) -> bool {
        self.pulse.stall().is_some()
    }

    fn stall(&self) -> Option<SlotStall> {
        let seen = self.pulse.stall();
        match (&self.hold, seen) {
            (Hold::Stalled { why, .. }, None) => Some(why.clone()),
            // What was seen explains why stopping takes long.
            (Hold::Stalled { why, .. }, Some(seen)) => Some(SlotStall {
                what: [why.what.as_str(), "; ", &seen.what].concat(),
                ..seen.clone()
            }),
            (_, seen) => seen.cloned(),
        }
    }
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
                pulse: Pulse::default(),
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
        self.within().fold((0, 0), |(all, ready), e| {
            if e.is_ready() {
                (all + 1, ready + 1)
            } else {
                (all + usize::from(e.is_free()), ready)
            }
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

    /// Takes a slot for a task: one with a session opened ahead first, and last one whose session is kept for another
    /// account and has to go. Answers the slot and the process of the session opened ahead.
    pub fn claim(&mut self, task: &str, now: Millis) -> Option<(usize, Option<i64>)> {
        if !self.open_for_work() {
            return None;
        }
        let free = |e: &Entry| e.hold == Hold::Free;
        let index = self
            .within()
            .position(Entry::is_ready)
            .or_else(|| self.within().position(free))
            .or_else(|| self.within().position(Entry::is_free))?;
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

    /// A task is being stopped, for this reason.
    pub fn stall(&mut self, index: usize, why: &str, now: Millis) {
        if let Some(Hold::Busy { task, pid }) = self.hold(index) {
            let (task, pid) = (task.clone(), *pid);
            let why = SlotStall {
                kind: StallKind::Stopping,
                what: why.to_owned(),
                since: now,
                tries: 1,
                looked_at: now,
                last_good: None,
            };
            self.put(index, Hold::Stalled { task, pid, why }, now);
        }
    }

    /// Up to so many processes of sessions, from a slot on and round again: what is to be looked at next, and the slot to go on from.
    pub fn to_look_at(&self, from: usize, most: usize) -> (Vec<i64>, usize) {
        let count = self.entries.len();
        let mut next = from;
        let mut pids = Vec::new();
        for step in 0..count {
            if pids.len() >= most {
                break;
            }
            let index = (from + step) % count;
            next = index + 1;
            pids.extend(self.entries[index].hold.session());
        }
        (pids, next)
    }

    /// Takes what a look saw of a session's process, if a slot has it still. Answers what turned by that; and whether what is shown did.
    pub fn look(&mut self, pid: i64, look: &Look, now: Millis) -> (Option<Turn>, bool) {
        let has = |entry: &Entry| entry.hold.session() == Some(pid);
        let Some(index) = self.entries.iter().position(has) else {
            return (None, false);
        };
        let entry = &mut self.entries[index];
        let before = entry.pulse.stall().cloned();
        if !entry.pulse.look(look, now) {
            return (None, false);
        }
        let stall = entry.pulse.stall().cloned();
        let turned = before.as_ref().map(|stall| stall.kind) != stall.as_ref().map(|s| s.kind);
        let turn = turned.then(|| Turn {
            index,
            pid,
            task: match &entry.hold {
                Hold::Busy { task, .. } | Hold::Stalled { task, .. } => Some(task.clone()),
                _ => None,
            },
            lasted: before.map_or(0, |stall| now.saturating_sub(stall.since)),
            stall,
        });
        self.refresh(now);
        (turn, true)
    }

    /// Takes a look that failed: nothing was seen of any session.
    pub fn look_failed(&mut self, why: &str, now: Millis) -> (Vec<Turn>, bool) {
        let held = |entry: &Entry| entry.hold.session();
        let pids: Vec<i64> = self.entries.iter().filter_map(held).collect();
        let look = Look::Failed(why.to_owned());
        let mut turns = Vec::new();
        let mut shown = false;
        for pid in pids {
            let (turn, changed) = self.look(pid, &look, now);
            turns.extend(turn);
            shown |= changed;
        }
        (turns, shown)
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
            Hold::Busy { task, pid } | Hold::Stalled { task, pid, .. } => {
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
            if entry.hold.session() != hold.session() {
                entry.pulse = Pulse::default();
            }
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
            let silent = entry.is_silent();
            let shown = shown(&entry.hold, silent, condition, index >= limit);
            if shown != entry.shown {
                entry.shown = shown;
                entry.since = now;
            }
        }
    }
}

fn shown(hold: &Hold, silent: bool, condition: Condition, surplus: bool) -> SlotState {
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
        _ if silent => SlotState::Stalled,
        _ if surplus || condition.intent != Intent::Enabled => SlotState::Draining,
        Hold::Busy { .. } => SlotState::Busy,
        Hold::Free | Hold::Opening | Hold::Ready { .. } | Hold::Kept { .. } => SlotState::Idle,
    }
}

fn view(entry: &Entry) -> Slot {
    let (task, pid, held_by) = match &entry.hold {
        Hold::Free | Hold::Opening => (None, None, None),
        Hold::Ready { pid } | Hold::Kept { pid, .. } => (None, Some(*pid), None),
        Hold::Busy { task, pid } | Hold::Stalled { task, pid, .. } => {
            (Some(task.clone()), *pid, None)
        }
        Hold::Doomed { by, pid, .. } => (None, Some(*pid), Some(by.clone())),
    };
    Slot {
        state: entry.shown,
        task,
        pid,
        held_by,
        since: entry.since,
        stall: entry.stall().filter(|_| entry.shown == SlotState::Stalled),
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
