//! Writes the end of an attempt down, then tells it.

use super::live::Live;
use super::lost::End;
use super::phases::Phase;
use super::shift::Shift;
use super::{TaskError, Tasks, outcome, recover};
use crate::clock;
use crate::store::{AttemptEnd, EventDraft, Fence, Notes, StoreError};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::task::{ConsoleKind, FailureKind, Task, TaskState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first pause before a write is tried again; grows to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(1);

impl Tasks {
    /// Commits the end of an attempt, as often as it takes while this server is on duty, and tells it.
    pub(super) async fn finish(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        live: &Arc<Live>,
        node: &str,
        number: u32,
        end: End,
    ) {
        if end.state == TaskState::Queued {
            let text = format!("Attempt {number} ended; it is queued again.\n");
            live.say(&self.hub, ConsoleKind::System, &text);
        }
        let mut end = AttemptEnd {
            task: live.id.clone(),
            number,
            session: end.forget,
            state: end.state,
            at: clock::now(),
            failure: end.failure,
            value: end.value,
            outputs: end.outputs,
            artifacts: end.artifacts,
            console: live.lock().console.to_store(),
        };
        let notes = self.event(live, node, &end);
        let mut pause = FIRST_PAUSE;
        let events = loop {
            let write = self
                .store
                .end_attempt(&shift.duty.fence, &end, notes.clone());
            let written = self.phases.time(Phase::Finish, write).await;
            match written {
                Ok(events) => break events,
                Err(StoreError::Unavailable { message, .. }) => {
                    tracing::warn!(task = live.id, message, "an end waits for the database");
                }
                Err(StoreError::MissingContent { sha256 }) if !end.artifacts.is_empty() => {
                    tracing::error!(task = live.id, sha256, "kept content is gone");
                    end.artifacts.clear();
                }
                Err(error) => {
                    if !matches!(error, StoreError::Fenced { .. }) {
                        tracing::error!(task = live.id, %error, "an end was refused");
                    }
                    return self.let_go(live);
                }
            }
            tokio::select! {
                () = shift.duty.cancel.cancelled() => return self.let_go(live),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LAST_PAUSE);
        };
        let uncertain = end.state == TaskState::Uncertain;
        self.tell(live, node, end);
        self.grid.publish_events(events);
        if uncertain {
            // Its session may still be proven dead.
            recover::settle_soon(self, shift, live);
        }
    }

    fn tell(&self, live: &Arc<Live>, node: &str, end: AttemptEnd) {
        live.send(&self.hub, true);
        let (state_now, at) = (end.state, end.at);
        let began = live
            .lock()
            .stored
            .task
            .attempts
            .last()
            .map(|a| a.started_at);
        live.ended(end);
        {
            let mut state = self.lock();
            state.uncertain.remove(&live.id);
            match state_now {
                TaskState::Queued => {
                    state.stats.repeated(at);
                    live.lock().avoid = Some(node.to_owned());
                    state.queue.push(&live.id, live.waiting());
                }
                TaskState::Uncertain => {
                    state.uncertain.insert(live.id.clone());
                    state.live.remove(&live.id);
                }
                _ => {
                    #[allow(clippy::cast_precision_loss)] // milliseconds
                    let ran = at.saturating_sub(began.unwrap_or(at)).max(0) as f64;
                    state.stats.ended(at, ran);
                    state.live.remove(&live.id);
                }
            }
        }
        live.publish(&self.hub);
        if live.needs.installs {
            self.grid.packages_changed(node);
        }
        if state_now == TaskState::Queued {
            self.wake.notify_one();
        } else {
            live.done.send_replace(true);
        }
    }

    /// The journal's word of an end; none for what ended well or was asked for.
    fn event(&self, live: &Live, node: &str, end: &AttemptEnd) -> Notes {
        let failure = end.failure.as_ref();
        let grid = failure.is_some_and(|f| f.kind == FailureKind::Grid);
        let (severity, kind) = match end.state {
            TaskState::Failed if grid => (Severity::Fail, "task.failed"),
            TaskState::Failed => (Severity::Warn, "task.failed"),
            TaskState::Queued => (Severity::Warn, "task.repeated"),
            TaskState::Uncertain => (Severity::Fail, "task.uncertain"),
            _ => return Notes::default(),
        };
        let title = live.lock().stored.task.title.clone();
        let why: String = failure
            .map_or("", |f| f.message.as_str())
            .chars()
            .take(300)
            .collect();
        let event = EventDraft {
            severity,
            topic: Topic::Task,
            kind,
            subject: live.id.clone(),
            message: format!("{title} on {node}: {why}"),
            actor: self.grid.server.clone(),
        };
        Notes {
            events: vec![event],
            audit: Vec::new(),
        }
    }

    /// Cancels a task that is not in hands here: an uncertain one; others are final.
    pub(super) async fn cancel_settled(
        &self,
        fence: &Fence,
        id: &str,
        by: &str,
        notes: Notes,
    ) -> Result<(), TaskError> {
        let Some(stored) = self.store.task(id).await? else {
            return Err(TaskError::NotFound(id.to_owned()));
        };
        let task: Task = stored.task;
        let number = match (task.state, task.attempts.last()) {
            (TaskState::Uncertain, Some(last)) => last.number,
            (state, _) if state.is_final() => {
                return Err(TaskError::Conflict(format!("task {id} has ended already")));
            }
            _ => {
                return Err(TaskError::Conflict(format!(
                    "task {id} is between two servers; try again in a moment"
                )));
            }
        };
        let end = AttemptEnd {
            task: id.to_owned(),
            number,
            session: None,
            state: TaskState::Cancelled,
            at: clock::now(),
            failure: Some(outcome::cancelled(by)),
            value: None,
            outputs: BTreeMap::new(),
            artifacts: Vec::new(),
            console: Vec::new(),
        };
        let events = self.store.end_attempt(fence, &end, notes).await?;
        self.lock().uncertain.remove(id);
        if let Some(stored) = self.store.task(id).await? {
            Live::new(stored, 0).publish(&self.hub);
        }
        self.grid.publish_events(events);
        Ok(())
    }
}
