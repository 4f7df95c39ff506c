//! A task that waits or runs in this process.

use super::console::Console;
use super::queue::Waiting;
use crate::clock;
use crate::grid::Need;
use crate::hub::Hub;
use crate::store::{AttemptEnd, AttemptStart, StoredTask};
use gridhelm_api::Millis;
use gridhelm_api::packages::{Needs, needs};
use gridhelm_api::stream::Delta;
use gridhelm_api::task::{Attempt, ConsoleKind, FailureKind, Task, TaskFailure, TaskState};
use gridhelm_rserve::run::RunEvent;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// A task in this process's hands, until it is final, uncertain or another server's.
pub(super) struct Live {
    pub(super) id: String,
    /// Whose it is.
    pub(super) user: Arc<str>,
    /// The packages that its code names.
    pub(super) needs: Arc<Needs>,
    /// Whether it may share a session with other tasks of its account. A task that another server takes over has one of its own.
    pub(super) reuse: bool,
    state: Mutex<LiveState>,
    /// Who cancelled it.
    pub(super) cancelled: watch::Sender<Option<String>>,
    /// The attempt whose R session a person wants ended; who, and why.
    pub(super) session_ends: watch::Sender<Option<(u32, String)>>,
    /// The number of the last attempt that ended (and is committed); 0 before the first.
    pub(super) over: watch::Sender<u32>,
    /// Nothing more happens to it here.
    pub(super) done: watch::Sender<bool>,
}

/// What changes of it.
pub(super) struct LiveState {
    pub(super) stored: StoredTask,
    pub(super) console: Console,
    /// Where its last attempt was lost.
    pub(super) avoid: Option<String>,
    /// Since when it waits.
    pub(super) queued_at: Millis,
}

impl Live {
    /// `console_from`: the number of its next console chunk; earlier ones are in the store.
    pub(super) fn new(stored: StoredTask, console_from: u64) -> Self {
        let last = stored.task.attempts.last();
        let avoid = last.filter(|a| a.failure.is_some()).map(|a| a.node.clone());
        Self {
            id: stored.task.id.clone(),
            user: stored.task.submitted_by.as_str().into(),
            needs: Arc::new(needs(&stored.code)),
            reuse: false,
            state: Mutex::new(LiveState {
                queued_at: clock::now(),
                console: Console::new(console_from),
                avoid,
                stored,
            }),
            cancelled: watch::Sender::new(None),
            session_ends: watch::Sender::new(None),
            over: watch::Sender::new(0),
            done: watch::Sender::new(false),
        }
    }

    /// The same, and whether it may share a session.
    pub(super) fn reusing(self, reuse: bool) -> Self {
        Self { reuse, ..self }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task as the API shows it, whole.
    pub(super) fn task(&self) -> Task {
        self.lock().stored.task.clone()
    }

    /// What it needs of a node.
    pub(super) fn need(&self) -> Need {
        let state = self.lock();
        Need {
            waited_for: state.stored.waited_for,
            label: state.stored.label.clone(),
            avoid: state.avoid.clone(),
            packages: Arc::clone(&self.needs),
            reuse: self.reuse.then(|| Arc::clone(&self.user)),
        }
    }

    /// As it stands in the queue.
    pub(super) fn waiting(&self) -> Waiting {
        let priority = self.lock().stored.task.priority;
        Waiting {
            priority,
            user: Arc::clone(&self.user),
            need: self.need(),
        }
    }

    /// Adds to its console and sends on what is due.
    pub(super) fn say(&self, hub: &Hub, kind: ConsoleKind, text: &str) {
        self.lock().console.push(kind, text);
        self.send(hub, false);
    }

    /// Takes what R tells.
    pub(super) fn take(&self, hub: &Hub, event: &RunEvent) {
        match event {
            RunEvent::Output { text } => self.say(hub, ConsoleKind::Output, text),
            RunEvent::Message { text } => self.say(hub, ConsoleKind::Message, text),
            RunEvent::Warning { text } => self.say(hub, ConsoleKind::Warning, text),
            RunEvent::Quit { status } => self.say(
                hub,
                ConsoleKind::System,
                &format!("The code called quit() with status {status}.\n"),
            ),
            // Progress is shown nowhere yet.
            _ => {}
        }
    }

    /// Sends console output on: what is due, or all of it.
    pub(super) fn send(&self, hub: &Hub, all: bool) {
        let chunks = self.lock().console.take_due(Instant::now(), all);
        if !chunks.is_empty() {
            hub.publish(&Delta::Console {
                task: self.id.clone(),
                chunks,
            });
        }
    }

    /// Publishes the task as in lists.
    pub(super) fn publish(&self, hub: &Hub) {
        let task = listed(&self.lock().stored.task);
        hub.publish(&Delta::Task(Box::new(task)));
    }

    /// An attempt began (and is committed).
    pub(super) fn started(&self, start: &AttemptStart, epoch: i64) {
        let mut state = self.lock();
        let task = &mut state.stored.task;
        task.state = TaskState::Running;
        task.started_at = task.started_at.or(Some(start.at));
        task.attempts.push(Attempt {
            number: start.number,
            node: start.node.clone(),
            slot: start.slot,
            pid: Some(start.pid),
            epoch,
            started_at: start.at,
            ended_at: None,
            failure: None,
        });
    }

    /// An attempt is over, and its session with it, as far as that can be said.
    pub(super) fn left(&self, number: u32) {
        self.over.send_replace(number);
    }

    /// An attempt ended (and is committed).
    pub(super) fn ended(&self, end: AttemptEnd) {
        let mut state = self.lock();
        state.console.stored();
        state.queued_at = end.at;
        let task = &mut state.stored.task;
        task.state = end.state;
        if let Some(attempt) = task.attempts.iter_mut().find(|a| a.number == end.number) {
            attempt.ended_at = Some(end.at);
            attempt.failure.clone_from(&end.failure);
        }
        if end.state == TaskState::Queued {
            return;
        }
        task.ended_at = end.state.is_final().then_some(end.at);
        task.failure = end.failure;
        task.value = end.value;
        task.outputs = end.outputs;
        task.artifacts = end.artifacts;
    }
}

impl LiveState {
    /// The number of its next attempt.
    pub(super) fn next_attempt(&self) -> u32 {
        self.stored.task.attempts.last().map_or(1, |a| a.number + 1)
    }

    /// Attempts that the grid lost.
    pub(super) fn losses(&self) -> usize {
        losses(&self.stored.task)
    }
}

/// Attempts of a task that the grid lost.
pub(super) fn losses(task: &Task) -> usize {
    let lost = |a: &&Attempt| matches!(&a.failure, Some(f) if f.kind == FailureKind::Grid);
    task.attempts.iter().filter(lost).count()
}

/// A task as lists and streams show it.
pub(super) fn listed(task: &Task) -> Task {
    let brief = |failure: &TaskFailure| TaskFailure {
        trace: Vec::new(),
        ..failure.clone()
    };
    Task {
        id: task.id.clone(),
        title: task.title.clone(),
        submitted_by: task.submitted_by.clone(),
        script: task.script.clone(),
        attempts: task
            .attempts
            .iter()
            .map(|a| Attempt {
                node: a.node.clone(),
                failure: None,
                ..*a
            })
            .collect(),
        failure: task.failure.as_ref().map(brief),
        artifacts: task.artifacts.clone(),
        value: None,
        outputs: std::collections::BTreeMap::new(),
        ..*task
    }
}
