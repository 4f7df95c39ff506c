//! Slots with a session that is kept for the next task of an account.

use super::{Entry, Hold, SlotTable};
use gridhelm_api::Millis;
use std::sync::Arc;

impl SlotTable {
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
}

fn is_kept_for(entry: &Entry, user: &str) -> bool {
    !entry.is_silent() && matches!(&entry.hold, Hold::Kept { user: whose, .. } if &**whose == user)
}
